#!/bin/bash
# Every call to the system and every allocation of every command fails once. Each run must end with a sentence and a
# non-zero exit, or go on and give what it gives otherwise; nothing that was there is lost or half written. Takes
# long: no test of CI. From the build folder: cmake --build . --target fault_sweep
#
#   sweep.sh TESSERA LIBFAULT [COMMANDS] [KINDS] [STRIDE]
#     COMMANDS  of: tokenize train_tokenizer preprocess merge score infer plan schedule info verify fresh resume async ranks
#     KINDS     of: memory limit, or of errno's names: ENOSPC EIO EMFILE EACCES
#     STRIDE    only every so many calls
#   rank=0 in the environment: of ranks, the first process meets the faults; otherwise the second does
# shellcheck disable=SC2154,SC2086,SC2329,SC1091
. "$(dirname "$0")/../cli/lib.sh"
lib=$2
commands=${3:-tokenize train_tokenizer preprocess merge score infer plan schedule info verify fresh resume async ranks}
kinds=${4:-memory limit ENOSPC EIO EMFILE EACCES}
stride=${5:-1}
number() { case $1 in ENOSPC) echo 28 ;; EIO) echo 5 ;; EMFILE) echo 24 ;; EACCES) echo 13 ;; esac; }
W=$D/work

# ---- what there is to begin with ----
batch="$batch --lr-warmup-iters 0" # runs of one step have no room for one
make_data
printf '{"text": "a b\\u00e9"}\n{"text": "c 12"}\n' >"$D/text.jsonl"
printf '{"ids": [1, 2, 3, 4]}\n{"ids": [5, 6]}\n' >"$D/ids.jsonl"
"$T" train-tokenizer --input "$D/numbers.txt" --output "$D/tok" --vocab-size 280 2>/dev/null
train --train-iters 1 --save-hf "$D/hf" 2>/dev/null
mkdir "$D/base" "$D/again" "$D/parts"
for part in text_a text_b; do cp "$D/data_text_document.bin" "$D/parts/$part.bin" && cp "$D/data_text_document.idx" "$D/parts/$part.idx"; done
for f in out.jsonl s.svg s.json logits.safetensors n_text_document.bin n_text_document.idx; do echo "old $f" >"$D/base/$f"; done
printf '{"iteration": 0}\n' >"$D/base/m.jsonl"
cp -r "$D/hf" "$D/base/hf"
cp -r "$D/tok" "$D/base/tok"
cp -r "$D/base/." "$D/again"
train --train-iters 2 --save "$D/again/ck" 2>/dev/null
outputs() { echo --save $W/ck --save-hf $W/hf --tensorboard-dir $W/tb --metrics-jsonl $W/m.jsonl --data-cache-path $W/cache; }

# ---- the commands; each works in $W ----
tokenize() { "$T" tokenize --tokenizer "$D/tok" --input "$D/text.jsonl" --output "$W/out.jsonl"; }
train_tokenizer() { "$T" train-tokenizer --input "$D/numbers.txt" --output "$W/tok" --vocab-size 290; }
preprocess() {
    "$T" preprocess --input "$D/numbers.txt" --output-prefix "$W/n" --tokenizer-type NullTokenizer --vocab-size 96 --append-eod
}
merge() { "$T" preprocess --merge-group-keys text --input "$D/parts" --output-prefix "$W/n"; }
score() { "$T" score --load "$D/hf" --input "$D/ids.jsonl" --output "$W/out.jsonl" --logits "$W/logits.safetensors" --threads 1 $more; }
infer() { "$T" infer --load "$D/hf" --input "$D/ids.jsonl" --output "$W/out.jsonl" --max-new-tokens 3 --threads 1 $more; }
plan() { "$T" plan $shape $batch --train-iters 3 --json; }
schedule() {
    "$T" schedule --pipeline-schedule interleaved --pipeline-model-parallel-size 3 --num-microbatches 6 \
        --num-virtual-stages-per-pipeline-rank 2 --recompute-in-bubble --svg "$W/s.svg" --trace "$W/s.json"
}
info() { "$T" info --json; }
verify() { "$T" checkpoint verify --all "$W/ck"; }
fresh() { train --train-iters 3 --save-interval 2 --threads 1 $(outputs) $more; }
resume() { train --train-iters 4 --load "$W/ck" --save-interval 1 --keep-checkpoints 2 --threads 1 $(outputs) $more; }
async() { resume --async-save; }
ranks() {
    mpirun --allow-run-as-root --oversubscribe -n 2 "$T" pretrain $shape $batch --data-path "$D/data_text_document" \
        --seed 5 --train-iters 2 --threads 1 --save "$W/ck" $more
}

# What a run leaves, without times: "NAME SUM" a line.
digest() {
    (
        cd "$W" || exit
        find . -type f ! -path './tb/*' ! -path './cache/*' ! -name 'state.json' ! -name manifest.json ! -name .lock | sort |
            while read -r f; do
                case $f in
                */m.jsonl) echo "$f $(curve "$f" | md5sum)" ;;
                *) echo "$f $(md5sum <"$f")" ;;
                esac
            done
        find . -name 'events.*' -size +0 -printf 'events %s\n' | sort
        [ "$1" != plan ] || sed 's/"[a-z_]*seconds": [^,}]*//g' "$D/run.out" | md5sum
    )
}
bad() {
    found=$((found + 1))
    echo "FOUND $command, $kind, call $n ($(tr '\n' ' ' <"$D/log" 2>/dev/null)$1): exit $rc: $(tail -n 2 "$D/run.err" | tr '\n' ' ')"
    [ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp "$D/run.err" "$KEEP/$command-$kind-$n"; }
}
# A file that was there is as it was, or as the whole run makes it.
whole() {
    (cd "$start" && find . -type f ! -path './ck/*') | while read -r f; do
        cmp -s "$start/$f" "$W/$f" || grep -qxF "$f $(md5sum <"$W/$f" 2>/dev/null)" "$D/want" && continue
        [ "${f##*/}" = m.jsonl ] && [ "$(grep -c '^{.*}$' "$W/$f")" = "$(wc -l <"$W/$f")" ] && continue
        echo "$f"
    done
}
judge() {
    case $rc in
    0) if ! grep -q 'warning: .*\(saving the checkpoint failed\|cannot be removed\|an old checkpoint stays\)' "$D/run.err" &&
        [ -n "$(digest $command | diff - "$D/want" | grep '^[<>]' | grep -v '^< ./ck/iter_')" ]; then
        # a checkpoint more is one that could not be told to be good, and so was not removed
        digest $command | diff - "$D/want" | grep '^[<>]' | head -n 3 >>"$D/log"
        bad "the result differs"
    fi ;;
    1 | 2) grep -q 'error: ' "$D/run.err" || bad "no sentence" ;;
    *) bad "a signal or a hang" ;;
    esac
    ! grep -q 'internal error' "$D/run.err" || bad "an internal error"
    lost=$(whole)
    [ -z "$lost" ] || bad "lost or half written: $lost"
    if [ -d "$W/ck" ] && ls "$W/ck" | grep -q '^iter_'; then
        "$T" checkpoint verify --all "$W/ck" >"$D/verify.out" 2>&1 || bad "$(tail -n 1 "$D/verify.out")"
    fi
    [ $start != "$D/again" ] || ls "$W/ck" | grep -q '^iter_' || bad "all checkpoints are gone"
    left=$(find "$W" -name '*.tmp-*' -o -name '*.old-*' | grep -v '/ck/')
    [ -z "$left" ] || grep -qE '^hit (unlink|remove|rename|opendir)' "$D/log" 2>/dev/null ||
        grep -q 'warning: .*cannot be removed' "$D/run.err" || bad "left: $left"
}
once() { # once NAME=VALUE...: a run of $command in a fresh folder
    rm -rf "$W" "$D/log"
    cp -r "$start" "$W"
    # shellcheck disable=SC2030
    (
        [ $# = 0 ] || export LD_PRELOAD="$lib" FAULT_LOG="$D/log" FAULT_ONLY="$W" "$@"
        [ $command != ranks ] || export FAULT_RANK=${rank:-1}
        export -f $command train async resume outputs
        export T D W more shape batch
        timeout -k 5 120 bash -c $command
    ) >"$D/run.out" 2>"$D/run.err" </dev/null
    rc=$?
}
all=0 all_found=0
for command in $commands; do
    start=$D/base more=
    case $command in resume | async | verify) start=$D/again ;; esac
    [ $command != ranks ] || command -v mpirun >/dev/null || continue
    once
    [ $rc = 0 ] || { cat "$D/run.err" && exit 1; }
    digest $command >"$D/want"
    for kind in $kinds; do
        found=0 n=0 runs=0
        if [ $kind = limit ]; then # the storages of tensors: a limit that each of them crosses in turn
            case $command in score | infer | fresh | resume | ranks) ;; *) continue ;; esac
            for n in $(seq 1 $stride 40); do
                more="--memory-limit-gb $(awk "BEGIN { printf \"%.9f\", 1.14 ^ $n * 5e-6 }")"
                once && runs=$((runs + 1))
                judge
                [ $rc != 0 ] || break
            done
            more=
        else
            case $kind in memory) how="FAULT_KIND=memory" ;; *) how="FAULT_KIND=io FAULT_ERRNO=$(number $kind)" ;; esac
            once FAULT_AT=0 $how
            calls=$(sed -n 's/^calls //p' "$D/log" | sort -n | tail -n 1)
            [ "${calls:-0}" -gt 0 ] || [ $kind != memory ] || { echo "$command, $kind: no call was counted: the library is not at work"; exit 1; }
            for n in $(seq 1 $stride "${calls:-0}"); do
                once FAULT_AT=$n $how
                runs=$((runs + 1))
                judge
            done
        fi
        echo "$command, $kind: $runs runs, $found found"
        all=$((all + runs)) all_found=$((all_found + found))
    done
done
echo "$all runs, $all_found found"
[ $all_found = 0 ]
