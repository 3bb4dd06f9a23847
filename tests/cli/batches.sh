#!/bin/sh
# Batches that grow, and the cyclic order: their sizes, and that an interrupted run equals an undisturbed one, bit for bit.
. "$(dirname "$0")/lib.sh"
make_data
by_samples="--split 80,20,0 --seq-length 16 --micro-batch-size 2 --lr 1e-3 --min-lr 1e-4 --lr-decay-style cosine
    --lr-warmup-samples 20 --eval-iters 0 --hidden-dropout 0.1 --seed 5 --deterministic-mode"
run() { # run PROCESSES OPTIONS...
    np=$1
    shift
    # shellcheck disable=SC2086
    if [ "$np" = 0 ]; then
        "$T" pretrain $shape $by_samples --data-path "$D/data_text_document" "$@"
    else
        on "$np" "$T" pretrain $shape $by_samples \
            --data-path "$D/data_text_document" "$@"
    fi
}
interrupted() { # interrupted NAME FIRST SECOND OPTIONS...: stopped after 4 steps and continued
    name=$1 first=$2 second=$3
    shift 3
    rm -rf "$D/ck" "$D/$name.jsonl"
    expect 0 "" run "$first" "$@" --save "$D/ck" --exit-interval 4 --metrics-jsonl "$D/$name.jsonl"
    expect 0 "iterations 5 to" run "$second" "$@" --save "$D/ck" --load "$D/ck" --metrics-jsonl "$D/$name.jsonl" --save-hf "$D/$name.hf"
    curve "$D/$name.jsonl" >"$D/$name.curve"
    same "$D/whole.curve" "$D/$name.curve"
    same "$D/whole.hf/model.safetensors" "$D/$name.hf/model.safetensors"
}
whole() { # whole PROCESSES OPTIONS...
    rm -rf "$D"/whole.*
    np=$1
    shift
    expect 0 "" run "$np" "$@" --metrics-jsonl "$D/whole.jsonl" --save-hf "$D/whole.hf"
    curve "$D/whole.jsonl" >"$D/whole.curve"
}
differ() {
    checks=$((checks + 1))
    ! cmp -s "$1" "$2" || wrong "$1 and $2 are the same: $3"
}
consumed() { sed 's/.*"consumed_samples": \([0-9]*\),.*/\1/' "$1" | tr '\n' ' '; }

# 4 at 0, 4 and 8, 8 at 12 and 20, then 12 (28 is past 24); 76 + 12 would be more than 80
ramp="--global-batch-size 12 --rampup-batch-size 4 4 24 --train-samples 80 --log-interval 1"
# shellcheck disable=SC2086
whole 0 $ramp
checks=$((checks + 1))
[ "$(consumed "$D/whole.jsonl")" = "4 8 12 20 28 40 52 64 76 " ] || wrong "consumed samples: $(consumed "$D/whole.jsonl")"
checks=$((checks + 1))
sizes=$(sed -n 's/.*global batch size: *\([0-9]*\) .*/\1/p' "$D/err" | tr '\n' ' ')
[ "$sizes" = "4 4 4 8 8 12 12 12 12 " ] || wrong "sizes in the log: $sizes"
grep -q "ramping up batch size from 4 to 8" "$D/err" || wrong "the growing is not said"
# shellcheck disable=SC2086
interrupted ramp 0 0 $ramp
if have_mpi; then
    # shellcheck disable=SC2086
    interrupted ramp2 1 2 $ramp
    # shellcheck disable=SC2086
    expect 2 "must be multiples of --micro-batch-size 2 x 3 processes" run 3 $ramp
fi
# shellcheck disable=SC2086
expect 0 "ramp-up    from 4 sequences by 4 over 24 samples; the run has 9 iterations" "$T" plan $shape $by_samples $ramp
# shellcheck disable=SC2086
expect 2 "give --train-samples instead of --train-iters" train --rampup-batch-size 4 4 24

# validation is of full batches, wherever the ramp stands: the same loss as without one (the rate changes no weight)
still="--lr 1e-30 --min-lr 0 --eval-iters 2 --eval-interval 100 --global-batch-size 12 --train-samples 24"
# shellcheck disable=SC2086
expect 0 "validation loss at iteration 2 " run 0 $still
sed -n 's/.*validation loss.*value: //p' "$D/err" >"$D/valid1"
# shellcheck disable=SC2086
expect 0 "validation loss at iteration 5 " run 0 $still --rampup-batch-size 4 4 24
sed -n 's/.*validation loss.*value: //p' "$D/err" >"$D/valid2"
same "$D/valid1" "$D/valid2"

# cyclic; two prefixes without weights are gone through whole: several passes
cp "$D/data_text_document.bin" "$D/more.bin"
cp "$D/data_text_document.idx" "$D/more.idx"
cyclic="--data-path $D/data_text_document $D/more --global-batch-size 32 --train-samples 320 --dataloader-type cyclic"
# shellcheck disable=SC2086
whole 0 $cyclic --dataloader-type single
cp "$D/whole.curve" "$D/single.curve"
# shellcheck disable=SC2086
whole 0 $cyclic
differ "$D/whole.curve" "$D/single.curve" "cyclic changes nothing"
# shellcheck disable=SC2086
interrupted cyclic 0 0 $cyclic
if have_mpi; then
    # shellcheck disable=SC2086
    whole 2 $cyclic
    # shellcheck disable=SC2086
    interrupted cyclic2 2 2 $cyclic
    cp "$D/whole.curve" "$D/sharded.curve"
    # shellcheck disable=SC2086
    whole 2 $cyclic --no-data-sharding
    # shellcheck disable=SC2086
    interrupted cyclic3 2 2 $cyclic --no-data-sharding
    differ "$D/whole.curve" "$D/sharded.curve" "--no-data-sharding changes nothing"
    # 128 samples are no multiple of 5 x 2
    rm -f "$D/never.jsonl"
    # shellcheck disable=SC2086
    expect 2 "no multiple of --micro-batch-size 5 x 1 processes" run 0 $cyclic --load "$D/ck" --ckpt-step 4 \
        --micro-batch-size 5 --global-batch-size 35 --metrics-jsonl "$D/never.jsonl"
    absent "$D/never.jsonl"
else
    echo "skipped: several processes (no mpirun)"
fi
# the order on disk: the same run, made once; damaged, it is made again
cached="--train-samples 64 --global-batch-size 32 --data-cache-path $D/orders"
# shellcheck disable=SC2086
whole 0 $cached
checks=$((checks + 1))
[ "$(ls "$D/orders" | wc -l)" = 4 ] || wrong "files of the cache: $(ls "$D/orders")"
cp "$D/whole.curve" "$D/first.curve"
# shellcheck disable=SC2086
whole 0 $cached
same "$D/whole.curve" "$D/first.curve"
printf '\001' | dd of="$(ls "$D"/orders/*shuffle_index.npy)" bs=1 seek=140 conv=notrunc 2>/dev/null
# shellcheck disable=SC2086
expect 0 "shuffle_index.npy: its content has changed; the cache is made again" run 0 $cached
if have_mpi; then
    rm -rf "$D/orders"
    # shellcheck disable=SC2086
    whole 2 $cached
    same "$D/whole.curve" "$D/first.curve"
fi
expect 2 "--dataloader-type external" train --dataloader-type external
finish
