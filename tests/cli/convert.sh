#!/bin/sh
# From checkpoints to Hugging Face folders: what cannot be written is refused before the first step, what is written
# computes the same, and both carry all that is needed to use them.
. "$(dirname "$0")/lib.sh"
make_data
small="--num-layers 2 --hidden-size 32 --num-attention-heads 4 --max-position-embeddings 32 --make-vocab-size-divisible-by 1
    --seq-length 16 --micro-batch-size 2 --train-iters 3 --lr 1e-3 --split 100,0,0 --lr-decay-style constant"
null="--tokenizer-type NullTokenizer --vocab-size 96 --data-path $D/data_text_document"
llama="--swiglu --normalization RMSNorm --position-embedding-type rope --disable-bias-linear"
pre() { # pre OPTIONS...
    # shellcheck disable=SC2086
    "$T" pretrain $small "$@"
}
ok() { # ok COMMAND...: it may say nothing
    checks=$((checks + 1))
    "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "$*: $(tail -n 1 "$D/err")"
}
echo '{"ids": [1, 2, 3, 4, 5, 6, 7]}' >"$D/ids.jsonl"
scores() { # scores FOLDER FILE
    ok "$T" score --load "$1" --input "$D/ids.jsonl" --output "$2"
}

# refused before the first step, used from its checkpoint all the same
odd="$llama --rotary-interleaved --qk-layernorm"
# shellcheck disable=SC2086
{
expect 2 "order of rotated pairs (--rotary-interleaved)" pre $null $odd --save-hf "$D/no" --metrics-jsonl "$D/m.jsonl"
absent "$D/no"
absent "$D/m.jsonl"
expect 2 "the nearest, " pre $null --swiglu --normalization LayerNorm --position-embedding-type learned_absolute --save-hf "$D/no"
expect 2 "--save-hf $D/x would replace --save $D/x/ck" pre $null $llama --save-hf "$D/x" --save "$D/x/ck"
expect 2 "--save-hf $D/x would replace --metrics-jsonl" pre $null $llama --save-hf "$D/x" --metrics-jsonl "$D/x/m.jsonl"
expect 2 "--qk-layernorm with --normalization LayerNorm" pre $null --qk-layernorm
ok pre $null $odd --save "$D/odd"
ok "$T" infer --load "$D/odd" --prompt "1 2 3" --greedy --max-new-tokens 4
scores "$D/odd" "$D/odd.scores"
expect 2 "can say this model" "$T" convert --load-dir "$D/odd" --save-dir "$D/no"
absent "$D/no"
# ... and continued as any other
ok pre $null $odd --load "$D/odd" --save "$D/odd2" --train-iters 5
ok pre $null $odd --save "$D/odd5" --train-iters 5
same "$D/odd2/iter_0000005/model-00001-of-00001.safetensors" "$D/odd5/iter_0000005/model-00001-of-00001.safetensors"

# what is folded computes the same
n=0
while read -r how; do
    n=$((n + 1))
    ok pre $null $how --save "$D/ck$n" --save-hf "$D/hf$n" --lr 0.05
    scores "$D/ck$n" "$D/ck$n.scores"
    scores "$D/hf$n" "$D/hf$n.scores"
    same "$D/ck$n.scores" "$D/hf$n.scores"
    expect 0 "largest difference of logits: 0 (of" "$T" export --load-dir "$D/ck$n" --save-dir "$D/out$n" --check
    for f in config.json generation_config.json model.safetensors; do same "$D/hf$n/$f" "$D/out$n/$f"; done
done <<END
$llama --apply-layernorm-1p
--apply-layernorm-1p --disable-bias-linear --add-qkv-bias
--position-embedding-type none --squared-relu --untie-embeddings-and-output-weights
END
}

# ends of documents are known afterwards
expect 0 '"eos_token_id": 96' cat "$D/hf1/config.json"
expect 0 '"eos_token_id": 96' cat "$D/hf1/generation_config.json"
expect 0 '"eos_token_id": 96' cat "$D/ck1/iter_0000003/generation_config.json"

# other types and shards
expect 0 '"largest_difference": 0' "$T" convert --load-dir "$D/hf1" --save-dir "$D/copy" --check --json
same "$D/hf1/model.safetensors" "$D/copy/model.safetensors"
expect 0 "largest difference" "$T" convert --load-dir "$D/ck1" --save-dir "$D/bf16" --params-dtype bf16 --max-shard-size 20KB --check
expect 0 '"dtype": "bfloat16"' cat "$D/bf16/config.json"
expect 0 "good" "$T" checkpoint verify "$D/bf16"
[ -f "$D/bf16/model.safetensors.index.json" ] || wrong "no index"
ok "$T" convert --load-dir "$D/bf16" --save-dir "$D/fp32" --save-hf-dtype fp32
expect 0 '"dtype": "float32"' cat "$D/fp32/config.json"

# bad input
expect 2 "--save-dir is missing" "$T" convert --load-dir "$D/ck1"
expect 2 "there is no such folder" "$T" convert --load-dir "$D/none" --save-dir "$D/no"
expect 2 "neither a checkpoint" "$T" convert --load-dir "$D" --save-dir "$D/no"
expect 2 "is not of the kind hf" "$T" convert --load-dir "$D/ck1" --save-dir "$D/no" --load-model-type hf
expect 2 "which is the same folder or in it" "$T" convert --load-dir "$D/hf1" --save-dir "$D/hf1"
expect 2 "which is no file of a model" "$T" convert --load-dir "$D/hf1" --save-dir "$D"
expect 2 "--max-shard-size 5XB" "$T" convert --load-dir "$D/ck1" --save-dir "$D/no" --max-shard-size 5XB
expect 2 "--model-type-hf gpt2" "$T" convert --load-dir "$D/ck1" --save-dir "$D/no" --model-type-hf gpt2
ok "$T" convert --load-dir "$D/ck1" --save-dir "$D/kind" --model-type-hf llama2
expect 2 "iteration 2" "$T" convert --load-dir "$D/ck1" --save-dir "$D/no" --ckpt-step 2
absent "$D/no"

# the tokenizer goes along, and is needed nowhere else
"$T" train-tokenizer --input "$D/numbers.txt" --vocab-size 300 --output "$D/tok" >/dev/null 2>&1
printf '{{ messages }}' >"$D/tok/chat_template.jinja"
"$T" preprocess --input "$D/numbers.txt" --output-prefix "$D/text" --tokenizer-type PretrainedFromHF \
    --tokenizer-name-or-path "$D/tok" --append-eod >/dev/null 2>&1
cp -r "$D/tok" "$D/kept"
# shellcheck disable=SC2086
ok pre $llama --tokenizer-type PretrainedFromHF --tokenizer-name-or-path "$D/tok" \
    --data-path "$D/text_text_document" --save "$D/ckt" --save-hf "$D/hft" --lr 0.05 --train-iters 20
rm -r "$D/tok"
for f in tokenizer.json tokenizer_config.json chat_template.jinja; do
    same "$D/kept/$f" "$D/ckt/iter_0000020/$f"
    same "$D/kept/$f" "$D/hft/$f"
done
expect 0 "good" "$T" checkpoint verify "$D/ckt"
for d in ckt hft; do
    ok "$T" infer --load "$D/$d" --prompt "12 34" --greedy --max-new-tokens 8 --json
    cp "$D/out" "$D/$d.text"
    echo '{"prompt": "12 ", "completion": "34"}' >"$D/p.jsonl"
    ok "$T" score --load "$D/$d" --input "$D/p.jsonl" --output "$D/$d.p"
done
same "$D/ckt.text" "$D/hft.text"
same "$D/ckt.p" "$D/hft.p"
expect 0 '"text": ' cat "$D/ckt.text"
expect 2 "holds no tokenizer" "$T" score --load "$D/hf1" --input "$D/p.jsonl"
ok "$T" score --load "$D/hf2" --input "$D/ids.jsonl" --output "$D/o" --tokenizer-type NullTokenizer --vocab-size 96
# a run that goes on takes it along too, without being told of it again
# shellcheck disable=SC2086
ok pre $llama --data-path "$D/text_text_document" --load "$D/ckt" --save "$D/ckt" --lr 0.05 --train-iters 22
for f in tokenizer.json chat_template.jinja generation_config.json; do
    same "$D/ckt/iter_0000020/$f" "$D/ckt/iter_0000022/$f"
done
ok "$T" infer --load "$D/ckt" --ckpt-step 22 --prompt "12 34" --greedy --max-new-tokens 8 --json
# a damaged tokenizer file is found as any other
printf x >>"$D/ckt/iter_0000020/tokenizer.json"
expect 2 "tokenizer.json: damaged" "$T" checkpoint verify "$D/ckt" --ckpt-step 20

# a model that is tuned on keeps its files
printf '{"temperature": 0.7, "eos_token_id": 7}' >"$D/hft/generation_config.json"
ok pre --load "$D/hft" --data-path "$D/text_text_document" --save "$D/ckf" --save-hf "$D/hff"
for f in tokenizer.json tokenizer_config.json chat_template.jinja generation_config.json; do
    same "$D/hft/$f" "$D/hff/$f"
    same "$D/hft/$f" "$D/ckf/iter_0000003/$f"
done
# ... also where the data came with numbers alone, or the tokenizer under another name
mkdir "$D/other"
cp "$D/hft/tokenizer.json" "$D/other/mine.json"
n=0
while read -r how; do
    n=$((n + 1))
    # shellcheck disable=SC2086
    ok pre --load "$D/hft" --data-path "$D/text_text_document" --save "$D/ckg$n" --save-hf "$D/hfg$n" $how
    ok "$T" export --load-dir "$D/ckg$n" --save-dir "$D/expg$n"
    for f in tokenizer.json tokenizer_config.json chat_template.jinja generation_config.json; do
        same "$D/hft/$f" "$D/hfg$n/$f"
        same "$D/hft/$f" "$D/expg$n/$f"
    done
    ok "$T" infer --load "$D/ckg$n" --prompt "12 34" --greedy --max-new-tokens 4
done <<END
--tokenizer-type NullTokenizer --vocab-size 299
--tokenizer-type PretrainedFromHF --tokenizer-model $D/other/mine.json
END

# names that files of a family may have or not have stay those of the folder that a model came from
names() { # names FOLDER FILE
    head -c 100000 "$1/model.safetensors" | tr -c '[:print:]' '\n' | grep -o '"model\.[a-z_0-9.]*"' | sort >"$D/$2"
}
families=$(dirname "$0")/../golden/families
for family in kimi_linear kimi_linear-ranks qwen3_moe-stacked; do
    ok "$T" pretrain --load "$families/$family" --mock-data --tokenizer-type NullTokenizer --vocab-size 78 --seq-length 8 \
        --make-vocab-size-divisible-by 1 --micro-batch-size 1 --global-batch-size 1 --train-iters 1 --lr 1e-3 --eval-iters 0 \
        --save "$D/ck-$family" --save-hf "$D/hf-$family"
    ok "$T" convert --load-dir "$D/ck-$family" --save-dir "$D/again-$family"
    same "$D/hf-$family/model.safetensors" "$D/again-$family/model.safetensors"
    names "$families/$family" before
    names "$D/again-$family" after
    same "$D/before" "$D/after"
done
finish
