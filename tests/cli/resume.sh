#!/bin/sh
# An interrupted run equals an undisturbed one, bit for bit; what is missing from a checkpoint shows.
. "$(dirname "$0")/lib.sh"
make_data
awk 'BEGIN { for (d = 0; d < 60; d++) { s = ""; for (i = 0; i < 30; i++) s = s (i ? " " : "") (d * 7 + i * i) % 50; print s } }' >"$D/few.txt"
"$T" preprocess --input "$D/few.txt" --output-prefix "$D/few" --tokenizer-type NullTokenizer --vocab-size 90 >/dev/null 2>&1
run() { # run PROCESSES OPTIONS...: 0: without a launcher
    np=$1
    shift
    by="on $np"
    [ "$np" != 0 ] || by=
    # shellcheck disable=SC2086
    $by "$T" pretrain $shape $batch --data-path "$D/data_text_document" --train-iters 8 --seed 5 --deterministic-mode "$@"
}
both() { # both NAME FIRST SECOND OPTIONS...: 8 steps at once, and 3 + 5
    name=$1 first=$2 second=$3
    shift 3
    rm -rf "$D/ck"
    expect 0 "" run "$first" "$@" --save "$D/ck" --exit-interval 3 --metrics-jsonl "$D/$name.jsonl"
    expect 0 "" run "$second" "$@" --save "$D/ck" --load "$D/ck" --metrics-jsonl "$D/$name.jsonl" --save-hf "$D/$name.hf"
    curve "$D/$name.jsonl" >"$D/$name.curve"
}
bf16_moments="--bf16 --use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16"
for precision in "" --bf16 "$bf16_moments --main-params-dtype bf16" "--fp16 --initial-loss-scale 4096"; do
    rm -rf "$D"/*.jsonl "$D"/*.hf
    # shellcheck disable=SC2086
    expect 0 "" run 0 $precision --metrics-jsonl "$D/whole.jsonl" --save-hf "$D/whole.hf"
    curve "$D/whole.jsonl" >"$D/whole.curve"
    # shellcheck disable=SC2086
    both serial 0 0 $precision
    same "$D/whole.curve" "$D/serial.curve"
    same "$D/whole.hf/model.safetensors" "$D/serial.hf/model.safetensors"
    if have_mpi; then
        # shellcheck disable=SC2086
        both changed 2 4 $precision
        same "$D/whole.curve" "$D/changed.curve"
        same "$D/whole.hf/model.safetensors" "$D/changed.hf/model.safetensors"
    else
        echo "skipped: other numbers of processes (no mpirun)"
    fi
done

# moments of another type are taken over, rounded, and the warning names the option
rm -rf "$D/ck"
expect 0 "" run 0 --bf16 --save "$D/ck" --exit-interval 3
# shellcheck disable=SC2086
expect 0 '--exp-avg-dtype "bf16" (was "fp32")' run 0 $bf16_moments --load "$D/ck" --save "$D/ck" --exit-interval 5
expect 0 '--exp-avg-sq-dtype "fp32" (was "bf16")' run 0 --bf16 --load "$D/ck"
expect 2 "--main-params-dtype bf16 goes with --bf16" run 0 --use-precision-aware-optimizer --main-params-dtype bf16

# so is another tokenizer, which ends documents with another id; one that is not named again is the same
rm -rf "$D/ck"
expect 0 "" run 0 --vocab-size 90 --padded-vocab-size 97 --data-path "$D/few_text_document" --save "$D/ck" --exit-interval 3
expect 0 '--vocab-size 50 (was 90)' run 0 --vocab-size 50 --data-path "$D/few_text_document" --load "$D/ck"

# packed copies of the weights: the same bits whether the optimizer writes them or each product makes its own
rm -rf "$D/ck"
expect 0 "" run 0 --bf16 --packed-weights shared --save-hf "$D/shared.hf"
expect 0 "" run 0 --bf16 --packed-weights kept --save "$D/ck" --exit-interval 3
expect 0 "" run 0 --bf16 --packed-weights kept --load "$D/ck" --save "$D/ck" --save-hf "$D/kept.hf"
same "$D/shared.hf/model.safetensors" "$D/kept.hf/model.safetensors"

# saved in the background: the same bytes
rm -rf "$D/ck"
expect 0 "" run 0 --fp16 --initial-loss-scale 4096 --save "$D/ck" --exit-interval 3 --async-save
expect 0 "" run 0 --fp16 --initial-loss-scale 4096 --save "$D/ck" --load "$D/ck" --save-hf "$D/later.hf"
same "$D/whole.hf/model.safetensors" "$D/later.hf/model.safetensors"

# frozen weights: nothing is kept of them but themselves
frozen="--freeze embedding layers.0 linear_fc1"
rm -rf "$D"/*.jsonl "$D"/*.hf
# shellcheck disable=SC2086
expect 0 "of the parameters are trained" run 0 $frozen --metrics-jsonl "$D/whole.jsonl" --save-hf "$D/whole.hf"
curve "$D/whole.jsonl" >"$D/whole.curve"
# shellcheck disable=SC2086
both frozen 0 0 $frozen
same "$D/whole.curve" "$D/frozen.curve"
same "$D/whole.hf/model.safetensors" "$D/frozen.hf/model.safetensors"
if have_mpi; then
    # shellcheck disable=SC2086
    both spread 2 2 $frozen
    same "$D/whole.curve" "$D/spread.curve"
    same "$D/whole.hf/model.safetensors" "$D/spread.hf/model.safetensors"
fi
grep -q "exp_avg.decoder.layers.1.mlp.linear_fc2" "$D"/ck/iter_0000008/optimizer*.json || wrong "moments are missing"
! grep -q "exp_avg.decoder.layers.1.mlp.linear_fc1\|exp_avg.decoder.layers.0" "$D"/ck/iter_0000008/optimizer*.json ||
    wrong "moments of frozen weights are saved"
expect 2 "is missing; a run that freezes embedding.word_embeddings.weight" run 0 --load "$D/ck" --train-iters 9
expect 0 '--freeze ["embedding"] (was' run 0 --load "$D/ck" --train-iters 9 --freeze embedding --no-load-optim
expect 2 "--freeze layers.2: no parameter" run 0 --freeze layers.2

# SIGTERM and SIGINT: the step is finished, saved, and the run goes on as if nothing had been
for signal in TERM INT; do
    rm -rf "$D/ck" "$D/s.jsonl"
    # a shell starts background jobs with SIGINT ignored; --train-iters is large so that there is time
    # shellcheck disable=SC2086
    "$T" pretrain $shape $batch --data-path "$D/data_text_document" --train-iters 100000 --seed 5 --deterministic-mode \
        --save "$D/ck" --metrics-jsonl "$D/s.jsonl" >"$D/out" 2>"$D/err" &
    pid=$!
    i=0
    while [ "$(cat "$D/s.jsonl" 2>/dev/null | wc -l)" -lt 3 ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done
    kill -$signal $pid
    wait $pid
    code=$?
    checks=$((checks + 1))
    [ $code = 0 ] || wrong "SIG$signal: exit $code: $(tail -n 1 "$D/err")"
    last=$(tail -n 1 "$D/s.jsonl" | sed 's/.*"iteration": \([0-9]*\),.*/\1/')
    checks=$((checks + 1))
    [ "$(cat "$D/ck/latest_checkpointed_iteration.txt")" = "$last" ] || wrong "SIG$signal: the last step is not the one saved"
    expect 0 "" "$T" checkpoint verify "$D/ck"
done

# a damaged newest checkpoint: found, named, and the one before is used
rm -rf "$D/ck"
expect 0 "" run 0 --save "$D/ck" --save-interval 4
f=$(ls "$D"/ck/iter_0000008/model*.safetensors)
printf '\001' | dd of="$f" bs=1 seek=3000 conv=notrunc 2>/dev/null
expect 2 "model" "$T" checkpoint verify "$D/ck"
expect 0 "iterations 5 to 8" run 0 --load "$D/ck"
cat "$D/err" | grep -q "iter_0000008" || wrong "the damaged checkpoint is not named"

# another seed, or moments left behind, is another run: the comparison above can fail
rm -rf "$D"/*.jsonl "$D"/*.hf
expect 0 "" run 0 --metrics-jsonl "$D/whole.jsonl"
curve "$D/whole.jsonl" >"$D/whole.curve"
for change in "--no-load-optim" "--seed 6" "--finetune"; do
    rm -rf "$D/ck" "$D/other.jsonl"
    expect 0 "" run 0 --save "$D/ck" --exit-interval 3 --metrics-jsonl "$D/other.jsonl"
    # shellcheck disable=SC2086
    expect 0 "" run 0 --load "$D/ck" --metrics-jsonl "$D/other.jsonl" $change
    curve "$D/other.jsonl" >"$D/other.curve"
    checks=$((checks + 1))
    ! cmp -s "$D/whole.curve" "$D/other.curve" || wrong "$change changed nothing"
done
finish
