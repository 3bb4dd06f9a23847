#!/bin/sh
# Sums of gradients in bf16 or fp16, and layers that are stepped at once: runs learn as with fp32, alone and in every
# layout, memory is what plan says and less, and what cannot be together is refused.
. "$(dirname "$0")/lib.sh"
make_data
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 1 --global-batch-size 8
    --lr 0.001 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --log-params-norm --train-iters 4 --clip-grad 0
    $shape --num-layers 8"
less() {
    checks=$((checks + 1))
    [ "$(memory "$1")" -lt "$(memory "$2")" ] || wrong "$1 takes $(memory "$1") bytes, $2 $(memory "$2")"
}
aware=--use-precision-aware-optimizer

# shellcheck disable=SC2086
{
    # each number is rounded as often as it grows, 8 times, to 2^-9 of itself (fp16: to 2^-11 of the largest of a block),
    # and a step of AdamW has the size of the rate even where sums nearly cancel: 4 steps of 0.001 differ by a part of that
    job fp32 1
    for way in "bf16 $aware --main-grads-dtype bf16" "fp16 $aware --main-grads-dtype fp16" "quant --quant-grads" \
        "both --quant-grads --quant-states fp8"; do
        who=${way%% *} options=${way#* }
        job "$who" 1 $options
        [ "$who" = both ] || alike "$who" fp32 1 1e-3
        as_planned "$who" 1 $options
        less "$who" fp32
    done
    if have_mpi; then
        bf16="$aware --main-grads-dtype bf16"
        # layout NAME OPTIONS...: likewise of two processes
        layout() {
            who=$1
            shift
            job "$who" 2 "$@"
            job "$who-narrow" 2 "$@" $narrow
            alike "$who-narrow" "$who" 1 1e-3
            as_planned "$who-narrow" 2 "$@" $narrow
        }
        narrow=--quant-grads
        layout none
        layout z3 --enable-zero3 --bf16
        layout tp --tensor-model-parallel-size 2 --sequence-parallel
        narrow=$bf16
        layout copies
        layout z1 --use-distributed-optimizer --overlap-grad-reduce
        layout pp --pipeline-model-parallel-size 2
    fi
    expect 2 "contradicts --deterministic-mode" "$T" plan $common --quant-grads --deterministic-mode
    expect 2 "every process has all gradients, in fp32" "$T" plan $common --quant-grads --layerzero --world-size 2
}
finish
