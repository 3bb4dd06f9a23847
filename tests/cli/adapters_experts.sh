#!/bin/sh
# Adapters of experts: in every layout what one process trains (tests/golden has PEFT's numbers), saved, loaded and merged.
. "$(dirname "$0")/lib.sh"
base=$D/base
make_data
expect 0 "" train --hidden-dropout 0 --attention-dropout 0 --lr-warmup-iters 0 --train-iters 1 --num-experts 4 --moe-router-topk 2 --qk-layernorm \
    --moe-ffn-hidden-size 24 --save-hf "$base"
common="--load $base --data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 2 --global-batch-size 8
    --lr 0.01 --lr-decay-style constant --eval-iters 0 --seed 7 --threads 1 --tokenizer-type NullTokenizer --vocab-size 96 --train-iters 3"

for from in "--lora-r 2 --lora-target-modules all-linear" "--lora-r 2 --lora-target-modules linear_qkv linear_fc1 linear_fc2"; do
    # shellcheck disable=SC2086
    job one 1 $from --save-peft "$D/peft"
    # a saved adapter is read again, as the same one
    expect 0 "" "$T" convert --load-dir $base --lora-load "$D/peft" --save-lora-to-hf --save-dir "$D/again"
    same "$D/peft/adapter_model.safetensors" "$D/again/adapter_model.safetensors"
    rm -rf "$D/peft" "$D/again"
    have_mpi || continue
    for layout in "2 --tensor-model-parallel-size 2 --sequence-parallel" "2 --pipeline-model-parallel-size 2" \
        "2 --expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall --use-distributed-optimizer" \
        "4 --expert-model-parallel-size 2 --tensor-model-parallel-size 2 --sequence-parallel" \
        "2 --use-torch-fsdp2 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1"; do
        # shellcheck disable=SC2086
        set -- $layout
        ranks=$1
        shift
        # shellcheck disable=SC2086
        job layout "$ranks" $from "$@"
        alike layout one 1
        # rows that go to experts of others are as many as they are
        # shellcheck disable=SC2086
        case $* in *expert*) ;; *) as_planned layout "$ranks" $from "$@" ;; esac
    done
done

# a folder of before transformers 5, a module for each expert, becomes what PEFT makes of it
old=tests/golden/adapters_old mixtral=tests/golden/families/mixtral
expect 0 "" "$T" convert --load-dir $mixtral --lora-load $old/before --save-lora-to-hf --save-dir "$D/again"
same $old/after/adapter_model.safetensors "$D/again/adapter_model.safetensors"
mkdir "$D/half"
cp $old/before/adapter_model.safetensors "$D/half"
sed 's/"w3"/"q_proj"/' $old/before/adapter_config.json >"$D/half/adapter_config.json"
expect 2 "name both, or neither" "$T" convert --load-dir $mixtral --lora-load "$D/half" --save-dir "$D/no"
absent "$D/no"
if have_mpi; then
    # shellcheck disable=SC2086
    expect 2 "leave --balanced-moe-experts out" on 2 "$T" pretrain $common --lora-r 2 --lora-target-modules linear_fc1 \
        --expert-model-parallel-size 2 --moe-token-dispatcher-type alltoall --balanced-moe-experts --balanced-moe-hot-expert-num 1
fi
# shellcheck disable=SC2086
expect 2 "adapters of parameters (experts) have none" "$T" pretrain $common --lora-r 2 --lora-target-modules linear_fc1 --lora-dropout 0.1
finish
