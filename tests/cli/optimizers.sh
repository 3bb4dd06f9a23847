#!/bin/sh
# Optimizers beside AdamW: interrupted runs equal undisturbed ones bit for bit, on other processes too, and plan knows
# their memory.
. "$(dirname "$0")/lib.sh"
make_data
common="--data-path $D/data_text_document --train-iters 4 --seed 5 --deterministic-mode --threads 1"
run() { # run PROCESSES OPTIONS...
    np=$1
    shift
    by="on $np"
    [ "$np" != 1 ] || by=
    # shellcheck disable=SC2086
    $by "$T" pretrain $shape $batch $common "$@"
}
# resumes OPTIONS...: 4 steps at once, and 2 + 2: the second half on two processes that share out the state
resumes() {
    rm -rf "$D/ck" "$D/whole" "$D/whole.jsonl" "$D/again.jsonl"
    expect 0 "" run 1 "$@" --save "$D/whole" --metrics-jsonl "$D/whole.jsonl"
    expect 0 "" run 1 "$@" --save "$D/ck" --exit-interval 2 --metrics-jsonl "$D/again.jsonl"
    n=1 share=--use-distributed-optimizer
    ! have_mpi || n=2
    case "$*" in *--use-*) share= ;; esac # sums of pieces have another order
    # shellcheck disable=SC2086
    expect 0 "" run $n "$@" --save "$D/ck" --load "$D/ck" --metrics-jsonl "$D/again.jsonl" $share
    curve "$D/whole.jsonl" >"$D/a"
    curve "$D/again.jsonl" >"$D/b"
    same "$D/a" "$D/b"
    same_tensors
    # shellcheck disable=SC2086
    "$T" plan $shape $batch $common "$@" --json >"$D/plan" 2>"$D/err" || wrong "plan: $(cat "$D/err")"
    got=$(memory whole)
    checks=$((checks + 1))
    grep -q "\"peak_bytes\": *$got\b" "$D/plan" || wrong "$*: $got bytes, not as planned"
}
# What the last checkpoints of both hold.
same_tensors() {
    for part in model optimizer; do
        for f in "$D"/whole/iter_0000004/"$part"*.safetensors; do
            same "$f" "$D/ck/iter_0000004/${f##*/}"
        done
    done
}
resumes --optimizer muon
resumes --optimizer muon --muon-nesterov --muon-split-qkv-per-head --muon-scalar-optimizer lion --bf16
resumes --optimizer lion
# where the state waits nothing of the run changes, shared out or not
run 1 --optimizer muon --bf16 --metrics-jsonl "$D/here.jsonl" >/dev/null 2>&1
curve "$D/here.jsonl" >"$D/here"
for way in "--swap-optimizer-times 2" "--swap-optimizer-times 5" "--use-distributed-optimizer"; do
    # shellcheck disable=SC2086
    resumes --optimizer muon --bf16 --swap-optimizer $way
    curve "$D/whole.jsonl" >"$D/b"
    same "$D/here" "$D/b"
done
resumes --optimizer muon --qk-clip --qk-clip-threshold 0.01
resumes --use-apollo --apollo-rank 4 --apollo-update-interval 3
resumes --use-apollo --apollo-rank 1 --apollo-scale-type tensor --bf16 --weight-quant
resumes --use-galore --galore-rank 4 --galore-update-interval 3 --bf16 --use-precision-aware-optimizer --main-params-dtype bf16
resumes --use-galore --galore-rank 4 --galore-proj-type full
expect 2 "goes with --optimizer adam" run 1 --use-apollo --optimizer muon

# a threshold that nothing reaches changes nothing; the largest score is told
run 1 --metrics-jsonl "$D/plain.jsonl" >/dev/null 2>&1
run 1 --qk-clip --metrics-jsonl "$D/clip.jsonl" >"$D/out" 2>&1
curve "$D/plain.jsonl" >"$D/a"
curve "$D/clip.jsonl" | sed 's/, "max_attention_logit": [0-9.e-]*//' >"$D/b"
same "$D/a" "$D/b"
checks=$((checks + 1))
grep -q '"max_attention_logit": 0\.[0-9]' "$D/clip.jsonl" || wrong "no largest score: $(head -n 1 "$D/clip.jsonl")"
expect 2 "a share between 0 and 1" run 1 --qk-clip --qk-clip-alpha 1
expect 2 "leave it out" run 1 --qk-clip --qk-layernorm
# the largest score of sequences that are shared out, each way, is that of one process, and so is what is clipped
clip="--qk-clip --qk-clip-threshold 0.02 --hidden-dropout 0 --attention-dropout 0"
if have_mpi; then
    # shellcheck disable=SC2086
    expect 0 "" run 1 $clip --metrics-jsonl "$D/alone.jsonl"
    for way in "ring" "heads --context-parallel-algo ulysses_cp_algo" "gather --context-parallel-algo kvallgather_cp_algo"; do
        # shellcheck disable=SC2086
        expect 0 "" run 2 $clip --context-parallel-size 2 --metrics-jsonl "$D/${way%% *}.jsonl" ${way#"${way%% *}"}
        alike "${way%% *}" alone 1
        checks=$((checks + 1))
        for f in alone "${way%% *}"; do
            sed -n 's/.*"max_attention_logit": \([0-9.e-]*\).*/\1/p' "$D/$f.jsonl" >"$D/tops-$f"
        done
        paste "$D/tops-alone" "$D/tops-${way%% *}" |
            awk '{ d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > 1e-5 * $1) bad = 1 } END { exit bad || NR != 4 }' ||
            wrong "${way%% *}: other largest scores: $(cat "$D/tops-${way%% *}")"
    done
fi
finish
