#!/bin/sh
# Heads of labels: trained, saved, told; what goes wrong with it.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
# texts of class 1 hold the token 9 somewhere, those of class 0 do not
awk 'BEGIN { srand(5); for (r = 0; r < 48; r++) { n = 2 + int(rand() * 7); at = int(rand() * n); s = "";
     for (i = 0; i < n; i++) s = s (i ? ", " : "") (r % 2 && i == at ? 9 : 20 + int(rand() * 40));
     printf "{\"ids\": [%s], \"label\": %d}\n", s, r % 2 } }' >"$D/texts.jsonl"
tune() {
    "$T" posttrain --stage cls --load "$G/families/llama" --data-path "$D/texts.jsonl" --seq-length 10 --micro-batch-size 8 \
        --global-batch-size 16 --train-iters 40 --lr 1e-2 --weight-decay 0 --split 100,0,0 --eval-iters 0 --seed 3 \
        --log-interval 1000 "$@"
}
expect 0 "iterations 1 to 40" tune --save-hf "$D/hf" --save "$D/ck" --metrics-jsonl "$D/a.jsonl"
checks=$((checks + 3))
grep -q '"LlamaForSequenceClassification"' "$D/hf/config.json" && grep -q '"id2label"' "$D/hf/config.json" ||
    wrong "config.json says nothing of classes: $(cat "$D/hf/config.json")"
tail -c 20 "$G/families/llama/model.safetensors" >/dev/null
strings "$D/hf/model.safetensors" 2>/dev/null | grep -q '"score.weight"' || grep -aq '"score.weight"' "$D/hf/model.safetensors" ||
    wrong "no score.weight in $D/hf"
grep -aq '"lm_head.weight"' "$D/hf/model.safetensors" && wrong "lm_head.weight in $D/hf"

# what it has learnt it tells, from the folder and from the checkpoint alike
for from in hf ck; do
    "$T" score --head --load "$D/$from" --input "$D/texts.jsonl" --output "$D/$from.jsonl" >/dev/null 2>"$D/err" || wrong "$(cat "$D/err")"
    checks=$((checks + 1))
    right=$(paste -d ' ' "$D/texts.jsonl" "$D/$from.jsonl" | sed 's/.*"label": \([0-9]*\)}.*"label": \([0-9]*\),.*/\1 \2/' | awk '$1 == $2' | wc -l)
    [ "$right" -ge 46 ] || wrong "$right of 48 classes are right"
done
same "$D/hf.jsonl" "$D/ck.jsonl"

# goes on to the same bits, and two processes do the same
expect 0 "iterations 1 to 40" tune --exit-interval 20 --save "$D/half"
expect 0 "iterations 21 to 40" tune --load "$D/half" --metrics-jsonl "$D/b.jsonl"
curve "$D/a.jsonl" | tail -n 20 >"$D/a"
curve "$D/b.jsonl" >"$D/b"
same "$D/a" "$D/b"

expect 2 "in place of words" "$T" infer --load "$D/hf" --prompt a
expect 2 "has no head of labels" "$T" score --head --load "$G/families/llama" --input "$D/texts.jsonl"
expect 2 "has a head of 2 labels" tune --load "$D/hf" --num-labels 3
expect 2 "head of 2 labels in place of words" "$T" pretrain --load "$D/hf" --mock-data --seq-length 8 --train-iters 1 --lr 1
for o in --mask-history "--prompt-type qwen3" "--map-keys {}"; do
    # shellcheck disable=SC2086
    expect 2 "--stage cls: ${o%% *} is of conversations" tune $o
done
expect 2 "--num-labels goes with --stage cls" tune --stage sft --num-labels 3
printf '{"ids": [3], "label": 2}\n' >"$D/bad.jsonl"
expect 2 "$D/bad.jsonl:1: field label: 2 is none of 0 to 1" tune --data-path "$D/bad.jsonl"
printf '{"ids": [3]}\n' >"$D/bad.jsonl"
expect 2 "field label: a whole number was expected" tune --data-path "$D/bad.jsonl"
printf '{"label": 1}\n' >"$D/bad.jsonl"
expect 2 "field text: a text was expected" tune --data-path "$D/bad.jsonl"
expect 2 "a file whose name ends in .json, .jsonl or .parquet" tune --data-path "$D/texts"
finish
