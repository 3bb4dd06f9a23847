#!/bin/sh
# DeepSeek-V4 by options: the same numbers however layers run and processes share the work, memory as planned, packed
# documents, checkpoints, generation, folders of Hugging Face, refusals. What it computes is told by tests/golden.
. "$(dirname "$0")/lib.sh"

make_data
make_ended_data
plain="--num-layers 3 --hidden-size 32 --num-attention-heads 4 --kv-channels 16 --position-embedding-type rope
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 64 --make-vocab-size-divisible-by 1
    --tokenizer-type NullTokenizer --vocab-size 96 --untie-embeddings-and-output-weights --split 100,0,0 --seq-length 32
    --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0 --train-iters 6 --seed 5 --log-params-norm
    --attention-dropout 0 --hidden-dropout 0 --data-path $D/ended_text_document --reset-attention-mask --reset-position-ids
    --num-experts 4 --moe-router-topk 2 --moe-ffn-hidden-size 24 --moe-shared-expert-intermediate-size 24
    --moe-router-score-function sqrtsoftplus --moe-router-topk-scaling-factor 1.5 --moe-router-enable-expert-bias
    --moe-router-load-balancing-type none --swiglu-limit 1.5 --enable-mhc --hc-mult 3 --mhc-sinkhorn-iterations 4"
attention="--q-lora-rank 12 --qk-pos-emb-head-dim 8 --sliding-window-size 5 --o-groups 2 --o-lora-rank 6 --index-n-heads 2
    --index-head-dim 8 --index-topk 3"
v4="$attention --compress-ratios 0 4 8 --kv-compress --original-seq-len 16 --rope-factor 4 --n-hash-layers 1"
common="$plain $v4"
job one 1 --save "$D/ck" --save-interval 3 --save-hf "$D/hf"
as_planned one 1
job again 1 --load "$D/ck" --ckpt-step 3
alike again one 4 0
job kept 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
alike kept one 1
as_planned kept 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
job small 1 --micro-batch-size 1
alike small one 1
job bf16 1 --bf16
as_planned bf16 1 --bf16
checks=$((checks + 1))
common="$plain $v4 --n-hash-layers 0"
job scored 1
common="$plain $attention --compress-ratios 0 0 0 --n-hash-layers 1"
job windows 1
common=$(echo "$plain $v4" | sed 's/--reset-[a-z-]*//g')
job joined 1
for other in scored windows joined; do
    numbers one >"$D/a"
    numbers "$other" >"$D/b"
    ! cmp -s "$D/a" "$D/b" || wrong "$other is no other model"
done
common="$plain $v4"

# Generated token by token, a text has the probabilities that the whole has at once; so has what the folder holds.
"$T" infer --load "$D/ck" --tokenizer-type NullTokenizer --vocab-size 96 --prompt "5 17 3" --max-new-tokens 40 --greedy \
    --ignore-eos --logprobs --output "$D/new.jsonl" 2>"$D/err" || wrong "infer: $(tail -n 1 "$D/err")"
sed -n 's/.*"ids": *\[\([^]]*\)\].*/{"ids": [5, 17, 3, \1]}/p' "$D/new.jsonl" >"$D/texts.jsonl"
for m in ck hf; do
    checks=$((checks + 1))
    "$T" score --load "$D/$m" --tokenizer-type NullTokenizer --vocab-size 96 --input "$D/texts.jsonl" --output "$D/scores.jsonl" \
        2>"$D/err" || wrong "score: $(tail -n 1 "$D/err")"
    for f in new scores; do
        sed -n 's/.*"logprobs": *\[\([^]]*\)\].*/\1/p' "$D/$f.jsonl" | tr -d ' ' | tr ',' '\n' | tail -n 40 >"$D/$f"
    done
    [ "$(wc -l <"$D/new")" = 40 ] && paste "$D/new" "$D/scores" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4) bad = 1 }
        END { exit bad || NR != 40 }' || wrong "generated: other probabilities than of the whole in $m"
done
grep -q '"model_type": "deepseek_v4"' "$D/hf/config.json" || wrong "the folder is of another class"

# shellcheck disable=SC2086
expect 2 "--compress-ratios contradicts" "$T" pretrain $plain $attention --compress-ratios 0 8 4 --load "$D/ck"
# shellcheck disable=SC2086
expect 2 "--o-groups 4 contradicts" "$T" pretrain $common --load "$D/ck" --o-groups 4
# shellcheck disable=SC2086
expect 2 "has 2 numbers, expected one for each of 3 layers" "$T" pretrain $plain $attention --compress-ratios 0 4
# shellcheck disable=SC2086
expect 2 "o_groups is 3" "$T" pretrain $common --o-groups 3
# shellcheck disable=SC2086
expect 2 "--kv-compress needs --compress-ratios" "$T" pretrain $plain --kv-compress
# shellcheck disable=SC2086
expect 2 "compressed keys (compress_rates, --compress-ratios) has none" "$T" pretrain $common --attention-dropout 0.1
# shellcheck disable=SC2086
expect 2 "is not trained: leave it out" "$T" pretrain $common --indexer-loss-coeff 0.1
# shellcheck disable=SC2086
expect 2 "of compressed attention (compress_rates, --compress-ratios) are normed" "$T" pretrain $common --qk-clip
# shellcheck disable=SC2086
expect 2 "for which rows are exchanged for heads: give --context-parallel-algo ulysses_cp_algo" "$T" plan $common \
    --context-parallel-size 2 --world-size 2
# shellcheck disable=SC2086
expect 2 "8 processes that exchange heads (ulysses, or --ulysses-degree-in-cp) are more than a layer's 4 heads" "$T" plan $common \
    --context-parallel-size 8 --context-parallel-algo ulysses_cp_algo --world-size 8
# shellcheck disable=SC2086
expect 2 "--tensor-model-parallel-size 4 is more than the 2 groups of heads of the model's output projection (o_groups) (it may be 1 or 2)" \
    "$T" plan $common --tensor-model-parallel-size 4 --world-size 4
# shellcheck disable=SC2086
expect 2 "--tp-2d: heads of this model share keys" "$T" plan $common --tensor-model-parallel-size 4 --tp-2d --tp-x 2 --tp-y 2 --world-size 4
if have_mpi; then
    job many 2 --use-distributed-optimizer
    alike many one 1
    as_planned many 2 --use-distributed-optimizer
    job many 2 --expert-model-parallel-size 2
    alike many one 1
fi
finish
