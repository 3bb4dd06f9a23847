#!/bin/sh
# Dropout of what adapters read (an embedding and the output layer are among them): in every layout and when layers run again what one process drops; nothing in scores.
. "$(dirname "$0")/lib.sh"
base=tests/golden/families/llama
make_data
awk '{ for (i = 1; i <= NF; i++) $i = $i % 78 } 1' "$D/numbers.txt" >"$D/few.txt"
"$T" preprocess --input "$D/few.txt" --output-prefix "$D/few" --tokenizer-type NullTokenizer --vocab-size 78 >/dev/null 2>"$D/err" ||
    wrong "preprocess: $(cat "$D/err")"
common="--load $base --data-path $D/few_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 2 --global-batch-size 8
    --lr 0.01 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --tokenizer-type NullTokenizer --vocab-size 78 --train-iters 4"
for new in "--lora-target-modules q_proj o_proj up_proj embed_tokens lm_head" "--lora-target-modules linear_qkv linear_proj linear_fc1 linear_fc2 --lora-dora"; do
    new="$new --lora-r 3 --lora-alpha 12"
    # shellcheck disable=SC2086
    job without 1 $new
    # shellcheck disable=SC2086
    job one 1 $new --lora-dropout 0.3 --save-peft "$D/peft"
    checks=$((checks + 2))
    grep -q '"lora_dropout": 0.29*' "$D/peft/adapter_config.json" || wrong "no lora_dropout in adapter_config.json"
    { numbers without && numbers one; } | awk '$1 == 1 { x[n1++] = $2 } $1 == 4 { y[n4++] = $2 }
        END { d = x[0] / x[1] - 1; exit !(d < 1e-6 && d > -1e-6 && y[0] != y[1]) }' || wrong "$new: dropout changes the first loss, or nothing"
    # shellcheck disable=SC2086
    job half 1 $new --lora-dropout 0.3 --exit-interval 2 --save "$D/half"
    # shellcheck disable=SC2086
    job rest 1 --load "$D/half" --save-peft "$D/peft-rest"
    same "$D/peft/adapter_model.safetensors" "$D/peft-rest/adapter_model.safetensors"
    rm -rf "$D/peft-rest" "$D/half" "$D/peft"
    have_mpi || continue
    for layout in "2 --tensor-model-parallel-size 2 --sequence-parallel" "4 --tensor-model-parallel-size 2 --pipeline-model-parallel-size 2" \
        "2 --context-parallel-size 2" "2 --use-distributed-optimizer --recompute-granularity full --recompute-method uniform
        --recompute-num-layers 1"; do
        # shellcheck disable=SC2086
        set -- $layout
        ranks=$1
        shift
        # shellcheck disable=SC2086
        job layout "$ranks" $new --lora-dropout 0.3 "$@"
        alike layout one 1
        # shellcheck disable=SC2086
        as_planned layout "$ranks" $new --lora-dropout 0.3 "$@"
    done
done
# what is trained whole beside it is written with it, and read again
# shellcheck disable=SC2086
job whole 1 --lora-r 2 --lora-target-modules q_proj --lora-modules-to-save norm lm_head --save-peft "$D/whole" --save-hf "$D/whole-hf"
checks=$((checks + 1))
grep -q 'base_model.model.lm_head.weight.*base_model.model.model.norm.weight' "$D/whole/adapter_model.safetensors" ||
    wrong "--lora-modules-to-save: they are not in the folder"
echo '{"ids": [3, 17, 40, 61, 5, 9, 70, 33]}' >"$D/ids"
for from in "$D/whole-hf" "$base --lora-load $D/whole"; do
    # shellcheck disable=SC2086
    expect 0 "logprobs" "$T" score --input "$D/ids" --load $from
    tr -d '[]' <"$D/out" | sed 's/.*"logprobs": null, //; s/, "sum.*//' | tr ', ' '\n\n' | sed '/^$/d' >>"$D/scores"
done
checks=$((checks + 1))
awk '{ x[NR] = $1 } END { for (i = 1; i <= NR / 2; i++) { d = x[i] - x[i + NR / 2]; bad = bad || d > 2e-5 || d < -2e-5 }
    exit bad || NR != 14 }' "$D/scores" || wrong "--lora-modules-to-save: merged and apart differ"
expect 2 "whose modules_to_save is" "$T" pretrain $common --lora-load "$D/whole" --lora-modules-to-save norm
expect 2 "separated by blanks" "$T" pretrain $common --lora-r 2 --lora-target-modules q_proj,v_proj --save "$D/no"
absent "$D/no"
finish
