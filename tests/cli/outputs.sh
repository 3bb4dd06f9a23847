#!/bin/sh
# What a command writes takes the place of a regular file only: pipes are written to, links followed, folders
# refused, - is the standard output. Nothing is written that the umask forbids. All in a folder of this test.
. "$(dirname "$0")/lib.sh"
ok() { # ok COMMAND...: succeeds
    checks=$((checks + 1))
    "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "$*: $(tail -n 1 "$D/err")"
}
make_data
ok train --train-iters 2 --lr-warmup-iters 0 --save-hf "$D/hf"
printf '{"text": "a b\\u00e9"}\n{"text": "c"}\n' >"$D/text.jsonl"
printf '{"ids": [1, 2, 3, 4]}\n{"ids": [5, 6]}\n' >"$D/ids.jsonl"
ok "$T" train-tokenizer --input "$D/numbers.txt" --output "$D/tok" --vocab-size 300
tokenize() { "$T" tokenize --tokenizer "$D/tok" --input "$D/text.jsonl" "$@"; }
score() { "$T" score --load "$D/hf" --input "$D/ids.jsonl" "$@"; }
infer() { "$T" infer --load "$D/hf" --input "$D/ids.jsonl" --max-new-tokens 3 "$@"; }
metrics() { train --train-iters 3 "$@"; }
printf '{"iteration": 1, "lm_loss": 2}\n' >"$D/run.jsonl"
report() { "$T" report "$D/run.jsonl" "$@"; }
schedule() { "$T" schedule --num-microbatches 3 "$@"; }
plan() { "$T" plan $shape $batch --mock-data --train-iters 8 --threads 1 "$@"; }
logits() { score --output "$D/scores.$$" "$@"; }
steps() { sed 's/, "tokens_per_second.*//' "$1"; } # metrics without times; other lines as they are

each() { # each COMMAND OPTION: what it writes is the same wherever it goes
    command=$1 option=$2
    ok "$command" "$option" "$D/plain"
    [ "$option" = --logits ] || steps "$D/plain" >"$D/want"
    [ "$option" != --logits ] || cp "$D/plain" "$D/want"
    got() { # got FILE
        if [ "$option" = --logits ]; then cat "$1"; else steps "$1"; fi >"$D/got"
        same "$D/want" "$D/got"
    }
    # a pipe with a name stays one
    mkfifo "$D/fifo"
    timeout 3 cat "$D/fifo" >"$D/read" & # not for ever where nobody writes to it
    ok "$command" "$option" "$D/fifo"
    wait $! || wrong "$command $option: nothing came through the pipe"
    [ -p "$D/fifo" ] || wrong "$command $option: the pipe is gone"
    got "$D/read"
    # a link stays one; what it names is replaced, or made
    mkdir "$D/far"
    [ "$option" = --metrics-jsonl ] || echo old >"$D/far/old"
    ln -s far/old "$D/link"
    ok "$command" "$option" "$D/link"
    [ -L "$D/link" ] || wrong "$command $option: the link is gone"
    got "$D/far/old"
    ln -s far/new "$D/dangling"
    ok "$command" "$option" "$D/dangling"
    [ -L "$D/dangling" ] || wrong "$command $option: the link to nothing is gone"
    got "$D/far/new"
    [ "$(ls "$D/far")" = "new
old" ] || wrong "$command $option: beside the file: $(ls "$D/far")"
    # a folder is none
    expect 2 "$option $D/far: is a folder" "$command" "$option" "$D/far"
    # the standard output; a program that is wrong must find no device here, so its other names are for the unit test
    checks=$((checks + 1))
    "$command" "$option" - 2>"$D/err" | cat >"$D/read" || wrong "$command $option -: $(tail -n 1 "$D/err")"
    got "$D/read"
    expect 2 "$option $D/none/x: cannot be" "$command" "$option" "$D/none/x"
    rm -rf "$D/fifo" "$D/far" "$D/link" "$D/dangling" "$D/plain"
}
each tokenize --output
each score --output
each infer --output
each logits --logits
each metrics --metrics-jsonl
each report --output
each schedule --svg
each schedule --trace
each plan --trace
expect 2 "--logits - and --output - name the same file" score --logits - --output -
expect 2 "name the same file" score --logits "$D/one" --output "$D/one"

# the files of a data set: links are followed, and so is the link to an exported folder
mkdir "$D/far"
ln -s far/d.bin "$D/d_text_document.bin"
ok "$T" preprocess --input "$D/numbers.txt" --output-prefix "$D/d" --tokenizer-type NullTokenizer --vocab-size 96
[ -L "$D/d_text_document.bin" ] || wrong "the link to a .bin is gone"
same "$D/far/d.bin" "$D/data_text_document.bin"
ln -s far/hf "$D/hf-link"
cp -r "$D/hf" "$D/far/hf"
ok train --train-iters 2 --lr-warmup-iters 0 --save-hf "$D/hf-link/"
[ -L "$D/hf-link" ] || wrong "the link to a Hugging Face folder is gone"
same "$D/far/hf/model.safetensors" "$D/hf/model.safetensors"
[ "$(echo "$D"/far/*)" = "$D/far/d.bin $D/far/hf" ] || wrong "beside the folder: $(ls "$D/far")"

# folders 0750, files 0640, less the umask
for mask in 000 027 077; do
    U=$D/mask$mask
    (
        umask $mask
        mkdir -m 750 "$U" || exit 1
        "$T" preprocess --input "$D/numbers.txt" --output-prefix "$U/data" --tokenizer-type NullTokenizer \
            --vocab-size 96 && train --train-iters 2 --lr-warmup-iters 0 --save "$U/ck" --save-hf "$U/hf" --tensorboard-dir "$U/tb" \
            --metrics-jsonl "$U/m.jsonl" --data-cache-path "$U/cache" &&
            "$T" train-tokenizer --input "$D/numbers.txt" --output "$U/tok" --vocab-size 300 &&
            tokenize --output "$U/t.jsonl" && score --output "$U/s.jsonl" --logits "$U/l.safetensors" &&
            infer --output "$U/i.jsonl"
    ) >"$D/out" 2>&1 || wrong "umask $mask: $(tail -n 1 "$D/out")"
    mode=640 folder=750
    [ $mask != 077 ] || mode=600 folder=700
    checks=$((checks + 1))
    [ "$(find "$U" -type f | wc -l)" -gt 15 ] || wrong "umask $mask: too few files: $(find "$U")"
    find "$U" -type f ! -perm $mode >"$D/out"
    find "$U" -mindepth 1 -type d ! -perm $folder >>"$D/out"
    [ ! -s "$D/out" ] || wrong "umask $mask: $(head -n 1 "$D/out") is $(stat -c %a "$(head -n 1 "$D/out")")"
done
finish
