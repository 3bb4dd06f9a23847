#!/bin/sh
# preprocess of instructions, preferences and prompts as a user does it: what is refused, counted and left out.
. "$(dirname "$0")/lib.sh"
golden=tests/golden/prompts
pre() { "$T" preprocess --input "$D/in.jsonl" --output-prefix "$D/o" --tokenizer-type PretrainedFromHF \
    --tokenizer-name-or-path $golden/bytes --workers 1 "$@"; }
alpaca() { pre --handler-name AlpacaStyleInstructionHandler "$@"; }
share() { pre --handler-name SharegptStyleInstructionHandler --prompt-type qwen "$@"; }
said() { # said TEXT: in the log of the last run
    checks=$((checks + 1))
    grep -qF -- "$1" "$D/err" || wrong "no \"$1\" in: $(tail -n 3 "$D/err")"
}
cat >"$D/in.jsonl" <<'END'
{"instruction": "Name three colours.", "input": "", "output": "Red, green and blue."}
{"instruction": "Who are you?", "input": "Well?", "output": "A test."}
END
expect 2 "--handler-name No is not known; expected one of GeneralPretrainHandler" pre --handler-name No
expect 2 "AlpacaStyleInstructionHandler needs --prompt-type" alpaca
expect 2 "--prompt-type qwen: --handler-name GeneralPretrainHandler has no template" pre --prompt-type qwen
expect 2 "--prompt-type qwen9 is no template of the built-in list: it has chatglm2" alpaca --prompt-type qwen9
expect 2 "--reasoning-effort needs --enable-thinking true" alpaca --prompt-type deepseek4 --reasoning-effort max
expect 2 "--neat-pack goes with --pack" alpaca --prompt-type qwen --neat-pack
expect 2 "--pack needs --seq-length" alpaca --prompt-type qwen --pack
expect 2 "--pack puts samples of instructions together" pre --pack --seq-length 8
expect 2 "--map-keys: there is no \"answer\"" alpaca --prompt-type qwen \
    --map-keys '{"answer": "output"}'
expect 2 "--map-keys: not valid JSON" alpaca --prompt-type qwen --map-keys '{'
expect 2 "in.jsonl:1: there is no answer: text is missing" alpaca --prompt-type qwen --map-keys '{"response": "text"}'
expect 2 "every sample has as many tokens or more" alpaca --prompt-type qwen --seq-length 8
expect 2 "--dataset-additional-keys goes with the R1 handlers" alpaca --prompt-type qwen --dataset-additional-keys labels
expect 2 "records reads JSON" pre --handler-name AlpacaStyleInstructionHandler --prompt-type qwen --input-format txt
for f in input_ids attention_mask labels; do absent "$D/o_packed_${f}_document.bin"; done
expect 0 "2 documents" alpaca --prompt-type qwen
expect 0 "1 documents" alpaca --prompt-type qwen --max-samples 1
expect 0 "2 samples in 1 packs of 400 tokens" alpaca --prompt-type qwen --pack --seq-length 400

# written by the tokenizer's own chat template, with labels between two marks
mkdir "$D/tok"
sed 's/"<tok>"/"<|extra_0|>"/; s/"content":"tok"/"content":"<|eos|>"/' tests/golden/text/byte_level/tokenizer.json >"$D/tok/tokenizer.json"
grep -q 'extra_0' "$D/tok/tokenizer.json" || wrong "no mark in the tokenizer"
echo '{"chat_template": "{% for m in messages %}{% if m.role == '"'user'"' %}{{ m.content }}<|extra_0|>{% else %}{{ m.content }}<|eos|>{% endif %}{% endfor %}"}' \
    >"$D/tok/tokenizer_config.json"
rendered() { pre --tokenizer-name-or-path "$D/tok" --handler-name HunyuanInstructionHandler --prompt-type hunyuan "$@"; }
expect 0 "2 documents" rendered
expect 0 "2 samples: " "$T" data show --load "$D/tok" --data-path "$D/o" --output "$D/shown.jsonl"
checks=$((checks + 1))
grep -q '⟦<|extra_0|>Red, green and blue.<|eos|>⟧' "$D/out" || wrong "trained: $(cat "$D/out")"
expect 2 "has no chat template" rendered --tokenizer-name-or-path "$golden/bytes"
sed 's/<|extra_0|>/<tok>/' "$D/tok/tokenizer.json" >"$D/t.json" && mv "$D/t.json" "$D/tok/tokenizer.json"
expect 2 "<|extra_0|> is" rendered

# templates of one's own
own() {
    echo "$1" >"$D/t.json"
    shift
    expect "$@" alpaca --prompt-type t --prompt-type-path "$D/t.json"
}
own '[{"name": "t", "format_user": {"slots": ["Q {{content}}"]}}]' 0 "2 documents"
own '[{"name": "u"}]' 2 "--prompt-type t is no template of $D/t.json: it has u"
own '{"name": "t"}' 2 "t.json: expected a list of templates"
own '[{"name": "t", "format_user": {"slots": ["Q"]}}]' 2 "format_user: there is no {{content}}"
own '[{"name": "t", "format_prefix": {"slots": [{"token": "<|no|>"}]}}]' 2 "format_prefix: the tokenizer has no token <|no|>"
own '[{"name": "t", "format_separator": {"slots": ["{{content}}"]}}]' 2 "no text of a message goes in here"
own '[{"name": "t", "replace_eos": true}]' 2 "the end is the first of \"stop_words\", but there are none"
own '[{"name": "t", "template_class": "Mine"}]' 2 "template_class Mine is not known"
own '[{"name": "t", "format_tools": {"tool_format": "mine"}}]' 2 "expected the tool_format default, qwen, glm4"
own '[{"name": "t", "stop_words": ["<|new|>"]}]' 0 "the tokenizer has no token <|new|>: it becomes the id"

# records that break the order: named and counted, and left out only where that is asked for
cat >"$D/in.jsonl" <<'END'
{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}
{"conversations": [{"from": "gpt", "value": "Ho"}, {"from": "human", "value": "Hi"}]}
{"conversations": [{"from": "human", "value": "Hi"}]}
{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt"}]}
{"conversations": []}
{"conversations": [{"from": "function", "value": "Hi"}, {"from": "gpt", "value": "x"}]}
END
expect 2 'in.jsonl:2: message 1: "from" is "gpt": expected human or observation' share
for f in input_ids attention_mask labels; do cp "$D/o_packed_${f}_document.bin" "$D/was_$f"; done
expect 0 "1 documents" share --on-bad-record skip
said "in.jsonl:3: conversations: 1 messages: expected an even number, an answer the last"
said 'in.jsonl:4: message 2: "value": expected a text'
said "in.jsonl:5: conversations: expected a list of messages"
said 'in.jsonl:6: message 1: "from" is "function"'
said "5 of 6 records were bad and left out"
echo '{"conversations": [{"from": "human", "value": "Hi"}, {"from": "function_call", "value": "no call"}]}' >"$D/in.jsonl"
expect 2 "in.jsonl:1: calls of tools: not valid JSON" share
echo '{"messages": [{"role": "user", "content": 1}]}' >"$D/in.jsonl"
expect 2 'in.jsonl:1: message 1: "content": expected a text' pre --handler-name OpenAIInstructionHandler --prompt-type qwen
echo '{"messages": [{"role": "judge", "content": ""}]}' >"$D/in.jsonl"
expect 2 'in.jsonl:1: message 1: "role": "judge": expected system, user' pre --handler-name OpenAIInstructionHandler \
    --prompt-type qwen

# rewards of steps stand at their placeholders; a corpus's text is the one that it says
numbers() { od -An -td4 "$D/o_packed_$1_document.bin" | tr -s ' \n' ' '; }
steps() { pre --handler-name AlpacaStyleProcessRewardHandler "$@"; }
echo '{"input": "кики", "value": ["+", "-"]}' >"$D/in.jsonl"
expect 0 "1 documents" steps --reward-tokens + -
[ "$(numbers input_ids)$(numbers labels)" = " 26 26  27 28 " ] || wrong "steps: $(numbers input_ids)$(numbers labels)"
expect 2 "value: expected labels of --reward-tokens" steps --reward-tokens +
expect 2 "--placeholder-token: a 漢 is" steps --placeholder-token "a 漢"
echo '{"input": "ки", "value": ["+", "-"]}' >"$D/in.jsonl"
expect 2 "value: 2 labels, but the text has 1 placeholders" steps
printf '%s\n' '{"title": "T", "question_body": "Q", "answer_body": "A", "text": "In python, T\n### Question:\nQ\n### Response:\nA\n"}' \
    >"$D/in.jsonl"
expect 0 "1 documents" pre --handler-name StackOverflowPythonPretrainHandler --append-eod
cp "$D/o_text_document.bin" "$D/corpus.bin"
expect 0 "1 documents" pre --append-eod
same "$D/o_text_document.bin" "$D/corpus.bin"

# prompts of several turns keep the earlier answers, whichever handler makes them
cat >"$D/in.jsonl" <<'END'
{"instruction": "So?", "input": "", "output": "No.", "history": [["Hi", "Ho"], ["And?", "Well."]]}
END
for h in R1 PPO; do
    expect 0 "1 documents" pre --handler-name ${h}AlpacaStyleInstructionHandler --prompt-type default \
        --map-keys '{"history": "history"}'
    cp "$D/o_packed_input_ids_document.bin" "$D/$h.bin"
done
same "$D/R1.bin" "$D/PPO.bin"

# LLaMA-Factory's list of data sets
echo '[{"q": "Hi", "a": "Ho", "input": "of another column"}]' >"$D/list.json"
echo '{"mine": {"file_name": "list.json", "columns": {"prompt": "q", "response": "a"}}, "hub": {"hf_hub_url": "x/y"}}' \
    >"$D/dataset_info.json"
factory() { "$T" preprocess --output-prefix "$D/o" --tokenizer-type PretrainedFromHF --tokenizer-name-or-path $golden/bytes \
    --handler-name LlamaFactoryInstructionHandler --prompt-type qwen "$@"; }
expect 0 "1 documents" factory --input mine --dataset-dir "$D"
expect 2 "has no entry \"other\"" factory --input other --dataset-dir "$D"
expect 2 "\"file_name\" is missing" factory --input hub --dataset-dir "$D"
expect 2 "needs --dataset-dir" factory --input mine

# the same template at training time
echo '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}' >"$D/in.jsonl"
show() { "$T" data show --load $golden/bytes --data-path "$D/in.jsonl" "$@"; }
expect 0 "1 samples" show --prompt-type gemma
expect 0 "$(printf '<start_of_turn>model\n⟦Ho</s>⟧')" show --prompt-type gemma
expect 2 "conversations are written in one way" show --prompt-type gemma --hf-chat-template
expect 2 "--prompt-type gemma9 is no template" show --prompt-type gemma9
expect 2 "this command trains on the tokens of --data-path" "$T" pretrain --prompt-type qwen
finish
