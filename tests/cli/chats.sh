#!/bin/sh
# Conversations as samples: data show, as a user does it.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
show() { "$T" data show --load "$D/model" --data-path "$D/chats.jsonl" --hf-chat-template "$@"; }
is() { # is WHAT WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
mkdir "$D/model"
cp "$G/text/byte_level/tokenizer.json" "$G/chat/tokenizer_config.json" "$D/model"
cat >"$D/chats.jsonl" <<'END'
{"messages": [{"role": "user", "content": "The fox?"}, {"role": "assistant", "content": "jumps."}]}

{"messages": [{"role": "user", "content": "Zwölf"}, {"role": "assistant", "content": "x", "reasoning_content": "hm"}, {"role": "user", "content": "y"}, {"role": "assistant", "content": "é 漢"}]}
END
expect 2 "has no chat template: expected chat_template.jinja" show
cp "$G/chat/chatml.jinja" "$D/model/chat_template.jinja"
expect 0 "⟦jumps.</s>" show
expect 0 "=== 2 records, 2 samples" show
expect 0 "⟦é 漢</s>" show
show --output "$D/all.jsonl" >/dev/null 2>&1
show --mask-history --output "$D/last.jsonl" >/dev/null 2>&1
is "lines" 2 "$(wc -l <"$D/all.jsonl")"
is "one answer is the last" "$(sed -n 1p "$D/all.jsonl")" "$(sed -n 1p "$D/last.jsonl")"
checks=$((checks + 1))
[ "$(sed -n 2p "$D/all.jsonl")" != "$(sed -n 2p "$D/last.jsonl")" ] || wrong "--mask-history changes nothing"
expect 0 "[cut:]" show --seq-length 30
expect 2 "there is nothing to train on: none of 2 samples has a token of an answer within --seq-length" show --seq-length 3

# the same records as a list, packed, and with the template in tokenizer_config.json
(printf '\357\273\277[\n'; sed '/^$/d; $!s/$/,/' "$D/chats.jsonl"; printf ']\n') >"$D/list.json"
show --data-path "$D/list.json" --output "$D/list.jsonl" >/dev/null 2>&1
same "$D/all.jsonl" "$D/list.jsonl"
mkfifo "$D/pipe.jsonl"
cat "$D/chats.jsonl" >"$D/pipe.jsonl" &
show --data-path "$D/pipe.jsonl" --output "$D/pipe.out" >/dev/null 2>&1
same "$D/all.jsonl" "$D/pipe.out"
gzip -c "$D/chats.jsonl" >"$D/packed.jsonl"
show --data-path "$D/packed.jsonl" --output "$D/packed.out" >/dev/null 2>&1
same "$D/all.jsonl" "$D/packed.out"
printf '{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": [{"name": "rag", "template": "x"}, {"name": "default", "template": "' \
    >"$D/model/tokenizer_config.json"
sed 's/\\/\\\\/g; s/"/\\"/g' "$G/chat/chatml.jinja" | tr -d '\n' >>"$D/model/tokenizer_config.json"
printf '"}]}' >>"$D/model/tokenizer_config.json"
rm "$D/model/chat_template.jinja"
show --output "$D/named.jsonl" >/dev/null 2>&1
same "$D/all.jsonl" "$D/named.jsonl"

# by a template of slots: as `preprocess` writes it
echo '[{"conversations": [{"from": "human", "value": "Q1"}, {"from": "gpt", "value": "one two"}, {"from": "human", "value": "Q2"},
    {"from": "gpt", "value": "three"}]}]' >"$D/turns.json"
"$T" preprocess --input "$D/turns.json" --output-prefix "$D/slots" --handler-name SharegptStyleInstructionHandler --prompt-type alpaca \
    --tokenizer-type PretrainedFromHF --tokenizer-name-or-path "$D/model" >/dev/null 2>"$D/err" || cat "$D/err"
"$T" data show --load "$D/model" --data-path "$D/slots" --output - 2>/dev/null | sed 's/"attention_mask": [^]]*], //' >"$D/slots.jsonl"
"$T" data show --load "$D/model" --data-path "$D/turns.json" --prompt-type alpaca --output "$D/turns.jsonl" >/dev/null 2>&1
same "$D/slots.jsonl" "$D/turns.jsonl"
checks=$((checks + 1))
grep -q '"labels": .*[0-9], -100' "$D/turns.jsonl" || wrong "nothing is trained of $(cat "$D/turns.jsonl")"
expect 0 "⟦three" "$T" data show --load "$D/model" --data-path "$D/turns.json" --prompt-type alpaca --mask-history
echo '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "untaught", "weight": 0},
    {"role": "user", "content": "b"}, {"role": "assistant", "content": "taught"}]}' | tr -d '\n' >"$D/weighed.jsonl"
expect 0 "⟦taught" "$T" data show --load "$D/model" --data-path "$D/weighed.jsonl" --prompt-type alpaca
checks=$((checks + 1))
! grep -q "⟦untaught" "$D/out" || wrong "an answer of weight 0 is trained"
sed -i 's/"weight": 0/"weight": -0.5/' "$D/weighed.jsonl"
expect 2 'messages[1]: "weight": expected a number from 0' "$T" data show --load "$D/model" --data-path "$D/weighed.jsonl" --prompt-type alpaca
expect 2 "conversations are written in one way" "$T" data show --load "$D/model" --data-path "$D/turns.json" --prompt-type alpaca \
    --hf-chat-template
expect 2 "--prompt-type none is no template" "$T" data show --load "$D/model" --data-path "$D/turns.json" --prompt-type none

# a Parquet file: its rows with a label are verdicts, those without are not
expect 2 'snappy.parquet:1: "messages": expected a list' "$T" data show --load "$D/model" --data-path "$G/parquet/snappy.parquet" --hf-chat-template --kind kto
expect 0 "were bad and left out" "$T" data show --load "$D/model" --data-path "$G/parquet/snappy.parquet" --hf-chat-template --kind kto \
    --on-bad-record skip
expect 0 "=== 70 records, 39 samples" "$T" data show --load "$D/model" --data-path "$G/parquet/snappy.parquet" --hf-chat-template --stage kto \
    --on-bad-record skip

# templates that do not say what is trained, or lose it
expect 2 "chats.jsonl:3: messages[1]: the template $G/chat/forgets.jinja writes" show --chat-template "$G/chat/forgets.jinja"
echo "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}" >"$D/loses.jinja"
expect 2 "the template loses the answer" show --chat-template "$D/loses.jinja"
echo "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}{% generation %}end{% endgeneration %}{% endif %}{% endfor %}" >"$D/loses.jinja"
expect 2 "the template loses the answer" show --chat-template "$D/loses.jinja"

# packed files
rows=$3
"$rows" "$D/rows" sft 5 3
expect 0 "=== 5 records, 5 samples" "$T" data show --load "$D/model" --data-path "$D/rows" --seq-length 6
"$rows" "$D/rows" pairs 5 3
expect 0 "rejected_input_ids: " "$T" data show --load "$D/model" --data-path "$D/rows" --is-pairwise-dataset
expect 2 "nothing_packed_input_ids_document" "$T" data show --load "$D/model" --data-path "$D/nothing"

# bad records
echo '{"messages": [{"role": "user", "content": "alone"}]}' >>"$D/chats.jsonl"
expect 2 'chats.jsonl:4: "messages": there is no assistant' show
expect 0 "1 of 3 records were bad" show --on-bad-record skip
expect 2 'chats.jsonl:4: "messages": there is no assistant' show
for bad in '{"messages": "hi"}|expected "messages" or "conversations" (a list)' '{"messages": [{"role": |the record: not valid JSON' '[1]|expected a JSON object' \
    '{"messages": [{"content": "x"}]}|"messages": a turn is {"role", "content"}' \
    '{"messages": [{"role": "assistant", "content": "x", "weight": -1}]}|messages[0]: "weight": expected a number from 0'; do
    echo "${bad%|*}" >"$D/chats.jsonl"
    expect 2 "chats.jsonl:1: ${bad#*|}" show
done
expect 2 "none of 1 records could be read" show --on-bad-record skip
: >"$D/chats.jsonl"
expect 2 "there is no record in it" show
echo plain >"$D/chats.jsonl"
expect 2 "chats.jsonl:1: the record: not valid JSON" show
rm "$D/chats.jsonl"
expect 2 "chats.jsonl" show
expect 2 "how are conversations written?" "$T" data show --load "$D/model" --data-path "$D/list.json"
expect 2 "--load is missing" "$T" data show --data-path x
expect 2 "there is no look; expected show" "$T" data look
finish
