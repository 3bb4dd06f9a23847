#!/bin/sh
# Checkpoints of one run are not written over by another: a restart that forgets --load, or loads something else.
. "$(dirname "$0")/lib.sh"
make_data
latest() { cat "$D/ck/latest_checkpointed_iteration.txt"; }
sums() { (cd "$D/ck" && find . -type f ! -name .lock | sort | xargs cksum); }
# stays TEXT OPTIONS...: refused before the first step, and the folder is as it was
stays() {
    text=$1
    shift
    sums >"$D/before"
    expect 2 "$text" train --save "$D/ck" --metrics-jsonl "$D/never.jsonl" --save-interval 4 "$@"
    sums >"$D/after"
    same "$D/before" "$D/after"
    absent "$D/never.jsonl"
}
expect 0 "" train --save "$D/ck" --save-interval 4 --save-hf "$D/hf"
expect 0 "" train --save "$D/other" --train-iters 4
ours="holds checkpoints of another run, up to iteration 8"
stays "--save $D/ck $ours, and this one starts from the beginning: continue that one with --load $D/ck"
stays "$ours" --load "$D/hf"
stays "$ours" --load "$D/none" --save "$D/ck/" # not there: from random weights, were it the folder to save to
stays "from iteration 4 of --load" --load "$D/other"
stays "from the beginning (--finetune)" --load "$D/other" --finetune
stays "from the beginning (--finetune)" --load "$D/ck" --finetune
stays "from iteration 4 of --load" --load "$D/other/iter_0000004"
stays "--override-checkpoints" --load "$D/hf" --async-save

# the folder that was loaded: continued, or set back on purpose, in each of its ways
expect 0 "continuing from iteration 8" train --load "$D/ck" --save "$D/ck" --train-iters 12 --save-interval 4
checks=$((checks + 1))
! grep -q "set back" "$D/err" || wrong "a run that goes on from the newest is said to be set back"
echo 4 >"$D/ck/latest_checkpointed_iteration.txt"
expect 0 "the run is set back to iteration 4: what $D/ck holds beyond (up to iteration 12) is written again" \
    train --load "$D/ck" --save "$D/ck"
expect 0 8 latest
expect 0 "set back to iteration 4" train --load "$D/ck" --save "$D/ck" --ckpt-step 4
expect 0 "set back to iteration 4" train --load "$D/ck/iter_0000004" --save "$D/../$(basename "$D")/ck/."
ln -s ck "$D/link"
expect 0 "set back to iteration 8" train --load "$D/link" --save "$D/ck" --train-iters 9

# folders of their own, and what is asked for
expect 0 "" train --load "$D/ck" --finetune --save "$D/new"
expect 0 "" train --load "$D/other" --save "$D/new2"
expect 0 "" train --save "$D/ck" --train-iters 4 --override-checkpoints
expect 0 4 latest
# other programs' checkpoints are no less worth
mkdir -p "$D/megatron/iter_0000100/mp_rank_00"
echo 100 >"$D/megatron/latest_checkpointed_iteration.txt"
expect 2 "up to iteration 100" train --save "$D/megatron"
# a first save that was killed between the folder's name and the text file leaves nothing to protect
mkdir "$D/killed"
cp -r "$D/other/iter_0000004" "$D/killed/"
expect 0 "saved checkpoint of iteration 4" train --save "$D/killed" --train-iters 4
expect 0 "" "$T" checkpoint verify --all "$D/killed"
finish
