#!/bin/sh
# Options that contradict each other are refused with both names; what has no effect without a partner is warned of
# with the partner's name.
. "$(dirname "$0")/lib.sh"
make_data
refused() { # refused A B OPTIONS...: both stand in the one line, and nothing is written
    a=$1 b=$2
    shift 2
    expect 2 "$a" train --metrics-jsonl "$D/never.jsonl" "$@"
    checks=$((checks + 2))
    [ "$(wc -l <"$D/err" | tr -d ' ')" = 1 ] || wrong "more than a line from $*: $(cat "$D/err")"
    grep -qF -- "$b" "$D/err" || wrong "no \"$b\" from $*: $(cat "$D/err")"
    absent "$D/never.jsonl"
}
warned() { # warned OPTION PARTNER OPTIONS...: goes on; given twice: what follows is warned of as well
    a=$1 b=$2
    shift 2
    checks=$((checks + 2))
    train "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "refused: $*: $(cat "$D/err")"
    grep -F -- "warning: $a has no effect without " "$D/err" | grep -qF -- "$b" || wrong "no warning of $a and $b: $(head -n 3 "$D/err")"
}
quiet() { # quiet OPTIONS...: with the partner nothing is said
    checks=$((checks + 1))
    train "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "refused: $*: $(cat "$D/err")"
    ! grep -q "warning" "$D/err" || wrong "$*: $(grep warning "$D/err")"
}
quiet
refused --swiglu --squared-relu --squared-relu
refused --bf16 --fp16 --bf16 --fp16
refused --rope-scaling-factor --rope-scaling-type --rope-scaling-factor 4
refused --rotary-seq-len-interpolation-factor --rope-scaling-type --rotary-seq-len-interpolation-factor 2 --rope-scaling-type llama3
refused --use-rotary-position-embeddings --position-embedding-type --use-rotary-position-embeddings --position-embedding-type none
refused "--seq-length 64" "--max-position-embeddings 32" --seq-length 64
refused --lr-warmup-iters --train-iters --lr-warmup-iters 9
refused --lr-warmup-iters --lr-decay-iters --lr-warmup-iters 5 --lr-decay-iters 4
refused --lr-warmup-samples --train-iters --lr-warmup-iters 0 --lr-warmup-samples 65
refused --lr-warmup-fraction --lr-warmup-iters --lr-warmup-fraction 0.1
refused --lr-warmup-fraction --lr-warmup-samples --lr-warmup-iters 0 --lr-warmup-fraction 0.1 --lr-warmup-samples 4
refused --lr-warmup-iters --lr-warmup-samples --lr-warmup-samples 4
refused --lr-decay-iters --lr-decay-samples --lr-decay-iters 8 --lr-decay-samples 64
refused --lr-wsd-decay-iters --lr-wsd-decay-samples --lr-wsd-decay-iters 8 --lr-wsd-decay-samples 64
refused --lr-warmup-init "--lr 0.001" --lr-warmup-init 1
refused --min-lr --lr --min-lr 1
refused --train-iters --train-samples --train-samples 8
expect 2 "--recompute-activations is --recompute-granularity selective and contradicts --recompute-granularity full" \
    train --recompute-activations --recompute-granularity full
refused --finetune --load --finetune
refused --ckpt-step --load --ckpt-step 4
refused --save-interval --save --save-interval 4
refused --nproc_per_node "mpirun -n 4" --nproc_per_node 4
refused --nnodes "the launcher started processes on 1" --nnodes 2
refused --nnodes --nproc_per_node --nnodes 2 --nproc_per_node 2
refused --worker_num "the launcher started 1" --worker_num 4
quiet --nproc_per_node 1 --nnodes 1
quiet --nproc_per_node 1
quiet --lr-warmup-iters 8

warned --async-save --save --async-save
warned --keep-checkpoints --save --keep-checkpoints 2
warned --no-save-optim --save --no-save-optim
warned --override-checkpoints --save --override-checkpoints
warned --save-hf-dtype --save-hf --save-hf-dtype bf16
for option in --no-load-optim --exit-on-missing-checkpoint; do
    warned $option --load $option
done
warned --loss-scale --fp16 --loss-scale 4
warned --loss-scale --fp16 --loss-scale 4 --bf16
warned --hysteresis --fp16 --hysteresis 3
warned --initial-loss-scale --loss-scale --fp16 --loss-scale 4 --initial-loss-scale 8
warned --packed-weights --bf16 --packed-weights kept
warned --recompute-method "--recompute-granularity full" --recompute-method block
warned --recompute-num-layers "--recompute-granularity full" --recompute-num-layers 2 --recompute-granularity selective
# what whole matrices cannot be
for o in --use-torch-fsdp2 "--use-megatron-fsdp --data-parallel-sharding-strategy optim" --layerzero; do
    # shellcheck disable=SC2086
    expect 2 "which ${o%% *} cuts: give --use-distributed-optimizer" train --optimizer muon $o
done
expect 2 "--bf16 or fp32" train --optimizer dist_muon --fp16
expect 2 "contradict each other" train --optimizer muon --muon-no-split-qkv --muon-split-qkv-per-head
# what changes nothing is told of with its reason, as a note
expect 0 "without effect here: --recompute-granularity selective (attention is always" train --recompute-granularity selective
expect 0 "without effect here: --recompute-activations (attention is always" train --recompute-activations
expect 0 "without effect here: --num-workers, --no-load-rng, --use-checkpoint-args" train --num-workers 2 --no-load-rng \
    --use-checkpoint-args
checks=$((checks + 1))
train --recompute-granularity full >"$D/out" 2>&1 </dev/null
! grep -q "without effect" "$D/out" || wrong "--recompute-granularity full: $(grep "without effect" "$D/out")"
warned --lr-wsd-decay-style "--lr-decay-style WSD" --lr-wsd-decay-style linear
warned --lr-wsd-decay-iters "--lr-decay-style WSD" --lr-wsd-decay-iters 4
warned --min-lr "--lr-decay-style constant" --lr-decay-style constant
warned --lr-decay-iters "--lr-decay-style constant" --lr-decay-style constant --lr-decay-iters 4
warned --lr-warmup-init --lr-warmup-iters --lr-warmup-init 1e-5 --lr-warmup-iters 0
warned --adam-beta1 "--optimizer adam" --optimizer sgd --adam-beta1 0.8
warned --muon-tp-mode "--optimizer muon" --muon-tp-mode duplicated
warned --lion-beta1 "--optimizer lion" --optimizer muon --lion-beta1 0.8
warned --qk-clip-alpha --qk-clip --qk-clip-alpha 0.4
warned --sgd-momentum "--optimizer sgd" --sgd-momentum 0.8
warned --no-data-sharding "--dataloader-type cyclic" --no-data-sharding
warned --eval-interval --eval-iters --eval-interval 4
warned "--eval-iters 2" "the second number of --split" --eval-iters 2
warned --peak-tflops --metrics-jsonl --peak-tflops 1
warned --tensorboard-log-interval --tensorboard-dir --tensorboard-log-interval 2
warned --log-validation-ppl-to-tensorboard --tensorboard-dir --log-validation-ppl-to-tensorboard
warned --overlap-grad-reduce --deterministic-mode --deterministic-mode --overlap-grad-reduce
warned --ddp-bucket-size --deterministic-mode --deterministic-mode --ddp-bucket-size 9
warned --coc-parallel-num --use-ascend-coc --coc-parallel-num 4
warned --use-ascend-coc --tensor-model-parallel-size --use-ascend-coc
warned --tp-comm-overlap --tensor-model-parallel-size --tp-comm-overlap
warned --disable-tp-comm-overlap-ag --tp-comm-overlap --disable-tp-comm-overlap-ag
warned --rotary-base "--position-embedding-type rope" --position-embedding-type none --rotary-base 5000
warned --low-freq-factor "--rope-scaling-type llama3" --low-freq-factor 2
warned --beta-fast "--rope-scaling-type yarn" --beta-fast 16 --rope-scaling-type linear
warned --tokenizer-kwargs "tokenizer's files" --tokenizer-kwargs eos_token x

# jobs of other words than those of all the others
train() {
    # shellcheck disable=SC2086
    "$T" pretrain $job "$@"
}
bare="--num-layers 1 --hidden-size 16 --num-attention-heads 4 --max-position-embeddings 16 --seq-length 16 --train-iters 1 --lr 1e-3"
null="--tokenizer-type NullTokenizer --vocab-size 96"
job="$bare $null --mock-data"
quiet
warned --split --data-path --split 90,10,0
warned --data-cache-path --mock-data --data-cache-path "$D/cache"
absent "$D/cache"
warned --num-query-groups --group-query-attention --num-query-groups 2
warned --make-vocab-size-divisible-by --padded-vocab-size --padded-vocab-size 128 --make-vocab-size-divisible-by 64
warned --add-qkv-bias --disable-bias-linear --add-qkv-bias
warned --rotary-percent "--position-embedding-type rope" --rotary-percent 0.5
warned --reset-position-ids "which this model has none of" --reset-position-ids --position-embedding-type none
job="$bare $null --eval-iters 0 --train-data-path $D/data_text_document"
warned --valid-data-path --eval-iters --valid-data-path "$D/data_text_document"
warned --test-data-path --eval-iters --test-data-path "$D/data_text_document"
warned --split --data-path --split 1,1,1
job="$bare --train-data-path $D/data_text_document"
"$T" train-tokenizer --input "$D/numbers.txt" --vocab-size 300 --output "$D/tok" 2>/dev/null
warned --vocab-size NullTokenizer --tokenizer-name-or-path "$D/tok" --vocab-size 96
job="$bare $null --train-data-path $D/data_text_document"
warned "--eval-iters 2" --valid-data-path --eval-iters 2
checks=$((checks + 1))
train --lr-decay-iters 10 --lr-warmup-iters 5 >"$D/out" 2>"$D/err"
grep -qF "the warm-up is longer than the run: --lr is not reached in --train-iters" "$D/err" || wrong "a warm-up beyond the run: $(cat "$D/err")"
# beside a model's folder
rope="--position-embedding-type rope --normalization RMSNorm --swiglu --disable-bias-linear"
# shellcheck disable=SC2086
expect 0 "" train $rope --save-hf "$D/model"
expect 0 "" train --save-hf "$D/gpt2"
job="--seq-length 16 --train-iters 1 --lr 1e-3 --train-data-path $D/data_text_document --eval-iters 0"
quiet --load "$D/model" --num-layers 1 --hidden-size 16 --position-embedding-type rope --swiglu --disable-bias-linear --rotary-percent 1.0 \
    --max-position-embeddings 4096 --padded-vocab-size 128
for words in "--squared-relu" "--position-embedding-type learned_absolute" "--rotary-percent 0.5" "--padded-vocab-size 256" \
    "--rope-scaling-type llama3" "--add-qkv-bias" "--apply-layernorm-1p" "--rotary-interleaved" "--hidden-size 64" \
    "--window-size 8" "--window-size 8,0" "--sliding-window 8" "--interleave-sliding-window 8" "--query-pre-attn-scalar 3" \
    "--input-embeds-norm" "--embedding-multiplier-scale 2" "--scale-emb 2" "--output-multiplier-scale 3" "--dim-model-base 3" \
    "--scale-depth 2" "--add-dense-bias" "--add-output-layer-bias" "--geglu" "--gelu-tanh" "--add-rmsnorm-offset" \
    "--use-glm-rope" "--partial-rotary-factor 0.5" "--rotary-seq-len-interpolation-factor 2" "--pad-vocab-size-to 256"; do
    # shellcheck disable=SC2086
    refused "${words%% *}" "contradicts $D/model" --load "$D/model" $words
done
for words in "--use-rotary-position-embeddings" "--disable-bias-linear" "--max-position-embeddings 32" "--swiglu" "--no-position-embedding"; do
    # shellcheck disable=SC2086
    refused "${words%% *}" "contradicts $D/gpt2" --load "$D/gpt2" $words
done
refused --model-config --load --load "$D/model" --model-config "$D/model/config.json"
# one command begins a run and goes on with it, whatever describes the model
again() {
    rm -rf "$D/again"
    for turn in first second; do
        expect 0 "" train --load "$D/again" --save "$D/again" --train-iters 1 "$@"
    done
}
plain="$bare $null --train-data-path $D/data_text_document --eval-iters 0"
llama="--position-embedding-type rope --normalization RMSNorm --disable-bias-linear"
while read -r words; do
    job="$plain $llama $words"
    again
done <<END
--add-dense-bias --add-output-layer-bias --untie-embeddings-and-output-weights
--window-size 7,0 --query-pre-attn-scalar 7.3 --geglu
--interleave-sliding-window 5 --output-multiplier-scale 0.3 --dim-model-base 9 --gelu-tanh
--scale-emb 12 --scale-depth 1.4 --use-glm-rope
--rope-scaling-type yarn --rope-scaling-factor 4 --original-max-position-embeddings 8 --beta-fast 30 --rope-scaling-mscale 0.7
--use-rope-scaling --low-freq-factor 1.5 --rope-scaling-factor 4
END
train --low-freq-factor 2 --load "$D/again" >"$D/out" 2>"$D/err" && wrong "another --low-freq-factor is not refused"
grep -qF -- "--low-freq-factor 2 contradicts $D/again/iter_0000001, which says 1.5" "$D/err" || wrong "$(cat "$D/err")"
job="--seq-length 16 --lr 1e-3 --train-data-path $D/data_text_document --eval-iters 0 $null --model-config $D/config.json"
cp "$D/model/config.json" "$D/config.json"
again
sed 's/10000/500/' "$D/model/config.json" >"$D/config.json"
refused --model-config "contradicts $D/again/iter_0000001: the models differ in base of rotary" --load "$D/again" --train-iters 2
job="--seq-length 16 --train-iters 1 --lr 1e-3 --train-data-path $D/data_text_document --eval-iters 0"
refused --ckpt-step "--load $D/model" --load "$D/model" --ckpt-step 4
checks=$((checks + 1))
train --load "$D/model" --seq-length 32 >"$D/out" 2>"$D/err"
grep -qF "warning: --seq-length 32 is longer than the 16 positions that $D/model was made for" "$D/err" || wrong "positions: $(cat "$D/err")"

# other commands
expect 2 "--ckpt-step 4: --load $D/model is no folder of checkpoints" "$T" score --load "$D/model" --ckpt-step 4 --input "$D/in.jsonl"
infer() { # infer TEXT CODE OPTIONS...
    text=$1 code=$2
    shift 2
    expect "$code" "$text" "$T" infer --load "$D/model" --input "$D/in.jsonl" --max-new-tokens 2 "$@"
}
echo '{"ids": [1, 2, 3]}' >"$D/in.jsonl"
infer "--greedy and --do-sample contradict each other" 2 --greedy --do-sample
infer "--min-new-tokens 3 is more than --max-new-tokens 2" 2 --min-new-tokens 3
infer "--prompt and --input contradict each other" 2 --prompt x
infer "--temperature has no effect without --do-sample" 0 --temperature 0.5
infer "--seed has no effect without --do-sample" 0 --seed 4
infer "--length-penalty has no effect without --num-beams" 0 --length-penalty 2
infer "--early-stopping has no effect without --num-beams" 0 --early-stopping
infer "--min-new-tokens has no effect without end-of-text tokens" 0 --min-new-tokens 1 --ignore-eos
# shellcheck disable=SC2086
expect 0 "" "$T" pretrain $job --load "$D/model" --save "$D/ck"
expect 2 "--all and --ckpt-step contradict each other" "$T" checkpoint verify "$D/ck" --all --ckpt-step 1
expect 0 "--quick has no effect without list" "$T" checkpoint verify "$D/ck" --quick
expect 0 "--all has no effect without verify" "$T" checkpoint list "$D/ck" --all
expect 0 "--ckpt-step has no effect without verify or show" "$T" checkpoint list "$D/ck" --ckpt-step 1
finish
