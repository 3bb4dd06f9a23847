#!/bin/sh
# fp16 that overflows whatever the scale: the run ends and keeps its last good checkpoint.
. "$(dirname "$0")/lib.sh"
make_data
lines() { wc -l <"$1" | tr -d ' '; }
# A rate that throws the weights out of fp16's range in the second step; from then on every step overflows.
wild="--fp16 --optimizer sgd --sgd-momentum 0 --lr 1e6 --min-lr 1e6 --lr-warmup-iters 0 --lr-decay-style constant
    --clip-grad 0 --initial-loss-scale 8 --hysteresis 1 --train-iters 40"
# shellcheck disable=SC2086
expect 1 "10 steps in a row have overflowed with the lowest loss scale, 1 (--min-loss-scale)" train $wild \
    --save "$D/ck" --save-interval 1 --keep-checkpoints 2 --metrics-jsonl "$D/m.jsonl"
checks=$((checks + 5))
grep -q "warning: iteration .* overflows with the lowest loss scale" "$D/err" || wrong "no warning at the first"
first=$(grep -n '"skipped": true' "$D/m.jsonl" | head -n 1 | cut -d: -f1)
[ "$(lines "$D/m.jsonl")" = $((first + 11)) ] || wrong "$(lines "$D/m.jsonl") steps, the first overflow at $first"
[ "$(grep -c '"skipped": false' "$D/m.jsonl")" = $((first - 1)) ] || wrong "a step in between was not skipped"
[ "$(grep -c "no checkpoint of iteration" "$D/err")" = 9 ] || wrong "checkpoints of steps that overflowed were written"
# 8, 4 and 2 still fell
[ "$(cat "$D/ck/latest_checkpointed_iteration.txt")" = $((first + 2)) ] || wrong "the last: $(cat "$D/ck/latest_checkpointed_iteration.txt")"
expect 0 "" "$T" checkpoint verify --all "$D/ck"
# shellcheck disable=SC2086
expect 0 "" train $wild --train-iters 20 --no-check-for-nan-in-loss-and-grad
# a scale that is not searched for ends the run at once
# shellcheck disable=SC2086
expect 1 "is not a number" train $wild --loss-scale 8
expect 2 "--min-loss-scale 16 is above --initial-loss-scale 8" train --fp16 --initial-loss-scale 8 --min-loss-scale 16
expect 2 "--min-loss-scale" train --fp16 --min-loss-scale 0
finish
