#!/bin/sh
# Hyper-connections by options: the same numbers however layers run and processes share the work, memory as planned,
# checkpoints, generation, refusals. What they compute is told by tests/golden/hyper.
. "$(dirname "$0")/lib.sh"

make_data
common="$shape $batch --data-path $D/data_text_document --train-iters 6 --seed 5 --log-params-norm
    --mhc-sinkhorn-iterations 6"
plain=$common
common="$plain --enable-hyper-connections --num-residual-streams 3"
job one 1 --save "$D/ck" --save-interval 4
as_planned one 1
job again 1 --load "$D/ck" --ckpt-step 4
alike again one 5 0
job kept 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
alike kept one 1 0
as_planned kept 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
job kept 1 --recompute-norm
alike kept one 1
common="$plain --enable-mhc --hc-mult 3"
job mhc 1
alike mhc one 1 0
expect 0 "" "$T" infer --load "$D/ck" --prompt "1 2 3" --max-new-tokens 2 --tokenizer-type NullTokenizer --vocab-size 96
# shellcheck disable=SC2086
expect 2 "--num-residual-streams 4 contradicts" "$T" pretrain $common --load "$D/ck" --num-residual-streams 4
# shellcheck disable=SC2086
expect 2 "at most 160 of their product" "$T" pretrain $common --mhc-sinkhorn-iterations 100
job ahead 1 --mtp-num-layers 1 --save "$D/ahead" --save-interval 4
as_planned ahead 1 --mtp-num-layers 1
job again 1 --mtp-num-layers 1 --load "$D/ahead" --ckpt-step 4
alike again ahead 5 0
# shellcheck disable=SC2086
expect 2 "has another streams of hyper-connections" "$T" pretrain $common --save-hf "$D/hf"
if have_mpi; then
    job many 2 --use-distributed-optimizer
    alike many one 1
    as_planned many 2 --use-distributed-optimizer
    job many 2 --context-parallel-size 2
    alike many one 1
fi
finish
