#!/bin/sh
# Captures of a run: who writes what when, that spans match, that calls are those of the metrics, that bits are the
# same, and that a file made meanwhile begins one on all ranks.
. "$(dirname "$0")/lib.sh"
make_data
parse() { # parse FILE: it is JSON, as a plain reader has it; an empty line of events would not be one
    checks=$((checks + 1))
    awk '{ s = s $0 } END { n = length(s); depth = 0; text = 0
        for (i = 1; i <= n; i++) { c = substr(s, i, 1)
            if (text) { if (c == "\\") i++; else if (c == "\"") text = 0; continue }
            if (c == "\"") text = 1
            else if (c ~ /[[{]/) stack[++depth] = c
            else if (c ~ /[]}]/) { if (depth == 0 || (c == "]") != (stack[depth] == "[")) exit 1; depth-- } }
        exit depth != 0 || text || n == 0 }' "$1" || wrong "$1 is not closed as it was opened"
}
# events FILE: process and thread, begin, end (nanoseconds), name of each span
events() {
    sed -n 's/^{"name":"\([^"]*\)".*"ph":"X","pid":\([0-9]*\),"tid":\([0-9]*\),"ts":\([0-9.e+-]*\),"dur":\([0-9.e+-]*\).*/p\2t\3 \4 \5 \1/p' "$1" |
        awk '{ printf "%s %.0f %.0f %s\n", $1, $2 * 1000, ($2 + $3) * 1000, substr($0, index($0, $4)) }'
}
# matched FILE: spans of a thread lie beside each other or within each other
matched() {
    checks=$((checks + 1))
    events "$1" | sort -k1,1 -k2,2n -k3,3nr | awk '$1 != t { t = $1; n = 0 } { while (n && end[n] <= $2) n--
        if ($3 < $2 || (n && $3 > end[n])) { print "FAIL", $0; exit 1 } end[++n] = $3 }' >"$D/bad" ||
        wrong "$1: $(cat "$D/bad")"
}
# sent FILE STEP: bytes of the calls of a step by group and kind, as the trace has them
sent() {
    grep "\"args\":{\"step\":$2,.*\"blocked_us\"" "$1" | sed 's/.*"cat":"\([^"]*\)".*"bytes":\([0-9]*\).*/\1 \2/' |
        awk '{ n[$1]++; b[$1] += $2 } END { for (g in n) print g, n[g], b[g] }' | sort
}
# counted FILE STEP: the same of the metrics
counted() {
    sed -n "$2p" "$1" | sed 's/.*"traffic": {//' | grep -o '"[a-z-]*": {"calls": [0-9]*, "messages": [0-9]*, "bytes": [0-9]*, "by"' |
        sed 's/"\([a-z-]*\)": {"calls": \([0-9]*\), "messages": [0-9]*, "bytes": \([0-9]*\).*/\1 \2 \3/' | sort
}
steps() { grep -o '"name":"step [0-9]*"' "$1" | tr -dc '0-9\n' | tr '\n' ' '; }

# alone: bits are those of a run without it
expect 0 "" train --metrics-jsonl "$D/plain.jsonl"
expect 0 "captured iterations 3 to 5" train --metrics-jsonl "$D/seen.jsonl" --profile --profile-step-start 2 --profile-step-end 5 \
    --profile-save-path "$D/one" --profile-level level2 --profile-with-cpu --profile-with-stack --profile-with-memory \
    --profile-record-shapes --recompute-granularity full --recompute-method uniform
curve "$D/plain.jsonl" >"$D/a"
curve "$D/seen.jsonl" >"$D/b"
same "$D/a" "$D/b"
one="$D/one/steps-3-5.rank-0.json"
parse "$one"
matched "$one"
parse "$D/one/steps-3-5.summary.json"
checks=$((checks + 1))
[ "$(steps "$one")" = "3 4 5 " ] || wrong "steps: $(steps "$one")"
for t in '"name":"gemm","cat":"recomputation"' '"module":"mlp","layer":1,"m":32,"n":128,"k":32' '"stack":"tessera+0x' \
    '"name":"memory","ph":"C"' '"activations":' '"cpu_ms":' '"name":"optimizer"' '"name":"reading data"' '"name":"forward 3"' \
    '"name":"attention 1","cat":"backward"' '"gflops_per_second":'; do
    checks=$((checks + 1))
    grep -qF "$t" "$one" || wrong "no $t in the trace"
done
expect 0 "--profile captured nothing: iteration 11" train --profile --profile-save-path "$D/none"
# what cannot be
expect 2 "nothing lies between" train --profile --profile-step-start 5 --profile-step-end 5
expect 2 "--profile-ranks 1: the ranks of this job are 0 to 0" train --profile --profile-ranks 1
expect 2 "--profile-record-shapes tells of kernels" train --profile --profile-record-shapes
expect 2 "--profile-save-path $D/numbers.txt/x" train --profile --profile-save-path "$D/numbers.txt/x"
expect 0 "--profile-level" train --train-iters 1 --lr-warmup-iters 0 --profile-level level1
# a full disk costs the capture alone
(ulimit -f 40 && train --metrics-jsonl "$D/full.jsonl" --profile --profile-step-start 1 --profile-step-end 7 --profile-level level1 \
    --profile-save-path "$D/full") >"$D/out" 2>"$D/err" || wrong "a full disk ended the run: $(tail -n 1 "$D/err")"
checks=$((checks + 2))
grep -q "writing the captured steps failed, training goes on: $D/full/steps-2-7.rank-0.json.*File too large" "$D/err" ||
    wrong "a full disk is not told: $(cat "$D/err")"
[ -z "$(ls "$D/full" | grep -v summary)" ] || wrong "half a trace: $(ls "$D/full")"

# who holds the memory: at the highest moment each row is what the plan says; steps that are alike let nothing grow
short="--train-iters 3 --lr-warmup-iters 0"
# shellcheck disable=SC2086
expect 0 "memory: nothing has grown from iteration 2 to 3" train $short --memory-report --memory-report-from 2
sed -n '/memory at its highest moment/,$p' "$D/err" | sed -n '/^weights/,/^all /p' >"$D/held"
checks=$((checks + 3))
grep -q "^parameters in these: embedding 3104 input_layernorm 64 self_attention 6144 .* mlp 12288 " "$D/err" || wrong "$(grep parameters "$D/err")"
grep -q "^activations *attention *forward" "$D/held" || wrong "no activations of attention: $(cat "$D/held")"
awk '$NF != $(NF - 2) || $(NF - 1) != $(NF - 3) { print; bad = 1 } END { exit bad || NR < 5 }' "$D/held" >"$D/bad" ||
    wrong "not as planned: $(cat "$D/bad") of $(cat "$D/held")"
# shellcheck disable=SC2086
expect 0 "activations    mlp" "$T" plan $shape $batch --mock-data --train-iters 8 --threads 1 --memory-report
expect 2 "--memory-report-to 2 is not behind" train --memory-report --memory-report-from 2 --memory-report-to 2
# operations of products are those of the formula: 3 x 2 x 128 tokens x weights, attention's pairs (2 products forward, 5
# back); recomputed layers run forward once more. A vocabulary of 104 is one that no layout pads further
count="--log-interval 1 --op-cal-tflops --make-vocab-size-divisible-by 52"
executed() { # executed NAME FIRST AGAIN COMMAND...
    what=$1 first=$2 again=$3
    shift 3
    # shellcheck disable=SC2086
    expect 0 "operations of products in 1 steps: $first, recomputed: $again |" "$@" $short $count
}
executed "one process" 17686528 0 train
executed "recomputed" 17686528 4997120 train --recompute-granularity full --recompute-method uniform
# levels: the same numbers but for rounding; what is of a higher one is said
# shellcheck disable=SC2086
for level in 0 1 2; do
    expect 0 "" train $short --optimization-level $level --metrics-jsonl "$D/level$level.jsonl"
    sed -n 's/.*"lm_loss": \([^,]*\),.*/\1/p' "$D/level$level.jsonl" >"$D/losses$level"
    checks=$((checks + 1))
    paste "$D/losses0" "$D/losses$level" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-5 * $1) bad = 1 } END { exit bad || NR != 3 }' ||
        wrong "level $level: $(paste "$D/losses0" "$D/losses$level")"
done
same "$D/losses1" "$D/losses2"
expect 2 "--overlap-grad-reduce is of --optimization-level 2" train --optimization-level 1 --overlap-grad-reduce
expect 2 "--pipeline-schedule is of --optimization-level 2" train --optimization-level 0 --pipeline-schedule zero-bubble
expect 2 "--optimization-level 0 has the portable kernels alone" train --optimization-level 0 --isa avx2

have_mpi || finish
two() { # two OPTIONS...: the job on two processes
    # shellcheck disable=SC2086
    on 2 "$T" pretrain $shape $batch --data-path "$D/data_text_document" --train-iters 8 --seed 5 --threads 1 "$@"
}
for layout in tp pp dp cp; do
    case $layout in
    tp) options="--tensor-model-parallel-size 2" groups="tp world" ;;
    pp) options="--pipeline-model-parallel-size 2" groups="pp world" ;;
    dp) options="--overlap-grad-reduce --ddp-bucket-size 4096" groups="dp" ;;
    cp) options="--context-parallel-size 2" groups="cp dp-cp world" ;;
    esac
    # shellcheck disable=SC2086
    expect 0 "slowest: rank" two $options $count --metrics-jsonl "$D/$layout.jsonl" --profile --profile-step-start 2 --profile-step-end 4 \
        --profile-save-path "$D/$layout"
    # summed over the processes products are the same in every layout
    checks=$((checks + 2))
    grep -q "operations of products in 1 steps: 17686528, recomputed: 0 |" "$D/err" || wrong "$layout: $(grep operations "$D/err")"
    [ "$(ls "$D/$layout" | tr '\n' ' ')" = "steps-3-4.rank-0.json steps-3-4.rank-1.json steps-3-4.summary.json " ] ||
        wrong "$layout: $(ls "$D/$layout")"
    parse "$D/$layout/steps-3-4.summary.json"
    for rank in 0 1; do
        parse "$D/$layout/steps-3-4.rank-$rank.json"
        matched "$D/$layout/steps-3-4.rank-$rank.json"
    done
    for step in 3 4; do
        sent "$D/$layout/steps-3-4.rank-0.json" $step >"$D/a"
        counted "$D/$layout.jsonl" $step >"$D/b"
        same "$D/a" "$D/b"
    done
    for g in $groups; do
        checks=$((checks + 1))
        grep -q "^$g " "$D/a" || wrong "$layout: no calls of $g: $(cat "$D/a")"
    done
done
# the plan of the same job has the same names, stage by stage, and its calls the same bytes
names() { # names FILE PID
    grep -o "\"name\":\"[^\"]*\",\"cat\":\"[^\"]*\",\"ph\":\"X\",\"pid\":$2,\"tid\":[0-6]," "$1" | sed 's/step [0-9]*/step/' | sort -u
}
# shellcheck disable=SC2086
expect 0 "a step takes about" "$T" plan $shape $batch $count --mock-data --train-iters 8 --threads 1 --world-size 2 \
    --pipeline-model-parallel-size 2 --trace "$D/plan.json"
parse "$D/plan.json"
matched "$D/plan.json"
for rank in 0 1; do
    names "$D/plan.json" $rank >"$D/a"
    names "$D/pp/steps-3-4.rank-$rank.json" $rank >"$D/b"
    same "$D/a" "$D/b"
done
grep '"pid":0,' "$D/plan.json" >"$D/plan-0.json"
sent "$D/plan-0.json" 1 >"$D/a"
sent "$D/pp/steps-3-4.rank-0.json" 3 >"$D/b"
same "$D/a" "$D/b"
expect 2 "--scale and --trace contradict" "$T" plan $shape $batch --mock-data --train-iters 8 --trace "$D/x" --scale 2
# one rank alone writes; a file asks for more, in the same steps, and is taken away
{
    i=0
    while [ ! -s "$D/trigger.jsonl" ] && [ $i -lt 1000 ]; do sleep 0.01; i=$((i + 1)); done
    touch "$D/trigger"
} &
expect 0 "as $D/trigger asks" two --metrics-jsonl "$D/trigger.jsonl" --train-iters 300 --profile-ranks 1 --profile-trigger-file "$D/trigger" \
    --profile-trigger-steps 3 --profile-save-path "$D/asked"
wait
absent "$D/trigger"
checks=$((checks + 3))
grep -q "captured iterations .* rank 1:" "$D/err" || wrong "the chosen rank says nothing: $(cat "$D/err")"
[ "$(ls "$D/asked" | wc -l | tr -d ' ')" = 2 ] || wrong "asked: $(ls "$D/asked")"
first=$(ls "$D/asked" | sed -n 's/steps-\([0-9]*\)-[0-9]*.rank-1.json/\1/p')
[ -n "$first" ] && [ "$(steps "$D/asked/steps-$first-$((first + 2)).rank-1.json")" = "$first $((first + 1)) $((first + 2)) " ] ||
    wrong "asked for three steps: $(ls "$D/asked")"
finish
