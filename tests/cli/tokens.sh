#!/bin/sh
# New tokens: tokenizer, rows of the model, adapter and config grow together; the same in each layout; and a model whose
# tokenizer has ids without rows is not written.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
# made NAME OPTIONS...: a model with a row for each of the tokenizer's 503 ids
made() {
    name=$1
    shift
    "$T" pretrain --mock-data --num-layers 2 --hidden-size 16 --ffn-hidden-size 32 --num-attention-heads 4 --position-embedding-type rope \
        --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 64 --tokenizer-type NullTokenizer \
        --vocab-size 502 --make-vocab-size-divisible-by 1 --seq-length 64 --micro-batch-size 1 --global-batch-size 1 --train-iters 1 \
        --lr 1e-3 --eval-iters 0 --save-hf "$D/$name" "$@" >"$D/err" 2>&1 || { cat "$D/err"; exit 1; }
    cp "$G/text/byte_level/tokenizer.json" "$G/chat/tokenizer_config.json" "$D/$name"
    cp "$G/chat/chatml.jinja" "$D/$name/chat_template.jinja"
}
made tied
made untied --untie-embeddings-and-output-weights
tied=$D/tied untied=$D/untied
news="--add-tokens <a&b> foo --add-special-tokens <|call|> <|end|>"

# same_ids MODEL: the folder's tokenizer gives the ids that transformers gives after add_tokens
same_ids() {
    checks=$((checks + 1))
    "$T" tokenize --tokenizer "$1" --input "$G/tokens/texts.jsonl" --output "$D/ids" 2>"$D/err" || wrong "tokenize: $(cat "$D/err")"
    tr -dc '0-9,\n' <"$D/ids" | cmp -s - "$G/tokens/ids" || wrong "$1: other ids than transformers'"
}
# rows FILE: how many the embedding and the output layer have in a config.json
vocab() {
    sed -n 's/.*"vocab_size": *\([0-9]*\).*/\1/p' "$1/config.json"
}
for base in $tied $untied; do
    # shellcheck disable=SC2086
    expect 0 "507 rows of the vocabulary, 4 of them new" "$T" convert --load-dir "$base" --save-dir "$D/more" $news
    same_ids "$D/more"
    rm -rf "$D/more"
done
# shellcheck disable=SC2086
expect 0 "512 rows" "$T" convert --load-dir "$tied" --save-dir "$D/more" $news --resize-vocab-to-multiple-of 64
checks=$((checks + 1))
[ "$(vocab "$D/more")" = 512 ] || wrong "vocab_size $(vocab "$D/more")"
expect 0 "507 rows of the vocabulary, 4 of them new" "$T" convert --load-dir "$tied" --save-dir "$D/listed" --add-tokens "<a&b>,foo" \
    --add-special-tokens "<|call|>,<|end|>"
same_ids "$D/listed"
# ids without rows: not written, unless asked for
cp -r "$D/more" "$D/short"
cp "$tied"/*.safetensors "$tied/config.json" "$D/short"
expect 2 "ids up to 506, but the vocabulary (vocab_size) has 503 rows" "$T" convert --load-dir "$D/short" --save-dir "$D/no"
absent "$D/no"
expect 0 "" "$T" convert --load-dir "$D/short" --save-dir "$D/left" --allow-ids-without-rows
# a tokenizer that cannot be read goes along as it is
cp -r "$D/short" "$D/torn"
echo "{" >"$D/torn/tokenizer.json"
expect 0 "whether there is a row for each of the tokenizer's ids is not known" "$T" convert --load-dir "$D/torn" --save-dir "$D/whole-torn"
same "$D/torn/tokenizer.json" "$D/whole-torn/tokenizer.json"
expect 0 "4 of them new" "$T" convert --load-dir "$D/short" --save-dir "$D/right" --resize-vocab
expect 2 "give --new-tokens-config FILE" "$T" convert --load-dir "$tied" --save-dir "$D/no" --add-tokens x --new-tokens-init description
expect 2 "is no token" "$T" convert --load-dir "$tied" --save-dir "$D/no" --add-tokens ""

cat >"$D/chats.jsonl" <<'EOF'
{"messages": [{"role": "user", "content": "say foo"}, {"role": "assistant", "content": "<|call|>foo<a&b><|end|>"}]}
{"messages": [{"role": "user", "content": "say it"}, {"role": "assistant", "content": "yes <|call|>foo foo<|end|>"}]}
EOF
common="--stage sft --data-path $D/chats.jsonl --hf-chat-template --split 100,0,0 --seq-length 64 --micro-batch-size 1
    --global-batch-size 2 --train-iters 3 --lr 0.01 --lr-decay-style constant --eval-iters 0 --threads 1 --seed 5 $news"
lora="--lora-r 2 --lora-target-modules q_proj"
echo '{"ids": [86, 68, 503, 504, 505, 506, 7]}' >"$D/one"
# scores NAME OPTIONS...
scores() {
    name=$1
    shift
    checks=$((checks + 1))
    "$T" score --input "$D/one" --threads 1 "$@" 2>"$D/err" | tr -d '[]' | sed 's/.*"logprobs": null, //; s/, "sum.*//' |
        tr ', ' '\n\n' | sed '/^$/d' >"$D/scores-$name"
    [ -s "$D/scores-$name" ] || wrong "score $*: $(cat "$D/err")"
}
near() {
    checks=$((checks + 1))
    paste "$D/scores-$1" "$D/scores-$2" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 2e-5) bad = 1 } END { exit bad || !NR }' ||
        wrong "scores of $1 and $2 differ"
}
for base in $tied $untied; do
    common="$common --load $base"
    # shellcheck disable=SC2086
    job adapter 1 $lora --save-peft "$D/peft" --save-hf "$D/merged" --save "$D/ckpt"
    for f in "$D/peft" "$D/merged"; do
        same_ids "$f"
    done
    scores apart --load "$base" --lora-load "$D/peft"
    scores merged --load "$D/merged"
    near apart merged
    expect 0 "" "$T" convert --load-dir "$base" --lora-load "$D/peft" --save-dir "$D/both"
    scores both --load "$D/both"
    near both merged
    same_ids "$D/both"
    # a run goes on with its tokens, which it need not be told again, and with no others
    # shellcheck disable=SC2086
    job half 1 $lora --new-tokens-init noise --exit-interval 2 --save "$D/half"
    # shellcheck disable=SC2086
    job rest 1 --load "$D/half" $lora --new-tokens-init noise
    # shellcheck disable=SC2086
    job whole 1 $lora --new-tokens-init noise
    alike rest whole 3 0
    expect 2 "has no such token" "$T" posttrain $common $lora --load "$D/half" --add-tokens more
    if have_mpi; then
        # shellcheck disable=SC2086
        job cut 2 $lora --new-tokens-init noise --tensor-model-parallel-size 2 --sequence-parallel
        alike cut whole 1
    fi
    rm -rf "$D/peft" "$D/merged" "$D/ckpt" "$D/both" "$D/half"
done
# what a preference is compared with has the rows that the model begins with: the first loss is log 2
echo '{"prompt": "say", "chosen": "<|call|>good<|end|>", "rejected": "bad foo"}' >"$D/pairs.jsonl"
for more in "" "$lora"; do
    # shellcheck disable=SC2086
    job dpo 1 --stage dpo --data-path "$D/pairs.jsonl" --train-iters 1 --new-tokens-init noise $more
    checks=$((checks + 1))
    numbers dpo | awk '{ d = $2 - log(2); exit !(NR == 1 && d < 1e-5 && d > -1e-5) }' || wrong "dpo $more: $(numbers dpo)"
done
finish
