#!/bin/sh
# What a model takes without training, on each process of a layout: matrices by their type, keys and values by heads and
# layers, as they are counted from the model's shape.
. "$(dirname "$0")/lib.sh"
G=$(dirname "$0")/../golden
number() { tr -d ' ,' <"$D/out" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
plan() { expect 0 "" "$T" plan --task infer --json "$@"; }
is() { # is WHAT WANT GOT
    checks=$((checks + 1))
    [ "$3" = "$2" ] || wrong "$1: \"$3\", expected \"$2\""
}
sum() { awk '{ s += $1 } END { printf "%.0f\n", s }'; }
# Llama 3 8B: 32 layers, 8 heads of keys and values of 128, a vocabulary of 128256 times 4096, 14336 within
layer=$((4096 * 4096 * 2 + 4096 * 1024 * 2 + 3 * 4096 * 14336)) table=$((128256 * 4096)) norms=$((65 * 4096))
l3="--preset llama3-8b --bf16"
# shellcheck disable=SC2086
{
    plan $l3 --max-model-len 1000 --max-num-seqs 3
    is "parameters" $((32 * layer + 2 * table + norms)) "$(number parameters)"
    is "keys and values, in pages of 16 tokens" $((3 * 1008 * 32 * 2 * 8 * 128 * 2)) "$(number cache_bytes)"
    whole=$(number weight_bytes) want=$((2 * (32 * layer + 2 * table) + 4 * norms))
    checks=$((checks + 1))
    [ "$whole" -ge "$want" ] && [ "$whole" -le $((want + want / 1000)) ] || wrong "weights: $whole, expected $want"
    plan $l3 --max-model-len 1000 --max-num-seqs 3 --world-size 4 --tensor-model-parallel-size 4
    is "keys and values of 2 heads" $((3 * 1008 * 32 * 2 * 2 * 128 * 2)) "$(number cache_bytes)"
    want=$((2 * (32 * layer + 2 * table) / 4 + 4 * norms)) got=$(number weight_bytes)
    checks=$((checks + 1))
    [ "$got" -ge "$want" ] && [ "$got" -le $((want + want / 1000)) ] || wrong "weights of a fourth: $got, expected $want"
    plan $l3 --max-model-len 1000 --world-size 8 --pipeline-model-parallel-size 4
    is "models" 2 "$(number models)"
    is "keys and values of 8 layers, four times" "$((1008 * 8 * 2 * 8 * 128 * 2)) $((1008 * 8 * 2 * 8 * 128 * 2 * 4))" \
        "$(number cache_bytes | head -n 1) $(number cache_bytes | sum)"
    is "weights of all stages" "$whole" "$(number weight_bytes | sum)"
    # whole numbers of 8 bits with a scale for 64; the embedding, which is looked up, is as it was
    plan $l3 --load-in-8bit
    want=$(((32 * layer + table) * 66 / 64 + 2 * table + 4 * norms)) got=$(number weight_bytes)
    checks=$((checks + 1))
    [ "$got" -ge "$want" ] && [ "$got" -le $((want + want / 50)) ] || wrong "weights of 8 bits: $got, expected $want"
    # experts are shared out, all else is whole
    plan --preset mixtral-8x7b --bf16 --max-model-len 16
    one=$(number weight_bytes)
    plan --preset mixtral-8x7b --bf16 --max-model-len 16 --world-size 8 --expert-model-parallel-size 8
    experts=$((32 * 8 * 3 * 4096 * 14336 * 2))
    is "weights without 7 of 8 experts" $((one - experts / 8 * 7)) "$(number weight_bytes)"
    expect 2 "does not divide them" "$T" plan --task infer $l3 --world-size 3 --tensor-model-parallel-size 2
    expect 2 "leave other layouts out" "$T" plan --task infer $l3 --world-size 2 --context-parallel-size 2
    expect 2 "contradict each other" "$T" plan --task infer $l3 --load-in-8bit --load-in-4bit
    expect 0 "of a token" "$T" plan --task infer --load "$G/families/deepseek_v3"
    expect 0 "max-num-seqs" "$T" plan --mock-data --train-iters 1 --lr 1e-4 --seq-length 8 --micro-batch-size 1 --preset llama3-8b --max-num-seqs 2
}
finish
