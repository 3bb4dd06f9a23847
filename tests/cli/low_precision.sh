#!/bin/sh
# Products of operands in 8 bits: what is learned is what bf16 learns, in every layout, and a run that was cut
# goes on with its scales.
. "$(dirname "$0")/lib.sh"
make_data
shape="--num-layers 2 --hidden-size 64 --num-attention-heads 2 --ffn-hidden-size 64 --vocab-size 96
    --tokenizer-type NullTokenizer --position-embedding-type rope --swiglu --normalization RMSNorm
    --max-position-embeddings 64 --disable-bias-linear"
common="--data-path $D/data_text_document --split 100,0,0 --seq-length 32 --micro-batch-size 2 --global-batch-size 4
    --lr 0.002 --train-iters 100 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 $shape"
# near NAME AS PARTS: the mean loss differs by less than one part in so many
near() {
    checks=$((checks + 1))
    for n in "$1" "$2"; do
        sed -n 's/.*"lm_loss": *\([0-9.e+-]*\).*/\1/p' "$D/$n.jsonl" | awk '{ s += $1 } END { print s / NR, NR }'
    done >"$D/means"
    awk -v parts="$3" 'NR == 1 { a = $1; n = $2 }
        NR == 2 { d = a - $1; if (d < 0) d = -d; exit !(n == $2 && n > 0 && d * parts < $1) }' "$D/means" ||
        wrong "$1 is not $2: $(tr '\n' ' ' <"$D/means")"
}

# shellcheck disable=SC2086
{
    job bf16 1 --bf16 --save "$D/teacher"
    delayed="--fp8-format hybrid --fp8-amax-history-len 4 --fp8-amax-compute-algo max"
    tensorwise="--fp8-format hif8 --fp8-recipe tensorwise"
    mx="--fp8-format e4m3 --fp8-recipe mxfp8 --fp8-reuse-quantized-weight"
    blockwise="--fp8-format hybrid --fp8-recipe blockwise --first-last-layers-bf16 --num-layers-at-end-in-bf16 0"
    job delayed 1 --bf16 $delayed
    job tensorwise 1 --bf16 $tensorwise
    job mx 1 --bf16 $mx
    job square 1 --bf16 --fp8-format hybrid --fp8-recipe mxfp8-32x32
    job blockwise 1 --bf16 $blockwise
    for name in delayed tensorwise mx square blockwise; do
        near $name bf16 100
        curve "$D/$name.jsonl" | head -n 3 >"$D/a"
        curve "$D/bf16.jsonl" | head -n 3 >"$D/b"
        checks=$((checks + 1))
        cmp -s "$D/a" "$D/b" && wrong "$name is bf16 itself"
    done
    as_planned delayed 1 $delayed --bf16
    as_planned mx 1 $mx --bf16
    as_planned blockwise 1 $blockwise --bf16

    # compared with other kernels and with bf16 a run is the same, and tells of each step how far they are apart
    for name in delayed mx; do
        eval "options=\$$name"
        job judged 1 --bf16 --exit-interval 3 --te-comparison-with-cpu --te-comparison-with-bf16 $options
        checks=$((checks + 2))
        [ "$(grep -c "products of few bits, .* beside the portable kernels at most .* beside bf16 at most" "$D/err")" = 3 ] ||
            wrong "$name: $(grep -m 2 iteration "$D/err")"
        curve "$D/$name.jsonl" | head -n 3 >"$D/a"
        curve "$D/judged.jsonl" >"$D/b"
        cmp -s "$D/a" "$D/b" || wrong "$name is another run where it is compared"
    done

    # a run that was cut goes on with its scales and history
    job cut 1 --bf16 --exit-interval 5 --save "$D/cut" $delayed
    job again 1 --bf16 --exit-interval 12 --load "$D/cut" $delayed
    curve "$D/delayed.jsonl" | sed -n 6,12p >"$D/a"
    curve "$D/again.jsonl" >"$D/b"
    same "$D/a" "$D/b"
    # weights that are kept in codes are the same weights
    job plain 1 --bf16 --exit-interval 6 --fp8-format e4m3 --fp8-recipe mxfp8
    curve "$D/mx.jsonl" | head -n 6 >"$D/a"
    curve "$D/plain.jsonl" >"$D/b"
    same "$D/a" "$D/b"

    # both layers left alone are all layers
    job ends 1 --bf16 --exit-interval 6 --fp8-format e4m3 --first-last-layers-bf16
    curve "$D/bf16.jsonl" | head -n 6 >"$D/a"
    curve "$D/ends.jsonl" >"$D/b"
    same "$D/a" "$D/b"
    # what evaluations see is not for training
    job unseen 1 --exit-interval 6 --split 50,50,0 $delayed
    job seen 1 --exit-interval 6 --split 50,50,0 --eval-iters 2 --eval-interval 1 $delayed
    for name in unseen seen; do
        sed -n 's/.*"iteration": *\([0-9]*\),.*"lm_loss": *\([0-9.e+-]*\), "grad_norm.*/\1 \2/p' "$D/$name.jsonl" >"$D/$name"
    done
    checks=$((checks + 1))
    [ "$(wc -l <"$D/seen")" = 6 ] || wrong "evaluated: $(cut -c 1-90 "$D/seen.jsonl")"
    same "$D/unseen" "$D/seen"
    # training for a later quantization learns, if not the same
    qat="--qat-scheme w4a16-mxfp4"
    job qat 1 --bf16 $qat
    near qat bf16 10
    as_planned qat 1 --bf16 $qat
    # what is shared out has the scales of the whole
    if have_mpi; then
        job ordered 1 --exit-interval 6 --deterministic-mode $delayed
        job dp2 2 --exit-interval 6 --deterministic-mode $delayed
        curve "$D/ordered.jsonl" >"$D/a"
        curve "$D/dp2.jsonl" >"$D/b"
        same "$D/a" "$D/b"
        as_planned dp2 2 --deterministic-mode $delayed
        # in fp32, where a sum in two parts is not rounded to bf16 in between; later on what was just below the
        # middle of two codes may be just above it
        for kind in "delayed $delayed" "tensorwise $tensorwise" "mx $mx" "qat $qat"; do
            set -- $kind
            as=$1
            shift
            job tp2-$as 2 --exit-interval 2 --tensor-model-parallel-size 2 "$@"
            as_planned tp2-$as 2 --tensor-model-parallel-size 2 "$@"
            job tp1-$as 1 --exit-interval 2 "$@"
            near tp2-$as tp1-$as 200000
        done
        job again-tp2 2 --bf16 --exit-interval 12 --load "$D/cut" --tensor-model-parallel-size 2 $delayed
        near again-tp2 again 1000
    fi

    # a teacher that is the student itself teaches nothing; one that is not does
    qad="--load $D/teacher --finetune --weight-decay 0 --qad-enable --qad-teacher-load $D/teacher"
    job itself 1 --bf16 --exit-interval 2 $qad --kl-temperature 2
    checks=$((checks + 1))
    [ "$(grep -c '"lm_loss": 0, .*"grad_norm": 0,' "$D/itself.jsonl")" = 2 ] || wrong "$(cut -c 1-90 "$D/itself.jsonl")"
    qad="--qad-enable --qad-teacher-load $D/teacher"
    job student 1 --exit-interval 20 $qad --qat-scheme w4a4-mxfp4
    checks=$((checks + 1))
    sed -n 's/.*"lm_loss": *\([0-9.e+-]*\).*/\1/p' "$D/student.jsonl" | awk 'NR == 1 { first = $1 }
        { last = $1 } END { exit !(NR == 20 && first > 0.1 && last < first * 0.7) }' ||
        wrong "nothing is learned from the teacher: $(cut -c 1-90 "$D/student.jsonl")"
    as_planned student 1 $qad --qat-scheme w4a4-mxfp4
    job both 1 --exit-interval 2 --kd --load-teacher "$D/teacher" --kd-beta-ce 0
    job neither 1 --exit-interval 2
    near both neither 1000000
    checks=$((checks + 1)) # what the tokens alone would give is told beside the loss
    sed 's/.*"lm_loss": *\([0-9.e+-]*\).*"cross_entropy": *\([0-9.e+-]*\).*/\1 \2/' "$D/both.jsonl" |
        awk '$1 == $2 { n++ } END { exit n != 2 }' || wrong "cross-entropy is not the loss: $(cut -c 1-200 "$D/both.jsonl")"
    if have_mpi; then
        job student-tp2 2 --exit-interval 2 --tensor-model-parallel-size 2 $qad --qat-scheme w4a16-mxfp4
        job student-tp1 1 --exit-interval 2 $qad --qat-scheme w4a16-mxfp4
        near student-tp2 student-tp1 20000
        as_planned student-tp2 2 --tensor-model-parallel-size 2 $qad --qat-scheme w4a16-mxfp4
    fi

    # what cannot be
    expect 2 "--qad-enable needs --qad-teacher-load" "$T" pretrain $common --train-iters 1 --qad-enable
    expect 2 "the teacher has a vocabulary of" "$T" pretrain $common --train-iters 1 --vocab-size 300 \
        --kd --load-teacher "$D/teacher"
    expect 2 "hif8 has scales of whole tensors alone" "$T" pretrain $common --train-iters 1 --fp8-format hif8
    expect 2 "--fp8-recipe delayed looks at the weights for every product" "$T" pretrain $common --train-iters 1 \
        --fp8-format e4m3 --fp8-reuse-quantized-weight
    expect 2 "contradict each other" "$T" pretrain $common --train-iters 1 --fp8-format e4m3 --int8 layers
    expect 2 "moe-only rounds the weights of experts" "$T" pretrain $common --train-iters 1 \
        --qat-scheme w8a16-mxfp8-moe-only
    expect 2 "cuts it within a block of 128" "$T" plan $common --train-iters 1 --fp8-format e4m3 \
        --fp8-recipe blockwise --tensor-model-parallel-size 2 --world-size 2
}
finish
