#!/bin/sh
# gpt-oss described by options (experts with biases, clamped values, sinks, windows) and Llama 4 by its config.json (chunks
# of keys, a temperature, weights on what experts are given): the same however layers run again and processes share them
# out, with the memory that plan says, and the same model in the folders that are written. Step 3.5 and Hunyuan-Large, by
# theirs: folders are written in their own words.
. "$(dirname "$0")/lib.sh"
make_data
rest="--data-path $D/data_text_document --split 100,0,0 --seq-length 16 --micro-batch-size 1 --global-batch-size 4 --lr 0.01
    --lr-decay-style constant --eval-iters 0 --seed 7 --train-iters 3 --log-params-norm --threads 1
    --tokenizer-type NullTokenizer --vocab-size 96 --make-vocab-size-divisible-by 1"

common="$rest $shape --swiglu false --disable-bias-linear false --quick-geglu --activation-func-clamp-value 0.02 --glu-linear-offset 1
    --untie-embeddings-and-output-weights --softmax-type learnable --window-size 4,0 --window-attn-skip-freq 2 --num-experts 4
    --moe-router-topk 2 --ffn-hidden-size 24 --norm-epsilon 1e-5"
job whole 1 --save "$D/whole" --save-hf "$D/hf"
as_planned whole 1
checks=$((checks + 1))
grep -q GptOssForCausalLM "$D/hf/config.json" || wrong "written as $(grep -A1 architectures "$D/hf/config.json")"
# clamps hold: without them it is another run
job loose 1 --activation-func-clamp-value 7
checks=$((checks + 1))
[ "$(numbers loose)" != "$(numbers whole)" ] || wrong "the clamp changes nothing"
job again 1 --recompute-granularity full
alike again whole 1 0
job half 1 --train-iters 2 --save "$D/half"
job rest 1 --load "$D/half"
numbers whole | awk '$1 > 2' >"$D/a"
numbers rest >"$D/b"
same "$D/a" "$D/b"
# the folder is the checkpoint's model, and goes on as it
expect 0 "" "$T" convert --load-dir "$D/whole" --save-dir "$D/converted"
same "$D/hf/model.safetensors" "$D/converted/model.safetensors"
# shellcheck disable=SC2086
expect 0 "" "$T" pretrain --load "$D/hf" $rest --train-iters 1 --swiglu-limit 0.02
# shellcheck disable=SC2086
expect 0 "" "$T" pretrain --load "$D/hf" $rest --train-iters 1 --window-size 4,0 --window-attn-skip-freq "[1,0]"
# shellcheck disable=SC2086
expect 2 "whose layer 1 has no window" "$T" pretrain --load "$D/hf" $rest --window-size 4,0 --window-attn-skip-freq "[1,1]"
# shellcheck disable=SC2086
expect 2 "--swiglu-limit 7 contradicts" "$T" pretrain --load "$D/hf" $rest --swiglu-limit 7
expect 2 "is of gated MLPs" train --swiglu false --glu-linear-offset 1
expect 2 "--quick-geglu" train --quick-geglu
oss=$common

cat >"$D/llama4.json" <<'J'
{"model_type": "llama4_text", "vocab_size": 98, "hidden_size": 32, "intermediate_size": 12, "intermediate_size_mlp": 20,
 "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 32,
 "num_local_experts": 4, "moe_layers": [0, 2], "no_rope_layers": [1, 0, 1], "attention_chunk_size": 6, "floor_scale": 3,
 "attn_scale": 0.3, "tie_word_embeddings": false}
J
common="$rest --model-config $D/llama4.json"
job chunks 1 --save-hf "$D/llama4"
as_planned chunks 1
checks=$((checks + 1))
grep -q Llama4ForCausalLM "$D/llama4/config.json" || wrong "written as $(grep -A1 architectures "$D/llama4/config.json")"
job chunks-again 1 --recompute-granularity full
alike chunks-again chunks 1 0

# written NAME ARCHITECTURE: what a run has written is read again, with the same values
written() {
    checks=$((checks + 1))
    grep -q "$2" "$D/$1/config.json" || wrong "written as $(grep -A1 architectures "$D/$1/config.json")"
    expect 0 "" "$T" checkpoint verify "$D/$1"
    # shellcheck disable=SC2086
    expect 0 "" "$T" pretrain --load "$D/$1" $rest --train-iters 1 --lr 0 --save-hf "$D/$1-again"
    same "$D/$1/model.safetensors" "$D/$1-again/model.safetensors"
}
cat >"$D/step.json" <<'J'
{"model_type": "step3p5", "vocab_size": 98, "hidden_size": 32, "intermediate_size": 20, "num_hidden_layers": 3, "num_attention_heads": 2,
 "num_attention_groups": 2, "head_dim": 8, "max_position_embeddings": 32, "sliding_window": 5, "moe_num_experts": 4, "moe_top_k": 2,
 "moe_intermediate_size": 12, "share_expert_dim": 10, "moe_layers_enum": "1,2", "layer_types": ["full_attention", "sliding_attention",
 "sliding_attention"], "attention_other_setting": {"num_attention_heads": 4}, "rope_theta": [500, 100, 100], "partial_rotary_factors":
 [0.5, 1, 1], "yarn_only_types": ["full_attention"], "rope_scaling": {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 16},
 "use_rope_layers": [true, false, true], "swiglu_limits": [0, 0, 0.02], "swiglu_limits_shared": [0.02, 0, 0.03]}
J
cat >"$D/hunyuan.json" <<'J'
{"model_type": "hunyuan", "vocab_size": 98, "hidden_size": 32, "intermediate_size": 12, "num_hidden_layers": 4, "num_attention_heads": 4,
 "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 32, "num_experts": 4, "moe_topk": 1, "num_shared_expert": 1,
 "use_mixed_mlp_moe": true, "use_qk_norm": true, "use_cla": true, "cla_share_factor": 2, "tie_word_embeddings": true,
 "rope_scaling": {"type": "dynamic", "alpha": 50}}
J
for model in step:Step3p5ForCausalLM hunyuan:HunYuanForCausalLM; do
    common="$rest --model-config $D/${model%:*}.json"
    job "${model%:*}" 1 --save-hf "$D/${model%:*}"
    as_planned "${model%:*}" 1
    written "${model%:*}" "${model#*:}"
done
common="$rest --model-config $D/llama4.json"

have_mpi || finish
job chunks-ring 2 --context-parallel-size 2
alike chunks-ring chunks 1
as_planned chunks-ring 2 --context-parallel-size 2
job chunks-tensor 2 --tensor-model-parallel-size 2 --sequence-parallel
alike chunks-tensor chunks 1
as_planned chunks-tensor 2 --tensor-model-parallel-size 2 --sequence-parallel
common=$oss
job tensor 2 --tensor-model-parallel-size 2
alike tensor whole 1
as_planned tensor 2 --tensor-model-parallel-size 2
job rows 2 --tensor-model-parallel-size 2 --sequence-parallel --save-hf "$D/rows" --save "$D/cut"
alike rows whole 1
expect 0 "" "$T" convert --load-dir "$D/cut" --save-dir "$D/joined"
same "$D/rows/model.safetensors" "$D/joined/model.safetensors"
common=$rest
job from 1 --load "$D/hf"
job from-cut 2 --load "$D/hf" --tensor-model-parallel-size 2
alike from-cut from 1
common=$oss
job zero3 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
alike zero3 whole 1
as_planned zero3 2 --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params
finish
