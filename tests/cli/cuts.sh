#!/bin/sh
# Every cut of cuts/list.txt generates and scores what one process does: the same tokens, and log-probabilities but for
# rounding. A twentieth of them, another on each day; TESSERA_CUTS=REGEX: the lines that match ("." all).
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
. "$(dirname "$0")/layouts/models.sh"
# shellcheck disable=SC2034 # of models.sh
documents=
awk 'BEGIN { srand(5); for (r = 0; r < 5; r++) { s = ""; n = 3 + 6 * r
    for (i = 0; i < n; i++) s = s (i ? ", " : "") 3 + int(rand() * 90); printf "{\"ids\": [%s]}\n", s } }' >"$D/in.jsonl"
# Weights that are larger than at the start of a training, so that it matters what attention sees.
make_model() {
    # shellcheck disable=SC2046
    [ -d "$D/model-$1" ] || "$T" pretrain --data-path "$D/data_text_document" --split 100,0,0 --seq-length 32 --micro-batch-size 1 \
        --global-batch-size 1 --train-iters 1 --eval-iters 0 --lr 1e-9 --seed 7 --init-method-std 0.15 --threads 1 \
        $(model "$1" | sed 's/--moe-[a-z]*-loss-coeff [0-9.]*//g; s/--adam-eps.*//; s/--init-method-std [0-9.]*//') --save "$D/model-$1" >"$D/out" 2>"$D/err" ||
        wrong "no model $1: $(tail -n 2 "$D/err")"
}
task() {
    case $1 in
    greedy) echo "infer --greedy --logprobs" ;;
    bf16) echo "score --bf16" ;;
    drawn) echo "infer --do-sample --temperature 0.8 --top-k 20 --seed 11 --logprobs" ;;
    beams) echo "infer --num-beams 3" ;;
    ahead) echo "infer --greedy --logprobs --prompt-lookup-num-tokens 3 --max-matching-ngram-size 1" ;;
    score) echo "score" ;;
    esac
}
# run TASK MODEL TO RANKS OPTIONS...
run() {
    words=$(task "$1") of=$2 to=$3 n=$4
    shift 4
    case $words in infer*) words="$words --max-new-tokens 12 --ignore-eos" ;; esac
    rm -f "$to"
    as="on $n"
    [ "$n" != 1 ] || as=
    # shellcheck disable=SC2086
    $as "$T" $words --load "$D/model-$of" --input "$D/in.jsonl" --output "$to" --threads 1 "$@" >"$D/out" 2>"$D/err" </dev/null
}
# The numbers of log-probabilities are as near as sums in another order are; all else is the same.
near() {
    checks=$((checks + 1))
    for f in "$1" "$2"; do
        sed 's/"logprobs": *\[[^]]*\]//; s/"sum": *[-0-9.e]*//' "$f" | case $4 in *" bf16 "*) sed 's/"greedy".*//' ;; *) cat ;; esac >"$f.words"
        grep -o '"logprobs": *\[[^]]*\]' "$f" | tr -c '0-9.e\n-' ' ' >"$f.numbers"
    done
    cmp -s "$1.words" "$2.words" || { wrong "$4: $(diff "$1.words" "$2.words" | head -n 2)"; return; }
    paste "$1.numbers" "$2.numbers" | awk -v bound="$3" '{ n = NF / 2; for (i = 1; i <= n; i++) { d = $i - $(n + i)
        if (d < 0) d = -d; if (!(d <= bound)) { print d; exit 1 } } }' >"$D/far" || wrong "$4: a log-probability is off by $(cat "$D/far")"
}
day=$(($(date +%s) / 86400))
at=0
grep -v '^#' "$(dirname "$0")/cuts/list.txt" | grep . >"$D/list"
while read -r ranks family how options; do
    at=$((at + 1))
    case ${TESSERA_CUTS-} in
    "") [ $(((at + day) % 20)) = 0 ] || continue ;;
    *) echo "$ranks $family $how $options" | grep -qe "$TESSERA_CUTS" || continue ;;
    esac
    make_model "$family"
    line="$ranks $family $how $options"
    bound=5e-5
    [ "$how" != bf16 ] || bound=1e-1
    [ -f "$D/one-$family-$how" ] || run "$how" "$family" "$D/one-$family-$how" 1 || wrong "$family $how: $(tail -n 1 "$D/err")"
    # shellcheck disable=SC2086
    run "$how" "$family" "$D/cut" "$ranks" $options || { wrong "$line: $(grep -a error "$D/err" | head -n 2)"; continue; }
    near "$D/one-$family-$how" "$D/cut" $bound "$line"
done <"$D/list"
finish
