#!/bin/sh
# A job planned for growing numbers of processes, on accelerators that are nowhere near, in seconds.
. "$(dirname "$0")/lib.sh"
# GPT-3 175B as Narayanan et al. trained it (arXiv 2104.04473: 8 x 12 on 96 to 1,536 A100s, 44 to 52 % of the peak with
# batches that grow): the peak of the data sheet is reached as far as real runs did, within what hardware costs are
# estimates of, and less of it as the batch is shared out.
gpt3="--num-layers 96 --hidden-size 12288 --num-attention-heads 96 --seq-length 2048 --max-position-embeddings 2048
    --vocab-size 51200 --tokenizer-type NullTokenizer --micro-batch-size 1 --train-iters 1 --lr 1e-4 --bf16 --mock-data
    --tensor-model-parallel-size 8 --sequence-parallel --pipeline-model-parallel-size 12 --use-distributed-optimizer"
began=$(date +%s)
# shellcheck disable=SC2086
expect 0 "linearity" "$T" plan $gpt3 --hardware a100 --global-batch-size 96 --scale 96,1536,7968
cp "$D/out" "$D/table"
awk 'NR > 1 { if ($1 * 1 != (NR == 2 ? 96 : NR == 3 ? 1536 : 7968) || $2 != $1 / 96 || $3 != $2 * 96) bad = 1
              mfu[NR] = $9; linear[NR] = $11 }
    END { exit bad || NR != 4 || mfu[2] < 35 || mfu[2] > 60 || mfu[4] >= mfu[2] || linear[2] != "100.0" || linear[4] >= 100 || linear[4] < 85 }' \
    "$D/table" || wrong "not the table that it should be: $(cat "$D/table")"
checks=$((checks + 2))
[ $(($(date +%s) - began)) -lt 60 ] || wrong "it took more than a minute"
# what cannot be is a row; nonsense is refused
# shellcheck disable=SC2086
{
    expect 0 "100 cannot be: 100 processes cannot be shared out" "$T" plan $gpt3 --hardware h200 --scale 96,100
    expect 0 '"linearity"' "$T" plan $gpt3 --hardware ascend-910b --scale 96 --json
    expect 2 "--scale x: expected numbers" "$T" plan $gpt3 --scale x
    expect 2 "--scale: a job has at least one process" "$T" plan $gpt3 --scale 0
    expect 2 "a100, h100, h200, ascend-910b" "$T" plan $gpt3 --hardware b300
}
# published models whose layers have something for later ones, whole
for way in "longcat-flash-560b 560.66" "longcat-flash-lite-n-gram 68.56" "hunyuan-large-389b 388.70" "glm5.2-744b 743.38"; do
    expect 0 "${way#* } billion parameters" "$T" plan --preset "${way% *}" --lr 1e-4 --train-iters 1 --micro-batch-size 1 \
        --global-batch-size 1 --seq-length 4096 --bf16
done
finish
