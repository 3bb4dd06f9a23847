#!/bin/sh
# Gated short convolutions, selective scans, attention beside a state-space layer, and blocks that layers share, from configurations: trained, continued, run again,
# generated with, on several processes, refused.
. "$(dirname "$0")/lib.sh"
make_data
make_ended_data
sizes='"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 256, "pad_token_id": null'
scan='"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 2, "mamba_d_state": 12'
echo "{\"model_type\": \"lfm2\", $sizes, \"num_hidden_layers\": 4, \"block_auto_adjust_ff_dim\": false,
    \"layer_types\": [\"conv\", \"full_attention\", \"conv\", \"conv\"]}" >"$D/lfm2.json"
echo "{\"model_type\": \"falcon_h1\", $sizes, \"num_hidden_layers\": 2, $scan, \"mamba_d_ssm\": 64, \"key_multiplier\": 0.7,
    \"attention_in_multiplier\": 0.8, \"ssm_out_multiplier\": 0.6, \"ssm_multipliers\": [0.6, 0.8, 1.2, 1.1, 0.5],
    \"mlp_multipliers\": [0.9, 0.6]}" >"$D/falcon_h1.json"
echo "{\"model_type\": \"granitemoehybrid\", $sizes, \"num_hidden_layers\": 2, $scan, \"mamba_expand\": 2, \"num_local_experts\": 4,
    \"shared_intermediate_size\": 16, \"residual_multiplier\": 0.5, \"layer_types\": [\"mamba\", \"attention\"]}" >"$D/granite.json"
echo "{\"model_type\": \"mamba\", \"vocab_size\": 97, \"hidden_size\": 32, \"num_hidden_layers\": 2, \"state_size\": 5,
    \"time_step_rank\": 3, \"pad_token_id\": null}" >"$D/mamba.json"
echo "{\"model_type\": \"jamba\", $sizes, \"num_hidden_layers\": 4, \"attn_layer_period\": 3, \"attn_layer_offset\": 1, \"num_experts\": 4,
    \"mamba_d_state\": 5, \"mamba_dt_rank\": 3}" >"$D/jamba.json"
echo "{\"model_type\": \"zamba2\", \"vocab_size\": 97, \"hidden_size\": 32, \"intermediate_size\": 48, \"num_attention_heads\": 4,
    \"max_position_embeddings\": 256, \"pad_token_id\": null, \"num_hidden_layers\": 4, \"num_mem_blocks\": 2, \"adapter_rank\": 4,
    \"layers_block_type\": [\"hybrid\", \"mamba\", \"hybrid\", \"hybrid\"], \"n_mamba_heads\": 8, \"mamba_ngroups\": 2, \"mamba_d_state\": 12,
    \"use_shared_attention_adapter\": true, \"use_mem_rope\": true}" >"$D/zamba.json"

# Generated token by token, a text has the probabilities that the whole has at once.
generates() {
    "$T" infer --load "$D/$1-ck" --tokenizer-type NullTokenizer --vocab-size 96 --prompt "5 17 3" --max-new-tokens 40 --greedy \
        --ignore-eos --logprobs --output "$D/new.jsonl" 2>"$D/err" || wrong "$1: infer: $(tail -n 1 "$D/err")"
    sed -n 's/.*"ids": *\[\([^]]*\)\].*/{"ids": [5, 17, 3, \1]}/p' "$D/new.jsonl" >"$D/texts.jsonl"
    "$T" score --load "$D/$1-ck" --tokenizer-type NullTokenizer --vocab-size 96 --input "$D/texts.jsonl" \
        --output "$D/scores.jsonl" 2>"$D/err" || wrong "$1: score: $(tail -n 1 "$D/err")"
    checks=$((checks + 1))
    for f in new scores; do
        sed -n 's/.*"logprobs": *\[\([^]]*\)\].*/\1/p' "$D/$f.jsonl" | tr -d ' ' | tr ',' '\n' | tail -n 40 >"$D/$f"
    done
    paste "$D/new" "$D/scores" | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > 1e-4) bad = 1 }
        END { exit bad || NR != 40 }' || wrong "$1: generated: other probabilities than of the whole"
}

for model in lfm2 falcon_h1 granite mamba jamba zamba; do
    common="--model-config $D/$model.json --tokenizer-type NullTokenizer --vocab-size 96 --make-vocab-size-divisible-by 1
        --split 100,0,0 --seq-length 48 --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0 --train-iters 4
        --seed 5 --log-params-norm --reset-attention-mask --data-path $D/ended_text_document"
    job "$model" 1 --save "$D/$model-ck" --save-interval 2
    as_planned "$model" 1
    job half 1 --load "$D/$model-ck" --ckpt-step 2
    alike half "$model" 3 0
    job again 1 --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
    alike again "$model" 1 0
    job small 1 --micro-batch-size 1
    alike small "$model" 1
    job bf16 1 --bf16 --recompute-granularity selective --recompute-modules core_attn
    as_planned bf16 1 --bf16 --recompute-granularity selective --recompute-modules core_attn
    generates "$model"
    have_mpi || continue
    if [ "$model" = zamba ]; then # weights of a block are summed over its uses, and all of them over processes, however these share out
        for how in "" "--overlap-grad-reduce" "--use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather" \
            "--use-torch-fsdp2"; do
            # shellcheck disable=SC2086
            job data 2 $how --recompute-granularity full --recompute-method block --recompute-num-layers 3
            alike data "$model" 1
        done
    fi
    job tensor 2 --tensor-model-parallel-size 2
    alike tensor "$model" 1
    as_planned tensor 2 --tensor-model-parallel-size 2
    job pipe 2 --pipeline-model-parallel-size 2 --save "$D/$model-pipe" --save-interval 2
    alike pipe "$model" 1
    as_planned pipe 2 --pipeline-model-parallel-size 2
    if [ "$model" = zamba ]; then # a block that both stages have is saved once
        job rest 1 --load "$D/$model-pipe" --ckpt-step 2
        alike rest "$model" 3
    fi
    case $model in
    mamba | jamba)
        # shellcheck disable=SC2086
        expect 2 "whose steps are made of all channels together" "$T" plan $common --world-size 2 --context-parallel-size 2 ;;
    *)
        job context 2 --context-parallel-size 2
        alike context "$model" 1
        as_planned context 2 --context-parallel-size 2
        # shellcheck disable=SC2086
        [ "$model" = lfm2 ] ||
            expect 2 "cannot share out the 8 heads in 2 groups of the model's layers that carry a state" "$T" plan $common \
                --world-size 6 --context-parallel-size 6 ;;
    esac
done

# A norm for each head, with weights of its own, is where the head is; rows of the output layer count as of length one.
heads='"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2'
echo "{\"model_type\": \"cohere\", $heads, \"num_key_value_heads\": 2, \"use_qk_norm\": true, \"pad_token_id\": null}" >"$D/cohere.json"
echo "{\"model_type\": \"baichuan\", $heads, \"max_position_embeddings\": 64, \"norm_head\": true}" >"$D/baichuan.json"
for model in cohere baichuan; do
    common="--model-config $D/$model.json --tokenizer-type NullTokenizer --vocab-size 96 --make-vocab-size-divisible-by 1
        --split 100,0,0 --seq-length 48 --micro-batch-size 2 --global-batch-size 4 --lr 1e-2 --eval-iters 0 --train-iters 4
        --seed 5 --log-params-norm --data-path $D/data_text_document"
    job "$model" 1
    as_planned "$model" 1
    have_mpi || continue
    job tensor 2 --tensor-model-parallel-size 2
    alike tensor "$model" 1
    as_planned tensor 2 --tensor-model-parallel-size 2
done
# They count so against a teacher too: its tokens alone are the plain loss, and a student that is the teacher learns nothing.
# shellcheck disable=SC2086
{
    job taught 1 --save "$D/baichuan-ck"
    taught="--load-teacher $D/baichuan-ck --kd"
    job tokens 1 $taught --kd-beta-ce 0
    alike tokens taught 1
    job both 1 $taught --kd-temp 2
    job itself 1 --load "$D/baichuan-ck" --finetune --weight-decay 0 --qad-enable --qad-teacher-load "$D/baichuan-ck"
    checks=$((checks + 1))
    [ "$(grep -c '"lm_loss": 0, .*"grad_norm": 0,' "$D/itself.jsonl")" = 4 ] || wrong "$(cut -c 1-90 "$D/itself.jsonl")"
    if have_mpi; then
        job tensor 2 $taught --kd-temp 2 --tensor-model-parallel-size 2
        alike tensor both 1
        as_planned tensor 2 $taught --kd-temp 2 --tensor-model-parallel-size 2
    fi
    expect 2 "has a norm with weights of its own" "$T" plan $common --model-config "$D/cohere.json" --world-size 4 \
        --tensor-model-parallel-size 4
}
finish
