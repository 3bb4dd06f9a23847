#!/bin/sh
# Prompts out of conversations: infer and chat go on from what tuning puts before an answer.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
"$T" pretrain --mock-data --num-layers 2 --hidden-size 32 --ffn-hidden-size 64 --num-attention-heads 4 --position-embedding-type rope \
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 512 --tokenizer-type NullTokenizer --vocab-size 511 \
    --make-vocab-size-divisible-by 1 --seq-length 64 --micro-batch-size 1 --global-batch-size 1 --train-iters 1 --lr 1e-3 --eval-iters 0 \
    --init-method-std 0.3 --save-hf "$D/model" >"$D/err" 2>&1 || { cat "$D/err"; exit 1; }
cp "$G/text/byte_level/tokenizer.json" "$G/chat/tokenizer_config.json" "$D/model"
infer() { "$T" infer --load "$D/model" --greedy --max-new-tokens 12 --ignore-eos "$@" 2>"$D/err"; }
chat() { "$T" chat --load "$D/model" --greedy --max-new-tokens 12 --ignore-eos "$@" 2>"$D/err"; }
is() { # is WHAT WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
ask='{"role": "user", "content": "The fox?"}'
two="{\"messages\": [{\"role\": \"system\", \"content\": \"Be kind.\"}, $ask, {\"role\": \"assistant\", \"content\": \"jumps.\"}]}"
expect 2 "has no chat template: expected chat_template.jinja" "$T" chat --load "$D/model"
expect 2 "--load is missing" "$T" chat
cp "$G/chat/chatml.jinja" "$D/model/chat_template.jinja"
# what stands before the answer, in tuning's samples
echo "$two" >"$D/two.jsonl"
"$T" data show --load "$D/model" --data-path "$D/two.jsonl" --hf-chat-template --output "$D/shown" >/dev/null 2>&1
sed 's/.*"input_ids": *\[\([^]]*\)\].*/\1/' "$D/shown" | tr ',' '\n' >"$D/ids"
sed 's/.*"labels": *\[\([^]]*\)\].*/\1/' "$D/shown" | tr ',' '\n' | grep -n -v -e -100 | head -n 1 | cut -d: -f1 >"$D/first"
before=$(head -n $(($(cat "$D/first") - 1)) "$D/ids" | paste -sd,)
echo "{\"ids\": [$before]}" >"$D/ids.jsonl"
infer --input "$D/ids.jsonl" --json >"$D/want" || wrong "$(cat "$D/err")"
echo "{\"messages\": [{\"role\": \"system\", \"content\": \"Be kind.\"}, $ask]}" >"$D/one.jsonl"
infer --input "$D/one.jsonl" --json >"$D/got" || wrong "$(cat "$D/err")"
same "$D/want" "$D/got"
echo "{\"messages\": [$ask]}" >"$D/bare.jsonl"
infer --input "$D/bare.jsonl" --json --system "Be kind." >"$D/got"
same "$D/want" "$D/got"
infer --prompt "The fox?" --hf-chat-template --system "Be kind." --json >"$D/got"
same "$D/want" "$D/got"
infer --prompt "The fox?" --hf-chat-template --json >"$D/got"
checks=$((checks + 1))
! cmp -s "$D/want" "$D/got" || wrong "--system changes nothing"

# a talk: each answer is what infer gives on all that was said, as far as it is remembered
answer() { # answer MESSAGES
    echo "{\"messages\": [$1]}" >"$D/talk.jsonl"
    infer --input "$D/talk.jsonl" --json >"$D/line"
    sed 's/.*"text": \(".*"\), "finish_reason.*/\1/' "$D/line"
}
say() { echo "{\"role\": \"user\", \"content\": \"$1\"}"; }
told() { echo "{\"role\": \"assistant\", \"content\": $1}"; }
a1=$(answer "$(say one)")
a2=$(answer "$(say one), $(told "$a1"), $(say two)")
a3=$(answer "$(say two), $(told "$a2"), $(say six)")
for text in "$a1" "$a2" "$a3"; do
    echo "$text" | sed 's/^"//; s/"$//' >>"$D/answers"
done
printf 'one\n\ntwo\nsix\nclear\none\nquit\none\n' | chat --history-turns 1 >"$D/said" || wrong "$(cat "$D/err")"
is "answers" 4 "$(grep -c . "$D/said")"
sed -n 1p "$D/answers" >>"$D/answers"
same "$D/answers" "$D/said"
printf 'one\ntwo\n' | chat --history-turns 0 >"$D/said"
echo "$(answer "$(say two)")" | sed 's/^"//; s/"$//' >"$D/want"
sed -n 2p "$D/said" >"$D/got"
same "$D/want" "$D/got"

# answers that fit: whatever the draws are, side by side or one by one
for i in 1 2 3 4 5 6; do echo "{\"text\": \"the $i\"}"; done >"$D/texts.jsonl"
fitting() { "$T" infer --load "$D/model" --do-sample --seed 7 --input "$D/texts.jsonl" --max-new-tokens 200 --json "$@" 2>"$D/err" ||
    wrong "$(cat "$D/err")"; }
fitting --regex '[a-c]{2,4}-é?\d' >"$D/got"
is "answers that match" 6 "$(grep -c '"text": "[abc][abc][abc]\{0,2\}-é\{0,1\}[0-9]", "finish_reason": "stop"' "$D/got")"
fitting --regex '[a-c]{2,4}-é?\d' --batch-size 1 >"$D/want"
same "$D/want" "$D/got"
checks=$((checks + 1))
[ "$(sort -u "$D/got" | wc -l)" -gt 3 ] || wrong "the same answer to all"
fitting --grammar 'root ::= "<" [xyz]{3} ">"' >"$D/got"
is "answers of the grammar" 6 "$(grep -c '"text": "<[xyz][xyz][xyz]>", "finish_reason": "stop"' "$D/got")"
echo '{"type": "object", "properties": {"n": {"type": "integer", "minimum": 5, "maximum": 17}, "of": {"enum": ["a", "b"]}}, "required": ["n", "of"]}' \
    >"$D/schema.json"
fitting --json-schema-file "$D/schema.json" >"$D/got"
is "answers of the schema" 6 "$(grep -c '"text": "{\(\\n\|\\t\| \)*\\"n\\":\(\\n\|\\t\| \)*\(1[0-7]\|[5-9]\),\(\\n\|\\t\| \)*\\"of\\":\(\\n\|\\t\| \)*\\"[ab]\\"\(\\n\|\\t\| \)*}", "finish_reason": "stop"' "$D/got")"
id=$("$T" infer --load "$D/model" --greedy --max-new-tokens 3 --prompt one --json 2>/dev/null | sed 's/.*"ids": \[\([0-9]*\).*/\1/')
token=$(tr ',{}' '\n\n\n' <"$D/model/tokenizer.json" | sed -n "s/^ *\"\(.*\)\": *$id\$/\1/p" | head -n 1)
expect 0 "\"ids\": [$id], " "$T" infer --load "$D/model" --greedy --max-new-tokens 3 --prompt one --json --add-eos-token "$token"
expect 2 "the tokenizer has no such token" "$T" infer --load "$D/model" --prompt a --add-eos-token "no token"
expect 2 "give one" "$T" infer --load "$D/model" --prompt a --regex a --grammar 'root ::= "a"'
expect 2 "there is no rule x" "$T" infer --load "$D/model" --prompt a --grammar 'root ::= x'
expect 2 "do not go with --num-beams" "$T" infer --load "$D/model" --prompt a --regex a --num-beams 2
echo '{"not": {}}' >"$D/bad-schema.json"
expect 2 "schema.json: \"not\": this word" "$T" infer --load "$D/model" --prompt a --json-schema-file "$D/bad-schema.json"
finish
