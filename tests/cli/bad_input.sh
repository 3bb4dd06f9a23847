#!/bin/sh
# Bad input: a message that says what and where, the right exit code, nothing written, nothing lost.
. "$(dirname "$0")/lib.sh"
make_data
expect 2 "--bf16 and --fp16 contradict each other" train --bf16 --fp16
expect 2 "no multiple of --micro-batch-size" train --micro-batch-size 3
expect 2 "does not divide --hidden-size" train --num-attention-heads 5 --num-query-groups 1
expect 2 "$D/absent" train --data-path "$D/absent"
expect 2 "--load $D/nowhere: there is no such folder" train --load "$D/nowhere"
expect 2 "nothing is computed there" train --device sim
absent "$D/metrics.jsonl"

# files that lie
cp "$D/data_text_document.bin" "$D/bad.bin"
head -c 60 "$D/data_text_document.idx" >"$D/bad.idx"
expect 2 "$D/bad.idx" train --data-path "$D/bad" --metrics-jsonl "$D/metrics.jsonl"
cp "$D/data_text_document.idx" "$D/bad.idx"
head -c 100 "$D/data_text_document.bin" >"$D/bad.bin"
expect 2 "$D/bad.bin" train --data-path "$D/bad"
printf '1 2 900\n' >"$D/large.txt"
"$T" preprocess --input "$D/large.txt" --output-prefix "$D/large" --tokenizer-type NullTokenizer --vocab-size 1000 2>/dev/null >&2
expect 2 "$D/large_text_document" train --data-path "$D/large_text_document" --seq-length 2
absent "$D/metrics.jsonl"

# a model folder, and what can be wrong with one
expect 0 "iterations 1 to 2" train --train-iters 2 --save-hf "$D/model" --lr-warmup-iters 0
echo '{"ids": [1, 2, 3, 4]}' >"$D/in.jsonl"
expect 0 "logprobs" "$T" score --load "$D/model" --input "$D/in.jsonl"
expect 2 "contradicts" train --load "$D/model" --hidden-size 64
score() { "$T" score --load "$D/broken" --input "$D/in.jsonl" --output "$D/never.jsonl"; }
broken() { rm -f "$D"/broken/*; mkdir -p "$D/broken"; cp "$D"/model/* "$D/broken/"; }
broken; rm "$D/broken/config.json"
expect 2 "config.json" score
broken; echo '{ nope' >"$D/broken/config.json"
expect 2 "config.json: not valid JSON: line 1" score
broken; sed 's/"model_type": *"[a-z]*"/"model_type": "frobnicator"/; s/LlamaForCausalLM/FrobForCausalLM/' "$D/model/config.json" >"$D/broken/config.json"
expect 2 "frobnicator" score
broken; head -c 2000 "$D/model/model.safetensors" >"$D/broken/model.safetensors"
expect 2 "model.safetensors" score
broken; printf '\377\377\377\377\377\377\377\377' | dd of="$D/broken/model.safetensors" conv=notrunc 2>/dev/null
expect 2 "model.safetensors" score
broken; rm "$D/broken/model.safetensors"
expect 2 "model.safetensors" score
echo '{"ids": [1, 200]}' >"$D/out_of_range.jsonl"
expect 2 "$D/out_of_range.jsonl:1" "$T" score --load "$D/model" --input "$D/out_of_range.jsonl" --output "$D/never.jsonl"
printf '{"ids": [1]}\n{"ids": [1,\n' >"$D/cut.jsonl"
expect 2 "$D/cut.jsonl:2" "$T" score --load "$D/model" --input "$D/cut.jsonl" --output "$D/never.jsonl"
absent "$D/never.jsonl"

# text and tokenizers
printf 'good line\nbad \377 line\n' >"$D/latin.txt"
printf '{"version": "1.0", "model": {' >"$D/tokenizer.json"
expect 2 "$D/tokenizer.json" "$T" tokenize --tokenizer "$D/tokenizer.json" --input "$D/in.jsonl" --output "$D/never.jsonl"
"$T" train-tokenizer --input "$D/numbers.txt" --vocab-size 300 --output "$D/tok" 2>/dev/null
expect 2 "$D/latin.txt" "$T" preprocess --input "$D/latin.txt" --output-prefix "$D/latin" --tokenizer-type PretrainedFromHF \
    --tokenizer-name-or-path "$D/tok"
absent "$D/latin_text_document.bin"
absent "$D/latin_text_document.idx"
# a model of 97 tokens under a tokenizer of more
expect 2 "vocabulary" "$T" pretrain $batch --load "$D/model" --data-path "$D/data_text_document" --train-iters 2 --lr-warmup-iters 0 \
    --tokenizer-type PretrainedFromHF --tokenizer-name-or-path "$D/tok"
absent "$D/never.jsonl"

# what generation_config.json asks for and is not done is named, and what cannot be as the file's
generate() { # generate TEXT CODE CONFIG
    broken
    echo "$3" >"$D/broken/generation_config.json"
    expect "$2" "$1" "$T" infer --load "$D/broken" --input "$D/in.jsonl" --json --max-new-tokens 2
}
for setting in '"min_length": 40' '"num_return_sequences": 3' '"encoder_repetition_penalty": 1.5' '"no_repeat_ngram_size": 2'; do
    key=${setting%%\":*}
    generate "${key#?} is not supported and is left out" 0 "{$setting}"
done
generate "error: generation_config.json's temperature 0: expected" 2 '{"do_sample": true, "temperature": 0}'
generate "error: generation_config.json's min_new_tokens 9 is more than --max-new-tokens 2" 2 '{"min_new_tokens": 9}'

# what a file says is quoted without what a terminal would obey
printf '\033[31mred\302\233\007\n' >"$D/escape.jsonl"
expect 2 'expected a JSON object, found "?[31mred???"' "$T" preprocess --input "$D/escape.jsonl" --output-prefix "$D/escape" \
    --tokenizer-type NullTokenizer --vocab-size 9

# failures while running
expect 1 "is not a number" train --optimizer sgd --lr 1e6 --min-lr 1e6 --lr-decay-style constant --lr-warmup-iters 0 \
    --weight-decay 1e6 --clip-grad 0
expect 1 "Who holds what" train --threads 1 --memory-limit-gb 0.0285
mkdir "$D/precious" && touch "$D/precious/thesis.txt"
expect 2 "holds thesis.txt" train --save-hf "$D/precious"
checks=$((checks + 1))
[ -e "$D/precious/thesis.txt" ] || wrong "a file of the user's is gone"
finish
