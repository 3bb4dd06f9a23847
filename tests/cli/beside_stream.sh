#!/bin/sh
# Models whose layers read more than the stream: shared keys and values, per-layer embeddings, several streams. Layers that
# run again, processes that share out the batch and a run that stops change nothing; plan knows the memory.
. "$(dirname "$0")/lib.sh"
awk 'BEGIN { srand(3); for (d = 0; d < 30; d++) { n = 3 + int(rand() * 60); s = "";
     for (i = 0; i < n; i++) s = s (i ? " " : "") int(rand() * 78); print s } }' >"$D/numbers.txt"
expect 0 "" "$T" preprocess --input "$D/numbers.txt" --output-prefix "$D/data" --tokenizer-type NullTokenizer --vocab-size 78
families=$(dirname "$0")/../golden/families
base="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 1 --global-batch-size 4 --lr 0.001
    --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 3 --log-params-norm --threads 1 --tokenizer-type NullTokenizer
    --vocab-size 78 --make-vocab-size-divisible-by 1"

for family in gemma4 gemma3n; do
    common="$base --load $families/$family"
    job plain 1 --save "$D/$family" --save-hf "$D/hf-$family"
    as_planned plain 1
    job again 1 --recompute-granularity full
    alike again plain 1
    as_planned again 1 --recompute-granularity full
    job pairs 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 2
    alike pairs plain 1
    job parts 1 --recompute-granularity selective --recompute-modules core_attn mlp
    alike parts plain 1
    job half 1 --train-iters 2 --save "$D/half-$family"
    common="$base --load $D/half-$family"
    job rest 1
    numbers plain | awk '$1 > 2' >"$D/a"
    numbers rest >"$D/b"
    same "$D/a" "$D/b"
    expect 0 "" "$T" convert --load-dir "$D/$family" --save-dir "$D/converted-$family"
    same "$D/hf-$family/model.safetensors" "$D/converted-$family/model.safetensors"
    common="$base --load $families/$family"
    have_mpi || continue
    job zero3 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
    alike zero3 plain 1
    as_planned zero3 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
    # what later layers read is on processes that share out matrices, and goes from stage to stage
    for cut in "--tensor-model-parallel-size 2 --sequence-parallel" "--pipeline-model-parallel-size 2 --num-layer-list 2,3" \
        "--context-parallel-size 2"; do
        # shellcheck disable=SC2086
        job cut 2 $cut --save "$D/cut-$family" --save-interval 2
        alike cut plain 1
        # shellcheck disable=SC2086
        as_planned cut 2 $cut
        rm -rf "$D/kept-$family"
        mv "$D/cut-$family" "$D/kept-$family"
    done
    # a checkpoint of one layout goes on in any other
    common="$base --load $D/kept-$family --ckpt-step 2"
    job rest 2 --tensor-model-parallel-size 2
    alike rest plain 3
    common="$base --load $families/$family"
done

# heads of two widths and keys that are values are cut as others are
have_mpi || finish
common="$base --load $families/gemma4-same"
job plain 1
job tensor 2 --tensor-model-parallel-size 2 --sequence-parallel
alike tensor plain 1
as_planned tensor 2 --tensor-model-parallel-size 2 --sequence-parallel
job stages 2 --pipeline-model-parallel-size 2
alike stages plain 1
as_planned stages 2 --pipeline-model-parallel-size 2
job context 2 --context-parallel-size 2
alike context plain 1
# experts that are added to an MLP
common="$base --load $families/gemma4-experts --moe-aux-loss-coeff 0"
job plain 1
as_planned plain 1
job again 1 --recompute-granularity full
alike again plain 1
as_planned again 1 --recompute-granularity full
job parts 1 --recompute-granularity selective --recompute-modules mlp moe
alike parts plain 1
for ways in "--tensor-model-parallel-size 2 --sequence-parallel" "--pipeline-model-parallel-size 2 --num-layer-list 1,2" "--context-parallel-size 2" "--expert-model-parallel-size 2" \
    "--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params"; do
    # shellcheck disable=SC2086
    job cut 2 $ways
    alike cut plain 1
    case $ways in --expert*) continue ;; esac # whose memory hangs on the rows that come
    # shellcheck disable=SC2086
    as_planned cut 2 $ways
done
common="$base --load $families/ministral3"
job plain 1
as_planned plain 1
job context 2 --context-parallel-size 2
alike context plain 1
finish
