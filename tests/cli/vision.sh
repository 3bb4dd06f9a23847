#!/bin/bash
# Models that see pictures: scores of ids with the tensors of their pictures, and what is refused.
. "$(dirname "$0")/lib.sh"
G="$(dirname "$0")/../golden/vision"

for model in qwen2.5-vl internvl; do
    sed 's/^.*"tokens": \[\(\[[^]]*\]\)\].*$/{"ids": \1}/' "$G/$model/golden.json" >"$D/$model.jsonl"
    "$T" score --load "$G/$model" --input "$D/$model.jsonl" --tensors "$G/$model/tensors.safetensors" --output "$D/out.jsonl" ||
        wrong "$model: exit $?"
    checks=$((checks + 1))
    # the golden's loss is the mean of what is scored here
    awk -v loss="$(sed 's/^.*"loss": \([-0-9.e]*\),.*$/\1/' "$G/$model/golden.json")" \
        -v sum="$(sed 's/^.*"sum": \([-0-9.e]*\),.*$/\1/' "$D/out.jsonl")" \
        -v count="$(sed 's/^.*"count": \([0-9]*\),.*$/\1/' "$D/out.jsonl")" \
        'BEGIN { d = -sum / count - loss; exit !(count > 0 && d < 1e-4 && d > -1e-4) }' ||
        wrong "$model: $(cut -c 1-300 "$D/out.jsonl")"
done

echo '{"ids": [3, 4, 55, 5]}' >"$D/few.jsonl"
expect 2 "the text has 1 placeholders for its pictures, which have 12 rows" \
    "$T" score --load "$G/internvl" --input "$D/few.jsonl" --tensors "$G/internvl/tensors.safetensors" --output "$D/never.jsonl"
expect 2 "are not written to GGUF files" "$T" convert --load-dir "$G/internvl" --outfile "$D/x.gguf"
expect 2 "reads no pictures" "$T" score --load "$G/../families/llama" --input "$D/few.jsonl" \
    --tensors "$G/internvl/tensors.safetensors" --output "$D/never.jsonl"
echo '{"dataset_param": {"dataset_type": "audio"}}' >"$D/data.json"
expect 2 'dataset_type is "audio", expected huggingface or multimodal' \
    "$T" pretrain --load "$G/internvl" --mm-data "$D/data.json" --seq-length 64 --micro-batch-size 1 --global-batch-size 1 \
    --train-iters 1 --lr 1e-3 --eval-iters 0
expect 2 "give --eval-iters 0" \
    "$T" pretrain --load "$G/internvl" --mm-data "$D/data.json" --seq-length 64 --micro-batch-size 1 --global-batch-size 1 \
    --train-iters 1 --lr 1e-3
finish
