#!/bin/bash
# Records and texts from where they come: pipes, packed files, folders; and bad ones among them. (bash: process
# substitution)
. "$(dirname "$0")/lib.sh"
command -v gzip >/dev/null || { echo "skipped: no gzip"; exit 77; }
null="--tokenizer-type NullTokenizer --vocab-size 96"
# shellcheck disable=SC2086
pre() { "$T" preprocess --output-prefix "$D/p" $null "$@"; }
# tokens N COMMAND...: how many documents and tokens preprocess says
says() { expect 0 "$1" pre "${@:2}"; }
lines='{"text":"1 2"}\n{"text":"3"}\n'
printf "$lines" >"$D/a.jsonl"
gzip -c "$D/a.jsonl" >"$D/a.jsonl.gz"

# pipes of every kind, for every command that reads records
check() { # check NAME WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
says "2 documents, 3 tokens" --input <(cat "$D/a.jsonl")
says "2 documents, 3 tokens" --input <(cat "$D/a.jsonl.gz")
# rows of Parquet files, told by their names or by --input-format, and found in folders
G=$(dirname "$0")/../golden/parquet
says "40 documents" --input "$G/texts.jsonl" && mv "$D/p_text_document.bin" "$D/texts.bin"
mkdir "$D/rows" && cp "$G/texts.parquet" "$D/rows/a.parquet" && cp "$G/texts.parquet" "$D/named.txt"
for input in "$G/texts.parquet" "$D/rows" "--input-format parquet $D/named.txt"; do
    says "40 documents" --input ${input##* } ${input%"${input##* }"}
    same "$D/p_text_document.bin" "$D/texts.bin"
done
expect 2 "packed with Brotli" pre --input "$G/brotli.parquet"
mkfifo "$D/fifo"
cat "$D/a.jsonl" >"$D/fifo" &
says "2 documents, 3 tokens" --input "$D/fifo"
check "preprocess --input -" 1 "$(printf "$lines" | pre --input - 2>&1 | grep -c '2 documents, 3 tokens')"
check "preprocess of a text from a pipe" 1 "$(printf '1 2\n3 4\n5' | pre --input - 2>&1 | grep -c '3 documents, 5 tokens')"
check "preprocess --input /dev/stdin, a file" 1 "$(pre --input /dev/stdin 2>&1 <"$D/a.jsonl" | grep -c '2 documents, 3 tokens')"
expect 2 "- is given twice" pre --input - --input -
tok=tests/golden/text/byte_level
for input in - /dev/stdin /dev/fd/0; do
    check "tokenize --input $input" 2 "$(printf "$lines" | "$T" tokenize --tokenizer $tok --input $input | grep -c ids)"
    check "tokenize --input $input, packed" 2 "$("$T" tokenize --tokenizer $tok --input $input <"$D/a.jsonl.gz" | grep -c ids)"
done
check "tokenize --decode --input -" '{"text":"ab"}' \
    "$(echo '{"text":"ab","x":NaN}' | "$T" tokenize --tokenizer $tok --input - | "$T" tokenize --tokenizer $tok --decode --input -)"
check "a tokenizer from a pipe" 2 "$("$T" tokenize --tokenizer <(cat $tok/tokenizer.json) --input "$D/a.jsonl" | grep -c ids)"
ranks=tests/golden/patterns/ranks.tiktoken
check "a tiktoken file from a pipe" "$("$T" tokenize --tokenizer $ranks --input "$D/a.jsonl")" \
    "$("$T" tokenize --tokenizer <(cat $ranks) --input "$D/a.jsonl")"
make_data
expect 0 "iterations 1 to 2" train --train-iters 2 --save-hf "$D/model" --lr-warmup-iters 0
for input in - /dev/stdin; do
    check "score --input $input" 1 "$(echo '{"ids":[1,2,3]}' | "$T" score --load "$D/model" --input $input | grep -c logprobs)"
    check "infer --input $input" 1 \
        "$(echo '{"ids":[1,2,3]}' | "$T" infer --load "$D/model" --input $input --max-new-tokens 2 --json | grep -c finish_reason)"
done
cp "$D/data_text_document.idx" "$D/piped.idx"
mkfifo "$D/piped.bin"
cat "$D/data_text_document.bin" >"$D/piped.bin" &
expect 0 "iterations 1 to 2" train --train-iters 2 --lr-warmup-iters 0 --data-path "$D/piped"

# a prompt is a text
for key in text prompt; do
    echo "{\"$key\": \"1 2 3\"}" >"$D/$key.jsonl"
    # shellcheck disable=SC2086
    "$T" infer --load "$D/model" --input "$D/$key.jsonl" --output "$D/$key.out" --max-new-tokens 4 --greedy $null 2>"$D/err"
done
same "$D/text.out" "$D/prompt.out"
echo '{"prompt": 5}' >"$D/prompt.jsonl"
expect 2 "prompt.jsonl:1: \"prompt\" is not a string" "$T" infer --load "$D/model" --input "$D/prompt.jsonl" --json $null

# folders: all that can be read, and what is not read is named
mkdir -p "$D/f/sub/.cache" "$D/empty"
cp "$D/a.jsonl" "$D/f/b.jsonl"
cp "$D/a.jsonl.gz" "$D/f/sub/c.jsonl.gz"
printf '\357\273\277[{"text":"7"},\n {"text":"8"}]\n' >"$D/f/sub/d.json"
printf '5 6\r\n\r\n7\n' >"$D/f/a.txt"
printf 'x\n' >"$D/f/e.csv"
cp "$D/a.jsonl" "$D/f/sub/.cache/h.jsonl"
ln -s .. "$D/f/sub/up"
ln -s nothing.txt "$D/f/g.txt"
says "8 documents, 11 tokens" --input "$D/f"
for what in "f/e.csv: its name" "f/sub/.cache: hidden" "f/sub/up: a link to a folder" "f/g.txt: a link to nothing"; do
    grep -qF "$what" "$D/err" || wrong "not named as unread: $what"
done
ids() { od -An -v -t d4 "$D/p_text_document.bin" | tr -s ' \n' ' '; }
check "the order of a folder" " 5 6 7 1 2 3 1 2 3 7 8 " "$(ids)"
says "6 documents, 9 tokens" --input "$D/f/[a-f]*.txt" "$D/a.jsonl" --input "$D/f/sub/*.gz"
check "several inputs" " 5 6 7 1 2 3 1 2 3 " "$(ids)"
rm "$D/p_text_document.bin" "$D/p_text_document.idx"
expect 2 "nothing in this folder can be read" pre --input "$D/empty"
expect 2 "$D/f/e.csv: expected a .txt" pre --input "$D/f/e.csv"
expect 2 "no file has such a name" pre --input "$D/*.nothing"
expect 2 "$D/f/a.txt: plain text has one key" pre --input "$D/f" --json-keys text more

# files that are damaged, empty or no UTF-8
head -c 30 "$D/a.jsonl.gz" >"$D/cut.jsonl.gz"
expect 2 "$D/cut.jsonl.gz: the gzip data end too early" pre --input "$D/cut.jsonl.gz"
expect 2 "standard input: the gzip data end too early" sh -c "'$T' tokenize --tokenizer $tok --input - <'$D/cut.jsonl.gz'"
: >"$D/none.jsonl"
expect 2 "$D/none.jsonl: no documents" pre --input "$D/none.jsonl"
expect 2 "there is no text to learn from" "$T" train-tokenizer --input "$D/none.jsonl" --output "$D/none"
printf '\n \n' >"$D/blank.txt"
expect 2 "there is no text to learn from" "$T" train-tokenizer --input "$D/blank.txt" --output "$D/none"
absent "$D/none"
printf '\377\376{\0"\0' >"$D/utf16.jsonl"
expect 2 "$D/utf16.jsonl: is UTF-16 text" pre --input "$D/utf16.jsonl"
expect 2 "$D/utf16.jsonl: is UTF-16 text" "$T" train-tokenizer --input "$D/utf16.jsonl" --output "$D/none"
expect 2 "$D/utf16.jsonl: is UTF-16 text" "$T" tokenize --tokenizer $tok --input "$D/utf16.jsonl"
expect 2 "$D/utf16.jsonl: is UTF-16 text" "$T" score --load "$D/model" --input "$D/utf16.jsonl"
expect 2 "$D/utf16.jsonl: is UTF-16 text" "$T" infer --load "$D/model" --input "$D/utf16.jsonl" --json
printf '\357\273\277{"text":"1", "ids":[1,2]}\n' >"$D/bom.jsonl"
says "1 documents, 1 tokens" --input "$D/bom.jsonl"
expect 0 '{"ids":[' "$T" tokenize --tokenizer $tok --input "$D/bom.jsonl"
expect 0 logprobs "$T" score --load "$D/model" --input "$D/bom.jsonl"
expect 0 finish_reason "$T" infer --load "$D/model" --input "$D/bom.jsonl" --json --max-new-tokens 1
absent "$D/p_text_document.bin.tmp"

# bad records: only fields that are read matter; the first one stops, or they are left out and named
printf '%s\n' '{"text":"1","ids":[1,2],"a":NaN,"b":[-Infinity],"c":1e400,"d":"\ud800","e":123456789012345678901}' \
    '{"text":"x \ud800","ids":[1,NaN]}' '{"txt":1}' 'nope' '{"text":null,"ids":null}' \
    '{"text":"2","ids":[3,4]}' '{"text":"90 91","ids":[5,200]}' >"$D/bad.jsonl"
expect 2 "$D/bad.jsonl:2: not valid JSON: \"text\", column 12: half of a surrogate pair" pre --input "$D/bad.jsonl"
says "3 documents, 4 tokens" --input "$D/bad.jsonl" --on-bad-record skip
for line in 2 3 4 5; do
    grep -qF "$D/bad.jsonl:$line: " "$D/err" || wrong "line $line is not named"
done
grep -qF "4 of 7 records were bad" "$D/err" || wrong "the bad records are not counted"
check "what is left" " 1 2 90 91 " "$(ids)"
expect 2 "no documents: all records are bad" pre --input "$D/bad.jsonl" --on-bad-record skip --json-keys nothing
# one of two fields is bad: nothing of the record stays
printf '{"text":"1","more":"2"}\n{"text":"3","more":4}\n' >"$D/two.jsonl"
says "1 documents, 2 tokens" --input "$D/two.jsonl" --on-bad-record skip --json-keys text more
check "half of a record" " 1 " "$(ids)"
expect 2 "$D/bad.jsonl:2: " "$T" tokenize --tokenizer $tok --input "$D/bad.jsonl" --output "$D/never.jsonl"
expect 2 "$D/bad.jsonl:2: " "$T" score --load "$D/model" --input "$D/bad.jsonl" --output "$D/never.jsonl"
echo '{"ids":[1,2],"text":"\ud800"}' >"$D/ids.jsonl" # where there are ids, no text is read
expect 0 logprobs "$T" score --load "$D/model" --input "$D/ids.jsonl"
expect 0 finish_reason "$T" infer --load "$D/model" --input "$D/ids.jsonl" --json --max-new-tokens 1
echo '{"ids":[1,NaN]}' >"$D/nan.jsonl"
expect 2 "$D/nan.jsonl:1: \"ids\" cannot be read" "$T" score --load "$D/model" --input "$D/nan.jsonl" --output "$D/never.jsonl"
expect 2 "$D/bad.jsonl:2: " "$T" infer --load "$D/model" --input "$D/bad.jsonl" --output "$D/never.jsonl"
absent "$D/never.jsonl"
skip="--on-bad-record skip"
expect 0 "4 of 7 records were bad" "$T" tokenize --tokenizer $tok --input "$D/bad.jsonl" $skip
check "lines of tokenize" 3 "$(grep -c ids "$D/out")"
expect 0 "5 of 7 records were bad" "$T" score --load "$D/model" --input "$D/bad.jsonl" $skip --logits "$D/logits.safetensors"
check "lines of score" 2 "$(grep -c logprobs "$D/out")"
expect 0 "5 of 7 records were bad" "$T" infer --load "$D/model" --input "$D/bad.jsonl" $skip --json --max-new-tokens 1
check "lines of infer" 2 "$(grep -c finish_reason "$D/out")"

# train-tokenizer learns from the fields of records, and the same from a pipe
learn() { "$T" train-tokenizer --vocab-size 270 --output "$D/$1" "${@:2}"; }
printf '%s\n' '{"text":"the cat the hat","x":NaN}' '{"text":"the cat\nthe h\u0061t"}' >"$D/t.jsonl"
printf '%s\n' '{"body":"the cat the hat"}' '{"body":"the cat\nthe hat"}' >"$D/u.jsonl"
expect 0 "tokens from" learn k1 --input "$D/t.jsonl"
expect 0 "tokens from" learn k2 --input <(gzip -c "$D/t.jsonl")
expect 0 "tokens from" learn k3 --input "$D/u.jsonl" --json-keys body
expect 2 "$D/u.jsonl:1: the record has no \"text\" (--json-keys); it has: body" learn k4 --input "$D/u.jsonl"
expect 0 "2 of 4 records were bad" learn k5 --input "$D/u.jsonl" --input "$D/t.jsonl" $skip
for k in k2 k3 k5; do
    same "$D/k1/tokenizer.json" "$D/$k/tokenizer.json"
done
absent "$D/k4"
grep -q '"text"' "$D/k1/tokenizer.json" && wrong "the syntax of JSON was learnt"
grep -q 'u0061' "$D/k1/tokenizer.json" && wrong "escapes were learnt"
printf 'the cat the hat\nthe cat\nthe hat\n' >"$D/w"
expect 0 "tokens from" learn w1 --input "$D/w"
expect 0 "tokens from" learn w2 --input <(cat "$D/w")
same "$D/w1/tokenizer.json" "$D/w2/tokenizer.json"
grep -q '^257 tokens' "$D/err" && wrong "nothing was learnt from a pipe"
finish
