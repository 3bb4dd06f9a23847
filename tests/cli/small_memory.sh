#!/bin/sh
# Full training of large models in little memory: layers that are stepped at once, weights in 8 bits. Runs learn what
# they learn without, memory is what plan says, and plan has 7B under 12 GB.
. "$(dirname "$0")/lib.sh"
make_data
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 4 --global-batch-size 4
    --lr 0.01 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --log-params-norm --train-iters 6 --clip-grad 0
    $shape --num-layers 8 --untie-embeddings-and-output-weights"
awk 'BEGIN { for (d = 0; d < 60; d++) { s = ""; for (i = 0; i < 40; i++) s = s (i ? " " : "") (d * 31 + i) % 96; print s } }' \
    >"$D/rows.txt"
"$T" preprocess --input "$D/rows.txt" --output-prefix "$D/rows" --tokenizer-type NullTokenizer --vocab-size 96 >/dev/null 2>&1
rows="--data-path $D/rows_text_document --train-iters 40"
mini="--use-apollo --apollo-rank 1 --apollo-scale-type tensor --apollo-scale 128 --bf16"
less() {
    checks=$((checks + 1))
    [ "$(memory "$1")" -lt "$(memory "$2")" ] || wrong "$1 takes $(memory "$1") bytes, $2 $(memory "$2")"
}
# learns NAME: each number is one more than the last, so that the loss falls
learns() {
    checks=$((checks + 1))
    sed -n 's/.*"lm_loss": *\([0-9.]*\).*/\1/p' "$D/$1.jsonl" |
        awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(NR > 1 && last < first - 0.5) }' ||
        wrong "$1 does not learn: $(numbers "$1" | tail -n 1)"
}

# shellcheck disable=SC2086
{
    # a layer that is stepped early has the bits of one that waits
    for way in "mini $mini" "apollo --use-apollo --apollo-rank 4" "galore --use-galore --galore-rank 4"; do
        who=${way%% *} options=${way#* }
        early=--$who-layerwise
        [ "$who" != mini ] || early=--apollo-layerwise
        job "$who" 1 $options
        job "$who-early" 1 $options $early
        alike "$who-early" "$who" 1 1e-12
        as_planned "$who-early" 1 $options $early
        less "$who-early" "$who"
    done
    # weights in 8 bits learn, take less where weights are most of it, and go on to the bit
    for way in "wide-mini" "wide-coded --weight-quant"; do
        job ${way%% *} 1 $mini --hidden-size 256 --ffn-hidden-size 512 --train-iters 1 ${way#"${way%% *}"}
    done
    less wide-coded wide-mini
    job coded 1 $mini --weight-quant
    as_planned coded 1 $mini --weight-quant
    all="$mini --weight-quant --apollo-layerwise --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
        --use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16"
    job all 1 $all --save-hf "$D/hf"
    as_planned all 1 $all
    job long 1 $all $rows
    learns long
    less all coded
    job cut 1 $all --save "$D/cut" --exit-interval 3
    job again 1 $all --load "$D/cut"
    alike again all 4 1e-12
    if have_mpi; then
        # whoever shares the batch: the sums of both, a layer at a time. A channel's scale is a ratio, which grows what
        # sums in another order differ by
        early="--use-apollo --apollo-rank 4 --apollo-layerwise"
        for way in "zero0" "zero1 --use-distributed-optimizer" "zero3 --enable-zero3"; do
            who=${way%% *} options="$early --micro-batch-size 2 ${way#"${way%% *}"}"
            job $who 2 $options
            alike $who apollo 1 1e-3
            as_planned $who 2 $options
        done
        for way in "tp --tensor-model-parallel-size 2 --sequence-parallel" "pp --pipeline-model-parallel-size 2" \
            "zero2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads --micro-batch-size 2"; do
            who=${way%% *} options=${way#* }
            job $who 2 $options --use-apollo --apollo-rank 4
            alike $who apollo 1 1e-3
            as_planned $who 2 $options --use-apollo --apollo-rank 4
            job $who-galore 2 $options --use-galore --galore-rank 4
            alike $who-galore galore 1 1e-3
            as_planned $who-galore 2 $options --use-galore --galore-rank 4
        done
        job alone 1 $mini --weight-quant --lr 1e-3 --train-iters 3
        job two 2 $mini --weight-quant --lr 1e-3 --train-iters 3 --micro-batch-size 2
        alike two alone 1 1e-3
    fi
    # Llama-2-7B
    seven="--num-layers 32 --hidden-size 4096 --ffn-hidden-size 11008 --num-attention-heads 32 --normalization RMSNorm --swiglu
        --position-embedding-type rope --disable-bias-linear --untie-embeddings-and-output-weights --max-position-embeddings 4096
        --make-vocab-size-divisible-by 1 --tokenizer-type NullTokenizer --vocab-size 32000 --seq-length 1024 --micro-batch-size 1
        --global-batch-size 1 --lr 1e-4 --train-iters 1 --clip-grad 0"
    checks=$((checks + 1))
    "$T" plan $seven $all --json >"$D/plan" 2>"$D/err" || wrong "7B: $(tail -n 1 "$D/err")"
    peak=$(sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' "$D/plan" | sort -n | tail -n 1)
    [ "${peak:-0}" -gt 7000000000 ] && [ "$peak" -lt 12000000000 ] || wrong "7B takes ${peak:-no} bytes"
    echo "7B: $peak bytes"

    # what cannot be
    expect 2 "give --clip-grad 0" "$T" plan $common $mini --apollo-layerwise --clip-grad 1
    expect 2 "give --global-batch-size 4" "$T" plan $common $mini --apollo-layerwise --global-batch-size 8
    expect 2 "summed at the end of a step" "$T" plan $common $mini --apollo-layerwise --tensor-model-parallel-size 2 --world-size 2
    expect 2 "keeps whole weights in 8 bits: leave out --enable-zero3" "$T" plan $common $mini --weight-quant --enable-zero3 --world-size 2 --micro-batch-size 2
    expect 2 "--use-galore and --use-apollo contradict each other" "$T" plan $common --use-galore --use-apollo
}
finish
