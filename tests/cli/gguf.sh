#!/bin/sh
# GGUF files where a Hugging Face folder may stand: the same figures as from the folder that is made of them.
. "$(dirname "$0")/lib.sh"
models=tests/golden/gguf/models
echo '{"ids": [1, 2, 3, 4, 5, 6, 7, 60, 61]}' >"$D/ids.jsonl"
ok() { # ok COMMAND...: it may say nothing
    checks=$((checks + 1))
    "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "$*: $(tail -n 1 "$D/err")"
}

for m in qwen2 phi3-longrope gemma3; do
    expect 0 '"largest_difference": 0,' "$T" convert --load-dir "$models/$m.gguf" --save-dir "$D/$m" --check --json
    ok "$T" score --load "$models/$m.gguf" --input "$D/ids.jsonl" --output "$D/a"
    ok "$T" score --load "$D/$m" --input "$D/ids.jsonl" --output "$D/b"
    same "$D/a" "$D/b"
done

# told by content, whatever the name; the same model trained from
cp "$models/qwen2.gguf" "$D/weights"
train="--data-path $D/data_text_document --tokenizer-type NullTokenizer --vocab-size 78 --split 100,0,0 --seq-length 16 --micro-batch-size 2
    --train-iters 2 --lr 1e-3 --finetune"
awk 'BEGIN { for (d = 0; d < 20; d++) { s = ""; for (i = 0; i < 40; i++) s = s (i ? " " : "") (i * 7 + d) % 78; print s } }' >"$D/numbers.txt"
ok "$T" preprocess --input "$D/numbers.txt" --output-prefix "$D/data" --tokenizer-type NullTokenizer --vocab-size 78
# shellcheck disable=SC2086
{
ok "$T" pretrain $train --load "$D/weights" --save-hf "$D/from-file"
ok "$T" pretrain $train --load "$D/qwen2" --save-hf "$D/from-folder"
}
same "$D/from-file/model.safetensors" "$D/from-folder/model.safetensors"

# a tokenizer by itself
echo '{"text": "In 1995, the fox."}' >"$D/text.jsonl"
tok=tests/golden/gguf/tokenizers/smollm.gguf
ok "$T" tokenize --tokenizer "$tok" --input "$D/text.jsonl" --output "$D/ids"
ok "$T" tokenize --tokenizer "$tok" --decode --input "$D/ids" --output "$D/back"
expect 0 '"In 1995, the fox."' cat "$D/back"

# written: the same logits from the file as from what it is made of; the same file from that file
families=tests/golden/families
for m in qwen3_moe llama-bias-llama3 gemma; do
    expect 0 '"largest_difference": 0,' "$T" convert --load-dir $families/$m --outfile "$D/$m.gguf" --outtype f32 --check --json
    expect 0 "tensors" "$T" convert --load-dir "$D/$m.gguf" --outfile "$D/again" --outtype f32
    same "$D/$m.gguf" "$D/again"
done
# few bits, of blocks that fit or smaller ones; what comes back is what the file has
expect 0 "qwen2, 26 tensors" "$T" convert --load-dir $families/qwen2 --outfile "$D/few.gguf" --outtype q4_k_m
ok "$T" score --load "$D/few.gguf" --input "$D/ids.jsonl" --output "$D/a"
ok "$T" convert --load-dir "$D/few.gguf" --save-dir "$D/few" --params-dtype fp32
ok "$T" score --load "$D/few" --input "$D/ids.jsonl" --output "$D/b"
same "$D/a" "$D/b"
# a checkpoint, and a model with an adapter: through the folder that they become
ok "$T" pretrain $train --load "$D/qwen2" --save "$D/ck" --save-hf "$D/trained"
ok "$T" convert --load-dir "$D/ck" --outfile "$D/ck.gguf" --outtype f32
ok "$T" convert --load-dir "$D/trained" --outfile "$D/trained.gguf" --outtype f32
ok "$T" score --load "$D/ck.gguf" --input "$D/ids.jsonl" --output "$D/a"
ok "$T" score --load "$D/trained.gguf" --input "$D/ids.jsonl" --output "$D/b"
same "$D/a" "$D/b"
peft=tests/golden/adapters/patterns
base=$families/llama
ok "$T" convert --load-dir $base --lora-load $peft --save-dir "$D/both"
ok "$T" convert --load-dir $base --lora-load $peft --outfile "$D/both.gguf" --outtype f32
ok "$T" score --load "$D/both" --input "$D/ids.jsonl" --output "$D/a"
ok "$T" score --load "$D/both.gguf" --input "$D/ids.jsonl" --output "$D/b"
same "$D/a" "$D/b"
[ -z "$(find "$D" -name '*.tmp-*')" ] || wrong "left over: $(find "$D" -name '*.tmp-*')"

# refused, and nothing written
expect 2 "--outfile FILE is missing" "$T" convert --load-dir $base --save-model-type gguf --save-dir "$D/no"
expect 2 "give one: a GGUF file, or a folder" "$T" convert --load-dir $base --outfile "$D/no" --save-dir "$D/no2"
expect 2 "--outtype is the type of GGUF files" "$T" convert --load-dir $base --save-dir "$D/no" --outtype f16
expect 2 "that of a GGUF file is --outtype" "$T" convert --load-dir $base --outfile "$D/no" --params-dtype bf16
expect 2 "is what --load-dir names" "$T" convert --load-dir "$D/few.gguf" --outfile "$D/few.gguf"
expect 2 "few bits change logits" "$T" convert --load-dir $base --outfile "$D/no" --outtype q8_0 --check
expect 2 "expected experts in all layers" "$T" convert --load-dir $families/qwen3_moe-stacked --outfile "$D/no"
expect 2 "models of the kind bamba are not written to GGUF files" "$T" convert --load-dir $families/bamba --outfile "$D/no"
head -c 20000 "$models/qwen2.gguf" >"$D/cut.gguf"
expect 2 "cut.gguf: tensor" "$T" convert --load-dir "$D/cut.gguf" --save-dir "$D/no"
expect 2 "cut.gguf: tensor" "$T" score --load "$D/cut.gguf" --input "$D/ids.jsonl"
expect 2 "is not of the kind gguf" "$T" convert --load-model-type gguf --load-dir "$D/ids.jsonl" --save-dir "$D/no"
expect 2 "general.architecture is none, which is not read" "$T" convert --load-dir tests/golden/gguf/blocks.gguf --save-dir "$D/no"
expect 2 "gemma.gguf: there is no tokenizer in it" "$T" tokenize --tokenizer "$models/gemma.gguf" --input "$D/text.jsonl" --output "$D/no"
absent "$D/no"
finish
