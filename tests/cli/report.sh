#!/bin/sh
# Runs on one page: what is read of files and folders, and what is said of those that are broken.
. "$(dirname "$0")/lib.sh"
metrics() { # metrics FROM TO: lines as a run writes them
    awk -v a="$1" -v b="$2" 'BEGIN { for (i = a; i <= b; i++) printf "{\"iteration\": %d, \"lm_loss\": %.4f, " \
        "\"grad_norm\": %.3f, \"learning_rate\": 0.001, \"tokens_per_second\": 100, \"iteration_seconds\": 0.1, " \
        "\"memory_peak_bytes\": 5000000, \"skipped\": false}\n", i, 2 + 8 / i, 1 + (i % 3) }'
}
count() { # count N TEXT: in the page
    checks=$((checks + 1))
    n=$(grep -o -- "$2" "$D/r.html" | wc -l | tr -d ' ')
    [ "$n" = "$1" ] || wrong "\"$2\" is $n times in the page, expected $1"
}
report() { "$T" report "$@" --output "$D/r.html"; }
metrics 1 50 >"$D/a.jsonl"
metrics 31 80 >>"$D/a.jsonl" # set back
metrics 1 20 >"$D/b.jsonl"
printf '{"iteration": 21, "lm_l' >>"$D/b.jsonl" # being written
expect 0 "b.jsonl:21: the last line is not whole" report "$D/a.jsonl" "$D/b.jsonl"
for c in lm_loss grad_norm learning_rate tokens_per_second iteration_seconds memory_peak_bytes; do
    count 1 "data-curve=\"$c\""
done
count 12 "<polyline"
count 0 "https\?:"
count 1 "began again with step 31; 20 steps"
if command -v xmllint >/dev/null; then
    checks=$((checks + 1))
    xmllint --noout "$D/r.html" 2>"$D/err" || wrong "not well formed: $(head -n 1 "$D/err")"
fi
# broken lines name themselves and the rest counts
{ metrics 1 3; echo '{"iteration": 4, lm_loss'; echo '[4]'; echo '{"text": "no metrics"}'; metrics 5 6; } >"$D/c.jsonl"
expect 0 "c.jsonl:4: not valid JSON" report "$D/c.jsonl"
grep -q "c.jsonl:5: no line of metrics: it is no object" "$D/err" || wrong "line 5: $(cat "$D/err")"
grep -q 'c.jsonl:6: no line of metrics: it has no "iteration"' "$D/err" || wrong "line 6: $(cat "$D/err")"
count 1 "1 to 6"
: >"$D/none.jsonl"
echo '{"text": "1"}' >"$D/data.jsonl"
expect 2 "none.jsonl: is empty" report "$D/none.jsonl"
expect 2 "data.jsonl: none of its 1 lines" report "$D/data.jsonl"
expect 0 "left out: $D/none.jsonl: is empty" report "$D/none.jsonl" "$D/a.jsonl"
count 6 "<polyline"
expect 2 "no-such-run" report "$D/no-such-run"
expect 2 "which runs" report
# a folder: several attempts, another run among them, a log, no checkpoints
mkdir -p "$D/run/tb" "$D/empty" "$D/ev"
metrics 1 10 >"$D/run/1.jsonl"
metrics 8 15 >"$D/run/2.jsonl"
metrics 1 5 >"$D/run/other.jsonl"
printf 'a line\nwarning: something <odd>\nwarning: something <odd>\n' >"$D/run/train.log"
expect 0 "other.jsonl: begins with step 1 as $D/run/1.jsonl does" report "$D/run"
count 1 "1 to 15"
count 1 "something &lt;odd&gt;"
expect 2 "$D/empty: holds no metrics" report "$D/empty"
# what a real run leaves: metrics, events, checkpoints
make_data
expect 0 "" train --train-iters 4 --lr-warmup-iters 0 --save "$D/real/ck" --metrics-jsonl "$D/real/m.jsonl" --tensorboard-dir "$D/real/tb"
"$T" plan $shape $batch --train-iters 4 --lr-warmup-iters 0 --mock-data --json >"$D/plan.json" 2>"$D/err"
expect 0 "a page of 1 run" report "$D/real" --plan "$D/plan.json"
count 1 "checkpoints of steps 4;"
count 1 "memory of the largest process, by the account"
grep "memory of the largest" "$D/r.html" | grep -q "the same" || wrong "the memory is not as planned: $(grep "memory of the largest" "$D/r.html")"
grep -q "num-attention-heads" "$D/r.html" || wrong "no options of the checkpoint"
cp "$D"/real/tb/events* "$D/ev/"
expect 0 "a page of 2 runs" report "$D/ev" "$D/real"
checks=$((checks + 1))
grep -A40 'data-curve="lm_loss"' "$D/r.html" | grep -c "<polyline" | grep -q 2 || wrong "the loss of event files is not drawn"
echo '{}' >"$D/bad.json"
expect 2 "is no plan" report "$D/real" --plan "$D/bad.json"
expect 2 "--plan names 2 files for 1 runs" report "$D/real" --plan "$D/plan.json" "$D/plan.json"
finish
