#!/bin/bash
# Two builds of the program compute the same bits. For a change that is to change nothing: it runs the same jobs
# with the program of before and with the one of now, and compares what they leave.
#
#   same_bits.sh OLD NEW [PATTERN]
#
# OLD, NEW: paths of `tessera`. PATTERN: only jobs whose name it matches (an extended regular expression: `^use8-`,
# `ramp|sgd`). A line for each job that differs, with its files, and a summary; exit 1 where one differs, 2 where
# nothing was compared. Some 300 small jobs, two to five minutes on two cores; all in a folder of
# its own under $TMPDIR (or /tmp), removed at the end. No test of ctest, which has no program of before.
#
# Compared: the exit code; the weights, optimizer state and indexes of checkpoints and what state.json says of
# progress and model; exported folders; the numbers of --metrics-jsonl; scores, logits, generated ids; data sets;
# tokenizers, ids and texts; plans. Not compared: what is said in words; time and memory of a run; the options
# that state.json repeats, of which a later build may have more; sums of files that are compared themselves.
# A job that both refuse is an error of this script, but for those that ask whether both do (`either`).
#
# A kernel that this machine's processor does not choose is not compared; --isa portable and avx2 are.
# shellcheck disable=SC1091,SC2015,SC2086,SC2154,SC2317
[ $# -ge 2 ] && [ $# -le 3 ] || { echo "usage: same_bits.sh OLD NEW [PATTERN]" >&2 && exit 2; }
for program in "$1" "$2"; do
    [ -x "$program" ] && [ -f "$program" ] || { echo "same_bits.sh: $program is no program" >&2 && exit 2; }
done
old=$(realpath "$1") new=$(realpath "$2") pattern=${3:-}
tests=$(cd "$(dirname "$0")/.." && pwd)
. "$tests/cli/lib.sh"
families=$tests/golden/families
jobs=0 differ=0 refused=0
make_data # by OLD: what both read
here=$D/data_text_document
few=$D/few_text_document # of the tokens that the models of tests/golden/families have
awk '{ for (i = 1; i <= NF; i++) $i = $i % 70; print }' "$D/numbers.txt" >"$D/few.txt"
text=$tests/golden/bpe_train/text.txt
awk 1 "$text" | sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g; s/.*/{"text": "&"}/' >"$D/text.jsonl"
sed -n '/^{"texts"/{ s/","/ /g; s/"texts":\["/"text": "/; s/"\]}/"}/p; }' "$tests"/golden/patterns/t*.jsonl >>"$D/text.jsonl" # of many scripts
printf '%s\n' '{"ids": [5, 6, 7, 8, 9, 10, 11, 12, 3, 4, 2, 7]}' '{"ids": [9, 8, 7]}' >"$D/ids.jsonl"
"$T" preprocess --input "$D/few.txt" --output-prefix "$D/few" --tokenizer-type NullTokenizer --vocab-size 70 >/dev/null 2>&1 &&
    "$T" train-tokenizer --input "$text" --output "$D/bpe" --vocab-size 400 >/dev/null 2>&1 ||
    { echo "same_bits.sh: $old makes no data" >&2 && exit 2; }

# ---- what is compared

# comparable FILE: what counts of it
comparable() {
    case $1 in
    *m.jsonl) sed -E 's/, "(tokens_per_second|tflops|[a-z_]*seconds|[a-z_]*bytes)": [^,}]*//g' "$1" ;;
    *state.json) sed '/^ "options": {/,/^ }/d' "$1" ;;
    *) cat "$1" ;;
    esac
}
# digest FOLDER: a line a file
digest() {
    (cd "$1" && find . -type f ! -name .lock ! -name manifest.json ! -name '*.tfevents*' | LC_ALL=C sort |
        while read -r file; do echo "$file $(comparable "$file" | sha256sum)"; done)
}

# in_folder SIDE PROGRAM COMMAND...: both sides run in a folder of the same name, since results may repeat it
in_folder() {
    local side=$1
    T=$2
    shift 2
    mkdir "$D/work"
    (cd "$D/work" && "$@") >"$D/$side.said" 2>&1 </dev/null
    echo "exit $?" >"$D/work/code"
    digest "$D/work" >"$D/$side.digest"
    mv "$D/work/code" "$D/$side.code"
    rm -rf "$D/work"
}
report() { # report WHAT
    differ=$((differ + 1))
    echo "$1 $name (OLD $(cat "$D/old.code"), NEW $(cat "$D/new.code"))"
}
last_words() { # of the sides that failed
    for side in old new; do
        grep -q '^exit 0$' "$D/$side.code" || echo "    $side: $(tail -n 1 "$D/$side.said")"
    done
}

# job NAME COMMAND...: a command that calls $T and leaves files where it runs
job() { one_job 0 "$@"; }
# either NAME COMMAND...: one that both may refuse, if both do
either() { one_job '[012]' "$@"; }

one_job() { # one_job EXIT-CODES NAME COMMAND...
    local codes=$1 name=$2
    shift 2
    [[ $name =~ $pattern ]] || return 0
    jobs=$((jobs + 1))
    in_folder old "$old" "$@"
    in_folder new "$new" "$@"
    if ! cmp -s "$D/old.digest" "$D/new.digest"; then
        report DIFFERENT
        diff "$D/old.digest" "$D/new.digest" | awk '/^[<>]/ { print "    " $2 }' | sort -u | head -n 8
        last_words
    elif ! grep -q "^exit $codes\$" "$D/new.code"; then
        report "FAILS IN BOTH"
        last_words
    elif ! grep -q '^exit 0$' "$D/new.code"; then
        refused=$((refused + 1))
    elif [ "$(wc -l <"$D/new.digest")" -lt 2 ]; then
        report "LEAVES NOTHING"
    fi
}

# ---- the jobs

run() { # training with all that it can write
    train --log-interval 1 --threads 2 --train-iters 4 --save ck --save-interval 2 --save-hf hf --metrics-jsonl m.jsonl --data-path "$here" "$@"
}
again() { run "$@" && run --load ck --train-iters 6 "$@"; }
ramp() { # counted in samples
    "$T" pretrain $shape ${batch/--lr-warmup-iters 3/} --threads 2 --log-interval 1 --global-batch-size 16 \
        --rampup-batch-size 4 4 40 --train-samples 80 --seed 5 --data-path "$here" --save ck --metrics-jsonl m.jsonl
}
ranks() { # ranks N OPTIONS...
    mpirun --allow-run-as-root --oversubscribe -n "$1" "$T" pretrain $shape $batch --data-path "$here" --seed 5 --train-iters 3 \
        --threads 1 --log-interval 1 --save ck --metrics-jsonl m.jsonl "${@:2}"
}
tune() { # tune FAMILY OPTIONS...: an existing model, further
    "$T" pretrain --load "$families/$1" --data-path "$few" $batch --split 80,20,0 --eval-iters 1 --eval-interval 2 --seed 5 \
        --train-iters 3 --tokenizer-type NullTokenizer --vocab-size 70 --threads 2 --log-interval 1 --save ck --metrics-jsonl m.jsonl "${@:2}"
}
infer() { # infer FAMILY OPTIONS...
    "$T" infer --load "$families/$1" --input "$D/ids.jsonl" --output g.jsonl --max-new-tokens 9 --threads 2 "${@:2}"
}
use() { # use FAMILY OPTIONS...
    "$T" score --load "$families/$1" --input "$D/ids.jsonl" --output s.jsonl --logits l.safetensors --threads 2 "${@:2}" &&
        infer "$@" --ignore-eos --logprobs
}
beams() { infer "$1" --num-beams 3; }
drawn() { infer "$1" --do-sample --temperature 0.8 --top-k 20 --seed 3; }
convert() { "$T" convert --load-dir "$1" --save-dir out "${@:2}"; }
exported() { run --bf16 && rm -r hf && convert ck --params-dtype bf16 --max-shard-size 40000; }
data_set() { "$T" preprocess --output-prefix p "$@"; }
learned() { "$T" train-tokenizer --output t --input "$text" "$@"; }
ids_of() { # ids_of TOKENIZER OPTIONS...: of texts, and texts of these again
    "$T" tokenize --tokenizer "$1" --input "${words:-$D/text.jsonl}" --output ids.jsonl "${@:2}" &&
        "$T" tokenize --tokenizer "$1" --input ids.jsonl --output text.jsonl --decode "${@:2}"
}
plan() { "$T" plan $shape $batch --train-iters 3 --json "$@" >plan.json; }

uniform="--recompute-granularity full --recompute-method uniform --recompute-num-layers"
aware="--bf16 --use-precision-aware-optimizer --exp-avg-dtype bf16"
half="--fp16 --initial-loss-scale 1024" # the usual one is too large for some steps, which would be skipped
for type in "" --bf16 "$half"; do
    of=${type%% *}
    job "plain$of" again $type
    job "accumulate$of" run $type --global-batch-size 16 --micro-batch-size 4
    job "recompute$of" run $type $uniform 1
    job "kept$of" run $type --packed-weights kept
    job "shared$of" run $type --packed-weights shared
    job "deterministic$of" again $type --npu-deterministic
    job "portable$of" run $type --isa portable
    job "avx2$of" run $type --isa avx2
done
job no-dropout run --hidden-dropout 0 --attention-dropout 0
job block run --recompute-granularity full --recompute-method block --recompute-num-layers 1
job keep-activations run --bf16 --keep-cheap-activations
job masked run --eod-mask-loss --reset-position-ids --reset-attention-mask
job blend run --data-path 3 "$here" 1 "$few" --split 80,20,0 --eval-iters 2 --eval-interval 2
job sgd again --optimizer sgd --sgd-momentum 0.9
job moments again $aware --exp-avg-sq-dtype bf16
job masters again $aware --main-params-dtype bf16
job clip run --clip-grad 0.1 --weight-decay 0.2
for decay in linear constant inverse-square-root WSD; do job "lr-$decay" run --train-iters 8 --lr-warmup-iters 1 --lr-decay-style $decay --lr-wsd-decay-iters 3; done
job int8 run --bf16 --int8 layers
job int8-all run --bf16 --int8 all
job int8-portable run --bf16 --int8 all --isa portable
job frozen again --freeze embedding decoder.layers.0
job untied run --untie-embeddings-and-output-weights
job decoupled run --decoupled-lr 1e-4 --decoupled-min-lr 1e-5
job ramp ramp
job zeros run --log-num-zeros-in-grad --log-params-norm
job export exported
if command -v mpirun >/dev/null; then
    job two-ranks ranks 2
    job two-ranks-bf16 ranks 2 --bf16 --overlap-grad-reduce --ddp-bucket-size 3000
    job two-ranks-reduce16 ranks 2 --bf16 --grad-reduce-in-bf16
    job two-ranks-deterministic ranks 2 --npu-deterministic
else
    echo "no mpirun: jobs of two processes are left out"
fi
for folder in "$families"/*/; do
    f=$(basename "$folder")
    job "use-$f" use "$f"
    job "tune-$f" tune "$f"
    job "tune16-$f" tune "$f" --bf16
    job "convert-$f" convert "$folder" --params-dtype bf16
done
for f in llama gpt2 gemma3 phi3-longrope olmo2 gpt_neox; do
    job "use16-$f" use "$f" --bf16
    job "use8-$f" use "$f" --load-in-8bit
    job "use4-$f" use "$f" --load-in-4bit
    job "use-portable-$f" use "$f" --isa portable
    job "beams-$f" beams "$f"
    job "drawn-$f" drawn "$f"
    job "recompute-$f" tune "$f" $uniform 2
done
job preprocess data_set --input "$D/numbers.txt" --append-eod --tokenizer-type NullTokenizer --vocab-size 96
job preprocess-bpe data_set --input "$D/text.jsonl" --append-eod --tokenizer-type PretrainedFromHF --tokenizer-name-or-path "$D/bpe" --workers 2
job learn learned --vocab-size 500
job learn-rare learned --vocab-size 350 --min-frequency 5 --special-tokens '<s>' '</s>'
job tokenize ids_of "$D/bpe"
job tokenize-tiktoken ids_of "$tests/golden/patterns/ranks.tiktoken" --tiktoken-pattern v2
for file in "$tests"/../../shared/data/tokenizers/*/tokenizer.json "$tests"/../../shared/data/tokenizers/*/*.model; do
    kind=$(basename "$(dirname "$file")")-$(basename "$file")
    [ ! -f "$file" ] || job "tokenize-$kind" ids_of "$file"
done
mkdir "$D/one" # small ones of every kind, and wrong ones; their texts have the words of their vocabularies too
words=$D/words.jsonl
for file in "$tests"/fuzz/corpus/tokenizer_json/* "$tests"/fuzz/corpus/sentencepiece/*; do
    case $file in */tokenizer_json/*) one=tokenizer.json ;; *) one=tokenizer.model ;; esac
    cp "$file" "$D/one/$one"
    plain=$(head -c 20000 "$file" | LC_ALL=C tr '\000-\037"\134' ' ' | iconv -c -f UTF-8 -t UTF-8)
    { cat "$D/text.jsonl" && printf '{"text": "%s"}\n' "$plain" "${plain//[^[:alpha:]]/}"; } >"$words"
    name=$(basename "$file") how=job
    [[ ! $name =~ ^([0-9a-f]{12}|surface|start-set-back)$ ]] || how=either # wrong ones; those of a fuzzer are called by a sum
    $how "tokenize-$name" ids_of "$D/one/$one"
done
job plan plan
job plan-bf16 plan --bf16 --world-size 8 --global-batch-size 16 $uniform 1
job plan-laptop plan --hardware laptop
job plan-epyc plan --bf16 --hardware epyc-9654
job plan-xeon plan --bf16 --int8 layers --hardware xeon-6248

[ $jobs -gt 0 ] || { echo "same_bits.sh: no job's name matches $pattern" >&2 && exit 2; }
! cmp -s "$old" "$new" || echo "OLD and NEW are one program"
echo "$jobs jobs, $differ differ; $refused are refused by both"
[ $differ = 0 ]
