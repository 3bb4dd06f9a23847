#!/bin/bash
# far.sh TESSERA TESSERA_FAR: whatever a device's memory is, the results are the same, to the bit. The second
# program's device keeps its memory from the host (far.h): a host that touches it dies.
# shellcheck disable=SC2046,SC2086
. "$(dirname "$0")/../cli/lib.sh"
T=$(realpath "$1") far=$(realpath "$2")
make_data
printf '{"ids": [1, 2, 3, 4]}\n{"ids": [5]}\n{"ids": [6, 7, 80, 9, 10, 11, 2]}\n' >"$D/in.jsonl"

# both NAME COMMAND...: runs in $D/host and in $D/far, which then hold the same
both() {
    name=$1
    shift
    for side in host far; do
        mkdir -p "$D/$side"
        program=$T
        [ $side = host ] || program=$far
        (cd "$D/$side" && TESSERA=$program && "$@") >"$D/out" 2>&1 </dev/null || wrong "$name on $side: exit $?: $(grep -e "^far:" -e "^error" "$D/out" | head -n 2)"
    done
    checks=$((checks + 1))
    numbers "$D/host" >"$D/host.sums"
    numbers "$D/far" >"$D/far.sums"
    [ "$(wc -l <"$D/host.sums")" -ge 1 ] || wrong "$name leaves nothing"
    cmp -s "$D/host.sums" "$D/far.sums" || wrong "$name differs: $(diff "$D/host.sums" "$D/far.sums" | awk '{ print $2 }' | sort -u | tr '\n' ' ')"
    rm -rf "$D/host" "$D/far"
}
numbers() {
    (cd "$1" && find . -name '*.jsonl' -o -name '*.safetensors' | LC_ALL=C sort | while read -r file; do
        echo "$file $(sed 's/, "tokens_per_second.*//' "$file" | cksum)"
    done)
}
run() { "$TESSERA" pretrain $shape $batch --data-path "$D/data_text_document" --seed 5 --threads 2 --train-iters 4 --log-interval 1 \
    --split 80,10,10 --eval-iters 1 --eval-interval 2 "$@"; }
# A run that evaluates, saves twice, goes on from there, begins anew from its weights, and is written as a folder.
again() {
    run --save ck --save-interval 2 --metrics-jsonl m.jsonl "$@" &&
        run --train-iters 6 --load ck --ckpt-step 2 --save on --save-hf hf --metrics-jsonl on.jsonl "$@" &&
        run --train-iters 2 --lr-warmup-iters 1 --load on --finetune --save-hf tuned --async-save --save anew "$@"
}
small="--max-new-tokens 5 --ignore-eos"
use() {
    again "$@" || return
    for bits in "" "--load-in-8bit" "--load-in-4bit" --bf16; do
        "$TESSERA" score --load hf --input "$D/in.jsonl" --output "s$bits.jsonl" --logits "l$bits.safetensors" $bits &&
            "$TESSERA" infer --load on --input "$D/in.jsonl" --output "g$bits.jsonl" $small $bits || return
    done
    "$TESSERA" infer --load hf --input "$D/in.jsonl" --output beams.jsonl --num-beams 3 $small
}
both fp32 use
both bf16 again --bf16 --log-params-norm --log-num-zeros-in-grad
both bf16-moments again --bf16 --use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16 --main-params-dtype bf16
both fp16 again --fp16 --initial-loss-scale 4096
both integers again --bf16 --int8 all
both fp8 again --bf16 --fp8-format hybrid --fp8-amax-history-len 4
both tensorwise again --fp8-format e4m3 --fp8-recipe tensorwise
both sgd again --optimizer sgd --sgd-momentum 0.9 --freeze layers.0
both ordered again --deterministic-mode --recompute-granularity full --recompute-method uniform
both swapped again --bf16 --recompute-granularity full --recompute-method block --swap-layer-input --swap-attention
both swapped-state again --bf16 --swap-optimizer --swap-optimizer-times 3
both virtual-state again --virtual-optimizer all
both virtual-codes again --virtual-optimizer all --quant-states fp8
both masks again --reset-attention-mask --reset-position-ids --eod-mask-loss

if command -v mpirun >/dev/null 2>&1; then
    some() { ranks=$1; shift; mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$ranks" "$TESSERA" pretrain $shape $batch --seed 5 --threads 1 \
        --data-path "$D/data_text_document" --train-iters 3 --log-interval 1 --save ck --metrics-jsonl m.jsonl "$@"; }
    two() { some 2 "$@"; }
    four() { some 4 "$@"; }
    # with evaluations, and from its checkpoint on
    again_two() { two --split 80,20,0 --eval-iters 1 --eval-interval 2 "$@" && two --load ck --train-iters 5 --save on --metrics-jsonl on.jsonl "$@"; }
    both two two
    both two-overlapped two --bf16 --overlap-grad-reduce --ddp-bucket-size 3000
    both two-sent-in-bf16 two --bf16 --grad-reduce-in-bf16
    both two-ordered two --deterministic-mode
    both two-in-background two --async-save --freeze embedding
    # what is shared out
    both state two --bf16 --use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather --log-params-norm
    both state-swapped again_two --bf16 --use-distributed-optimizer --swap-optimizer --overlap-param-gather
    both state-ordered two --deterministic-mode --use-distributed-optimizer
    both grads two --bf16 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads --grad-reduce-in-bf16
    both values again_two --bf16 --use-torch-fsdp2 --overlap-grad-reduce
    both values-ordered two --use-torch-fsdp2 --deterministic-mode
    both values-bf16 again_two --bf16 --use-torch-fsdp2 --use-precision-aware-optimizer --main-params-dtype bf16
    both copies four --use-distributed-optimizer --num-distributed-optimizer-instances 2
    echo "zero3_size: 2" >"$D/layerzero.yml"
    both near four --bf16 --layerzero --layerzero-config "$D/layerzero.yml"
else
    echo "no mpirun: jobs of two processes are left out"
fi

# A device that fails: every command says so and hands out nothing.
train --train-iters 2 --lr-warmup-iters 0 --save "$D/ck" --save-hf "$D/hf" >"$D/out" 2>&1 || wrong "a model to fail with: exit $?"
failing() { # failing LAUNCH COMMAND...
    n=$1
    shift
    expect 1 "launch $n was not carried out" env TESSERA_FAR_FAILS="$n" "$far" "$@"
}
job="pretrain $shape $batch --data-path $D/data_text_document --seed 5"
failing 40 $job --train-iters 4 --save "$D/none"
[ -z "$(find "$D/none" -name 'iter_*' 2>/dev/null)" ] || wrong "a device that failed was saved"
failing 40 $job --train-iters 4 --load "$D/ck" --save-hf "$D/none-hf"
absent "$D/none-hf"
failing 9 score --load "$D/hf" --input "$D/in.jsonl" --output "$D/s.jsonl"
failing 9 infer --load "$D/hf" --input "$D/in.jsonl" --output "$D/g.jsonl" --max-new-tokens 3
finish
