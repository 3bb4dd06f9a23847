#!/bin/bash
# What is written as JSON is JSON, whatever the weights and the names of files are.
. "$(dirname "$0")/lib.sh"
make_data
printf '{"ids": [1, 2, 3, 4]}\n{"ids": [5]}\n{"ids": [6, 7]}\n' >"$D/in.jsonl"

# one weight of a good model that is not a number
expect 0 "" train --train-iters 1 --lr-warmup-iters 0 --save-hf "$D/hf"
"$T" score --load "$D/hf" --input "$D/in.jsonl" --output "$D/good.jsonl" || wrong "score of a good model: exit $?"
cp -r "$D/hf" "$D/nan"
size=$(wc -c <"$D/nan/model.safetensors")
printf '\000\000\300\177' | dd of="$D/nan/model.safetensors" bs=1 seek=$((size - 4)) conv=notrunc 2>"$D/err"
expect 1 "line 1: a log-probability is not a number" \
    "$T" score --load "$D/nan" --input "$D/in.jsonl" --output "$D/bad.jsonl" --logits "$D/logits.safetensors"
expect 1 "nan/model.safetensors: tensor model.norm.weight holds nan at element 31 of 32" \
    "$T" score --load "$D/nan" --input "$D/in.jsonl" --output "$D/bad.jsonl"
checks=$((checks + 3))
[ "$(wc -l <"$D/bad.jsonl")" = 3 ] || wrong "bad.jsonl has $(wc -l <"$D/bad.jsonl") lines"
grep -q 'nan\|inf' "$D/bad.jsonl" && wrong "bad.jsonl is no JSON: $(head -n 1 "$D/bad.jsonl")"
[ "$(sed -n 1p "$D/bad.jsonl")" = '{"ids": [1, 2, 3, 4], "logprobs": [null, null, null, null], "sum": null, "count": 3, "greedy": [null, null, null, null]}' ] ||
    wrong "$(sed -n 1p "$D/bad.jsonl")"
[ "$(sed -n 2p "$D/bad.jsonl")" = '{"ids": [5], "logprobs": [null], "sum": 0, "count": 0, "greedy": [null]}' ] ||
    wrong "$(sed -n 2p "$D/bad.jsonl")"
expect 1 "tensor model.norm.weight holds nan" "$T" infer --load "$D/nan" --input "$D/in.jsonl" --output "$D/gen.jsonl" --greedy

# few bits do not hide it: the same in a matrix, which becomes whole numbers
cp -r "$D/hf" "$D/nan2"
at=$((8 + $(od -A n -t u8 -N 8 "$D/hf/model.safetensors")))
printf '\000\000\300\177' | dd of="$D/nan2/model.safetensors" bs=1 seek=$at conv=notrunc 2>"$D/err"
for bits in 8 4; do
    expect 1 "embed_tokens.weight holds nan at element 0" "$T" score --load "$D/nan2" --input "$D/in.jsonl" --load-in-${bits}bit
done

# names that are not UTF-8 stand in records all the same
odd="$D/caf$(printf '\351')"
expect 0 "" train --train-iters 2 --lr-warmup-iters 1 --save "$odd"
expect 0 "3/       3" train --train-iters 3 --lr-warmup-iters 1 --save "$odd" --load "$odd" --log-interval 1
expect 0 "$(printf 'caf\357\277\275')" "$T" checkpoint list --json "$odd"
expect 0 "$(printf 'caf\357\277\275')" "$T" checkpoint show --json "$odd"
checks=$((checks + 1))
"$T" checkpoint show --json "$odd" 2>"$D/err" | iconv -f UTF-8 -t UTF-8 >"$D/out" 2>"$D/err" || wrong "show --json is not UTF-8"

finish
