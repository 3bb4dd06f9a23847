#!/bin/sh
# What the optimizer's state is kept in, as a user sees it: runs learn as with plain state, go on after a checkpoint
# with the same bits, in another layout too, and what cannot be together is refused.
. "$(dirname "$0")/lib.sh"
make_data
shape="--num-layers 2 --hidden-size 32 --num-attention-heads 4 --ffn-hidden-size 64 --swiglu --normalization RMSNorm
    --position-embedding-type rope --disable-bias-linear --vocab-size 96 --tokenizer-type NullTokenizer
    --max-position-embeddings 64 --untie-embeddings-and-output-weights"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 4
    --lr 0.005 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --deterministic-mode --log-params-norm $shape"
# numbers_from NAME FROM: losses and norms from an iteration on, all digits
numbers_from() {
    sed 's/"tokens_per_second.*//; s/"traffic.*//' "$D/$1.jsonl" | tr -d ' ' |
        sed 's/.*"iteration":\([0-9]*\),.*"lm_loss":\([^,]*\),"grad_norm":\([^,]*\),.*"params_norm":\([^,]*\),.*/\1 \2 \3 \4/' |
        awk -v from="$2" '$1 >= from'
}
have_mpi && ranks=2 || ranks=1

# a run that is cut goes on with the same bits: alone, and where two processes share the state out
# resumes NAME OPTIONS...
resumes() {
    who=$1
    shift
    rm -rf "$D/ck"
    job "$who" 1 --train-iters 6 "$@"
    job "$who-cut" 1 --train-iters 6 --exit-interval 3 --save "$D/ck" "$@"
    job "$who-again" 1 --train-iters 6 --load "$D/ck" "$@"
    job "$who-shared" $ranks --train-iters 6 --load "$D/ck" --use-distributed-optimizer "$@"
    numbers_from "$who" 4 >"$D/a"
    for b in again shared; do
        numbers_from "$who-$b" 4 >"$D/b"
        same "$D/a" "$D/b"
    done
    [ "$(wc -l <"$D/a")" = 3 ] || wrong "$who: $(wc -l <"$D/a") steps"
}
resumes swap --swap-optimizer --swap-optimizer-times 3
resumes fp8 --quant-states fp8
resumes hif8 --quant-states hif8
resumes mxfp8 --quant-states mxfp8
resumes 8bit --optimizer adamw_8bit
resumes f16 --use-precision-aware-optimizer --exp-avg-dtype fp16 --exp-avg-sq-dtype fp8

resumes virtual --virtual-optimizer all
resumes part --virtual-optimizer 1e-5
resumes ema --use-ema --ema-decay 0.8

# masters in halves: the run that has them whole, to the bit, a folder and a resumed run likewise
job whole 1 --train-iters 6 --bf16 --save-hf "$D/hf-whole"
resumes halves --bf16 --reuse-fp32-param
numbers_from whole 4 >"$D/b"
same "$D/a" "$D/b"
job halves-hf $ranks --train-iters 6 --bf16 --reuse-fp32-param --use-distributed-optimizer --save-hf "$D/hf-halves"
same "$D/hf-whole/model.safetensors" "$D/hf-halves/model.safetensors"
job from-halves 1 --train-iters 6 --bf16 --load "$D/ck"
numbers_from from-halves 4 >"$D/b"
same "$D/a" "$D/b"

# an average of the weights as a folder: with decay 0 the weights themselves, else the same from every layout and
# from a run that was cut
average() {
    who=$1
    n=$2
    shift 2
    job "$who" "$n" --train-iters 6 --optimizer-selection fused_ema_adamw --save-hf "$D/hf-$who" --save-ema-hf "$D/ema-$who" "$@"
}
average zero 1 --ema-decay 0
same "$D/hf-zero/model.safetensors" "$D/ema-zero/model.safetensors"
average one 1 --ema-decay 0.8
cmp -s "$D/hf-one/model.safetensors" "$D/ema-one/model.safetensors" && wrong "an average that is the weights"
average shared $ranks --ema-decay 0.8 --use-distributed-optimizer
same "$D/ema-one/model.safetensors" "$D/ema-shared/model.safetensors"
average stages $ranks --ema-decay 0.8 --pipeline-model-parallel-size $ranks
same "$D/ema-one/model.safetensors" "$D/ema-stages/model.safetensors"
rm -rf "$D/ck"
job cut 1 --train-iters 6 --exit-interval 3 --save "$D/ck" --use-ema --ema-decay 0.8
average again $ranks --ema-decay 0.8 --use-distributed-optimizer --load "$D/ck"
same "$D/ema-one/model.safetensors" "$D/ema-again/model.safetensors"

# 200 steps learn as much: the mean of the last hundred losses
last_hundred() { sed -n 's/.*"lm_loss": *\([0-9.e+-]*\).*/\1/p' "$D/$1.jsonl" | tail -n 100 | awk '{ s += $1 } END { print s / NR }'; }
job plain 1 --train-iters 200
want=$(last_hundred plain)
for how in "--quant-states fp8" "--quant-states hif8" "--quant-states mxfp8" "--optimizer adamw_8bit"; do
    # shellcheck disable=SC2086
    job learns 1 --train-iters 200 $how
    got=$(last_hundred learns)
    echo "$how $got $want"
    awk -v a="$got" -v b="$want" 'BEGIN { d = a / b - 1; exit !(d < 0.01 && d > -0.01) }' || wrong "$how: a loss of $got, plain $want"
done

expect 2 "--quant-states and --swap-optimizer contradict each other" "$T" pretrain $common --train-iters 1 --quant-states fp8 --swap-optimizer
expect 2 "leave --exp-avg-dtype and --exp-avg-sq-dtype out" "$T" pretrain $common --train-iters 1 --quant-states fp8 \
    --use-precision-aware-optimizer --exp-avg-dtype fp8
expect 2 "which what is rounded at random does not follow" "$T" pretrain $common --train-iters 1 \
    --use-precision-aware-optimizer --exp-avg-dtype fp8 --exp-avg-sq-dtype bf16
expect 2 "--save-ema-hf writes an average of the weights" "$T" pretrain $common --train-iters 1 --save-ema-hf "$D/x"
expect 2 "--use-ema and --swap-optimizer contradict each other" "$T" pretrain $common --train-iters 1 --use-ema --swap-optimizer
expect 2 "--virtual-optimizer half: expected all, gigabytes" "$T" pretrain $common --train-iters 1 --virtual-optimizer half
expect 2 "--virtual-optimizer all: expected all, gigabytes" "$T" pretrain $common --train-iters 1 --virtual-optimizer 1 all
expect 2 "--virtual-optimizer has 3 numbers, for 2 stages" "$T" plan $common --train-iters 1 --world-size 2 \
    --pipeline-model-parallel-size 2 --virtual-optimizer 1 2 3
expect 2 "--reuse-fp32-param goes with --bf16" "$T" pretrain $common --train-iters 1 --reuse-fp32-param
expect 2 "needs second moments in fp32" "$T" pretrain $common --train-iters 1 --bf16 --reuse-fp32-param --quant-states fp8
finish
