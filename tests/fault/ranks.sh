#!/bin/bash
# ranks.sh TESSERA [RUNS [SEED]]: jobs in many layouts, each of which is broken at a random moment. A rank is killed,
# or stopped, or held for a while. Of each run: nothing hangs; whoever says who is missing names that rank and no
# other; the last whole checkpoint is sound, and the job goes on from it with the very losses of one that nothing
# happened to. Each run has a seed of its own, which it tells: ranks.sh TESSERA 1 SEED is that run again.
. "$(dirname "$0")/../cli/lib.sh"
needs_mpi
T=$(realpath "$T")
runs=${2:-40} seed=${3:-$(($(date +%s) % 100000))}
make_data
mkdir "$D/tmp"
case $(mpirun --version 2>&1) in
*"Open MPI"*)
    launcher="--allow-run-as-root --oversubscribe --bind-to none --mca orte_tmpdir_base $D/tmp
        --mca btl_vader_backing_directory $D/tmp" ;;
*) launcher= ;;
esac
every=20 # steps from one checkpoint to the next
experts="--num-experts 4 --moe-router-topk 2 --moe-ffn-hidden-size 24 --expert-model-parallel-size 2
    --moe-token-dispatcher-type alltoall"
zero3="--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params"
layouts=(
    "2"
    "3 --global-batch-size 6"
    "2 --tensor-model-parallel-size 2"
    "2 --tensor-model-parallel-size 2 --sequence-parallel --use-ascend-mc2"
    "2 --pipeline-model-parallel-size 2"
    "2 --pipeline-model-parallel-size 2 --num-layers-per-virtual-pipeline-stage 1"
    "2 --pipeline-model-parallel-size 2 --schedules-method dualpipev"
    "2 --context-parallel-size 2"
    "2 --context-parallel-size 2 --context-parallel-algo ulysses_cp_algo --use-ulysses-allgather-kv"
    "3 --context-parallel-size 3"
    "2 --use-distributed-optimizer --overlap-param-gather"
    "3 --use-distributed-optimizer --global-batch-size 6"
    "2 $zero3"
    "3 --use-torch-fsdp2 --global-batch-size 6"
    "4 --layerzero"
    "4 --tensor-model-parallel-size 2 --use-distributed-optimizer"
    "4 --tensor-model-parallel-size 2 --pipeline-model-parallel-size 2"
    "4 --context-parallel-size 2 --tensor-model-parallel-size 2 --sequence-parallel"
    "4 --context-parallel-size 2 --pipeline-model-parallel-size 2"
    "4 --pipeline-model-parallel-size 2 --pipeline-schedule zero-bubble $zero3"
    "4 --tensor-model-parallel-size 2 $zero3"
    "4 --context-parallel-size 4 --cp-window-size 2"
    "2 $experts --moe-fb-overlap"
    "2 $experts --balanced-moe-experts --balanced-moe-hot-expert-num 2 --moe-experts-pipeline-degree 2"
    "4 $experts --pipeline-model-parallel-size 2 --schedules-method dualpipev --moe-fb-overlap"
)
job_of() { # job_of RANKS OPTIONS...
    local ranks=$1
    shift
    # shellcheck disable=SC2086
    mpirun $launcher -n "$ranks" "$T" pretrain $shape $batch --micro-batch-size 1 --data-path "$D/data_text_document" \
        --seed 5 --deterministic-mode --threads 1 --num-layers 4 --untie-embeddings-and-output-weights --lr-decay-style constant --train-iters 100000 --log-interval 100000 "$@"
}
# Those of the job that are alive: "RANK PID" a line, the launcher among them.
alive() {
    for p in $(grep -lsaF "$D/ck" /proc/[0-9]*/cmdline); do
        p=${p%/cmdline}
        case $(sed 's/.*) //' "$p/stat" 2>/dev/null) in Z* | X* | "") continue ;; esac
        rank=$({ tr '\0' '\n' <"$p/environ"; } 2>/dev/null | sed -n 's/^\(OMPI_COMM_WORLD_RANK\|PMI_RANK\)=//p' | head -n 1)
        echo "${rank:-launcher} ${p#/proc/}"
    done
}
lines() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }
said() { grep -a -e error -e "rank [0-9]" "$D/err" | head -n 6; } # of the job that was broken
# until SECONDS COMMAND...: whether it comes true
until_true() {
    local limit=$(($1 * 20)) i=0
    shift
    until "$@"; do
        [ $((i++)) -lt "$limit" ] || return 1
        sleep 0.05
    done
}
reached() { [ "$(lines "$1")" -ge "$2" ]; }
nobody() { [ -z "$(alive)" ]; }
end_all() { alive | while read -r _ pid; do kill -KILL "$pid" 2>/dev/null; done; }

# One run: says what it did, and sets `what` for complaints.
fault() {
    RANDOM=$1
    local which=$((RANDOM % ${#layouts[@]})) how=$((RANDOM % 3)) moment=$((RANDOM % 60 + 5))
    # shellcheck disable=SC2086
    set -- $1 ${layouts[which]}
    local run=$1 ranks=$2
    shift 2
    local victim=$((RANDOM % ranks)) way pid code=0 before
    way=(killed stopped held)
    what="seed $run: rank $victim of $ranks ${way[how]}, $*"
    rm -rf "$D/ck" "$D/cut.jsonl" "$D/rest.jsonl"
    job_of "$ranks" "$@" --save "$D/ck" --save-interval $every --keep-checkpoints 2 --metrics-jsonl "$D/cut.jsonl" \
        --distributed-timeout-minutes 0.1 >"$D/out" 2>"$D/err" </dev/null &
    local job=$!
    checks=$((checks + 1))
    until_true 60 test -s "$D/ck/latest_checkpointed_iteration.txt" || { wrong "$what: no checkpoint: $(said)"; end_all; return; }
    sleep "0.$(printf %02d "$moment")"
    pid=$(alive | sed -n "s/^$victim //p")
    [ -n "$pid" ] || { wrong "$what: no such rank: $(alive) $(said)"; end_all; return; }
    case $how in
    0) kill -KILL "$pid" ;;
    1) kill -STOP "$pid" ;;
    2)
        kill -STOP "$pid"
        sleep "0.$(printf %02d $((RANDOM % 90)))"
        before=$(lines "$D/cut.jsonl")
        kill -CONT "$pid"
        checks=$((checks + 1))
        until_true 30 reached "$D/cut.jsonl" $((before + 3)) || wrong "$what: it does not go on: $(said)"
        kill -TERM "$(alive | sed -n 's/^launcher //p' | head -n 1)" ;;
    esac
    until_true 40 nobody || { wrong "$what: hangs: $(alive) $(said)"; end_all; }
    wait $job || code=$?
    checks=$((checks + 1))
    [ $how = 2 ] || [ $code != 0 ] || wrong "$what: exit 0"
    names "$victim" $how
    goes_on "$which" "$ranks" "$@"
}
# names VICTIM HOW: who is told to be missing
names() {
    local told
    # what the victim says once the launcher has woken it, and others after it, is no news
    told=$(grep -av "rank $1 of [0-9]* has failed: .*has ended" "$D/err" | grep -av "^$([ "$1" = 0 ] && echo "error: " || echo "rank $1 on ").*has ended" | grep -ao 'rank [0-9]* on [^ ]* has not come\|rank [0-9]* (process [0-9]*) has ended\|process rank [0-9]* with' |
        sed 's/^process //; s/^rank \([0-9]*\).*/\1/' | sort -u | tr '\n' ' ')
    checks=$((checks + 1))
    case $2 in
    2) [ -z "$told" ] || wrong "$what: $told is said to be missing, and was only late: $(said)" ;;
    *) [ "$told" = "$1 " ] || wrong "$what: named are \"$told\": $(said)" ;;
    esac
    speakers=$(grep -c 'has not come' "$D/err")
}
# goes_on WHICH RANKS OPTIONS...: from the last whole checkpoint to the next one
goes_on() {
    local which=$1 ranks=$2 at to
    shift 2
    at=$(cat "$D/ck/latest_checkpointed_iteration.txt")
    expect 0 "" "$T" checkpoint verify --all "$D/ck"
    to=$(((at / every + 1) * every))
    expect 0 "" job_of "$ranks" "$@" --load "$D/ck" --save "$D/ck" --metrics-jsonl "$D/rest.jsonl" --exit-interval $every
    # the same that nothing happened to; what is known of it from another run may be enough
    if [ "$(lines "$D/whole-$which.jsonl")" -lt $to ]; then
        rm -f "$D/whole-$which.jsonl"
        expect 0 "" job_of "$ranks" "$@" --metrics-jsonl "$D/whole-$which.jsonl" --exit-interval $to
    fi
    { head -n "$at" "$D/cut.jsonl"; cat "$D/rest.jsonl"; } >"$D/both.jsonl"
    curve "$D/both.jsonl" >"$D/both.curve"
    head -n $to "$D/whole-$which.jsonl" >"$D/whole.jsonl"
    curve "$D/whole.jsonl" >"$D/whole.curve"
    checks=$((checks + 2))
    [ "$(lines "$D/both.curve")" = $to ] || wrong "$what: from $at to $(lines "$D/both.curve"), not $to"
    cmp -s "$D/both.curve" "$D/whole.curve" || wrong "$what: from $at on other losses: $(diff "$D/both.curve" "$D/whole.curve" | head -n 2)"
    echo "$what: $speakers told, from $at to $to the same"
}

for ((i = 0; i < runs; i++)); do
    fault $((seed + i))
done
finish
