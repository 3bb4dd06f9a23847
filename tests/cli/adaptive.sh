#!/bin/sh
# What layers keep, chosen for a limit: the bits stay, the peak is within the limit and as planned, more room never
# takes longer, and what cannot be is told with the least limit that can. And stages that hold about the same.
. "$(dirname "$0")/lib.sh"
job="--num-layers 4 --hidden-size 64 --ffn-hidden-size 176 --num-attention-heads 4 --position-embedding-type rope
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 128 --seq-length 128
    --micro-batch-size 2 --global-batch-size 4 --tokenizer-type NullTokenizer --vocab-size 511 --mock-data
    --train-iters 2 --lr 1e-2 --eval-iters 0 --hidden-dropout 0.1 --attention-dropout 0.1 --threads 1"

# field NAME: of the plan
field() { tr -d ' \n' <"$D/plan" | sed "s/.*\"$1\":\([0-9.e+-]*\).*/\1/"; }

# run NAME OPTIONS...: leaves curve-NAME, $peak, $device, the log and the plan
run() {
    name=$1
    shift
    checks=$((checks + 1))
    # shellcheck disable=SC2086
    "$T" pretrain $job "$@" --metrics-jsonl "$D/m" >"$D/out" 2>"$D/err" </dev/null || wrong "pretrain $*: $(tail -n 1 "$D/err")"
    curve "$D/m" >"$D/curve-$name"
    peak=$(sed -n '$s/.*"memory_peak_bytes": \([0-9]*\).*/\1/p' "$D/m")
    device=$(sed -n '$s/.*"device_peak_bytes": \([0-9]*\).*/\1/p' "$D/m")
    cat "$D/out" "$D/err" >"$D/log"
    rm "$D/m"
    # shellcheck disable=SC2086
    "$T" plan $job "$@" --json >"$D/plan" 2>"$D/err" || wrong "plan $*: $(tail -n 1 "$D/err")"
    [ "$peak" = "$(field peak_bytes)" ] || wrong "$*: planned $(field peak_bytes) bytes, took $peak"
}
# shellcheck disable=SC2086
plan_text() { "$T" plan $job $stages "$@"; }
within() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }' || wrong "$3: $1 is more than $2"; }

run all
all=$peak
run full --recompute-granularity full --recompute-method uniform
same "$D/curve-all" "$D/curve-full"

# between all that is kept and nothing: what fits, and each step no slower than the one before it
least=$all before=1e9 done=0
for i in 0 1 2 3 4 5 6 7 8 9; do
    limit=$((peak - 200000 + i * (all - peak + 200000) / 9))
    # shellcheck disable=SC2086
    if "$T" plan $job --adaptive-recompute-device-swap --memory-limit-gb "${limit}e-9" --json >"$D/plan" 2>"$D/err"; then
        checks=$((checks + 2)) done=$((done + 1))
        within "$(field peak_bytes)" "$limit" "the plan's peak"
        within "$(field step_seconds)" "$before" "seconds with more room"
        before=$(field step_seconds)
        [ $done -gt 1 ] || least=$limit
    else
        checks=$((checks + 1))
        grep -q "no choice of what layers keep stays within .* give --memory-limit-gb [0-9.]* or more" "$D/err" ||
            wrong "$limit: $(cat "$D/err")"
        named=$(sed -n 's/.*--memory-limit-gb \([0-9.]*\) or more.*/\1/p' "$D/err")
    fi
done
checks=$((checks + 1))
{ [ $done -gt 5 ] && [ "$least" -lt "$all" ]; } || wrong "$done limits of ten were enough, from $least on"

# the least limit that is named does, in a run; with one of the device alone layers wait on the host as well
run named --adaptive-recompute-device-swap --memory-limit-gb "$named"
same "$D/curve-all" "$D/curve-named"
within "$peak" "$(awk "BEGIN { print $named * 1e9 }")" "the peak at the least limit"
grep -q "chosen  *what layers keep" "$D/log" || wrong "nothing of what was chosen: $(cat "$D/log")"
mb=$((all / 1048576 - 1))
run waits --adaptive-memory-optimization --adaptive-recompute-device-size $mb
same "$D/curve-all" "$D/curve-waits"
within "$device" $((mb * 1048576)) "the device's peak"
[ "$device" = "$(field device_peak_bytes)" ] || wrong "the device's peak: planned $(field device_peak_bytes), took $device"
grep -q '"keeps": ".*on the host' "$D/plan" || wrong "nothing waits on the host: $(grep keeps "$D/plan")"

# copies that hide, where the hardware has a way of its own for them; with a limit, as many as it asks for
# shellcheck disable=SC2086
{
    "$T" plan $job --hardware h100 --json >"$D/plan" 2>"$D/err"
    device=$(field peak_bytes) before=$(field step_seconds)
    "$T" plan $job --hardware h100 --smart-swap --json >"$D/plan" 2>"$D/err"
}
within "$(field device_peak_bytes)" $((device - 500000)) "the device's peak with copies that hide"
within "$(field step_seconds)" "$(awk "BEGIN { print 1.002 * $before }")" "seconds with copies that hide"
run smart --smart-swap --adaptive-recompute-device-size $mb
same "$D/curve-all" "$D/curve-smart"
within "$device" $((mb * 1048576)) "the device's peak"
run here --smart-swap
[ "$peak" = "$all" ] || wrong "where copies are work all is kept: $peak bytes, not $all"

# stages that hold about the same: less than shared out evenly, and what the same lists give by hand
stages="--world-size 2 --pipeline-model-parallel-size 2 --global-batch-size 8"
plan() {
    checks=$((checks + 1))
    # shellcheck disable=SC2086
    "$T" plan $job $stages "$@" --json >"$D/plan" 2>"$D/err" || wrong "plan $*: $(tail -n 1 "$D/err")"
    worst=$(sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' "$D/plan" | sort -n | tail -n 1)
    seconds=$(field step_seconds)
}
plan
even=$worst even_seconds=$seconds
plan --recompute-module-list 4,4
none=$worst
saved=$(awk "BEGIN { print ($even - $none) / 3 / $even }")
plan --automated-pipeline --save-memory-ratio "$saved"
within "$worst" "$(awk "BEGIN { print $even * (1 - $saved) }")" "the largest stage's peak"
{ [ "$none" -lt "$even" ] && [ "$worst" -lt "$even" ]; } || wrong "of $even bytes $none where all runs again, $worst chosen"
within "$even_seconds" "$seconds" "seconds of stages that keep all"
lists() { tr -d ' \n' <"$D/plan" | sed 's/.*"stages":\[\([^]]*\)\].*/\1/' | grep -o "\"$1\":[0-9]*" | sed 's/.*://' | paste -s -d , -; }
layers=$(lists layers) again=$(lists again) by_itself="$worst $seconds"
plan --num-layer-list "$layers" --recompute-module-list "$again"
[ "$worst $seconds" = "$by_itself" ] || wrong "--num-layer-list $layers: $worst $seconds, not $by_itself"
expect 0 "chosen     --num-layer-list $layers --recompute-module-list $again: the largest peak is" \
    plan_text --automated-pipeline --save-memory-ratio "$saved"

# by time: of all sizes and orders the fastest, and within a limit the fastest of those that stay within it
plan --automated-pipeline-perf
chosen=$seconds most=$worst
text() { plan_text --automated-pipeline-perf "$@" 2>"$D/err" | sed -n 's/^chosen  *\(.*\): a step takes.*/\1/p'; }
by_time=$(text)
best=1e9 within=1e9 limit=$((most - 1))
for size in 1 2 4 8; do
    for order in 1f1b zero-bubble; do
        plan --micro-batch-size $size --pipeline-schedule $order
        best=$(awk "BEGIN { printf \"%.17g\", $seconds < $best ? $seconds : $best }")
        [ "$worst" -gt $limit ] || within=$(awk "BEGIN { printf \"%.17g\", $seconds < $within ? $seconds : $within }")
        [ "--micro-batch-size $size --pipeline-schedule $order" != "$by_time" ] || named=$seconds
    done
done
checks=$((checks + 2))
case $by_time in --optimized-mbs-list*)
    # sizes that grow and shrink again: what they take is less than of one size, and what the same list gives by hand
    # shellcheck disable=SC2086
    plan $by_time
    named=$seconds
    awk "BEGIN { exit !($named < $best) }" || wrong "$by_time takes $named s, and one size $best"
    ;;
esac
checks=$((checks + 1))
case $(text --hardware epyc-9654) in
"--optimized-mbs-list 1,"*,1\ --pipeline-schedule*) ;;
*) wrong "of one size where small micro-batches begin and end faster: $(text --hardware epyc-9654)" ;;
esac
[ "$named" = "$chosen" ] || wrong "$by_time takes $named s, not $chosen"
within "$chosen" "$best" "seconds of what was chosen by time"
plan --automated-pipeline-perf --memory-limit-gb "${limit}e-9"
within "$worst" $limit "the peak of what was chosen by time"
within "$seconds" "$within" "seconds within a limit"

# shellcheck disable=SC2086
{
    expect 2 "--automated-pipeline-perf chooses how stages follow each other, and there is one" "$T" plan $job \
        --automated-pipeline-perf
    expect 2 "--automated-pipeline-perf and --pipeline-schedule contradict each other" plan_text --automated-pipeline-perf \
        --pipeline-schedule gpipe
    expect 2 "--optimized-mbs-list and --automated-pipeline-perf contradict each other" plan_text --automated-pipeline-perf \
        --optimized-mbs-list 1,3,4
    expect 2 "--optimized-mbs-list: these are 7 sequences, on 1 process 7, and --global-batch-size is 8" plan_text \
        --optimized-mbs-list 1,2,4
    expect 2 "a micro-batch has 1 to" plan_text --optimized-mbs-list 0,4,4
    expect 2 "goes with --dataloader-type single alone" plan_text --optimized-mbs-list 4,3,1 --dataloader-type cyclic
    expect 0 "up to 4 x 1" plan_text --optimized-mbs-list 1,4,3
    expect 2 "--automated-pipeline shares layers out among stages, and there is one" "$T" plan $job --automated-pipeline
    expect 2 "--automated-pipeline and --num-layer-list contradict each other" plan_text --automated-pipeline --num-layer-list 2,2
    expect 2 "--recompute-module-list has 3 numbers: expected one for each of the 2 stages" plan_text \
        --recompute-module-list 1,2,3
    expect 2 "--automated-pipeline and --recompute-module-list contradict each other" plan_text --automated-pipeline \
        --recompute-module-list 1,2
    expect 0 "--save-memory-ratio has no effect without --automated-pipeline" plan_text --save-memory-ratio 0.1
    for option in "--recompute-granularity full" --swap-attention --recompute-activations --recompute-in-bubble; do
        expect 2 "--adaptive-recompute-device-swap and ${option% *} contradict each other" "$T" plan $job \
            --adaptive-recompute-device-swap $option
    done
    expect 2 "--adaptive-recompute-device-swap and --adaptive-memory-optimization contradict each other" "$T" plan $job \
        --adaptive-recompute-device-swap --adaptive-memory-optimization
}
finish
