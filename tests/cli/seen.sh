#!/bin/sh
# What a run says about itself: in the log, in the metrics, in TensorBoard's files.
. "$(dirname "$0")/lib.sh"
make_data
# the rate in the log is the one that the step used, as in the metrics
expect 0 "" train --log-interval 1 --metrics-jsonl "$D/m.jsonl"
sed -n 's/.*learning rate: \([0-9.E+-]*\) .*/\1/p' "$D/err" >"$D/log.rates"
sed 's/.*"learning_rate": \([^,]*\),.*/\1/' "$D/m.jsonl" | awk '{ printf "%.6E\n", $1 }' >"$D/metrics.rates"
same "$D/log.rates" "$D/metrics.rates"
checks=$((checks + 1))
[ "$(wc -l <"$D/log.rates")" = 8 ] || wrong "rates in the log: $(cat "$D/log.rates")"
[ "$(head -n 1 "$D/log.rates")" = 0.000000E+00 ] || wrong "the first step of a warm-up: $(head -n 1 "$D/log.rates")"
# where a run begins
expect 0 "beginning with random weights (--seed 5)" train --save "$D/ck" --save-hf "$D/hf"
expect 0 "beginning with the weights of $D/hf" train --load "$D/hf"
expect 0 "continuing from iteration 8 of $D/ck" train --load "$D/ck" --train-iters 10
expect 0 "beginning with the weights of iteration 8 of $D/ck (--finetune)" train --load "$D/ck" --finetune
expect 0 "optimizer 175.1 kB" train # two moments of 21,696 parameters, and what aligns them
checks=$((checks + 2))
grep -q "^21696 parameters, fp32" "$D/err" || wrong "the number of parameters is not said"
grep -q "^memory: about .* (weights 87.6 kB, gradients 87.6 kB, optimizer 175.1 kB, activations " "$D/err" || wrong "memory: $(grep memory "$D/err")"
# what it says beforehand is what the steps then take
train --metrics-jsonl "$D/peak.jsonl" >"$D/out" 2>"$D/err"
peak=$(sed -n '$s/.*"memory_peak_bytes": \([0-9]*\),.*/\1/p' "$D/peak.jsonl")
grep -q "^memory: about $(awk "BEGIN { printf \"%.1f\", $peak / 1e6 }") MB" "$D/err" || wrong "$peak bytes: $(grep memory "$D/err")"
for iters in 8 5; do
    expect 0 "nothing is left to train: the run has done 8 iterations, and --train-iters asks for $iters" \
        train --load "$D/ck" --train-iters $iters
    checks=$((checks + 1))
    ! grep -q "iterations [0-9]* to" "$D/err" || wrong "a run that is done says $(grep "iterations " "$D/err")"
done
rm -rf "$D/ck"

# TensorBoard's files: how often, perplexity where asked, and what a run that goes on makes readers forget
events() { # events FOLDER TEXT: how often a text is in its event files
    cat "$1"/events.out.tfevents.* | grep -aoF -- "$2" | wc -l | tr -d ' '
}
count() { # count N FOLDER TEXT
    checks=$((checks + 1))
    [ "$(events "$2" "$3")" = "$1" ] || wrong "\"$3\" is $(events "$2" "$3") times in $2, expected $1"
}
hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }
valid="--split 80,20,0 --eval-iters 1 --eval-interval 4"
# shellcheck disable=SC2086
expect 0 "" train $valid --tensorboard-dir "$D/each"
count 8 "$D/each" grad-norm
count 8 "$D/each/samples" "grad-norm vs samples"
count 2 "$D/each" "lm loss validation"
count 2 "$D/each/samples" "lm loss validation vs samples"
count 0 "$D/each" ppl
# shellcheck disable=SC2086
expect 0 "" train $valid --tensorboard-dir "$D/third" --tensorboard-log-interval 3 --log-validation-ppl-to-tensorboard
count 2 "$D/third" grad-norm
count 2 "$D/third/samples" "grad-norm vs samples"
count 2 "$D/third" "lm loss validation ppl"
count 2 "$D/third/samples" "lm loss validation ppl vs samples"
begins() { # begins FOLDER HEX: the last file of a folder begins with its version and this start of a session, or none
    checks=$((checks + 1))
    last=$(ls "$1"/events.out.tfevents.* | tail -n 1)
    hex "$last" | head -c 200 | grep -q "$2" || wrong "$last: no $2 in $(hex "$last" | head -c 200)"
}
expect 0 "" train --save "$D/ck" --save-interval 2 --tensorboard-dir "$D/tb"
checks=$((checks + 1))
! hex "$D"/tb/events* | grep -q 3a020801 || wrong "a new run makes readers forget"
echo 4 >"$D/ck/latest_checkpointed_iteration.txt"
expect 0 "" train --load "$D/ck" --save "$D/ck" --tensorboard-dir "$D/tb"
begins "$D/tb" 10053a020801
begins "$D/tb/samples" 10213a020801 # 4 steps of 8 samples
# one that may have died before its first checkpoint
expect 0 "" train --load "$D/none" --save "$D/none" --tensorboard-dir "$D/tb"
begins "$D/tb" 10013a020801
finish
