#!/bin/sh
# Stages that compare answers: what is told, what a reference is and stays, resuming, micro-batches, what is refused.
. "$(dirname "$0")/lib.sh"
rows=$3
"$rows" "$D/pairs" pairs 9 5
"$rows" "$D/verdicts" kto 9 5
pad="--max-position-embeddings 64"
common="$shape $pad --split 100,0,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 4 --lr 4e-3 --lr-decay-style constant
    --eval-iters 0 --seed 7 --threads 1 --log-interval 1000"
make_data
# shellcheck disable=SC2086
"$T" pretrain $common --data-path "$D/data_text_document" --train-iters 1 --save-hf "$D/start" >"$D/out" 2>&1 || wrong "no start"
"$T" pretrain $common --data-path "$D/data_text_document" --train-iters 1 --seed 8 --save-hf "$D/other" >"$D/out" 2>&1 || wrong "no other"
common="--load $D/start --split 100,0,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 4 --lr 4e-3 --lr-decay-style constant
    --eval-iters 0 --seed 7 --threads 1 --log-interval 1000 --data-path $D/pairs --stage dpo"
tune() {
    # shellcheck disable=SC2086
    "$T" posttrain $common "$@"
}
figures() { sed 's/.*"lm_loss"\(.*\), "grad_norm".*/\1/' "$D/$1.jsonl"; }

# where a run begins is its reference: no reward at first
job own 1 --train-iters 8 --finetune
checks=$((checks + 1))
head -n 1 "$D/own.jsonl" | grep -q '"rewards/margins": 0[.0]*, "rewards/accuracies": 0[.0]*, "logps/chosen": -' ||
    wrong "rewards at the start: $(head -n 1 "$D/own.jsonl")"
job named 1 --train-iters 8 --finetune --ref-model "$D/start"
figures own >"$D/a" && figures named >"$D/b" && same "$D/a" "$D/b"
job other 1 --train-iters 8 --finetune --ref-model "$D/other"
checks=$((checks + 1))
[ "$(figures own)" != "$(figures other)" ] || wrong "--ref-model changes nothing"
# what it finds may be found ahead, once
job ahead 1 --train-iters 8 --finetune --precompute-ref-log-probs --ref-model "$D/other"
figures ahead >"$D/a" && figures other >"$D/b" && same "$D/a" "$D/b"
job verdicts 1 --train-iters 8 --finetune --stage kto --data-path "$D/verdicts"
job verdicts-ahead 1 --train-iters 8 --finetune --stage kto --data-path "$D/verdicts" --precompute-ref-log-probs
figures verdicts >"$D/b" && figures verdicts-ahead >"$D/a" && same "$D/a" "$D/b"
# kto's divergence is of the micro-batch of all processes
job verdicts-small 1 --train-iters 8 --finetune --stage kto --data-path "$D/verdicts" --micro-batch-size 1
checks=$((checks + 1))
[ "$(figures verdicts)" != "$(figures verdicts-small)" ] || wrong "kto does not depend on --micro-batch-size"
if have_mpi; then
    job verdicts-two 2 --train-iters 8 --finetune --stage kto --data-path "$D/verdicts" --micro-batch-size 1
    alike verdicts-two verdicts 1
fi
# a resumed run keeps it, though what it loads has gone on
for ahead in "" --precompute-ref-log-probs; do
    rm -rf "$D/half"
    job begun 1 --train-iters 8 --finetune --exit-interval 3 --save "$D/half" $ahead
    job half 1 --train-iters 8 --load "$D/half" --save "$D/half" --exit-interval 5 $ahead
    job half 1 --train-iters 8 --load "$D/half" $ahead
    figures own | tail -n 3 >"$D/a" && figures half | tail -n 3 >"$D/b" && same "$D/a" "$D/b"
done
# what it is judged on is compared likewise
for ahead in "" --precompute-ref-log-probs; do
    job "judged$ahead" 1 --train-iters 4 --finetune --split 70,30,0 --eval-iters 1 --eval-interval 2 $ahead
done
# the same samples that a step of no rate saw are judged like it, in every figure
whole=$common
for stage in dpo kto; do
    data="$D/pairs"
    [ $stage = dpo ] || data="$D/verdicts"
    common=$(printf %s "$whole" | tr '\n' ' ' | sed "s|--split 100,0,0||; s|--data-path [^ ]*|--train-data-path $data --valid-data-path $data|")
    job "told-$stage" 1 --train-iters 1 --finetune --stage $stage --no-shuffle --lr 0 --ref-model "$D/other" --eval-iters 1 --eval-interval 1
    checks=$((checks + 1))
    tr ',' '\n' <"$D/told-$stage.jsonl" | tr -d ' "{}' | awk -F: '{ v[$1] = $2 } END { for (k in v) if (k ~ /^valid_/) { n++
        bad = bad || v[k] != v[substr(k, 7)] }; exit bad || n < 4 }' || wrong "$stage judged: $(cat "$D/told-$stage.jsonl")"
done
common=$whole
checks=$((checks + 1))
grep -q '"valid_lm_loss": 0' "$D/judged.jsonl" || wrong "no evaluation: $(head -n 2 "$D/judged.jsonl")"
for name in judged judged--precompute-ref-log-probs; do
    sed 's/, "tokens_per_second": [^,]*//; s/, "tflops": [^,]*//; s/, "iteration_seconds.*//' "$D/$name.jsonl" >"$D/$name"
done
same "$D/judged" "$D/judged--precompute-ref-log-probs"
# lengths change no figure
job varied 1 --train-iters 8 --finetune --no-pad-to-seq-lengths
alike varied own 1
# an adapter's reference is the model without it, which is not there twice
adapter="--lora-r 4 --lora-alpha 8 --lora-target-modules all-linear"
job adapted 1 --train-iters 4 --finetune $adapter
job adapted-named 1 --train-iters 4 --finetune $adapter --ref-model "$D/start"
alike adapted adapted-named 1
checks=$((checks + 1))
[ "$(memory adapted)" -lt "$(memory adapted-named)" ] || wrong "a second model: $(memory adapted) bytes"
# a head that no file has; its rewards are written and read
expect 2 "--load-checkpoint-loosely begins with random values" tune --train-iters 1 --stage rm
job rewards 1 --train-iters 3 --finetune --stage rm --load-checkpoint-loosely --save "$D/rewards" --save-hf "$D/rewards-hf"
job rewards-on 1 --train-iters 3 --finetune --stage orm --load "$D/rewards-hf"
echo '{"ids": [3, 4, 5]}' >"$D/ids.jsonl"
"$T" score --reward --load "$D/rewards" --input "$D/ids.jsonl" --output "$D/a" --threads 1 >"$D/out" 2>&1 || wrong "no rewards of checkpoints"
"$T" score --reward --load "$D/rewards-hf" --input "$D/ids.jsonl" --output "$D/b" --threads 1 >"$D/out" 2>&1 || wrong "no rewards of a folder"
same "$D/a" "$D/b"
expect 2 "no output layer" "$T" score --load "$D/rewards" --input "$D/ids.jsonl"
expect 2 "there is no head of rewards" "$T" score --reward --load "$D/start" --input "$D/ids.jsonl"
expect 2 "goes with --reward" "$T" score --no-post-layer-norm --load "$D/start" --input "$D/ids.jsonl"

# what it refuses
expect 2 "compare with a model: give --ref-model, or --load" "$T" posttrain $shape --split 100,0,0 --seq-length 32 --micro-batch-size 2 \
    --train-iters 1 --lr 1 --data-path "$D/pairs" --stage dpo
"$T" pretrain $shape $pad --vocab-size 99 --data-path "$D/data_text_document" --split 100,0,0 --seq-length 32 --micro-batch-size 2 \
    --lr 1 --train-iters 1 --save-hf "$D/wide" >"$D/out" 2>&1 || wrong "no wide model"
expect 2 "a vocabulary of 100 tokens, and the model's has 97" tune --train-iters 1 --ref-model "$D/wide"
expect 2 "while opening the reference $D/none" tune --train-iters 1 --ref-model "$D/none"
expect 2 "contradict each other" tune --train-iters 1 --ref-model "$D/other" --dpo-reference-free
expect 2 "verdicts_packed_chosen_input_ids_document.idx" tune --train-iters 1 --data-path "$D/verdicts"
expect 2 "has no token with a label in its first 2" tune --train-iters 3 --seq-length 2
expect 2 "is-pairwise-dataset" tune --train-iters 1 --is-instruction-dataset
expect 0 "--simpo-beta has no effect without --stage simpo" tune --train-iters 1 --simpo-beta 2
finish
