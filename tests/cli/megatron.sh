#!/bin/sh
# Checkpoints of Megatron, and files of torch, where a Hugging Face folder may stand; and what is refused.
. "$(dirname "$0")/lib.sh"
model=tests/golden/families/llama
echo '{"ids": [1, 2, 3, 4, 5, 6, 7, 60, 61]}' >"$D/ids.jsonl"
ok() { # ok COMMAND...: it may say nothing
    checks=$((checks + 1))
    "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "$*: $(tail -n 1 "$D/err")"
}
mg="$T convert --save-model-type mg --load-dir"

# shellcheck disable=SC2086
ok $mg $model --save-dir "$D/mg" --model-type-hf llama2 --use-mcore-models --target-pipeline-parallel-size 2
expect 0 "1" cat "$D/mg/latest_checkpointed_iteration.txt"
ok "$T" score --load $model --input "$D/ids.jsonl" --output "$D/a"
for from in "$D/mg" "$D/mg/iter_0000001"; do
    ok "$T" score --load "$from" --input "$D/ids.jsonl" --output "$D/b"
    same "$D/a" "$D/b"
done
expect 0 '"largest_difference": 0,' "$T" convert --load-dir "$D/mg" --save-dir "$D/hf" --check --json
echo '{"ids": [1, 2, 3, 4, 5, 6, 30]}' >"$D/few.jsonl"
expect 0 '"from": "torch_dist"' "$T" convert --load-dir tests/golden/megatron/dist-019 --save-dir "$D/from-dist" --json
ok "$T" score --load "$D/from-dist" --input "$D/few.jsonl" --output "$D/c"
ok "$T" score --load tests/golden/megatron/dist-019 --input "$D/few.jsonl" --output "$D/d"
same "$D/c" "$D/d"

# what cannot be cut so
# shellcheck disable=SC2086
{
expect 2 "--target-tensor-parallel-size" $mg $model --save-dir "$D/no" --target-tensor-parallel-size 3
expect 2 "--target-pipeline-parallel-size" $mg $model --save-dir "$D/no" --target-pipeline-parallel-size 3
expect 2 "add up to 4, the model has 2 layers" $mg $model --save-dir "$D/no" --target-pipeline-parallel-size 2 --num-layer-list 1,3
expect 2 "--noop-layers 7" $mg $model --save-dir "$D/no" --noop-layers 7
expect 2 "no place in Megatron's checkpoints" $mg tests/golden/families/mamba2 --save-dir "$D/no"
}

# damaged and incomplete
rank=$D/mg/iter_0000001/mp_rank_00_001/model_optim_rng.pt
cp "$rank" "$D/whole.pt"
head -c 9000 "$D/whole.pt" >"$rank"
expect 2 "mp_rank_00_001/model_optim_rng.pt: is damaged" "$T" convert --load-dir "$D/mg" --save-dir "$D/no"
expect 2 "mp_rank_00_001/model_optim_rng.pt: is damaged" "$T" score --load "$D/mg" --input "$D/ids.jsonl"
rm "$rank"
expect 2 "mp_rank_00_001/model_optim_rng.pt: is missing" "$T" convert --load-dir "$D/mg" --save-dir "$D/no"
cp -r tests/golden/megatron/dist-016 "$D/dist"
head -c 2000 "$D/dist/iter_0000007/__0_0.distcp" >"$D/cut"
cp "$D/cut" "$D/dist/iter_0000007/__0_0.distcp"
expect 2 "__0_0.distcp" "$T" convert --load-dir "$D/dist" --save-dir "$D/no"
printf '\200\002cposix\nsystem\nX\004\000\000\000true\205R.' >"$D/dist/iter_0000007/.metadata"
expect 2 "its pickle names posix.system" "$T" convert --load-dir "$D/dist" --save-dir "$D/no"
absent "$D/no"

# files of torch
mkdir "$D/bin"
cp tests/golden/families/gpt2/config.json "$D/bin"
cp tests/golden/torch/tensors.pt "$D/bin/pytorch_model.bin"
expect 2 "bin: tensor transformer.wte.weight is in none of the" "$T" score --load "$D/bin" --input "$D/ids.jsonl"
finish
