#!/bin/sh
# Every layout of layouts/list.txt trains as one process does, takes the memory that plan says, and on the first process
# sends what plan says. A twentieth of them, another on each day; TESSERA_LAYOUTS=REGEX: the lines that match ("." all).
. "$(dirname "$0")/lib.sh"
needs_mpi
make_data
make_ended_data
"$3" "$D/rows" sft 41 5
answers="--stage sft --data-path $D/rows"
"$3" "$D/pairs" pairs 41 5
"$3" "$D/verdicts" kto 41 5
# of texts: a class, a query with a text that belongs to it and one that does not
awk 'function ids(s, n, i) { n = 1 + int(rand() * 30); s = "["; for (i = 0; i < n; i++) s = s (i ? ", " : "") 3 + int(rand() * 90); return s "]" }
     BEGIN { srand(5); for (r = 0; r < 41; r++) printf "{\"ids\": %s, \"label\": %d, \"query\": %s, \"positive\": %s, \"negative\": %s}\n",
             ids(), int(rand() * 3), ids(), ids(), ids() }' >"$D/texts.jsonl"
texts="--data-path $D/texts.jsonl"
documents="--data-path $D/ended_text_document --reset-attention-mask"
. "$(dirname "$0")/layouts/models.sh"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 16
    --lr 0.004 --lr-decay-style constant --eval-iters 0 --seed 7 --log-params-norm --threads 1 --train-iters 3"
# shellcheck disable=SC2086
"$T" pretrain $common $gated --train-iters 1 --seed 9 --save "$D/compared" --save-hf "$D/compared-hf" >"$D/out" 2>&1 || wrong "no model to compare with"
# Of layers that share something each gradient of the first step is compared too, to this part of its tensor's largest.
dumps() {
    case $1-$2$options in
    *--tp-2d*) ;; # which dumps do not have
    altup-near* | per-layer-near* | joined-near* | blocks-near* | shortcut-near* | choices-near* | keys-near* | norms-near* | norms-moe-near*)
        echo "--dump-steps 1 --dump-level parameters --dump-tensors --dump-path $D/$3" ;;
    esac
}
same_gradients() { [ -z "$(dumps "$1" "$2" x)" ] || expect 0 "" "$T" diff-runs "$D/dump-$3" "$D/dump" --tolerance 2e-4; }
how_options() {
    case $1 in
    bits) echo "--deterministic-mode" ;;
    bf16) echo "--bf16" ;;
    esac
}
# What one process makes of the same batches.
reference() {
    kept=
    set -- "$1" "$2" $3
    one=one-$1-$2
    m=$1 h=$2
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
        --seq-length | --global-batch-size | --micro-batch-size | --quant-states | --optimizer | --exp-avg*-dtype | --main-params-dtype | --muon-[a-z]*-mode | --muon-fp32-matmul-prec | --qk-clip-threshold | --apollo-rank)
            kept="$kept $1 $2" one=$one$1-$2 ;;
        --use-precision-aware-optimizer | --muon-* | --qk-clip | --use-apollo | --dsa-indexer-use-sparse-loss) kept="$kept $1" one=$one$1 ;;
        esac
        shift
    done
    # shellcheck disable=SC2046,SC2086
    [ -f "$D/$one.jsonl" ] || job "$one" 1 $(model "$m") $(how_options "$h") $(dumps "$m" "$h" "dump-$one") $kept
}
check() {
    world=$1 family=$2 how=$3 options=$4
    before=$failed
    reference "$family" "$how" "$options"
    case $how in near) bound=3e-5 ;; bits) bound=0 ;; bf16) bound=2e-2 ;; esac
    # shellcheck disable=SC2046,SC2086
    set -- $(model "$family") $(how_options "$how") $options
    rm -rf "$D/dump"
    # shellcheck disable=SC2046
    job layout "$world" "$@" $(dumps "$family" "$how" dump)
    alike layout "$one" 1 $bound
    same_gradients "$family" "$how" "$one"
    # what comes to experts elsewhere hangs on the router, but where they get tokens in turn
    case "$family $options" in
    turns*) as_planned layout "$world" "$@" ;;
    *--expert-*-parallel-size* | *--moe-tp-extend-ep*) ;;
    answers* | pairs* | verdicts* | rewards* | texts* | vectors*) near_plan layout "$world" "$@" ;; # what is not trained takes no room for logits, nor the room behind short rows
    *) as_planned layout "$world" "$@" ;;
    esac
    [ "$failed" = "$before" ] || echo "layout: $world $family $how $options"
}
day=$(($(date +%s) / 86400))
at=0
grep -v '^#' "$(dirname "$0")/layouts/list.txt" | grep . >"$D/list"
while read -r ranks family how options; do
    at=$((at + 1))
    case ${TESSERA_LAYOUTS-} in
    "") [ $(((at + day) % 20)) = 0 ] || continue ;;
    *) echo "$ranks $family $how $options" | grep -qe "$TESSERA_LAYOUTS" || continue ;;
    esac
    check "$ranks" "$family" "$how" "$options"
done <"$D/list"
finish
