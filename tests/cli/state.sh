#!/bin/sh
# Each piece of a checkpoint's state counts: with one altered or missing (and checksums that fit) the run that goes
# on differs from the one that was not interrupted, or is refused, or says what is not as it was. With none it is
# the same to the last bit.
edit=$2
. "$(dirname "$0")/lib.sh"
make_data
awk 'NR % 3' "$D/numbers.txt" | tac >"$D/more.txt"
"$T" preprocess --input "$D/more.txt" --output-prefix "$D/more" --tokenizer-type NullTokenizer --vocab-size 96 >/dev/null 2>&1
blend="0.3 $D/data_text_document 0.7 $D/more_text_document"
run() { # run OPTIONS...: of one precision, as set below
    # shellcheck disable=SC2086
    "$T" pretrain $shape $batch --data-path $blend --split 90,10,0 --eval-iters 1 --eval-interval 5 --seed 5 $precision "$@"
}
# all that a step records but what time and memory make of it
values() {
    sed 's/"\(tokens_per_second\|tflops\|iteration_seconds\|memory_peak_bytes\|rss_peak_bytes\)": [^,}]*//g' "$1"
}
weights=model.safetensors
begin() { # begin PRECISION ITERATIONS: the whole run, with a checkpoint of each step
    precision="$1 --train-iters $2"
    rm -rf "$D/all" "$D/whole" "$D"/*.jsonl
    expect 0 "" run --save "$D/all" --save-interval 1 --metrics-jsonl "$D/whole.jsonl" --save-hf "$D/whole"
    values "$D/whole.jsonl" >"$D/whole.values"
}
# What comes of the checkpoint of ITERATION with an edit: same, differs, refused or warned; the text is in $D/err.
outcome() { # outcome ITERATION [KEY VALUE]
    at=$1
    shift
    [ $# -gt 0 ] || set -- copy
    rm -rf "$D/ck" "$D/hf" "$D/m.jsonl"
    "$edit" "$D/all" "$at" "$D/ck" "$@" >"$D/out" 2>"$D/err" || { echo "no edit: $(cat "$D/err")"; return; }
    run --load "$D/ck" --metrics-jsonl "$D/m.jsonl" --save-hf "$D/hf" >"$D/out" 2>"$D/err" </dev/null
    case $? in
    0) ;;
    2) echo refused; return ;;
    *) echo "exit $?: $(tail -n 1 "$D/err")"; return ;;
    esac
    if grep -q "warning" "$D/err"; then echo warned; return; fi
    { head -n "$at" "$D/whole.values"; values "$D/m.jsonl"; } >"$D/m.values"
    if cmp -s "$D/whole.values" "$D/m.values" && cmp -s "$D/whole/$weights" "$D/hf/$weights"; then echo same; else echo differs; fi
}
same_again() { # the control: nothing altered
    checks=$((checks + 1))
    o=$(outcome "$1")
    [ "$o" = same ] || wrong "nothing altered at iteration $1: $o"
}
detected=0
altered() { # altered OUTCOME ITERATION KEY VALUE [TEXT]: TEXT: of the message
    checks=$((checks + 1))
    o=$(outcome "$2" "$3" "$4")
    [ "$o" = "$1" ] || { wrong "$3 $4 at iteration $2: $o, expected $1 ($(tail -n 1 "$D/err"))"; return; }
    [ -z "${5-}" ] || grep -qF -- "$5" "$D/err" || { wrong "$3 $4: no \"$5\": $(tail -n 2 "$D/err")"; return; }
    detected=$((detected + 1))
}

begin --bf16 8
same_again 4
altered refused 4 iteration 3 "iteration is 3, in a checkpoint of iteration 4"
altered differs 4 consumed_train_samples 24
altered differs 4 num_steps 24
altered differs 4 optimizer_steps 3
for key in iteration consumed_train_samples num_steps optimizer_steps grad_scaler grad_scaler.dynamic grad_scaler.scale \
    file_dtype options; do
    altered refused 4 $key drop "${key#grad_scaler.}"
done
altered refused 4 optimizer_steps -1 optimizer_steps
altered refused 4 consumed_train_samples 1.5 consumed_train_samples
altered differs 4 file_dtype '"BF16"'
altered refused 4 file_dtype '"F31"' file_dtype
altered differs 4 config.rope_theta 10001
altered differs 4 config.rms_norm_eps 1e-4
altered refused 4 config.num_attention_heads 2
altered refused 4 config.num_hidden_layers 1
# what the checkpoint says about its run is held against what this one was told
altered warned 4 options.seed 6 "--seed 5 (was 6)"
altered warned 4 options.split '"80,20,0"' "--split \"90,10,0\" (was \"80,20,0\")"
altered warned 4 options.data-path '["elsewhere"]' "(was [\"elsewhere\"])"
altered warned 4 options.lr 0.002 "--lr 0.001 (was 0.002)"
altered warned 4 options.hidden-dropout 0 "--hidden-dropout 0.1 (was 0)"
altered warned 4 options.lr-wsd-decay-samples 8 "--lr-wsd-decay-samples 0 (was 8)"
altered warned 4 options.no-data-sharding true "--no-data-sharding false (was true)"
altered warned 4 options.deterministic-mode true "--deterministic-mode false (was true)"
altered warned 4 options.tokenizer-kwargs '["eos_token", "a"]' "--tokenizer-kwargs [] (was [\"eos_token\", \"a\"])"
altered same 4 options.log-interval 7
# every kind of tensor: one bit of a weight, none of a moment
"$edit" "$D/all" 4 tensors | sed '/layers\.0/d' >"$D/names"
while read -r name; do
    case $name in
    optimizer.*) altered differs 4 "$name" zero ;;
    *) altered differs 4 "$name" ulp ;;
    esac
done <"$D/names"
checks=$((checks + 1))
[ "$(wc -l <"$D/names")" -ge 24 ] || wrong "only $(wc -l <"$D/names") tensors"
first=$(head -n 1 "$D/names")
for name in "$first" "optimizer.exp_avg.$first" "optimizer.exp_avg_sq.$first"; do
    altered refused 4 "$name" drop "tensor $name is missing"
done

# The loss scale: overflows until 6, good steps 7 to 10, twice the scale and overflows from 11 to 13. So growth is
# near at 9, and at 11 two more overflows are borne.
begin "--fp16 --initial-loss-scale 16777216 --loss-scale-window 4 --hysteresis 3" 16
expect 0 '"loss_scale": 2097152' tail -n 6 "$D/whole.jsonl"
same_again 9
same_again 11
altered differs 9 grad_scaler.scale 524288
altered differs 9 grad_scaler.growth_tracker 2
altered differs 9 grad_scaler.dynamic false
altered differs 11 grad_scaler.hysteresis_tracker 3
altered differs 11 num_steps 88
altered differs 11 optimizer_steps 11
for key in scale growth_tracker hysteresis_tracker; do
    altered refused 9 grad_scaler.$key drop $key
done
altered refused 9 grad_scaler.scale 0 scale
altered refused 9 grad_scaler.growth_tracker -1 growth_tracker
altered warned 9 options.loss-scale-window 5 "--loss-scale-window 4 (was 5)"
altered differs 9 "optimizer.exp_avg_sq.$first" zero
altered differs 9 "$first" ulp
echo "$detected alterations detected"
finish
