#!/bin/sh
# A disk that takes no more: a save that fails midway costs that save alone. A folder that cannot be written to is
# found before the first step. The limit on a file's size (ulimit -f) stands for the full disk.
. "$(dirname "$0")/lib.sh"
make_data
limit=130 # 512 or 1024 bytes, as the shell has it: the weights or the moments do not fit, all else does
ok() { # ok COMMAND...: says nothing and succeeds
    checks=$((checks + 1))
    "$@" >"$D/out" 2>&1 || wrong "$*: $(head -n 1 "$D/out")"
}
limited() { (ulimit -f $limit && "$@"); }
expect 0 "" train --metrics-jsonl "$D/whole.jsonl" --save-hf "$D/whole"
curve "$D/whole.jsonl" >"$D/whole.curve"
for how in "" --async-save; do
    rm -rf "$D/ck" "$D"/[lr].jsonl "$D/hf"
    # shellcheck disable=SC2086
    expect 0 "saved checkpoint of iteration 2" train --save "$D/ck" --save-interval 2 --exit-interval 2 $how
    cp -r "$D/ck/iter_0000002" "$D/before"
    # the run goes on to its end, says so for each save, and fails in the end: its result is not there
    # shellcheck disable=SC2086
    expect 1 "the state after iteration 8 was not saved to $D/ck" limited train --load "$D/ck" --save "$D/ck" \
        --save-interval 3 --metrics-jsonl "$D/l.jsonl" $how
    checks=$((checks + 5))
    [ "$(grep -c 'warning: saving the checkpoint failed, training goes on' "$D/err")" = 2 ] || wrong "not one warning a save: $(cat "$D/err")"
    [ "$(grep -c 'warning' "$D/err")" = 3 ] || wrong "other warnings: $(grep warning "$D/err")"
    grep -q 'warning: saving the last checkpoint failed' "$D/err" || wrong "the last save's failure is not told of"
    grep -q "$D/ck/.tmp-iter_0000008/.*safetensors.*File too large" "$D/err" || wrong "the file or the reason is not named"
    [ "$(wc -l <"$D/l.jsonl")" = 6 ] || wrong "training did not go on"
    # nothing half-done is left, the checkpoint before is as it was, and the run goes on from it
    absent "$D/ck/.tmp-iter_0000003"
    absent "$D/ck/.tmp-iter_0000008"
    absent "$D/ck/iter_0000008"
    ok diff -r "$D/before" "$D/ck/iter_0000002"
    expect 0 "2" cat "$D/ck/latest_checkpointed_iteration.txt"
    expect 0 "" "$T" checkpoint verify --all "$D/ck"
    expect 0 "iterations 3 to 8" train --load "$D/ck" --save "$D/ck" --metrics-jsonl "$D/r.jsonl" --save-hf "$D/hf"
    { head -n 2 "$D/whole.curve"; curve "$D/r.jsonl"; } >"$D/r.curve"
    same "$D/whole.curve" "$D/r.curve"
    same "$D/whole/model.safetensors" "$D/hf/model.safetensors"
    rm -rf "$D/before"
done
# the Hugging Face folder is the run's result as well; where one was, it stays
cp -r "$D/whole" "$D/kept"
expect 1 "File too large" limited train --save-hf "$D/kept"
ok diff -r "$D/whole" "$D/kept"
ok test "$(echo "$D"/kept*)" = "$D/kept"
# the record is lost, the run is not: what there was room for are whole lines, and the end says how many are missing
expect 1 "lines are missing: File too large" limited train --train-iters 450 --metrics-jsonl "$D/long.jsonl"
checks=$((checks + 2))
[ "$(grep -c 'its lines wait in memory' "$D/err")" = 1 ] || wrong "not one warning of the metrics"
[ "$(grep -c '^{"iteration": [0-9]*, .*}$' "$D/long.jsonl")" = "$(wc -l <"$D/long.jsonl")" ] || wrong "a torn line"
# a line that a killed run left torn is cut off; another's last line is ended
for torn in '{"iter' '{"iteration": 9, "consumed_samples": 72, "lm_lo'; do
    printf '{"iteration": 1}\n%s' "$torn" >"$D/torn.jsonl"
    expect 0 "the last line is torn and is cut off" train --train-iters 2 --lr-warmup-iters 0 --metrics-jsonl "$D/torn.jsonl"
    ok test "$(cut -c 1-16 "$D/torn.jsonl" | tr '\n' ' ')" = '{"iteration": 1} {"iteration": 1, {"iteration": 2, '
done
printf 'a note' >"$D/torn.jsonl"
ok train --train-iters 1 --lr-warmup-iters 0 --metrics-jsonl "$D/torn.jsonl"
ok test "$(cut -c 1-15 "$D/torn.jsonl" | tr '\n' ' ')" = 'a note {"iteration": 1 '

# places that cannot be written to: said before the first step, nothing made
touch "$D/file"
refused() { # refused TEXT OPTIONS...
    text=$1
    shift
    expect 2 "$text" train --metrics-jsonl "$D/none.jsonl" "$@"
    [ ! -s "$D/none.jsonl" ] || wrong "$*: steps were taken"
    rm -f "$D/none.jsonl"
}
refused "$D/file: is there, but is no folder" --save "$D/file"
refused "$D/file/ck: cannot make the folder" --save "$D/file/ck"
refused "$D/file/a: cannot make the folder" --save "$D/file/a/b/ck"
refused "--save-hf $D/file: is there, but is no folder" --save-hf "$D/file"
refused "--save-hf $D/file/hf: cannot be made: $D/file is no folder to write to" --save-hf "$D/file/hf"
refused "--save-hf $D/file/a/b: cannot be made" --save-hf "$D/file/a/b"
refused "--tensorboard-dir $D/file: " --tensorboard-dir "$D/file"
expect 2 "--metrics-jsonl $D/file/m.jsonl: cannot be written: Not a directory" train --metrics-jsonl "$D/file/m.jsonl"
expect 0 "" train --train-iters 2 --lr-warmup-iters 0 --save "$D/new/a/b" --save-hf "$D/new/hf/x"
expect 0 "" "$T" checkpoint verify "$D/new/a/b"
if [ "$(id -u)" = 0 ]; then
    echo "skipped: folders without the right to write (root has it everywhere; run as an ordinary user)"
else
    mkdir "$D/closed"
    chmod 555 "$D/closed"
    refused "$D/closed: checkpoints cannot be saved there" --save "$D/closed"
    refused "$D/closed/ck: cannot make the folder" --save "$D/closed/ck"
    refused "--save-hf $D/closed/hf: cannot be made" --save-hf "$D/closed/hf"
fi
finish
