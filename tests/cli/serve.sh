#!/bin/bash
# The server as its clients see it: answers are those of infer and score, alone or beside each other, whole or in pieces;
# what is wrong is refused in OpenAI's form; who hangs up frees the place; and the end waits for who is at work.
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null 2>&1 || { echo "SKIPPED: no curl; on Debian: apt-get install curl"; exit 77; }
G=$(dirname "$0")/../golden
"$T" pretrain --mock-data --num-layers 2 --hidden-size 32 --ffn-hidden-size 64 --num-attention-heads 4 --position-embedding-type rope \
    --normalization RMSNorm --swiglu --disable-bias-linear --max-position-embeddings 4096 --tokenizer-type NullTokenizer --vocab-size 511 \
    --make-vocab-size-divisible-by 1 --seq-length 64 --micro-batch-size 1 --global-batch-size 1 --train-iters 1 --lr 1e-3 --eval-iters 0 \
    --init-method-std 0.3 --save-hf "$D/model" >"$D/err" 2>&1 || { cat "$D/err"; exit 1; }
cp "$G/text/byte_level/tokenizer.json" "$G/chat/tokenizer_config.json" "$D/model"
cp "$G/chat/chatml.jinja" "$D/model/chat_template.jinja"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; case "$D" in */tessera-cli-??????) rm -rf "$D" ;; esac' EXIT
# up OPTIONS...: a server at $U
up() {
    : >"$D/log" # of the one before, whose address may else be read
    "$T" serve --load "$D/model" --port 0 --threads 1 "$@" 2>"$D/log" &
    server=$!
    for _ in $(seq 100); do
        U=$(sed -n 's/.* at \(http:.*\)/\1/p' "$D/log")
        [ -z "$U" ] || return 0
        sleep 0.05
    done
    wrong "the server does not come up: $(cat "$D/log")"
    finish
}
ask() { curl -sSN -m 20 "$U$1" -d "$2"; }
is() { # is WHAT WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
code() { # code WANT PATH CURL'S OPTIONS...
    is "$2 ${*:3}" "$1" "$(curl -sS -m 20 -o "$D/body" -w '%{http_code}' "$U$2" "${@:3}")"
}
figure() { curl -sS -m 20 "$U/metrics" | sed -n "s/^tessera_$1 //p"; }
comes() { # comes FIGURE VALUE
    for _ in $(seq 60); do
        [ "$(figure "$1")" != "$2" ] || break
        sleep 0.05
    done
    is "$1" "$2" "$(figure "$1")"
}
text_of() { sed 's/.*"\(content\|text\)": \("\([^"\\]\|\\.\)*"\).*/\2/'; }

expect 2 "--load is missing" "$T" serve
expect 2 "--kv-cache-tokens 10 is less" "$T" serve --load "$D/model" --port 0 --kv-cache-tokens 10
up --max-body-mib 1 --max-num-seqs 4 --max-num-batched-tokens 16 --embeddings
expect 2 "cannot listen there: Address already in use" "$T" serve --load "$D/model" --port "${U##*:}"

# the same answers as infer's, whole and in pieces
talk='"messages": [{"role": "user", "content": "The fox?"}]'
echo "{$talk}" >"$D/one.jsonl"
"$T" infer --load "$D/model" --input "$D/one.jsonl" --json --greedy --max-new-tokens 40 --ignore-eos >"$D/line" 2>"$D/err"
want=$(sed 's/.*"text": \(".*"\), "finish_reason.*/\1/' "$D/line")
body="{$talk, \"temperature\": 0, \"max_tokens\": 40, \"ignore_eos\": true"
is "chat" "$want" "$(ask /v1/chat/completions "$body}" | text_of)"
ask /v1/chat/completions "$body, \"stream\": true}" >"$D/stream"
is "chat in pieces" "$want" "\"$(sed -n 's/.*"delta": {"content": "\(\([^"\\]\|\\.\)*\)"}.*/\1/p' "$D/stream" | tr -d '\n')\""
is "the end of a stream" "data: [DONE]" "$(grep . "$D/stream" | tail -n 1)"
is "a response" "$want" "$(ask /v1/responses '{"input": "The fox?", "temperature": 0, "max_output_tokens": 40, "ignore_eos": true}' |
    sed 's/.*"output_text", "text": \("\([^"\\]\|\\.\)*"\).*/\1/')"

# beside each other, with beginnings in common, as alone
seed() {
    ask /v1/completions "{\"prompt\": \"Once upon a time there was a fox who $(($1 % 3))\", \"seed\": $1, \"max_tokens\": 60, \"ignore_eos\": true}" |
        text_of
    echo
}
for i in 1 2 3 4 5 6; do seed $i >>"$D/alone"; done
waits=
for i in 1 2 3 4 5 6; do
    seed $i >"$D/beside$i" &
    waits="$waits $!"
done
# shellcheck disable=SC2086
wait $waits
cat "$D"/beside[1-6] >"$D/beside"
same "$D/alone" "$D/beside"
is "different seeds, different texts" 6 "$(sort -u "$D/alone" | wc -l)"

# n answers share their prompt; what was written is remembered when there is nothing else to do
reused=$(figure prompt_tokens_reused_total) computed=$(figure prompt_tokens_total)
ask /v1/completions "{\"prompt\": [$(seq -s , 5 54)], \"n\": 3, \"seed\": 5, \"max_tokens\": 46, \"ignore_eos\": true}" >"$D/three"
is "tokens of a prompt for three, from the cache" 96 $(($(figure prompt_tokens_reused_total) - reused))
is "and computed" 54 $(($(figure prompt_tokens_total) - computed))
for _ in $(seq 60); do
    [ "$(figure answer_tokens_remembered_total)" -lt 100 ] || break
    sleep 0.05
done
is "remembered tokens of answers" 1 $(($(figure answer_tokens_remembered_total) >= 100))

# log-probabilities of a prompt are score's
echo '{"text": "The quick brown fox"}' >"$D/text.jsonl"
"$T" score --load "$D/model" --input "$D/text.jsonl" 2>"$D/err" | sed 's/.*"logprobs": \[[^,]*, \([^]]*\)\].*/\1/' | tr ',' '\n' >"$D/score"
ask /v1/completions '{"prompt": "The quick brown fox", "max_tokens": 0, "echo": true, "logprobs": 1}' >"$D/echo"
sed 's/.*"token_logprobs": \[null, \([^]]*\)\].*/\1/' "$D/echo" | tr ',' '\n' >"$D/echoed"
checks=$((checks + 1))
# fp32 logits of one pass in other tiles: some 1e-6
paste "$D/score" "$D/echoed" | awk 'NF != 2 || ($1 - $2) ^ 2 > 1e-10 { exit 1 }' || wrong "$(paste "$D/score" "$D/echoed")"
is "the text of a prompt" '"The quick brown fox"' "$(text_of <"$D/echo")"

# tokens
is "tokens there and back" '{"prompt": "The fox"}' \
    "$(ask /detokenize "{\"tokens\": $(ask /tokenize '{"prompt": "The fox", "add_special_tokens": false}' | sed 's/.*"tokens": \(\[[^]]*\]\).*/\1/')}")"

# forms that answers have
schema='{"type": "object", "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "boolean"}}, "required": ["a", "b"], "additionalProperties": false}'
"$T" infer --load "$D/model" --input "$D/one.jsonl" --json --greedy --max-new-tokens 60 --json-schema "$schema" >"$D/line" 2>"$D/err"
want=$(sed 's/.*"text": \(".*"\), "finish_reason.*/\1/' "$D/line")
form="{$talk, \"temperature\": 0, \"max_tokens\": 60"
is "a schema" "$want" \
    "$(ask /v1/chat/completions "$form, \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"schema\": $schema}}}" | text_of)"
tool="{\"type\": \"function\", \"function\": {\"name\": \"look\", \"parameters\": $schema}}"
ask /v1/chat/completions "$form, \"tools\": [$tool], \"tool_choice\": \"required\"}" >"$D/call"
is "a call" look "$(sed 's/.*"function": {"name": "\([^"]*\)", "arguments": "{\\"a\\": *\\"[xy]\\", *\\"b\\": *\(true\|false\)}"}.*/\1/' "$D/call")"
long="{$talk, \"temperature\": 0, \"max_tokens\": 600, \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"look\", \"parameters\": {\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\", \"pattern\": \"^[a-z]{150,160}$\"}}, \"required\": [\"a\"], \"additionalProperties\": false}}}], \"tool_choice\": \"required\""
arguments() { sed -n 's/.*"arguments": "\(\([^"\]\|\\.\)*\)"}.*/\1/p' "$1" | tr -d '\n' | sed 's/\\n\| //g'; }
ask /v1/chat/completions "$long}" >"$D/whole_call"
ask /v1/chat/completions "$long, \"stream\": true}" >"$D/pieces"
is "a call in pieces" "$(arguments "$D/whole_call")" "$(arguments "$D/pieces")"
is "its name, once" 1 "$(grep -c '"name": "look"' "$D/pieces")"
is "more than one piece" 1 $(($(grep -c '"function": {"arguments"' "$D/pieces") > 1))
is "why it ends" tool_calls "$(sed 's/.*"finish_reason": "\([^"]*\)".*/\1/' "$D/call")"
checks=$((checks + 1))
ask /v1/embeddings '{"input": "The fox", "encoding_format": "float"}' | sed 's/.*"embedding": \[\([^]]*\)\].*/\1/' | tr ',' '\n' |
    awk '{ s += $1 * $1; n++ } END { exit n != 32 || (s - 1) ^ 2 > 1e-10 }' || wrong "a vector that is not of length one"

# what is wrong
code 400 /v1/responses -d '{"input": "x", "response_format": {"type": "json_object"}, "text": {"format": {"type": "json_object"}}}'
code 200 /health
code 200 /
code 404 /v1/nothing
code 405 /v1/chat/completions
code 404 /v1/models/other
code 400 /v1/chat/completions -d '{'
code 400 /v1/chat/completions -d '[]'
code 404 /v1/completions -d '{"model": "other", "prompt": "x"}'
code 400 /v1/completions -d '{"prompt": "x", "grammar": "root ::= other"}'
code 400 /v1/chat/completions -d "{$talk, \"tool_choice\": \"required\"}"
code 400 /v1/responses -d '{"input": [{"role": "user"}]}'
code 400 /v1/completions -d '{"prompt": [1, 99999]}'
code 400 /v1/completions -d '{"prompt": "x", "max_tokens": 5000}'
is "a refusal" '"param": "prompt", "code": "context_length_exceeded"}}' "$(sed 's/.*\("param".*\)/\1/' "$D/body")"
code 403 /v1/models -H "Origin: http://evil.example"
head -c 1100000 /dev/zero | tr '\0' ' ' >"$D/large"
code 413 /v1/completions --data-binary "@$D/large" -H "Expect:"

# who hangs up leaves
waits=
for i in 1 2 3 4 5 6; do
    curl -sSN -m 20 "$U/v1/completions" -d '{"prompt": "x", "max_tokens": 4000, "ignore_eos": true, "stream": '"$([ $((i % 2)) = 0 ] && echo true || echo false)"'}' \
        >/dev/null 2>&1 &
    waits="$waits $!"
done
comes texts_running 4
comes texts_waiting 2
# shellcheck disable=SC2086
kill $waits
comes texts_running 0
comes texts_waiting 0

# without a tokenizer
kill "$server"
wait "$server"
mkdir "$D/bare"
cp "$D/model/config.json" "$D/model/model.safetensors" "$D/bare"
mv "$D/model" "$D/whole"
mv "$D/bare" "$D/model"
up
code 200 /v1/completions -d '{"prompt": [5, 6], "max_tokens": 2, "logprobs": 1}'
code 400 /v1/completions -d '{"prompt": "x"}'
code 400 /v1/chat/completions -d "{$talk}"
rm -r "$D/model"
mv "$D/whole" "$D/model"

# a key
kill "$server"
wait "$server"
is "the end" 0 $?
up --api-key secret --max-num-seqs 1 --max-queue 0 --served-model-name fox
code 401 /v1/models
code 401 /v1/models -H "Authorization: Bearer secre"
code 200 /v1/models/fox -H "Authorization: Bearer secret"
code 200 /health

# connections that idle keep nobody out: from half of them on none is kept for a next request
is "kept" 0 "$(curl -sS -i "$U/health" | grep -ci '^connection: close')"
idle=()
for _ in $(seq 34); do
    exec {fd}<>"/dev/tcp/127.0.0.1/${U##*:}"
    idle+=("$fd")
done
for _ in $(seq 60); do
    closes=$(curl -sS -i "$U/health" | grep -ci '^connection: close')
    [ "$closes" != 1 ] || break
    sleep 0.05
done
is "closed beside 34 that idle" 1 "$closes"
for fd in "${idle[@]}"; do
    exec {fd}>&-
done

# a full queue, and an end that waits
long() { curl -sS -m 20 "$U/v1/completions" -H "Authorization: Bearer secret" -d '{"prompt": "x", "max_tokens": 3000, "ignore_eos": true}'; }
long >"$D/long" &
waits=$!
for _ in $(seq 60); do
    [ "$(curl -sS "$U/metrics" -H "Authorization: Bearer secret" | sed -n 's/^tessera_texts_running //p')" != 1 ] || break
    sleep 0.02
done
code 429 /v1/completions -H "Authorization: Bearer secret" -d '{"prompt": "x"}'
kill "$server"
wait "$server"
is "the end of a server at work" 0 $?
wait $waits
is "a text that was waited for" 3000 "$(sed 's/.*"completion_tokens": \([0-9]*\).*/\1/' "$D/long")"
server=
finish
