#!/bin/sh
# Every layout of layouts/list.txt trains as one process does, takes the memory that plan says, and on the first process
# sends what plan says. A sixth of them, another on each day; TESSERA_LAYOUTS=REGEX: the lines that match ("." all).
. "$(dirname "$0")/lib.sh"
if ! command -v mpirun >/dev/null 2>&1; then
    echo "SKIPPED: no mpirun; on Debian: apt-get install openmpi-bin"
    exit 77
fi
make_data
case $(mpirun --version 2>&1) in
*"Open MPI"*) launcher="--allow-run-as-root --oversubscribe --bind-to none" ;;
*) launcher= ;;
esac
heads="--num-layers 8 --hidden-size 48 --num-attention-heads 8 --num-query-groups 4 --group-query-attention --kv-channels 4
    --ffn-hidden-size 48 --vocab-size 96 --tokenizer-type NullTokenizer --max-position-embeddings 64"
gated="$heads --position-embedding-type rope --swiglu --normalization RMSNorm --untie-embeddings-and-output-weights
    --add-qkv-bias"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 16
    --lr 0.004 --lr-decay-style constant --eval-iters 0 --seed 7 --log-params-norm --threads 1 --train-iters 3"
model() {
    case $1 in
    dense) echo "$gated" ;;
    tied) echo "$heads" ;;
    window) echo "$gated --window-size 9" ;;
    packed) echo "$gated --reset-attention-mask --reset-position-ids" ;;
    dropout) echo "$gated --hidden-dropout 0.1" ;;
    esac
}
how_options() {
    case $1 in
    bits) echo "--deterministic-mode" ;;
    bf16) echo "--bf16" ;;
    esac
}
# go FILE RANKS OPTIONS...
go() {
    file=$1
    run="$T pretrain"
    [ "$2" = 1 ] || run="mpirun $launcher -n $2 $T pretrain"
    shift 2
    rm -f "$file"
    # shellcheck disable=SC2086
    $run $common "$@" --metrics-jsonl "$file" >"$D/out" 2>"$D/err" </dev/null
}
# numbers FILE: loss, gradient norm, norm of the weights
numbers() {
    for key in lm_loss grad_norm params_norm; do
        sed -n "s/.*\"$key\": *\([0-9.e+-]*\).*/\1/p" "$1" >"$D/$key"
    done
    paste "$D/lm_loss" "$D/grad_norm" "$D/params_norm"
}
# What one process makes of the same batches.
reference() {
    kept=
    set -- "$1" "$2" $3
    name=$D/one-$1-$2
    m=$1 h=$2
    shift 2
    while [ $# -gt 0 ]; do
        case $1 in
        --seq-length | --global-batch-size | --micro-batch-size) kept="$kept $1 $2" name=$name$1-$2 ;;
        esac
        shift
    done
    # shellcheck disable=SC2046,SC2086
    [ -f "$name" ] || go "$name" 1 $(model "$m") $(how_options "$h") $kept || wrong "one process: $(tail -n 2 "$D/err")"
}
compare() {
    numbers "$1" >"$D/a"
    numbers "$2" >"$D/b"
    case $3 in near) bound=3e-5 ;; bits) bound=0 ;; bf16) bound=2e-2 ;; esac
    paste "$D/a" "$D/b" | awk -v bound=$bound 'function far(x, y, b) { d = x - y; if (d < 0) d = -d; return d > b * y }
        NF != 6 || far($1, $4, bound) || far($2, $5, 10 * bound) || far($3, $6, bound) { print; bad = 1 }
        END { exit bad || NR != 3 }' >"$D/bad"
}
check() {
    ranks=$1 family=$2 how=$3 options=$4
    line="$ranks $family $how $options"
    checks=$((checks + 1))
    reference "$family" "$how" "$options"
    # shellcheck disable=SC2046,SC2086
    set -- $(model "$family") $(how_options "$how") $options
    go "$D/this" "$ranks" "$@" || { wrong "$line: $(grep -m1 error "$D/err")"; return; }
    compare "$D/this" "$name" "$how" || { wrong "$line: not one process: $(head -n 1 "$D/bad")"; return; }
    # shellcheck disable=SC2086
    "$T" plan $common "$@" --world-size "$ranks" --json >"$D/plan" 2>"$D/err" || wrong "$line: plan: $(tail -n 1 "$D/err")"
    got=$(sed -n '$s/.*"memory_peak_bytes": *\([0-9]*\).*/\1/p' "$D/this")
    said=$(sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' "$D/plan" | sort -n | tail -n 1)
    [ -n "$got" ] && [ "$got" = "$said" ] || wrong "$line: $got bytes, planned $said"
    tail -n 1 "$D/this" | tr -d ' ' | sed 's/.*"traffic":\(.*\)}$/\1/' >"$D/sent"
    sent=$(cat "$D/sent")
    case $(tr -d ' \n' <"$D/plan") in
    *"\"traffic\":$sent"*) ;;
    *) wrong "$line: sent $sent" ;;
    esac
}
day=$(($(date +%s) / 86400))
at=0
grep -v '^#' "$(dirname "$0")/layouts/list.txt" | grep . >"$D/list"
while read -r ranks family how options; do
    at=$((at + 1))
    case ${TESSERA_LAYOUTS-} in
    "") [ $(((at + day) % 6)) = 0 ] || continue ;;
    *) echo "$ranks $family $how $options" | grep -qe "$TESSERA_LAYOUTS" || continue ;;
    esac
    check "$ranks" "$family" "$how" "$options"
done <"$D/list"
finish
