#!/bin/sh
# Weights in NF4 (QLoRA): folders of them made and unmade, adapters trained beside them to the bit as beside the values that
# they stand for, in every layout what one process trains; and what cannot be is refused.
. "$(dirname "$0")/lib.sh"
make_data
base=tests/golden/families/llama
awk '{ for (i = 1; i <= NF; i++) $i = $i % 78 } 1' "$D/numbers.txt" >"$D/few.txt"
"$T" preprocess --input "$D/few.txt" --output-prefix "$D/few" --tokenizer-type NullTokenizer --vocab-size 78 >/dev/null 2>"$D/err" ||
    wrong "preprocess: $(cat "$D/err")"
train="--data-path $D/few_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 2 --global-batch-size 8
    --lr 0.01 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --tokenizer-type NullTokenizer --vocab-size 78 --train-iters 3
    --lora-r 3 --lora-target-modules q_proj down_proj"
echo '{"ids": [3, 17, 40, 61, 5, 9, 70, 33]}' >"$D/ids"
ok() { # ok COMMAND...: it may say nothing
    checks=$((checks + 1))
    "$@" >"$D/out" 2>"$D/err" </dev/null || wrong "$*: $(tail -n 1 "$D/err")"
}
convert() { ok "$T" convert --load-dir "$1" --save-dir "$2" ${3-}; }

# as values, and back as the same codes; loading makes those values too
convert $base "$D/nf4" --qlora-nf4
convert "$D/nf4" "$D/same"
same "$D/nf4/model.safetensors" "$D/same/model.safetensors"
convert "$D/nf4" "$D/values" --qlora-save-dequantize
for f in nf4 values; do ok "$T" score --load "$D/$f" --input "$D/ids" --output "$D/scores-$f"; done
same "$D/scores-nf4" "$D/scores-values"
convert tests/golden/families/mistral-int8 "$D/of-eight" --qlora-save-dequantize
ok "$T" score --load tests/golden/families/mistral-int8 --input "$D/ids" --output "$D/scores-eight"
ok "$T" score --load "$D/of-eight" --input "$D/ids" --output "$D/scores-of-eight"
same "$D/scores-eight" "$D/scores-of-eight"

# quantised while it is read, as a folder has it, and beside the values
common="$train --load $base"
job one 1 --qlora --save "$D/whole"
job half 1 --qlora --exit-interval 2 --save "$D/half"
common="$train --load $D/half"
job rest 1 --qlora --save "$D/rest"
same "$D/whole/iter_0000003/model-00001-of-00001.safetensors" "$D/rest/iter_0000003/model-00001-of-00001.safetensors"
common="$train --load $D/nf4"
job folder 1 --qlora
alike folder one 1 0
common="$train --load $D/values"
job values 1 --save "$D/plain"
alike values one 1 0
common="$train --load tests/golden/families/llama-nf4 --bf16"
job wide 1 --qlora
common="$train --load $base"
if have_mpi; then
    while read -r ranks options; do
        # shellcheck disable=SC2086
        job layout "$ranks" --qlora $options
        alike layout one 1
        # shellcheck disable=SC2086
        as_planned layout "$ranks" --qlora $options
    done <<END
2 --tensor-model-parallel-size 2 --sequence-parallel
4 --tensor-model-parallel-size 4
4 --pipeline-model-parallel-size 2 --use-distributed-optimizer
2 --use-torch-fsdp2 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
END
fi

# refused before anything is written
refuse() {
    text=$1
    shift
    expect 2 "$text" "$@"
    absent "$D/no"
}
# shellcheck disable=SC2086
{
refuse "are not trained themselves" "$T" pretrain ${common%%--lora*} --load $base --qlora
refuse "--save-hf" "$T" pretrain $common --qlora --save-hf "$D/no"
refuse "of a run without it" "$T" pretrain $train --load "$D/plain" --qlora --save-peft "$D/no"
refuse "go on with --qlora" "$T" pretrain $train --load "$D/half" --save-peft "$D/no"
refuse "quantised otherwise" "$T" pretrain $train --load tests/golden/families/qwen3-fp4 --qlora --save-peft "$D/no"
}
refuse "has no weights that bitsandbytes" "$T" convert --load-dir $base --save-dir "$D/no" --qlora-save-dequantize
refuse "are quantised" "$T" convert --load-dir "$D/nf4" --save-dir "$D/no" --qlora-nf4
refuse "their type cannot be changed" "$T" convert --load-dir "$D/nf4" --save-dir "$D/no" --params-dtype bf16
refuse "leave out --check" "$T" convert --load-dir $base --save-dir "$D/no" --qlora-nf4 --check
finish
