#!/bin/sh
# What is told of whole texts beside classes: numbers, rankings, vectors; heads beside adapters; what is refused.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
# numbers are how often the token 9 stands in a text; a text belongs to the query that begins with the same token
awk 'function ids(first, nines, n, i, s) { n = 3 + int(rand() * 5); s = "[" first; for (i = 0; i < n; i++)
         s = s ", " (i < nines ? 9 : 40 + int(rand() * 30)); return s "]" }
     BEGIN { srand(5); for (r = 0; r < 32; r++) { k = r % 3; a = 10 + r % 16; b = 10 + (r + 7) % 16
         printf "{\"ids\": %s, \"label\": %d, \"labels\": [%d, %d], \"query\": %s, \"positive\": %s, \"negatives\": [%s, %s]}\n",
             ids(3, k), k, (k > 0), (k > 1), ids(a, 0), ids(a, 0), ids(b, 0), ids(26, 0) } }' >"$D/texts.jsonl"
sed 's/"label": [0-9]*, //' "$D/texts.jsonl" >"$D/many.jsonl"
sed 's/, "labels".*/}/' "$D/texts.jsonl" >"$D/ids.jsonl"
common="--data-path $D/texts.jsonl --seq-length 12 --micro-batch-size 8 --global-batch-size 16 --lr 1e-2 --weight-decay 0 --split 100,0,0
    --eval-iters 0 --seed 3 --log-interval 1000 --threads 1 --load $G/families/llama"
tune() {
    # shellcheck disable=SC2086
    "$T" posttrain $common --train-iters 4 "$@"
}
lora="--lora-r 4 --lora-alpha 8 --lora-target-modules all-linear"
score() {
    out=$1
    shift
    "$T" score --input "$D/ids.jsonl" --output "$D/$out" --threads 1 "$@" >/dev/null 2>"$D/err" || wrong "score $*: $(cat "$D/err")"
}
# first OUT KEY: the first number of a list in the first line
first() { sed -n "1s/.*\"$2\": \[\([-0-9.e]*\).*/\1/p" "$D/$1"; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && (a - b)^2 < 1e-9 * (1 + a * a)) }' || wrong "$3: $1 and $2"; }

# numbers: learnt, saved, told
expect 0 "iterations 1 to 30" tune --stage reg --train-iters 30 --lr 3e-3 --save-hf "$D/reg"
checks=$((checks + 2))
grep -q '"problem_type": "regression"' "$D/reg/config.json" || wrong "no regression: $(cat "$D/reg/config.json")"
score reg.jsonl --head --load "$D/reg"
err=$(paste -d ' ' "$D/ids.jsonl" "$D/reg.jsonl" | sed 's/.*"label": \([0-9]*\)}.*"logits": \[\([-0-9.e]*\).*/\1 \2/' |
    awk '{ s += ($1 - $2)^2 } END { print s / NR }')
awk -v e="$err" 'BEGIN { exit !(e < 0.2) }' || wrong "a mean square of $err"
expect 0 "iterations 1 to 4" tune --stage cls --problem-type multi_label_classification --data-path "$D/many.jsonl" --save-hf "$D/many"
score many.jsonl --head --load "$D/many"
checks=$((checks + 1))
grep -q '"labels": \[[0-9, ]*\], "probabilities": \[' "$D/many.jsonl" || wrong "no labels: $(head -n 1 "$D/many.jsonl")"

# a head beside an adapter: it alone, merged, in a checkpoint, in one that holds the adapter alone
for stage in cls rm; do
    case $stage in
    cls) how="--stage cls --num-labels 3" tell=--head key=logits ;;
    rm) "$3" "$D/pairs" pairs 9 5
        sed -n '1,3p' "$D/ids.jsonl" >"$D/few" && mv "$D/few" "$D/ids.jsonl"
        how="--stage rm --load-checkpoint-loosely --seq-length 32 --data-path $D/pairs --load $D/words" tell=--reward key=reward
        # the tokens of these rows are below 97
        "$T" pretrain $shape --max-position-embeddings 64 --mock-data --seq-length 8 --train-iters 1 --micro-batch-size 1 --lr 1 --save-hf "$D/words" >"$D/out" 2>&1 || wrong "$(cat "$D/out")" ;;
    esac
    base=$G/families/llama
    [ $stage = cls ] || base=$D/words
    # shellcheck disable=SC2086
    {
        expect 0 "iterations 1 to 4" tune $how $lora --save-peft "$D/$stage-peft" --save-hf "$D/$stage-hf" --save "$D/$stage-ck"
        expect 0 "iterations 1 to 4" tune $how $lora --lora-ckpt-filter --save "$D/$stage-alone"
    }
    grep -q '"task_type": "SEQ_CLS"' "$D/$stage-peft/adapter_config.json" || wrong "$(cat "$D/$stage-peft/adapter_config.json")"
    score peft.jsonl $tell --load "$base" --lora-load "$D/$stage-peft"
    score hf.jsonl $tell --load "$D/$stage-hf"
    score ck.jsonl $tell --load "$D/$stage-ck"
    score alone.jsonl $tell --load "$D/$stage-alone"
    value() { sed -n "1s/.*\"$key\": \[*\([-0-9.e]*\).*/\1/p" "$D/$1.jsonl"; }
    for other in hf ck alone; do
        checks=$((checks + 1))
        near "$(value peft)" "$(value $other)" "$stage beside an adapter, $other"
    done
done
sed 's/"score"/"norm"/' "$D/cls-peft/adapter_config.json" >"$D/config" && mv "$D/config" "$D/cls-peft/adapter_config.json"
expect 2 "modules_to_save has no score" tune --stage cls --num-labels 3 --lora-load "$D/cls-peft"
expect 2 "score --reward\` tells the reward" "$T" score --load "$D/rm-hf" --input "$D/ids.jsonl"

# rankings and vectors: what is learnt shows in their accuracy; a run goes on to the bit
for how in "--stage rerank --rerank-loss listwise --num-negatives 2" "--stage embed --num-negatives 1 --matryoshka-dims 8"; do
    rm -rf "$D/half" "$D/whole.jsonl" "$D/rest.jsonl"
    # shellcheck disable=SC2086
    {
        expect 0 "iterations 1 to 16" tune $how --train-iters 16 --lr 3e-3 --metrics-jsonl "$D/whole.jsonl" --save-hf "$D/hf"
        expect 0 "iterations 1 to 16" tune $how --train-iters 16 --lr 3e-3 --exit-interval 9 --save "$D/half"
        expect 0 "iterations 10 to 16" tune $how --train-iters 16 --lr 3e-3 --load "$D/half" --metrics-jsonl "$D/rest.jsonl"
    }
    curve "$D/whole.jsonl" | tail -n 7 >"$D/a"
    curve "$D/rest.jsonl" >"$D/b"
    same "$D/a" "$D/b"
    checks=$((checks + 1))
    sed -n '$s/.*"accuracy": \([0-9.e-]*\).*/\1/p' "$D/whole.jsonl" | awk '{ exit !($1 > 0.6) }' || wrong "$how: $(tail -n 1 "$D/whole.jsonl")"
done
# the folder says how vectors are made, and may be written again
checks=$((checks + 2))
grep -q '"pooling_mode_lasttoken": true' "$D/hf/1_Pooling/config.json" && grep -q Normalize "$D/hf/modules.json" || wrong "$(ls "$D/hf")"
score e.jsonl --embeddings --load "$D/hf"
sed -n '1s/.*\[\(.*\)\].*/\1/p' "$D/e.jsonl" | tr ',' '\n' | awk '{ s += $1 * $1 } END { exit !((s - 1)^2 < 1e-10) }' || wrong "no length of one"
expect 0 "iterations 1 to 4" tune --stage embed --no-normalize-embeddings --pooling-mode mean --save-hf "$D/hf"
[ ! -e "$D/hf/2_Normalize" ] || wrong "a part that is not asked for"
# of two processes' texts as of one's that has them all
if have_mpi; then
    job two 2 --stage embed --train-iters 4 --micro-batch-size 4 --gather-across-devices
    job one 1 --stage embed --train-iters 4 --micro-batch-size 8
    alike two one 1
fi

expect 2 "a head tells at least one number" tune --stage cls --num-labels 0
expect 2 "all texts would have the one label" tune --stage cls --num-labels 1
expect 2 "--problem-type goes with --stage cls" tune --stage reg --problem-type multi_label_classification
expect 2 "are fewer than --num-negatives 3" tune --stage embed --num-negatives 3
expect 2 "--rerank-loss listwise compares a text" tune --stage rerank --rerank-loss listwise
expect 2 "--matryoshka-dims 400: the model's vectors have" tune --stage embed --matryoshka-dims 400
expect 2 "fields query (or anchor, question) and positive" tune --stage embed --data-path "$D/ids.jsonl"
printf '{"query": [3], "document": [4], "score": 2}\n' >"$D/bad.jsonl"
expect 2 "bad.jsonl:1: field score: 2 is outside 0 to 1" tune --stage rerank --data-path "$D/bad.jsonl"
expect 2 "field label: a list of 2 numbers were expected" tune --stage reg --num-labels 2
expect 2 "the model has a head of 1 labels" tune --stage sft --load "$D/reg"
finish
