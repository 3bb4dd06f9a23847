#!/bin/sh
# Tuning on conversations: packed as they are apart, in processes as in one, resumed as in one piece; what is refused.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
"$T" pretrain --mock-data --num-layers 2 --hidden-size 32 --ffn-hidden-size 64 --num-attention-heads 4 --position-embedding-type rope \
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 64 --tokenizer-type NullTokenizer --vocab-size 511 \
    --make-vocab-size-divisible-by 1 --seq-length 64 --micro-batch-size 1 --global-batch-size 1 --train-iters 1 --lr 1e-3 --eval-iters 0 \
    --save-hf "$D/model" >"$D/err" 2>&1 || { cat "$D/err"; exit 1; }
cp "$G/text/byte_level/tokenizer.json" "$G/chat/tokenizer_config.json" "$D/model"
cp "$G/chat/chatml.jinja" "$D/model/chat_template.jinja"
awk 'BEGIN { srand(2); for (i = 0; i < 12; i++) { printf "{\"messages\": ["; turns = 1 + int(rand() * 2)
    for (k = 0; k < turns; k++) { s = ""; n = 1 + int(rand() * 3); for (w = 0; w < n; w++) s = s " w" int(rand() * 99)
        printf "%s{\"role\": \"user\", \"content\": \"ask%s\"}, {\"role\": \"assistant\", \"content\": \"say%s\"}", k ? ", " : "", s, s }
    print "]}" } }' >"$D/chats.jsonl"
common="--stage sft --load $D/model --data-path $D/chats.jsonl --hf-chat-template --split 100,0,0 --seq-length 128 --micro-batch-size 1
    --lr 1e-3 --min-lr 1e-3 --eval-iters 0 --log-interval 1 --seed 5 --calculate-per-token-loss"

# all of them in one batch: whether each has a row, or shares it
packs=$("$T" data show --load "$D/model" --data-path "$D/chats.jsonl" --hf-chat-template --seq-length 128 --pack --samples 0 |
    sed -n 's/=== packed into \([0-9]*\) rows/\1/p')
checks=$((checks + 1))
[ "$packs" -gt 1 ] && [ "$packs" -lt 10 ] || wrong "12 samples in $packs packs"
job apart 1 --global-batch-size 12 --train-iters 3
job packed 1 --global-batch-size "$packs" --train-iters 3 --packing --neat-pack --reset-attention-mask
alike packed apart 1
job neat 1 --global-batch-size "$packs" --train-iters 3 --neat-pack --reset-attention-mask
alike neat packed 1 0
checks=$((checks + 1))
job mixed 1 --global-batch-size "$packs" --train-iters 1 --pack
[ "$(numbers mixed)" != "$(numbers apart | head -n 1)" ] || wrong "the conversations of a pack do not see each other"

job whole 1 --global-batch-size 4 --train-iters 4 --save "$D/whole"
job first 1 --global-batch-size 4 --train-iters 4 --exit-interval 2 --save "$D/ckpt"
job second 1 --global-batch-size 4 --train-iters 4 --load "$D/ckpt"
alike second whole 3 0
if have_mpi; then
    job spread 2 --global-batch-size 4 --train-iters 4
    alike spread whole 1
fi

# an answer of weight 2 is as good as two, one of 1/2 as half of one: of all labels, and of a micro-batch's; in packs, where
# an answer is half of another's conversation, in processes as in one
say() { printf '{"messages": [{"role": "user", "content": "ask %s"}, {"role": "assistant", "content": "say %s"%s}]}\n' "$1" "$1" "${2+, \"weight\": $2}"; }
{ say w1 0.5; say w2 0.5; say w3; say "w4 w5" 0.5; } >"$D/half-chats.jsonl"
{ say w1; say w2; say w3; say w3; say "w4 w5"; } >"$D/twice-chats.jsonl"
{ say w1 7; say w2 7; say w3 14; say "w4 w5" 7; } >"$D/scaled-chats.jsonl"
weighed="--data-path $D/half-chats.jsonl --global-batch-size 4 --train-iters 2"
job weighed 1 $weighed
job twice 1 --data-path "$D/twice-chats.jsonl" --global-batch-size 5 --train-iters 2
alike weighed twice 1
job scaled 1 $weighed --data-path "$D/scaled-chats.jsonl"
alike scaled weighed 1
tokens=$common
common=$(echo "$common" | sed 's/--calculate-per-token-loss//; s/--micro-batch-size 1/--micro-batch-size 4/')
job micro 1 $weighed
alike micro weighed 1
job micro-twice 1 --data-path "$D/twice-chats.jsonl" --global-batch-size 5 --micro-batch-size 5 --train-iters 2
alike micro micro-twice 1
job micro-apart 1 $weighed --micro-batch-size 1
job micro-plain 1 --data-path "$D/scaled-chats.jsonl" --global-batch-size 4 --micro-batch-size 1 --train-iters 2
alike micro-apart micro-plain 1
common=$tokens
job weighed-pack 1 $weighed --global-batch-size 1 --neat-pack --reset-attention-mask
alike weighed-pack weighed 1
if have_mpi; then
    for layout in "" "--tensor-model-parallel-size 2" "--pipeline-model-parallel-size 2" "--context-parallel-size 2"; do
        job weighed-two 2 $weighed $layout
        alike weighed-two weighed 1
    done
fi

# refused before the first step, on every process
expect 2 "there is nothing to train on" "$T" posttrain $common --global-batch-size 4 --train-iters 1 --seq-length 4
expect 2 "how are conversations written?" "$T" posttrain --stage sft --load "$D/model" --data-path "$D/chats.jsonl" --seq-length 128 \
    --micro-batch-size 1 --global-batch-size 4 --train-iters 1 --lr 1e-3
expect 2 "--dataset and --data-path both name the data" "$T" posttrain $common --global-batch-size 4 --train-iters 1 --dataset x
expect 2 "--hf-chat-template" "$T" pretrain --hf-chat-template
echo '{"messages": [{"role": "user"}]}' >>"$D/chats.jsonl"
expect 2 "chats.jsonl:13: " "$T" posttrain $common --global-batch-size 4 --train-iters 1
job skipped 1 --global-batch-size 4 --train-iters 1 --on-bad-record skip
mkdir "$D/data"
sed '$d' "$D/chats.jsonl" >"$D/data/talks.jsonl"
echo '{"mine": {"file_name": "talks.jsonl", "formatting": "openai", "columns": {"messages": "messages"}}}' >"$D/data/dataset_info.json"
common=$(echo "$common" | sed "s|--data-path $D/chats.jsonl|--dataset mine --dataset-dir $D/data|")
job named 1 --global-batch-size 4 --train-iters 1
alike named skipped 1 0
common=$(echo "$common" | sed "s|--dataset mine|--dataset mine,mine|")
expect 0 "24 samples" "$T" posttrain $common --global-batch-size 4 --train-iters 1
finish
