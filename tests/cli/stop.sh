#!/bin/sh
# Ctrl-C and SIGTERM outside of steps: in an evaluation, and before training begins.
. "$(dirname "$0")/lib.sh"
make_data
waited() { # waited FILE TEXT: until a text is in a file
    i=0
    while ! grep -qF -- "$2" "$1" 2>/dev/null && [ $i -lt 1000 ]; do
        sleep 0.02
        i=$((i + 1))
    done
}
# An evaluation that would take days: obeyed between its batches, without another step, and saved.
endless="--split 50,50,0 --eval-iters 1000000 --train-iters 6 --log-interval 1"
go() { # go COMMAND... OPTIONS...: in the background, until the last step is made
    rm -rf "$D/ck" "$D/m.jsonl" "$D/err"
    # shellcheck disable=SC2086
    "$@" $shape $batch --data-path "$D/data_text_document" $endless --save "$D/ck" --metrics-jsonl "$D/m.jsonl" \
        >"$D/out" 2>"$D/err" </dev/null &
    pid=$!
}
ended() { # ended ITERATION: exit code 0, and what was saved and said
    wait $pid
    code=$?
    checks=$((checks + 4))
    [ $code = 0 ] || wrong "$what: exit $code: $(tail -n 1 "$D/err")"
    [ "$(cat "$D/ck/latest_checkpointed_iteration.txt")" = "$1" ] || wrong "$what: $(cat "$D/ck/latest_checkpointed_iteration.txt") was saved"
    [ "$(wc -l <"$D/m.jsonl" | tr -d ' ')" = "$1" ] || wrong "$what: $(wc -l <"$D/m.jsonl") steps"
    grep -qF "the evaluation on validation data after iteration $1 is broken off" "$D/err" || wrong "$what: it is not said"
    expect 0 "" "$T" checkpoint verify "$D/ck"
}
for signal in INT TERM; do
    what="SIG$signal, evaluation between steps"
    go "$T" pretrain --eval-interval 3
    waited "$D/err" "iteration        2/"
    sleep 0.3
    kill -$signal $pid
    ended 3
    checks=$((checks + 1))
    ! grep -q valid_lm_loss "$D/m.jsonl" || wrong "$what: half an evaluation is told of"
done
what="evaluation at the end"
go "$T" pretrain --eval-interval 100
waited "$D/err" "saved checkpoint of iteration 6"
sleep 0.2
kill -INT $pid
ended 6
if command -v mpirun >/dev/null 2>&1; then
    what="one of two processes"
    go mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 "$T" pretrain --eval-interval 3
    waited "$D/err" "iteration        2/"
    sleep 0.3
    for p in $(grep -lsaF "$D/ck" /proc/[0-9]*/cmdline); do
        p=${p%/cmdline}
        ! tr '\0' '\n' 2>/dev/null <"$p/environ" | grep -q '^\(OMPI_COMM_WORLD_RANK\|PMI_RANK\)=1$' || kill -TERM "${p#/proc/}"
    done
    ended 3
else
    echo "skipped: several processes (no mpirun)"
fi
# Before the first step: at once. Orders of samples that take some seconds to make.
for signal in INT TERM; do
    rm -rf "$D/ck" "$D/m.jsonl"
    # shellcheck disable=SC2086
    "$T" pretrain $shape $batch --data-path "$D/data_text_document" --train-iters 100000000 --log-level debug \
        --save "$D/ck" --metrics-jsonl "$D/m.jsonl" >"$D/out" 2>"$D/err" </dev/null &
    pid=$!
    sleep 0.5
    kill -$signal $pid
    wait $pid
    code=$?
    checks=$((checks + 2))
    [ $code = 130 ] || [ $code = 143 ] || wrong "SIG$signal while loading: exit $code: $(tail -n 1 "$D/err")"
    grep -qF "stopped before the first step" "$D/err" || wrong "SIG$signal while loading: $(cat "$D/err")"
    absent "$D/ck"
    absent "$D/m.jsonl"
done
finish
