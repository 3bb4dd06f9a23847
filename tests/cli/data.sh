#!/bin/sh
# What a run is told to read: nothing is made up unasked, parts without data are refused, and what is read is said.
. "$(dirname "$0")/lib.sh"
make_data
data="$D/data_text_document"
refused() { # refused TEXT OPTIONS...: before anything is written
    text=$1
    shift
    # shellcheck disable=SC2086
    expect 2 "$text" "$T" pretrain $shape $batch --train-iters 8 --metrics-jsonl "$D/never.jsonl" --save "$D/never" \
        --save-hf "$D/never.hf" --tensorboard-dir "$D/never.tb" "$@"
    for f in never.jsonl never never.hf never.tb; do absent "$D/$f"; done
}
said() { # said TEXT: in the log of the last run
    checks=$((checks + 1))
    grep -qF -- "$1" "$D/err" || wrong "no \"$1\" in: $(head -n 6 "$D/err")"
}
refused "there are no data to train on: give --data-path PREFIX"
refused "--valid-data-path is given, but nothing to train on" --valid-data-path "$data" --eval-iters 1
refused "--test-data-path is given, but nothing to train on" --test-data-path "$data" --eval-iters 1
refused "--split 0,100,0 leaves nothing to train on" --data-path "$data" --split 0,100,0
refused "--split 0,1,1 leaves nothing to train on" --data-path 0.5 "$data" 0.5 "$data" --split 0,1,1
refused "--mock-data reads no files" --mock-data --data-path "$data"
for split in nan,1,1 -1,2,3 inf,1,1 1e3,1,1 1,2,3,4 0,0,0 a,b,c 0x10,1,1 1,,nan; do
    refused "--split $split: " --data-path "$data" --split $split
done
# 40 documents: a share that is less than half a document, of what is trained on or was asked for
refused "--split leaves training data none" --data-path "$data" --split 1,999,0 --eval-iters 1
refused "--split leaves validation data none" --data-path "$data" --split 999,1,0 --eval-iters 1
refused "--split leaves test data none" --data-path "$data" --split 900,100,1 --eval-iters 1
# documents, but no sample
echo "1 2 3 4" >"$D/short.txt"
"$T" preprocess --input "$D/short.txt" --output-prefix "$D/short" --tokenizer-type NullTokenizer --vocab-size 96 >/dev/null 2>&1
short="$D/short_text_document"
cp "$short.bin" "$D/short2.bin"
cp "$short.idx" "$D/short2.idx"
refused "2 files hold no training sample: none has 17 tokens" --data-path "$short" "$D/short2"
refused "2 files hold no validation sample" --train-data-path "$data" --valid-data-path "$short" "$D/short2" --eval-iters 1
expect 0 "$short: its training part has less than 17 tokens" train --data-path "$data" "$short"
expect 0 "$short has the weight 0: nothing of it is read" train --data-path 1 "$data" 0 "$short"
# good ones go on; an evaluation alone needs nothing to train on
expect 0 "evaluation alone (--skip-train)" train --data-path "$data" --split 0,100,0 --eval-iters 1 --skip-train
# shellcheck disable=SC2086
expect 0 "validation loss" "$T" pretrain $shape $batch --valid-data-path "$data" --eval-iters 1 --skip-train
expect 0 "iterations 1 to 8" train --split "969, 30, 1"
expect 0 "iterations 1 to 8" train --split 8/1/1
# shellcheck disable=SC2086
expect 0 "training data: 64 samples of made-up tokens (--mock-data)" "$T" pretrain $shape $batch --train-iters 8 --mock-data

# before the first step: tokens, samples, epochs, end token; 1468 tokens in 40 documents, as the words of the text say
tokens=$(wc -w <"$D/numbers.txt" | tr -d ' ')
expect 0 "training data: 40 sequences, $tokens tokens; 64 samples of 16, $(awk "BEGIN { printf \"%.3g\", 64 * 16 / $tokens }") epochs" train
said "documents end with no common token, the end-of-document id is 96"
"$T" preprocess --input "$D/numbers.txt" --output-prefix "$D/eod" --tokenizer-type NullTokenizer --vocab-size 96 --append-eod >/dev/null 2>&1
expect 0 "documents end with id 96, the end-of-document id" train --data-path "$D/eod_text_document"
expect 0 "" train --data-path 3 "$D/eod_text_document" 1 "$data" --split 80,20,0 --eval-iters 2 --eval-interval 4
said "75% of the samples from $D/eod_text_document: 32 sequences"
said "25% of the samples from $data: 32 sequences"
said "validation data: 16 sequences"
said "; 48 samples of 16"
finish
