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
finish
