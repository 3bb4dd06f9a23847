#!/bin/sh
# Hybrids of state-space layers, attention and MLPs from options: trained, continued, run again, generated with, refused.
. "$(dirname "$0")/lib.sh"
make_data
make_ended_data
hybrid="--num-layers 5 --hidden-size 32 --ffn-hidden-size 48 --num-attention-heads 4 --position-embedding-type none
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 256 --make-vocab-size-divisible-by 1
    --tokenizer-type NullTokenizer --vocab-size 96 --untie-embeddings-and-output-weights --mamba-state-dim 12
    --mamba-head-dim 8 --mamba-num-groups 2 --hybrid-override-pattern M-M*M"
common="$hybrid --split 100,0,0 --seq-length 80 --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0
    --train-iters 6 --seed 5 --log-params-norm --reset-attention-mask --data-path $D/ended_text_document"

job whole 1 --save "$D/ck" --save-interval 3
as_planned whole 1
job half 1 --load "$D/ck" --ckpt-step 3
alike half whole 4 0
job again 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
alike again whole 1 0
as_planned again 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
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
[ "$(wc -l <"$D/new")" = 70 ] && paste "$D/new" "$D/scores" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4) bad = 1 }
    END { exit bad || NR != 70 }' || wrong "generated: other probabilities than of the whole"

# shellcheck disable=SC2086
expect 2 "--mamba-state-dim 16 contradicts" "$T" pretrain $common --load "$D/ck" --mamba-state-dim 16
# shellcheck disable=SC2086
expect 2 "layer 2 is of another kind" "$T" pretrain $common --load "$D/ck" --hybrid-override-pattern M-*MM
# shellcheck disable=SC2086
expect 2 "\"X\" is no layer" "$T" pretrain $common --hybrid-override-pattern MXM-M
# shellcheck disable=SC2086
expect 2 "--hybrid-override-pattern has 2 layers" "$T" pretrain $common --hybrid-override-pattern M-
# shellcheck disable=SC2086
expect 2 "--mamba-num-groups 3 does not divide" "$T" pretrain $common --mamba-num-groups 3

have_mpi || finish
job tensor 2 --tensor-model-parallel-size 2
alike tensor whole 1
as_planned tensor 2 --tensor-model-parallel-size 2
job context 2 --context-parallel-size 2
alike context whole 1
as_planned context 2 --context-parallel-size 2
job pipe 2 --pipeline-model-parallel-size 2 --num-layers 4 --hybrid-override-pattern M-*M
job four 1 --num-layers 4 --hybrid-override-pattern M-*M
alike pipe four 1
finish
