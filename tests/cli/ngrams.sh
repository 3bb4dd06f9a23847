#!/bin/sh
# Embeddings of n-grams: from options and from a folder of LongCat-Flash-Lite's kind. Trained, continued, run again, generated
# with, on several processes, refused.
. "$(dirname "$0")/lib.sh"
make_data
make_ended_data
common="$shape --split 100,0,0 --seq-length 24 --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0
    --train-iters 4 --seed 5 --threads 1 --log-params-norm --reset-attention-mask --data-path $D/ended_text_document
    --emb-neighbor-num 3 --emb-split-num 2 --ngram-vocab-size-ratio 2.6"

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
# plan knows tables of 253, 255, 257 and 259 rows of 8 values, in room for 64 at a time, and four projections of 32 x 8
weights() {
    # shellcheck disable=SC2086
    "$T" plan $common --world-size 1 --json "$@" 2>"$D/err" | sed -n 's/.*"weights": *\([0-9]*\).*/\1/p' | head -n 1
}
checks=$((checks + 1))
[ "$(weights)" = $(($(weights --emb-neighbor-num 0 --emb-split-num 0 --ngram-vocab-size-ratio 0) + 4 * (2 * 2048 + 2 * 2112 + 4 * 32 * 8))) ] ||
    wrong "plan: weights of $(weights) bytes"

# Generated token by token, a text has the probabilities that the whole has at once.
"$T" infer --load "$D/ck" --tokenizer-type NullTokenizer --vocab-size 96 --prompt "5 17 3" --max-new-tokens 25 --greedy \
    --ignore-eos --logprobs --output "$D/new.jsonl" 2>"$D/err" || wrong "infer: $(tail -n 1 "$D/err")"
sed -n 's/.*"ids": *\[\([^]]*\)\].*/{"ids": [5, 17, 3, \1]}/p' "$D/new.jsonl" >"$D/texts.jsonl"
"$T" score --load "$D/ck" --tokenizer-type NullTokenizer --vocab-size 96 --input "$D/texts.jsonl" --output "$D/scores.jsonl" \
    2>"$D/err" || wrong "score: $(tail -n 1 "$D/err")"
checks=$((checks + 1))
for f in new scores; do
    sed -n 's/.*"logprobs": *\[\([^]]*\)\].*/\1/p' "$D/$f.jsonl" | tr -d ' ' | tr ',' '\n' | tail -n 25 >"$D/$f"
done
paste "$D/new" "$D/scores" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4) bad = 1 } END { exit bad || NR != 25 }' ||
    wrong "generated: other probabilities than of the whole"

# shellcheck disable=SC2086
{
    expect 2 "--emb-neighbor-num 4 contradicts" "$T" pretrain $common --load "$D/ck" --emb-neighbor-num 4
    expect 2 "expected all three" "$T" pretrain $common --emb-split-num 0
    expect 2 "a multiple of the 6 tables" "$T" pretrain $common --emb-split-num 3
    expect 2 "embeddings of tokens, not of n-grams" "$T" pretrain $common --mtp-num-layers 1
    expect 2 "n-grams that have embeddings" "$T" pretrain $common --save-hf "$D/hf"
}

# a folder of LongCat-Flash-Lite's kind: trained and written
awk 'BEGIN { srand(3); for (d = 0; d < 30; d++) { n = 3 + int(rand() * 60); s = "";
     for (i = 0; i < n; i++) s = s (i ? " " : "") int(rand() * 78); print s } }' >"$D/small.txt"
expect 0 "" "$T" preprocess --input "$D/small.txt" --output-prefix "$D/small" --tokenizer-type NullTokenizer --vocab-size 78
options=$common
common="--load $(dirname "$0")/../golden/families/longcat_flash_ngram --data-path $D/small_text_document --split 100,0,0 --seq-length 16
    --micro-batch-size 1 --global-batch-size 4 --lr 0.001 --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 2
    --log-params-norm --threads 1 --tokenizer-type NullTokenizer --vocab-size 78 --make-vocab-size-divisible-by 1"
job lite 1 --save "$D/lite" --save-hf "$D/hf-lite"
as_planned lite 1
expect 0 "" "$T" convert --load-dir "$D/lite" --save-dir "$D/converted"
same "$D/hf-lite/model.safetensors" "$D/converted/model.safetensors"
job lite-again 1 --recompute-granularity full
alike lite-again lite 1

have_mpi || finish
job lite-two 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
alike lite-two lite 1
common=$options
job shared 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
alike shared whole 1
as_planned shared 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
job tables 4 --tensor-model-parallel-size 2 --context-parallel-size 2
alike tables whole 1
as_planned tables 4 --tensor-model-parallel-size 2 --context-parallel-size 2
job stages 2 --pipeline-model-parallel-size 2 --use-distributed-optimizer
alike stages whole 1
as_planned stages 2 --pipeline-model-parallel-size 2 --use-distributed-optimizer
finish
