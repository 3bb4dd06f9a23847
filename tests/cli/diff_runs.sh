#!/bin/sh
# Dumps of steps, and the first tensor in which two runs differ.
. "$(dirname "$0")/lib.sh"
edit=$2
make_data
plain="--hidden-dropout 0 --attention-dropout 0 --lr-warmup-iters 0 --optimizer sgd --lr-decay-style constant --lr 0.01"
# shellcheck disable=SC2086
job() { train $plain --train-iters 3 "$@"; }
diff_runs() { "$T" diff-runs "$@"; }
says() { # says TEXT: in what the last command printed
    checks=$((checks + 1))
    grep -qF -- "$1" "$D/out" || wrong "no \"$1\" in: $(head -n 3 "$D/out")"
}

# looking changes nothing, and a run dumps the same bytes again
expect 0 "" job --metrics-jsonl "$D/off.jsonl" --save "$D/ck" --save-interval 1 --keep-checkpoints 0 --log-interval 1
expect 0 "iterations 1 to 3" job --metrics-jsonl "$D/on.jsonl" --dump-steps 1,3 --dump-path "$D/a" --dump-tensors
expect 0 "iterations 1 to 3" job --dump-steps 1 3 --dump-path "$D/b" --dump-tensors --threads 1
curve "$D/off.jsonl" >"$D/off"
curve "$D/on.jsonl" >"$D/on"
same "$D/off" "$D/on"
checks=$((checks + 1))
diff -r "$D/a" "$D/b" >"$D/err" || wrong "dumps of the same run differ: $(head -n 1 "$D/err")"
expect 0 "are the same" diff_runs "$D/a" "$D/b"
says "140 tensors: 140 the same bits"
expect 0 "iterations 1 to 3" job --recompute-granularity full --recompute-method uniform --recompute-num-layers 2 \
    --dump-steps 1,3 --dump-path "$D/again"
expect 0 "are the same" diff_runs "$D/a" "$D/again"

# one bit of a weight, and a layer that does nothing: the first module that reads it is named
fc1=decoder.layers.1.mlp.linear_fc1
proj=decoder.layers.0.self_attention.linear_proj
"$edit" "$D/ck" 2 "$D/bit" $fc1.weight ulp
"$edit" "$D/ck" 2 "$D/fault" $proj.weight zero
for run in ck bit fault; do
    expect 0 "continuing from iteration 2" job --load "$D/$run" --ckpt-step 2 --dump-steps 3 --dump-path "$D/from-$run" \
        --dump-tensors
done
expect 0 "are the same" diff_runs "$D/from-ck/iter_0000003" "$D/a/iter_0000003"
expect 1 "the runs differ, first in: output of $fc1 in step 3" diff_runs "$D/from-ck" "$D/from-bit"
says "the first that differs: output of $fc1 in step 3"
says "the first at ["
expect 1 "the runs differ, first in: output of $proj in step 3" diff_runs "$D/from-ck" "$D/from-fault" --top 1
says "more (--top)"
expect 0 "are the same within the tolerance" diff_runs "$D/from-ck" "$D/from-bit" --tolerance 1e-3
# statistics alone find it too
for run in ck fault; do
    job --load "$D/$run" --ckpt-step 2 --npu-datadump --dump-steps 3 --dump-path "$D/stats-$run" >"$D/out" 2>"$D/err" ||
        wrong "$(tail -n 1 "$D/err")"
done
absent "$D/stats-ck/iter_0000003/rank_00000-of-00001.safetensors"
expect 1 "first in: output of $proj in step 3" diff_runs "$D/stats-ck" "$D/stats-fault"
says "by its statistics"

# what is written can be chosen
expect 0 "" job --dump-steps 2 --dump-path "$D/some" --dump-level modules --dump-scope "layers.{1}.mlp" embedding --log-interval 1
lines="$D/some/iter_0000002/rank_00000-of-00001.jsonl"
checks=$((checks + 2))
[ "$(sed 's/{"name": "\([^"]*\)".*/\1/' "$lines" | sort -u | tr '\n' ' ')" = \
    "$fc1 decoder.layers.1.mlp.linear_fc2 embedding.word_embeddings " ] ||
    [ "$(sed 's/{"name": "\([^"]*\)".*/\1/' "$lines" | sort -u | wc -l)" = 4 ] || wrong "scope: $(cut -c 1-60 "$lines")"
grep -q '"kind": "weight"' "$lines" && wrong "parameters beside --dump-level modules"
expect 1 "is in A alone" diff_runs "$D/a/iter_0000003" "$D/some/iter_0000002"
expect 2 "--dump-steps" job --dump-steps soon
expect 0 "--te-comparison-with-cpu has no effect without" job --te-comparison-with-cpu
expect 2 "--dump-path $D/on.jsonl/x: " job --dump-steps 1 --dump-path "$D/on.jsonl/x"
expect 2 "--dump-steps: steps are counted from 1" job --dump-steps 0
expect 2 "--dump-ranks: there is no rank 1, there are 1 processes" job --dump-steps 1 --dump-ranks 0 1
expect 0 "--dump-tensors has no effect without --dump-steps" job --dump-tensors

# kernels beside the portable ones: within the bound of other layouts, see below
expect 0 "" job --isa portable --dump-steps 1,3 --dump-path "$D/portable" --dump-tensors --log-interval 1
expect 0 "are the same within the tolerance" diff_runs "$D/a" "$D/portable" --tolerance 1e-5

# the loss scale is not in gradients: only what is too small for fp16 differs
for scale in 1024 4096; do
    expect 0 "" job --fp16 --loss-scale $scale --dump-steps 1 --dump-path "$D/scale-$scale" --dump-tensors --log-interval 1
done
expect 0 "are the same within the tolerance" diff_runs "$D/scale-1024" "$D/scale-4096" --tolerance 1e-3

# what is broken is named
mkdir -p "$D/bad/iter_0000001" "$D/empty"
expect 2 "$D/none: there is no such folder" diff_runs "$D/none" "$D/a"
expect 2 "$D/empty: holds no dump" diff_runs "$D/a" "$D/empty"
expect 2 "1 folders were given: expected two" diff_runs "$D/a"
head -n 3 "$D/a/iter_0000001/rank_00000-of-00001.jsonl" >"$D/bad/iter_0000001/rank_00000.jsonl"
expect 2 "rank_00000.jsonl:1: the values of embedding.word_embeddings are not in the file beside it" diff_runs "$D/a" "$D/bad"
echo '{"name": "x"}' >"$D/bad/iter_0000001/rank_00000.jsonl"
expect 2 "rank_00000.jsonl:1: no line of a dump" diff_runs "$D/a" "$D/bad"

# other layouts. A result is off by the roundings on its way from the ids, some 20 products and sums of at most 64
# terms in two layers and back: each by about 8 (the root of 64) half units of fp32, 5e-7, of its largest. Together
# 1e-5 of the largest at most.
if ! have_mpi; then
    echo "skipped: other layouts (no mpirun)"
    finish
fi
dumps() { # dumps NAME RANKS OPTIONS...
    name=$1 ranks=$2
    shift 2
    # shellcheck disable=SC2086
    on "$ranks" "$T" pretrain $shape $batch --data-path "$D/data_text_document" --seed 5 $plain \
        --threads 1 --train-iters 3 --dump-steps 1,3 --dump-path "$D/$name" --dump-tensors "$@" >"$D/out" 2>"$D/err" </dev/null
}
dumped() { # the same, and beside one process
    dumps "$@" || wrong "$1: $(tail -n 3 "$D/err")"
    expect 0 "are the same within the tolerance" diff_runs "$D/a" "$D/$name" --tolerance 1e-5
    says "0 differ, 0 cannot be compared, 0 in one run alone"
}
dumped tp 2 --tensor-model-parallel-size 2
dumped dp 2
dumped all 4 --tensor-model-parallel-size 2 --sequence-parallel --pipeline-model-parallel-size 2
dumped cp 4 --context-parallel-size 2 --use-distributed-optimizer
dumped copies 4 --tensor-model-parallel-size 4
# one that cannot write ends all of them
mkdir -p "$D/blocked/iter_0000001/rank_00001-of-00002.jsonl"
checks=$((checks + 2))
dumps blocked 2 && wrong "a dump that could not be written is passed over"
grep -q "blocked/iter_0000001/rank_00001-of-00002.jsonl" "$D/err" || wrong "not named: $(tail -n 3 "$D/err")"
cp "$D"/tp/iter_0000001/rank_00000-of-00002.jsonl "$D/again/iter_0000001/"
expect 2 "runs on different numbers of processes" diff_runs "$D/a" "$D/again"
rm "$D"/tp/iter_*/rank_00001-*
expect 1 "cannot be compared: 8192 of 128 x 64 values, and 4096 of 128 x 64" diff_runs "$D/a" "$D/tp" --tolerance 1e-5
expect 2 "--dump-steps: the tensors of --tp-2d are cut both ways" "$T" plan $shape $batch --mock-data --train-iters 1 \
    --lr-warmup-iters 0 --world-size 4 --num-query-groups 4 --tensor-model-parallel-size 4 --tp-2d --tp-x 2 --tp-y 2 --dump-steps 1
finish
