# Models that layouts are tried with, of which layouts/list.txt says what each is; $D is a folder of the test's own.
heads="--num-layers 8 --hidden-size 48 --num-attention-heads 8 --num-query-groups 4 --group-query-attention --kv-channels 4
    --ffn-hidden-size 48 --vocab-size 96 --tokenizer-type NullTokenizer --max-position-embeddings 64"
gated="$heads --position-embedding-type rope --swiglu --normalization RMSNorm --untie-embeddings-and-output-weights
    --add-qkv-bias"
latent="--num-layers 4 --hidden-size 48 --num-attention-heads 8 --ffn-hidden-size 48 --vocab-size 96 --tokenizer-type NullTokenizer
    --max-position-embeddings 64 --position-embedding-type rope --swiglu --normalization RMSNorm --disable-bias-linear
    --untie-embeddings-and-output-weights --multi-latent-attention --q-lora-rank 20 --kv-lora-rank 12 --qk-head-dim 6 --qk-pos-emb-head-dim 4 --v-head-dim 5
    --qk-layernorm"
experts="--num-experts 8 --moe-router-topk 2 --moe-ffn-hidden-size 24 --moe-layer-freq ([0]*1+[1]*7) --disable-bias-linear
    --moe-shared-expert-intermediate-size 16 --moe-aux-loss-coeff 0.02 --moe-z-loss-coeff 0.001"
cat >"$D/step.json" <<'J'
{"model_type": "step3p5", "vocab_size": 97, "hidden_size": 48, "intermediate_size": 48, "num_hidden_layers": 8, "num_attention_heads": 8,
 "num_attention_groups": 4, "head_dim": 4, "max_position_embeddings": 64, "sliding_window": 9, "moe_num_experts": 8, "moe_top_k": 2,
 "moe_intermediate_size": 24, "share_expert_dim": 16, "moe_layers_enum": "1,2,3,4,5,6,7", "moe_router_scaling_factor": 2.5,
 "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention",
  "sliding_attention", "sliding_attention"], "attention_other_setting": {"num_attention_heads": 16, "num_attention_groups": 4},
 "rope_theta": [5000, 100, 100, 100, 5000, 100, 100, 100], "partial_rotary_factors": [0.5, 1, 1, 1, 0.5, 1, 1, 1],
 "swiglu_limits": [0, 0, 0.03, 0, 0, 0, 0, 0.02], "swiglu_limits_shared": [0.05, 0, 0.03, 0, 0, 0, 0, 0.04]}
J
# model NAME: its options. Data of a stage and folders of other models are the test's to make
model() {
    case $1 in
    dense) echo "$gated" ;;
    tied) echo "$heads" ;;
    window) echo "$gated --window-size 9" ;;
    packed) echo "$gated $documents --reset-position-ids" ;;
    latent) echo "$latent" ;;
    moe) echo "$gated $experts" ;;
    turns) echo "$gated $experts --fix-router" ;;
    biased) echo "$gated $experts --moe-router-score-function sigmoid --moe-router-enable-expert-bias --moe-router-num-groups 4
        --moe-router-group-topk 2 --moe-router-load-balancing-type seq_aux_loss" ;;
    dropping) echo "$gated $experts --moe-expert-capacity-factor 1" ;;
    latent-moe) echo "$latent --num-experts 8 --moe-router-topk 3 --moe-ffn-hidden-size 24 --moe-layer-freq ([0]*1+[1]*3)" ;;
    sparse) echo "$latent --experimental-attention-variant dsa --dsa-indexer-n-heads 2 --dsa-indexer-head-dim 8
        --dsa-indexer-topk 9 --dsa-indexer-loss-coeff 0.3" ;;
    sparse-packed) echo "$latent $documents --experimental-attention-variant dsa --dsa-indexer-n-heads 2 --dsa-indexer-head-dim 8
        --dsa-indexer-topk 5" ;;
    mamba) echo "$gated $documents --hybrid-override-pattern M*-MM*-M --mamba-state-dim 10 --mamba-head-dim 6
        --mamba-num-groups 4" ;;
    ngrams) echo "$gated $documents --emb-neighbor-num 3 --emb-split-num 2 --ngram-vocab-size-ratio 2.6" ;;
    mamba3) echo "$gated $documents --hybrid-override-pattern M*-MM*-M --mamba-version 3 --mamba-state-dim 12
        --mamba-head-dim 6 --mamba-num-groups 2" ;;
    delta) echo "$gated $documents --attention-output-gate --experimental-attention-variant gated_delta_net
        --linear-attention-freq 2 --linear-num-key-heads 4 --linear-num-value-heads 8 --linear-key-head-dim 6
        --linear-value-head-dim 5 --linear-conv-kernel-dim 4" ;;
    kda) echo "$latent $documents --experimental-attention-variant kimi_delta_attention --linear-attention-freq 2
        --linear-num-value-heads 4 --linear-key-head-dim 6 --linear-value-head-dim 5 --position-embedding-type none" ;;
    gate) echo "$gated $experts --moe-model-type deepspeed_moe" ;;
    gate-all) echo "$gated $experts --moe-model-type deepspeed_moe --moe-no-drop" ;;
    gate-one) echo "$gated $experts --moe-model-type deepspeed_moe --moe-router-topk 1 --noisy-gate-policy RSample" ;;
    altup | per-layer | joined | blocks | shortcut | choices | keys | norms | norms-moe)
        # what differs by rounding grows: norms stand behind each part
        echo "--model-config $(dirname "$0")/layouts/$1.json --tokenizer-type NullTokenizer --vocab-size 96 --adam-eps 1e-3 --lr 4e-4" ;;
    step) echo "--model-config $D/step.json --tokenizer-type NullTokenizer --vocab-size 96 --moe-aux-loss-coeff 0.02" ;;
    streams) echo "$gated --enable-hyper-connections --num-residual-streams 3 --mhc-sinkhorn-iterations 6" ;;
    hashed) echo "$gated $experts --moe-layer-freq 1 --n-hash-layers 6" ;;
    v4-ahead) echo "$(model v4 | sed 's/--reset-[a-z-]*//g') --mtp-num-layers 2 --mtp-loss-scaling-factor 2" ;;
    v4) echo "${latent%% --multi*} $experts --num-query-groups 1 --kv-channels 12 --moe-layer-freq 1 --moe-router-score-function sqrtsoftplus
        --moe-router-enable-expert-bias $documents --reset-position-ids --enable-mhc --hc-mult 3 --mhc-sinkhorn-iterations 4
        --q-lora-rank 20 --qk-pos-emb-head-dim 4 --sliding-window-size 5 --o-groups 4 --o-lora-rank 6 --index-n-heads 2
        --index-head-dim 8 --index-topk 3 --compress-ratios 0 4 8 4 --n-hash-layers 3 --moe-shared-expert-intermediate-size 24 --init-method-std 0.15 --mhc-init-gating-factor 0.5" ;;
    alibi) echo "$heads --position-embedding-type alibi --softmax-type learnable --embed-layernorm --normalization RMSNorm" ;;
    dropout) echo "$gated --hidden-dropout 0.1" ;;
    answers) echo "$gated $answers" ;;
    answers-noise) echo "$gated $answers --neftune-noise-alpha 20 --hidden-dropout 0.1 --no-pad-to-seq-lengths" ;;
    pairs) echo "$gated --data-path $D/pairs --stage dpo --dpo-label-smoothing 0.1 --pref-ftx 0.2 --ref-model $D/compared" ;;
    pairs-adapted) echo "$gated --data-path $D/pairs --stage dpo --lora-r 4 --lora-alpha 8 --lora-target-modules linear_qkv linear_proj linear_fc1 linear_fc2 --load $D/compared --finetune" ;;
    pairs-odds) echo "$gated --data-path $D/pairs --stage orpo --no-pad-to-seq-lengths" ;;
    pairs-moe) echo "$gated $experts --moe-aux-loss-coeff 0 --moe-z-loss-coeff 0 --data-path $D/pairs --stage simpo" ;;
    verdicts) echo "$gated --data-path $D/verdicts --stage kto --ref-model $D/compared --global-batch-size 4" ;;
    rewards) echo "$gated --data-path $D/pairs --stage rm" ;;
    texts) echo "$gated $texts --stage cls --num-labels 3" ;;
    texts-tied) echo "$heads --position-embedding-type learned_absolute $texts --stage reg --no-pad-to-seq-lengths" ;;
    texts-moe) echo "$gated $experts --moe-aux-loss-coeff 0 --moe-z-loss-coeff 0 $texts --stage rerank --num-negatives 1 --rerank-loss listwise" ;;
    texts-adapted) echo "$gated $texts --stage cls --num-labels 3 --lora-r 4 --lora-alpha 8 --lora-target-modules linear_qkv linear_proj linear_fc1 linear_fc2 --load $D/compared-hf --finetune" ;;
    vectors) echo "$gated $texts --stage embed --num-negatives 1 --pooling-mode mean --matryoshka-dims 16" ;;
    vectors-own) echo "$gated $texts --stage embed --no-pad-to-seq-lengths" ;;
    answers-packed) echo "$gated $answers --neat-pack --reset-attention-mask" ;;
    answers-varied) echo "$gated $answers --no-pad-to-seq-lengths" ;;
    answers-varied-moe) echo "$gated $experts --moe-aux-loss-coeff 0 --moe-z-loss-coeff 0 $answers --no-pad-to-seq-lengths" ;;
    answers-varied-packed) echo "$gated $answers --neat-pack --reset-attention-mask --no-pad-to-seq-lengths --calculate-per-token-loss" ;;
    esac
}
