#!/bin/sh
# Layers of Mamba 3 from options: trained, continued, run again, generated with, on several processes, refused.
. "$(dirname "$0")/lib.sh"
make_data
make_ended_data
hybrid="--num-layers 4 --hidden-size 32 --ffn-hidden-size 48 --num-attention-heads 4 --position-embedding-type none
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 256 --make-vocab-size-divisible-by 1
    --tokenizer-type NullTokenizer --vocab-size 96 --untie-embeddings-and-output-weights --mamba-version 3 --mamba-state-dim 12
    --mamba-head-dim 8 --mamba-num-groups 2 --hybrid-override-pattern M-*M"
common="$hybrid --split 100,0,0 --seq-length 80 --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0
    --train-iters 4 --seed 5 --log-params-norm --reset-attention-mask --data-path $D/ended_text_document"

job whole 1 --save "$D/ck" --save-interval 2
as_planned whole 1
job half 1 --load "$D/ck" --ckpt-step 2
alike half whole 3 0
job again 1 --recompute-granularity full
alike again whole 1 0
job small 1 --micro-batch-size 1
alike small whole 1
job bf16 1 --bf16
as_planned bf16 1 --bf16

# Generated token by token, a text has the probabilities that the whole has at once.
"$T" infer --load "$D/ck" --tokenizer-type NullTokenizer --vocab-size 96 --prompt "5 17 3" --max-new-tokens 70 --greedy \
    --ignore-eos --logprobs --output "$D/new.jsonl" 2>"$D/err" || wrong "infer: $(tail -n 1 "$D/err")"
sed -n 's/.*"ids": *\[\([^]]*\)\].*/{"ids": [5, 17, 3, \1]}/p' "$D/new.jsonl" >"$D/texts.jsonl"
"$T" score --load "$D/ck" --tokenizer-type NullTokenizer --vocab-size 96 --input "$D/texts.jsonl" --output "$D/scores.jsonl" \
    2>"$D/err" || wrong "score: $(tail -n 1 "$D/err")"
checks=$((checks + 1))
for f in new scores; do
    sed -n 's/.*"logprobs": *\[\([^]]*\)\].*/\1/p' "$D/$f.jsonl" | tr -d ' ' | tr ',' '\n' | tail -n 70 >"$D/$f"
done
paste "$D/new" "$D/scores" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4) bad = 1 } END { exit bad || NR != 70 }' ||
    wrong "generated: other probabilities than of the whole"

# shellcheck disable=SC2086
{
    expect 2 "--mamba-version 2 contradicts" "$T" pretrain $common --load "$D/ck" --mamba-version 2
    expect 2 "--mamba-rope-fraction 1 contradicts" "$T" pretrain $common --load "$D/ck" --mamba-rope-fraction 1
    expect 2 "--mamba-state-dim 16 contradicts" "$T" pretrain $common --load "$D/ck" --mamba-state-dim 16
    expect 2 "expected 0.5 or 1" "$T" pretrain $common --mamba-rope-fraction 0.7
    expect 2 "nor is it a multiple of them that divides their heads" "$T" plan $common --world-size 3 --tensor-model-parallel-size 3 \
        --unaligned-linear
    expect 2 "cannot share out the 8 heads in 2 groups" "$T" plan $common --world-size 3 --context-parallel-size 3
}

# a folder of such layers alone
common="--load $(dirname "$0")/../golden/families/mamba3 --data-path $D/data_text_document --split 100,0,0 --seq-length 16
    --micro-batch-size 1 --global-batch-size 4 --lr 0.001 --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 2
    --threads 1 --tokenizer-type NullTokenizer --vocab-size 78"
awk 'BEGIN { srand(3); for (d = 0; d < 30; d++) { n = 3 + int(rand() * 60); s = "";
     for (i = 0; i < n; i++) s = s (i ? " " : "") int(rand() * 78); print s } }' >"$D/small.txt"
expect 0 "" "$T" preprocess --input "$D/small.txt" --output-prefix "$D/small" --tokenizer-type NullTokenizer --vocab-size 78
job folder 1 --data-path "$D/small_text_document" --save "$D/folder" --save-hf "$D/hf"
expect 0 "" "$T" convert --load-dir "$D/folder" --save-dir "$D/converted"
same "$D/hf/model.safetensors" "$D/converted/model.safetensors"

have_mpi || finish
job folder-two 2 --data-path "$D/small_text_document" --tensor-model-parallel-size 2
alike folder-two folder 1
common="$hybrid --split 100,0,0 --seq-length 80 --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0
    --train-iters 4 --seed 5 --log-params-norm --reset-attention-mask --data-path $D/ended_text_document"
job shared 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
alike shared whole 1
as_planned shared 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
# more processes than groups: B and C are of one for two of them
for way in "4 --tensor-model-parallel-size 4 --sequence-parallel" "4 --tensor-model-parallel-size 2 --context-parallel-size 2"; do
    # shellcheck disable=SC2086
    set -- $way
    n=$1
    shift
    job many "$n" "$@"
    alike many whole 1
    as_planned many "$n" "$@"
done
job stages 2 --pipeline-model-parallel-size 2
alike stages whole 1
as_planned stages 2 --pipeline-model-parallel-size 2
finish
