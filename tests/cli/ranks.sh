#!/bin/sh
# Processes of a training job that die, stop or are told to end: the job ends soon, says who it was, leaves nothing
# behind, and goes on from its last checkpoint as if nothing had been.
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
# What Open MPI leaves behind when its launcher is killed goes with our folder.
mkdir "$D/tmp"
open_mpi=
launcher=
case $(mpirun --version 2>&1) in
*"Open MPI"*)
    open_mpi=1
    launcher="--allow-run-as-root --oversubscribe --bind-to none --mca orte_tmpdir_base $D/tmp
        --mca btl_vader_backing_directory $D/tmp"
    ;;
esac
steps=100000 every=100
pretrain() { # pretrain COMMAND... OPTIONS...: with what all runs have in common
    # shellcheck disable=SC2086
    "$@" $shape $batch --data-path "$D/data_text_document" --seed 5 --deterministic-mode --train-iters $steps
}
# The job's processes that are alive, with their ranks: "RANK PID" a line. Its folder's name is in their words.
alive() {
    for p in $(grep -lsaF "$D/ck" /proc/[0-9]*/cmdline); do
        p=${p%/cmdline}
        case $(sed 's/.*) //' "$p/stat" 2>/dev/null) in Z* | X* | "") continue ;; esac
        rank=$(tr '\0' '\n' <"$p/environ" 2>/dev/null | sed -n 's/^\(OMPI_COMM_WORLD_RANK\|PMI_RANK\)=//p' | head -n 1)
        echo "${rank:-launcher} ${p#/proc/}"
    done
}
seconds() { date +%s; }
# start OPTIONS...: two processes, until the first checkpoint is there
start() {
    rm -rf "$D/ck" "$D/cut.jsonl"
    # shellcheck disable=SC2086
    pretrain mpirun $launcher -n 2 "$T" pretrain --save "$D/ck" --save-interval $every --keep-checkpoints 2 \
        --metrics-jsonl "$D/cut.jsonl" "$@" >"$D/out" 2>"$D/err" </dev/null &
    job=$!
    i=0
    while [ ! -s "$D/ck/latest_checkpointed_iteration.txt" ] && [ $i -lt 1000 ]; do
        sleep 0.02
        i=$((i + 1))
    done
    alive >"$D/alive"
    checks=$((checks + 1))
    [ "$(grep -c '^[01] ' "$D/alive")" = 2 ] || wrong "$what: no two ranks: $(cat "$D/alive" "$D/err")"
}
rank_pid() { sed -n "s/^$1 //p" "$D/alive"; }
# ends SECONDS TEXT...: the job fails within the time, with these texts, and leaves nothing
ends() {
    began=$(seconds)
    limit=$1
    shift
    wait $job
    code=$?
    while [ -n "$(alive)" ] && [ $(($(seconds) - began)) -le "$limit" ]; do sleep 0.1; done
    took=$(($(seconds) - began))
    checks=$((checks + 3 + $#))
    [ $code != 0 ] || wrong "$what: exit 0"
    [ -z "$(alive)" ] || wrong "$what: left behind: $(alive)"
    [ $took -le "$limit" ] || wrong "$what: ended after $took s"
    [ -z "$(find /dev/shm -maxdepth 1 -type f -name '*tessera*' 2>/dev/null)" ] || wrong "$what: shared memory is left"
    for text in "$@"; do
        grep -qF -- "$text" "$D/err" || wrong "$what: no \"$text\" in: $(cat "$D/err")"
    done
    [ "$(wc -l <"$D/cut.jsonl")" -lt $steps ] || wrong "$what: came too late, all steps were done"
}
# says_who RANK: whose end it was: the launcher saw it first, or the other rank, which was reading its values
says_who() {
    checks=$((checks + 1))
    grep -q "rank $1 (process [0-9]*) has ended" "$D/err" && return
    if [ $open_mpi ]; then
        grep -F "process rank $1 " "$D/err" | grep -F "on node $(uname -n | cut -d. -f1) " | grep -qF "signal 9" ||
            wrong "$what: who has ended? $(cat "$D/err")"
    fi
}
# goes_on N: from the last checkpoint with N processes for some steps: the same numbers, weights and moments
goes_on() {
    rm -rf "$D/rest.jsonl"
    at=$(cat "$D/ck/latest_checkpointed_iteration.txt")
    expect 0 "" "$T" checkpoint verify --all "$D/ck"
    # shellcheck disable=SC2086
    expect 0 "iterations $((at + 1)) to $steps" pretrain mpirun $launcher -n "$1" "$T" pretrain --load "$D/ck" \
        --save "$D/ck" --metrics-jsonl "$D/rest.jsonl" --exit-interval $every
    { head -n "$at" "$D/cut.jsonl"; cat "$D/rest.jsonl"; } >"$D/both.jsonl"
    curve "$D/both.jsonl" >"$D/both.curve"
    to=$(wc -l <"$D/both.curve")
    checks=$((checks + 1))
    [ "$to" = $(((at / every + 1) * every)) ] || wrong "$what: from $at to $to"
    # the run that nothing happened to
    rm -rf "$D/whole" "$D/whole.jsonl"
    # shellcheck disable=SC2086
    expect 0 "" pretrain mpirun $launcher -n 2 "$T" pretrain --save "$D/whole" --metrics-jsonl "$D/whole.jsonl" \
        --exit-interval $to
    curve "$D/whole.jsonl" >"$D/whole.curve"
    same "$D/whole.curve" "$D/both.curve"
    [ "$1" = 2 ] || return # others cut the files differently
    iteration=iter_$(printf %07d "$to")
    for file in "$D/whole/$iteration"/*.safetensors; do
        same "$file" "$D/ck/$iteration/${file##*/}"
    done
}

# Processes that were told different things compute no run together.
told() { # told TEXT OPTIONS-OF-RANK-1
    # shellcheck disable=SC2086
    expect 2 "$1" pretrain mpirun $launcher -n 2 sh -c 'case ${OMPI_COMM_WORLD_RANK:-$PMI_RANK} in 1) set -- "$@" '"$2"' ;; esac; exec "$@"' \
        sh "$T" pretrain
    checks=$((checks + 1))
    [ "$(grep -cF -- "error: rank 1 of 2: $1" "$D/err")" = 1 ] || wrong "said more than once: $(cat "$D/err")"
}
steps=4
# what a process computes with, and where its host has the files, is its own
# shellcheck disable=SC2086
expect 0 "" pretrain mpirun $launcher -n 2 sh -c 'case ${OMPI_COMM_WORLD_RANK:-$PMI_RANK} in 1) set -- "$@" --threads 2 --data-path "$0" ;; esac
    exec "$@"' "$D/./data_text_document" "$T" pretrain --threads 1
told "--seed is 6 here and 5 on rank 0" "--seed 6"
told "--lr is 0.01 here and 0.001 on rank 0" "--lr 0.01"
told "--save is \"$D/one\" here and null on rank 0" "--save $D/one"
absent "$D/one"
steps=100000

what="rank 1 killed"
start
kill -KILL "$(rank_pid 1)"
ends 5
says_who 1
goes_on 2

what="rank 0 killed while saving in the background"
start --async-save
kill -KILL "$(rank_pid 0)"
ends 5
says_who 0
goes_on 1

what="launcher killed"
start
kill -KILL "$(rank_pid launcher)"
ends 10
goes_on 2

what="launcher told to end"
start
kill -TERM "$(rank_pid launcher)"
ends 10
last=$(tail -n 1 "$D/cut.jsonl" | sed 's/.*"iteration": \([0-9]*\),.*/\1/')
expect 0 "$last" cat "$D/ck/latest_checkpointed_iteration.txt"
goes_on 2

what="rank 1 stopped"
start --distributed-timeout-minutes 0.03
kill -STOP "$(rank_pid 1)"
ends 10 "rank 1 on $(hostname) has not come: it has stopped" "(iteration " "in all-" "of group world"
checks=$((checks + 1))
grep -F "has waited" "$D/err" | head -n 1 | grep -qF "rank 0 of 2 on " || wrong "$what: $(grep "has waited" "$D/err")"

# Four processes, two to a layer: all wait, one way or another, for one that has stopped.
four() { # four OPTIONS...: of rank 1 alone
    rm -rf "$D/ck"
    : >"$D/cut.jsonl"
    # shellcheck disable=SC2086
    pretrain mpirun $launcher -n 4 sh -c 'case ${OMPI_COMM_WORLD_RANK:-$PMI_RANK} in 1) set -- "$@" '"$1"' ;; esac; exec "$@"' \
        sh "$T" pretrain --metrics-jsonl "$D/cut.jsonl" --save "$D/ck" --tensor-model-parallel-size 2 --threads 1 \
        --distributed-timeout-minutes 0.08 >"$D/out" 2>"$D/err" </dev/null &
    job=$!
}
what="rank 3 stopped in a group"
four ""
while [ ! -s "$D/cut.jsonl" ]; do sleep 0.1; done
alive >"$D/alive"
kill -STOP "$(rank_pid 3)"
ends 15 "has waited " "of group " "rank 3 on $(hostname) has not come: it has stopped"
checks=$((checks + 1))
! grep -q ": rank [012] on [^ ]* has not come" "$D/err" || wrong "$what: another is named: $(grep "has not come" "$D/err")"
what="rank 1 out of memory in a group"
# shellcheck disable=SC2086
peak=$("$T" plan $shape $batch --train-iters 9 --deterministic-mode --data-path "$D/data_text_document" --tensor-model-parallel-size 2 --world-size 4 --threads 1 --json 2>"$D/err" |
    sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p')
four "--memory-limit-gb $(awk -v peak="${peak:-0}" 'BEGIN { printf "%.6f", (peak - 40000) * 1e-9 }')" # in its first step
ends 15
for r in 0 2 3; do
    checks=$((checks + 1))
    grep "$(case $r in 0) echo "^error: " ;; *) echo "^rank $r on .*error: " ;; esac)" "$D/err" |
        grep -qF "rank 1 of 4 has failed: out of memory" || wrong "$what: rank $r does not say why: $(cat "$D/err")"
done
finish
