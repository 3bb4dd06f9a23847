#include "model/options.h"

#include "base/file.h"
#include "base/log.h"
#include "device/kernels/conv.h"
#include "device/kernels/delta.h"
#include "device/kernels/dsa.h"
#include "device/kernels/hyper.h"
#include "device/kernels/ngram.h"
#include "device/kernels/ssd.h"
#include "model/arch_rows.h"
#include "model/presets.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define GROUP "model"
#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_model_options, field, name, def, lo, hi, choices, GROUP, help)

/* None decides what a run that goes on computes: its checkpoint describes the model, and
 * ts_model_compare speaks of contradictions. */
const ts_option ts_model_option_rows[] = {
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_model_options, model_config, "model-config", NULL, 0, 0, NULL,
              GROUP, "a Hugging Face config.json: make that model with random weights"),
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_model_options, preset, "preset", NULL, 0, 0, NULL, GROUP,
              "a published model by name, with random weights: llama3-8b, qwen2.5-7b, ... (`tessera plan "
              "--list-presets`)"),
    ROW(INT, num_layers, "num-layers", NULL, 1, 100000, NULL, "transformer layers"),
    ROW(LIST, noop_layers, "noop-layers", NULL, 0, 0, NULL,
        "layers of --num-layers, from 0, that are empty: they count only where stages share out layers"),
    ROW(INT, hidden_size, "hidden-size", NULL, 1, 1 << 20, NULL, "width of the residual stream"),
    ROW(INT, ffn_hidden_size, "ffn-hidden-size", NULL, 1, 1 << 24, NULL,
        "width of the MLP (default 4 hidden; with --swiglu 2/3 of that, in multiples of 64)"),
    ROW(INT, num_attention_heads, "num-attention-heads", NULL, 1, 1 << 16, NULL, "query heads"),
    ROW(FLAG, group_query_attention, "group-query-attention", NULL, 0, 0, NULL,
        "several query heads share a key and value head"),
    ROW(INT, num_query_groups, "num-query-groups", "1", 1, 1 << 16, NULL,
        "key and value heads with --group-query-attention"),
    ROW(INT, kv_channels, "kv-channels", NULL, 1, 1 << 16, NULL,
        "width of a head (default hidden / heads)"),
    ROW(INT, max_position_embeddings, "max-position-embeddings", NULL, 1, 1 << 30, NULL,
        "longest sequence the model is made for"),
    ROW(CHOICE, position_embedding_type, "position-embedding-type", "learned_absolute", 0, 0,
        TS_CHOICES(TS_MODEL_POSITIONS), "how positions enter"),
    ROW(FLAG, use_rotary, "use-rotary-position-embeddings", NULL, 0, 0, NULL,
        "the same as --position-embedding-type rope"),
    ROW(REAL, rotary_base, "rotary-base", "10000", 1, 1e12, NULL, "theta of rotary embeddings"),
    ROW(REAL, rotary_percent, "rotary-percent", "1.0", 0, 1, NULL,
        "share of a head that is rotated"),
    ROW(REAL, rotary_percent, "partial-rotary-factor", "1.0", 0, 1, NULL, "as --rotary-percent"),
    ROW(FLAG, glm_rope, "use-glm-rope", NULL, 0, 0, NULL,
        "the first half of a head is rotated, in pairs (2i, 2i+1)"),
    ROW(FLAG, no_position_embedding, "no-position-embedding", NULL, 0, 0, NULL,
        "no learned positions"),
    ROW(FLAG, rotary_interleaved, "rotary-interleaved", NULL, 0, 0, NULL,
        "rotate pairs (2i, 2i+1)"),
    ROW(INT, rotary_seq_len_interpolation_factor, "rotary-seq-len-interpolation-factor", NULL, 1,
        1 << 20, NULL, "positions are divided by this"),
    ROW(CHOICE, rope_scaling_type, "rope-scaling-type", "none", 0, 0,
        TS_CHOICES(TS_MODEL_SCALINGS), "stretching of rotary embeddings"),
    ROW(FLAG, use_rope_scaling, "use-rope-scaling", NULL, 0, 0, NULL,
        "stretching as Llama 3.1 has it: --rope-scaling-type llama3 with factor 8 from 8192 positions, "
        "unless options say otherwise"),
    ROW(REAL, rope_scaling_factor, "rope-scaling-factor", "1.0", 0, 1e6, NULL,
        "factor of the stretching (with --use-rope-scaling 8 by default)"),
    ROW(INT, rope_original_max, "rope-scaling-original-max-position-embeddings", NULL, 1, 1 << 30,
        NULL, "sequence length before stretching"),
    ROW(INT, rope_original_max, "original-max-position-embeddings", NULL, 1, 1 << 30, NULL,
        "as --rope-scaling-original-max-position-embeddings"),
    ROW(REAL, low_freq_factor, "low-freq-factor", "1.0", 0, 1e6, NULL, "llama3 scaling"),
    ROW(REAL, high_freq_factor, "high-freq-factor", "4.0", 0, 1e6, NULL, "llama3 scaling"),
    ROW(REAL, beta_fast, "beta-fast", "32", 0, 1e6, NULL, "yarn scaling"),
    ROW(REAL, beta_fast, "rope-scaling-beta-fast", "32", 0, 1e6, NULL, "as --beta-fast"),
    ROW(REAL, beta_slow, "beta-slow", "1", 0, 1e6, NULL, "yarn scaling"),
    ROW(REAL, beta_slow, "rope-scaling-beta-slow", "1", 0, 1e6, NULL, "as --beta-slow"),
    ROW(REAL, mscale, "rope-scaling-mscale", NULL, 0, 1e6, NULL, "yarn scaling"),
    ROW(REAL, mscale, "mscale", NULL, 0, 1e6, NULL,
        "as --rope-scaling-mscale (with --rotary-scaling-factor 1 by default)"),
    ROW(REAL, mscale_all_dim, "rope-scaling-mscale-all-dim", NULL, 0, 1e6, NULL, "yarn scaling"),
    ROW(REAL, mscale_all_dim, "mscale-all-dim", NULL, 0, 1e6, NULL,
        "as --rope-scaling-mscale-all-dim (with --rotary-scaling-factor 1 by default)"),
    ROW(REAL, rope_scaling_factor, "rotary-scaling-factor", "1.0", 0, 1e6, NULL,
        "with --multi-latent-attention: positions are stretched by yarn, by this factor"),
    ROW(REAL, rope_scaling_factor, "yarn-scaling-factor", "1.0", 0, 1e6, NULL,
        "as --rope-scaling-factor with --rope-scaling-type yarn"),
    ROW(CHOICE, rope_type, "rope-type", "default", 0, 0, TS_CHOICES(TS_MODEL_ROPES),
        "rope, or yarn as by --rope-scaling-type yarn"),
    ROW(FLAG, latent, "multi-latent-attention", NULL, 0, 0, NULL,
        "multi-head latent attention (DeepSeek-V2, V3): keys and values of all heads are made of one latent "
        "vector, which alone is kept in generation"),
    ROW(FLAG, latent, "multi-head-latent-attention", NULL, 0, 0, NULL, "as --multi-latent-attention"),
    ROW(INT, kv_lora_rank, "kv-lora-rank", NULL, 1, 1 << 22, NULL,
        "width of the latent vector of keys and values (default 32)"),
    ROW(INT, q_lora_rank, "q-lora-rank", NULL, 1, 1 << 22, NULL,
        "width of a latent vector of queries (default: queries have none)"),
    ROW(INT, qk_head_dim, "qk-head-dim", NULL, 1, 4096, NULL,
        "of a latent head of queries and keys the part without positions (default 128)"),
    ROW(INT, qk_head_dim, "qk-nope-head-dim", NULL, 1, 4096, NULL, "as --qk-head-dim"),
    ROW(INT, qk_rope_dim, "qk-pos-emb-head-dim", NULL, 1, 4096, NULL,
        "of a latent head of queries and keys the rotated part, in pairs (2i, 2i+1) (default 64)"),
    ROW(INT, qk_rope_dim, "qk-rope-head-dim", NULL, 1, 4096, NULL, "as --qk-pos-emb-head-dim"),
    ROW(INT, v_head_dim, "v-head-dim", NULL, 1, 4096, NULL, "width of a latent head's value (default 128)"),
    ROW(CHOICE, normalization, "normalization", "LayerNorm", 0, 0,
        TS_CHOICES(TS_MODEL_NORMS), "kind of norm"),
    ROW(REAL, norm_epsilon, "norm-epsilon", "1e-5", 0, 1, NULL, "epsilon of norms"),
    ROW(FLAG, layernorm_1p, "apply-layernorm-1p", NULL, 0, 0, NULL, "norm weights count as 1 + w"),
    ROW(FLAG, layernorm_1p, "add-rmsnorm-offset", NULL, 0, 0, NULL, "as --apply-layernorm-1p"),
    ROW(FLAG, embed_norm, "embed-layernorm", NULL, 0, 0, NULL,
        "a norm of the embedding, before the first layer (Bloom)"),
    ROW(FLAG, attn_gate, "attention-output-gate", NULL, 0, 0, NULL,
        "what attention gives, before its output layer, times the sigmoid of a gate: of each value another, projected "
        "with the queries (Qwen3-Next)"),
    ROW(CHOICE, softmax_type, "softmax-type", "vanilla", 0, 0, TS_CHOICES(TS_MODEL_SOFTMAXES),
        "learnable: each head has a learned logit that joins the softmax's denominator alone (gpt-oss)"),
    ROW(FLAG, post_norm, "post-norm", NULL, 0, 0, NULL,
        "a norm behind attention and MLP too, before the residual is added"),
    ROW(FLAG, swiglu, "swiglu", NULL, 0, 0, NULL, "gated MLP with SiLU (without: GELU)"),
    ROW(FLAG, geglu, "geglu", NULL, 0, 0, NULL, "gated MLP with GELU"),
    ROW(FLAG, gelu_tanh, "gelu-tanh", NULL, 0, 0, NULL, "gated MLP with GELU by tanh"),
    ROW(FLAG, quick_geglu, "quick-geglu", NULL, 0, 0, NULL, "gated MLP with x sigmoid(1.702 x) (gpt-oss)"),
    ROW(REAL, act_clamp, "activation-func-clamp-value", NULL, 0, 1e9, NULL,
        "of a gated MLP: gates above this count as this, the other values are kept within plus and minus this "
        "(default: no clamp)"),
    ROW(REAL, act_clamp, "swiglu-limit", NULL, 0, 1e9, NULL, "as --activation-func-clamp-value"),
    ROW(REAL, glu_offset, "glu-linear-offset", "0", -1e9, 1e9, NULL,
        "of a gated MLP: what the activated gate is multiplied with, plus this"),
    ROW(FLAG, squared_relu, "squared-relu", NULL, 0, 0, NULL, "MLP with squared ReLU"),
    ROW(NOFLAG, bias_linear, "disable-bias-linear", NULL, 0, 0, NULL, "linear layers without bias"),
    ROW(FLAG, qkv_bias, "add-qkv-bias", NULL, 0, 0, NULL, "bias of queries, keys and values only"),
    ROW(FLAG, dense_bias, "add-dense-bias", NULL, 0, 0, NULL, "bias of attention's output layer"),
    ROW(FLAG, output_bias, "add-output-layer-bias", NULL, 0, 0, NULL,
        "bias of the model's output layer"),
    ROW(FLAG, qk_layernorm, "qk-layernorm", NULL, 0, 0, NULL, "norm of each query and key head"),
    ROW(FLAG, qk_l2_norm, "qk-l2-norm", NULL, 0, 0, NULL,
        "norm of each query and key head without weights, in layers with a rotary embedding (Llama 4)"),
    ROW(LIST, window_size, "window-size", NULL, 0, 0, NULL,
        "N: a query sees N keys, its own among them; L,0: its own and L before it (-1: all), as "
        "Megatron counts; also (L,0) and L 0"),
    ROW(LIST, window_skip, "window-attn-skip-freq", NULL, 0, 0, NULL,
        "which layers see all keys in spite of --window-size: every N-th (N is 2 in gpt-oss: the second, the fourth, ...), or a "
        "list with a 1 for each layer that has the window, also as ([1]*3+[0]*1)"),
    ROW(LIST, no_rope, "no-rope-freq", NULL, 0, 0, NULL,
        "which layers have no rotary embedding: every N-th (0: none), or a list with a 1 for each of them"),
    ROW(INT, sliding_window, "sliding-window", NULL, 1, 1 << 30, NULL,
        "as --window-size N (a model of Mistral's kind)"),
    ROW(INT, interleave_sliding_window, "interleave-sliding-window", NULL, 1, 1 << 30, NULL,
        "the same in the first, third, ... layer"),
    ROW(REAL, query_pre_attn_scalar, "query-pre-attn-scalar", NULL, 0, 1e9, NULL,
        "scores are divided by the root of this (default: the width of a head)"),
    ROW(REAL, attn_softcap, "attn-logit-softcapping", NULL, 0, 1e9, NULL,
        "scores s become c tanh(s / c)"),
    ROW(REAL, logit_softcap, "output-logit-softcapping", NULL, 0, 1e9, NULL,
        "logits s become c tanh(s / c)"),
    ROW(FLAG, input_embeds_norm, "input-embeds-norm", NULL, 0, 0, NULL,
        "embeddings times the root of --hidden-size"),
    ROW(REAL, embed_scale, "embedding-multiplier-scale", NULL, 0, 1e9, NULL,
        "embeddings times this"),
    ROW(REAL, embed_scale, "scale-emb", NULL, 0, 1e9, NULL, "as --embedding-multiplier-scale"),
    ROW(REAL, logit_scale, "output-multiplier-scale", NULL, 0, 1e9, NULL, "logits times this"),
    ROW(REAL, dim_model_base, "dim-model-base", NULL, 0, 1e9, NULL,
        "logits times this / --hidden-size (MiniCPM)"),
    ROW(REAL, scale_depth, "scale-depth", NULL, 0, 1e9, NULL,
        "outputs of attention and MLP times this / root of --num-layers (MiniCPM)"),
    ROW(INT, num_experts, "num-experts", NULL, 0, TS_ROUTE_MAX, NULL,
        "experts of a layer: each token goes through --moe-router-topk of them (docs/moe.md); 0 and 1: a dense model"),
    ROW(INT, moe_topk, "moe-router-topk", "2", 1, TS_ROUTE_MAX, NULL, "experts that a token goes through"),
    ROW(INT, moe_ffn, "moe-ffn-hidden-size", NULL, 1, 1 << 24, NULL,
        "width of an expert (default: --ffn-hidden-size)"),
    ROW(INT, moe_ffn, "moe-intermediate-size", NULL, 1, 1 << 24, NULL, "as --moe-ffn-hidden-size"),
    ROW(LIST, moe_layer_freq, "moe-layer-freq", NULL, 0, 0, NULL,
        "which layers have experts: every N-th from the first on (default 1), or a list of 0 and 1, also as "
        "([0]*1+[1]*3); the others have an MLP of --ffn-hidden-size"),
    ROW(CHOICE, moe_model, "moe-model-type", "megatron_moe", 0, 0, TS_CHOICES(TS_MODEL_MOES),
        "whose gate sends tokens to experts: Megatron-LM's, or DeepSpeed's, whose experts take no more than a capacity "
        "(docs/moe.md)"),
    ROW(INT, expert_interval, "expert-interval", "1", 1, 1 << 20, NULL,
        "every so many layers have experts, the N-th, the 2 N-th, ... (DeepSpeed's way to say --moe-layer-freq)"),
    ROW(INT, first_k_dense, "first-k-dense-replace", "-1", -1, 1 << 20, NULL,
        "so many first layers have an MLP instead of experts (-1: none)"),
    ROW(FLAG, dsa, "enable-dsa-indexer", NULL, 0, 0, NULL, "as --experimental-attention-variant dsa"),
    ROW(INT, index_heads, "dsa-indexer-n-heads", "64", 1, 1 << 16, NULL, "heads of the indexer of sparse attention"),
    ROW(INT, index_heads, "index-n-heads", "64", 1, 1 << 16, NULL, "as --dsa-indexer-n-heads"),
    ROW(INT, index_dim, "dsa-indexer-head-dim", "128", 1, TS_DSA_MOST_INDEX, NULL,
        "width of a head of the indexer, of which the first --qk-pos-emb-head-dim values are rotated"),
    ROW(INT, index_dim, "index-head-dim", "128", 1, TS_DSA_MOST_INDEX, NULL, "as --dsa-indexer-head-dim"),
    ROW(INT, index_topk, "dsa-indexer-topk", "2048", 1, 1 << 30, NULL, "keys that a query of sparse attention attends to"),
    ROW(INT, index_topk, "index-topk", "2048", 1, 1 << 30, NULL, "as --dsa-indexer-topk"),
    ROW(FLAG, scales_q_latent, "enable-mla-scale-q-lora", NULL, 0, 0, NULL,
        "the latent vector of queries, normed, times the root of --hidden-size / --q-lora-rank (LongCat-Flash)"),
    ROW(FLAG, scales_kv_latent, "enable-mla-scale-kv-lora", NULL, 0, 0, NULL,
        "the latent vector of keys and values, normed, times the root of --hidden-size / --kv-lora-rank (LongCat-Flash)"),
    ROW(INT, zero_experts, "num-zero-experts", "0", 0, TS_ROUTE_MAX, NULL,
        "choices of the router behind --num-experts that give a token back as it is (LongCat-Flash)"),
    ROW(INT, ngram_order, "emb-neighbor-num", "0", 0, TS_NGRAM_MOST, NULL,
        "embeddings of n-grams (LongCat-Flash-Lite): what layers read is the mean of a token's embedding and of those of the "
        "2-grams, 3-grams, ... up to this many tokens that end with it; 0: none"),
    ROW(INT, ngram_splits, "emb-split-num", "0", 0, TS_NGRAM_MOST_TABLES, NULL,
        "tables that each of the n-grams of --emb-neighbor-num has a row in; --hidden-size is a multiple of all tables"),
    ROW(REAL, ngram_ratio, "ngram-vocab-size-ratio", "0", 0, 1e9, NULL,
        "rows of a table of n-grams, as a multiple of the vocabulary (and 1, 3, 5, ... more)"),
    ROW(INT, index_freq, "index-topk-freq", "1", 1, TS_ARCH_MAX_LAYERS, NULL,
        "every so many layers an indexer chooses keys; the layers between go by the last choice (GLM-5.2: 4)"),
    ROW(INT, index_offset, "index-skip-topk-offset", "2", 1, TS_ARCH_MAX_LAYERS, NULL,
        "the first so many layers choose keys for themselves, whatever --index-topk-freq says (GLM-5.2: 3)"),
    ROW(INT, mtp_layers, "mtp-num-layers", "0", 0, TS_ARCH_MAX_MTP, NULL,
        "layers behind the last one that predict further tokens in training (multi-token prediction, DeepSeek-V3), each "
        "of the last one's kind: the k-th tells the token k behind the next one; generation does without them"),
    ROW(INT, mtp_layers, "num-nextn-predict-layers", "0", 0, TS_ARCH_MAX_MTP, NULL, "as --mtp-num-layers"),
    ROW(FLAG, hyper, "enable-hyper-connections", NULL, 0, 0, NULL,
        "manifold-constrained hyper-connections (mHC, arXiv 2512.24880): the residual is several streams, which sublayers "
        "read, write and mix by coefficients made of each token"),
    ROW(FLAG, hyper, "enable-mhc", NULL, 0, 0, NULL, "as --enable-hyper-connections"),
    ROW(INT, hyper_streams, "num-residual-streams", "4", 2, TS_HYPER_MOST, NULL, "streams of hyper-connections"),
    ROW(INT, hyper_streams, "hc-mult", "4", 2, TS_HYPER_MOST, NULL, "as --num-residual-streams"),
    ROW(INT, hyper_turns, "mhc-sinkhorn-iterations", "20", 1, TS_HYPER_SUMS, NULL,
        "how often rows and columns of what mixes the streams are divided by their sums; times --num-residual-streams at "
        "most 160"),
    ROW(REAL, hyper_start, "mhc-init-gating-factor", "0.01", 0, 1e9, NULL,
        "what scales of hyper-connections begin with: how much a token sways its coefficients"),
    ROW(LIST, compress_ratios, "compress-ratios", NULL, 0, 0, NULL,
        "attention of DeepSeek-V4, a number for each layer: all heads share one key a token, which is its value too; queries "
        "see the keys of a window and, above 0, entries that stand for so many tokens: all of them, or (4) those that an "
        "indexer chooses (--index-n-heads, --index-head-dim, --index-topk); needs --q-lora-rank"),
    ROW(FLAG, kv_compress, "kv-compress", NULL, 0, 0, NULL, "keys are compressed, as --compress-ratios says"),
    ROW(INT, compress_window, "sliding-window-size", "128", 1, 1 << 30, NULL,
        "with --compress-ratios: keys of single tokens that a query sees, its own among them"),
    ROW(REAL, compress_theta, "compress-rope-theta", "160000", 0, 1e12, NULL,
        "base of the rotary embedding in layers that compress (in others: --rotary-base)"),
    ROW(INT, original_seq_len, "original-seq-len", "0", 0, 1 << 30, NULL,
        "positions in layers that compress are stretched by yarn from this length, --rope-factor times (0: they are not)"),
    ROW(REAL, rope_factor, "rope-factor", "40", 0, 1e6, NULL, "see --original-seq-len"),
    ROW(INT, out_groups, "o-groups", "8", 1, 1 << 16, NULL,
        "with --compress-ratios: groups of heads that the output projection brings to --o-lora-rank values each"),
    ROW(INT, out_rank, "o-lora-rank", "1024", 1, 1 << 22, NULL, "see --o-groups"),
    ROW(INT, hash_layers, "n-hash-layers", "0", 0, 1 << 20, NULL,
        "in so many first layers a token's number says which experts it goes to, by a table that is drawn once (DeepSeek-V4)"),
    ROW(CHOICE, moe_score, "moe-router-score-function", "softmax", 0, 0, TS_CHOICES(TS_MODEL_SCORES),
        "how the router's logits become scores"),
    ROW(FLAG, moe_pre_softmax, "moe-router-pre-softmax", NULL, 0, 0, NULL,
        "softmax over all experts before the choice (without: over the chosen, behind it)"),
    ROW(FLAG, norm_topk_prob, "norm-topk-prob", NULL, 0, 0, NULL,
        "with --moe-router-pre-softmax: weights of the chosen are divided by their sum (sigmoid: always)"),
    ROW(REAL, moe_scale, "moe-router-topk-scaling-factor", "1", 0, 1e9, NULL,
        "weights of the chosen times this"),
    ROW(REAL, moe_scale, "routed-scaling-factor", "1", 0, 1e9, NULL, "as --moe-router-topk-scaling-factor"),
    ROW(INT, moe_groups, "moe-router-num-groups", "1", 1, TS_ROUTE_MAX, NULL,
        "experts stand in so many groups, of which a token's experts may be in --moe-router-group-topk"),
    ROW(INT, moe_groups, "n-group", "1", 1, TS_ROUTE_MAX, NULL, "as --moe-router-num-groups"),
    ROW(INT, moe_group_topk, "moe-router-group-topk", "1", 1, TS_ROUTE_MAX, NULL,
        "groups of a token: those whose best topk / group-topk experts have the largest sum"),
    ROW(INT, moe_group_topk, "topk-group", "1", 1, TS_ROUTE_MAX, NULL, "as --moe-router-group-topk"),
    ROW(FLAG, moe_expert_bias, "moe-router-enable-expert-bias", NULL, 0, 0, NULL,
        "a bias for each expert that counts in the choice alone; training moves it by the loads "
        "(--moe-router-bias-update-rate)"),
    ROW(FLAG, probs_on_input, "moe-apply-probs-on-input", NULL, 0, 0, NULL,
        "weights of experts are multiplied into what these are given, not into what they make of it (Llama 4)"),
    ROW(INT, moe_shared_ffn, "moe-shared-expert-intermediate-size", NULL, 1, 1 << 24, NULL,
        "width of an expert that all tokens go through"),
    ROW(INT, n_shared_experts, "n-shared-experts", NULL, 0, 1 << 16, NULL,
        "the same in widths of an expert"),
    ROW(FLAG, shared_gate, "shared-expert-gate", NULL, 0, 0, NULL,
        "the shared expert's result times a sigmoid of the token"),
    ROW(FLAG, shared_gate, "moe-shared-expert-gate", NULL, 0, 0, NULL, "as --shared-expert-gate"),
    ROW(FLAG, untie, "untie-embeddings-and-output-weights", NULL, 0, 0, NULL,
        "an output layer of its own"),
    ROW(INT, make_vocab_size_divisible_by, "make-vocab-size-divisible-by", "128", 1, 1 << 20, NULL,
        "the vocabulary is padded to a multiple"),
    ROW(INT, padded_vocab_size, "padded-vocab-size", NULL, 1, 1 << 28, NULL,
        "size of the vocabulary, padded"),
    ROW(INT, padded_vocab_size, "pad-vocab-size-to", NULL, 1, 1 << 28, NULL,
        "as --padded-vocab-size"),
    ROW(INT, mamba_state, "mamba-state-dim", "128", 1, TS_SSD_MOST_STATE, NULL,
        "state-space layers (Mamba 2; any of these options makes such a model): numbers that a head keeps of each of "
        "its columns"),
    ROW(INT, mamba_head_dim, "mamba-head-dim", "64", 1, TS_SSD_MOST_HEAD, NULL, "width of a head of state-space layers"),
    ROW(INT, mamba_groups, "mamba-num-groups", "8", 1, 1 << 16, NULL,
        "groups of heads of state-space layers that read and write their state alike; --tensor-model-parallel-size "
        "divides them"),
    ROW(INT, mamba_heads, "mamba-num-heads", NULL, 1, 1 << 16, NULL,
        "heads of state-space layers (default --mamba-expand times --hidden-size / --mamba-head-dim)"),
    ROW(INT, mamba_conv, "mamba-d-conv", "4", 2, TS_CONV_MOST, NULL,
        "tokens that the convolution of state-space layers sees, its own among them"),
    ROW(INT, mamba_expand, "mamba-expand", "2", 1, 64, NULL, "width of state-space layers, in --hidden-size"),
    ROW(INT, mamba_version, "mamba-version", "2", 2, 3, NULL,
        "state-space layers of Mamba 2, or of Mamba 3, which have no convolution (docs/state-space.md)"),
    ROW(REAL, mamba_rope, "mamba-rope-fraction", "0.5", 0, 1, NULL,
        "the part of a state of Mamba 3 whose pairs of numbers are turned, 0.5 or 1"),
    ROW(REAL, hybrid_attention, "hybrid-attention-ratio", "0", 0, 1, NULL,
        "part of --num-layers that are attention, spread evenly between state-space layers"),
    ROW(REAL, hybrid_mlp, "hybrid-mlp-ratio", "0", 0, 1, NULL,
        "part of --num-layers that are an MLP; what neither is, is a state-space layer"),
    ROW(TEXT, hybrid_pattern, "hybrid-override-pattern", NULL, 0, 0, NULL,
        "which layer is what, a letter each: M state space, * attention, - MLP (instead of the ratios)"),
    ROW(CHOICE, attention_variant, "experimental-attention-variant", "none", 0, 0, TS_CHOICES(TS_MODEL_VARIANTS),
        "layers with a delta rule in the place of attention: gated_delta_net (Qwen3-Next), or kimi_delta_attention with "
        "a decay for each channel; --linear-attention-freq says which; or dsa, sparse attention (DeepSeek-V3.2): a small "
        "indexer scores all keys of a query, which attends to the best alone, with --multi-latent-attention and --q-lora-rank"),
    ROW(LIST, linear_freq, "linear-attention-freq", NULL, 0, 0, NULL,
        "N: every N-th layer has full attention, the others a delta rule (default 4); or a list of 1 (delta rule) and 0, "
        "also as ([1]*3+[0]*1)"),
    ROW(INT, full_interval, "full-attention-interval", NULL, 1, 1 << 20, NULL, "as --linear-attention-freq N"),
    ROW(INT, linear_key_heads, "linear-num-key-heads", "16", 1, 1 << 16, NULL,
        "heads of queries and keys of delta rules; --tensor-model-parallel-size divides them (with kimi_delta_attention: "
        "as many as of values)"),
    ROW(INT, linear_heads, "linear-num-value-heads", "32", 1, 1 << 16, NULL,
        "heads of values of delta rules, a multiple of those of keys"),
    ROW(INT, linear_key_dim, "linear-key-head-dim", "128", 1, TS_DELTA_MOST_HEAD, NULL,
        "width of a head of queries and keys of delta rules"),
    ROW(INT, linear_value_dim, "linear-value-head-dim", "128", 1, TS_DELTA_MOST_HEAD, NULL,
        "width of a head of values of delta rules"),
    ROW(INT, linear_conv, "linear-conv-kernel-dim", "4", 2, TS_CONV_MOST, NULL,
        "tokens that the convolution of delta rules sees, its own among them"),
    ROW(REAL, init_method_std, "init-method-std", "0.02", 0, 100, NULL,
        "standard deviation of random weights"),
};
const size_t ts_model_option_count = sizeof ts_model_option_rows / sizeof *ts_model_option_rows;

const ts_option *ts_model_option_named(const char *name)
{
    for (size_t i = 0; i < ts_model_option_count; i++)
        if (!strcmp(ts_model_option_rows[i].name, name))
            return &ts_model_option_rows[i];
    TS_ASSERT(false, "no option of a model is called --%s", name);
    return NULL;
}

/* Empty layers are not the model's. */
static int64_t real_layers(const ts_model_options *o)
{
    int64_t *empty, n;
    if (ts_model_noop_layers(o, &empty, &n) != TS_OK) /* ts_model_options_check says so */
        return o->num_layers;
    ts_free(&empty);
    return o->num_layers - n;
}

double ts_model_option_value(const ts_model_options *o, const ts_option *row)
{
    const void *at = (const char *)o + row->offset;
    switch (row->type) {
    case TS_OPTION_FLAG:
        return *(const bool *)at;
    case TS_OPTION_NOFLAG:
        return !*(const bool *)at;
    case TS_OPTION_INT:
        return (double)(at == (const void *)&o->num_layers ? real_layers(o) : *(const int64_t *)at);
    case TS_OPTION_CHOICE:
        return *(const int *)at;
    default:
        TS_ASSERT(row->type == TS_OPTION_REAL, "--%s is no number", row->name);
        return *(const double *)at;
    }
}

/* Fields that an option says as they are (model/arch_rows.h). */
static void describe_fields(const ts_model_options *o, ts_arch *a)
{
    for (size_t i = 0; i < ts_arch_row_count; i++) {
        const ts_field_row *r = &ts_arch_rows[i];
        if (r->says == TS_SAYS_SOMETHING)
            continue;
        const double v = ts_model_option_value(o, ts_model_option_named(r->option));
        ts_field_set(a, r, r->says == TS_SAYS_NOT ? v == 0 : v);
    }
}

static ts_status need(int64_t value, const char *name)
{
    if (value > 0)
        return TS_OK;
    return ts_error(TS_ERR_USER, "--%s is needed to describe a model (or --load a folder, or "
                    "--model-config a config.json)", name);
}

static ts_status describe_heads(const ts_model_options *o, ts_arch *a)
{
    a->n_kv_heads = o->group_query_attention ? o->num_query_groups : a->n_heads;
    if (!o->kv_channels && a->hidden % a->n_heads)
        return ts_error(TS_ERR_USER,
                        "--num-attention-heads %lld does not divide --hidden-size %lld (or give "
                        "--kv-channels)",
                        (long long)a->n_heads, (long long)a->hidden);
    if (a->n_heads % a->n_kv_heads)
        return ts_error(TS_ERR_USER,
                        "--num-query-groups %lld does not divide --num-attention-heads %lld",
                        (long long)a->n_kv_heads, (long long)a->n_heads);
    a->head_dim = o->kv_channels ? o->kv_channels : a->hidden / a->n_heads;
    a->attn_scale = 1 / sqrt(o->query_pre_attn_scalar > 0 ? o->query_pre_attn_scalar
                                                          : (double)a->head_dim);
    a->bias_qkv = o->bias_linear || o->qkv_bias;
    a->bias_proj = o->bias_linear || o->dense_bias;
    if (o->qk_layernorm && a->norm != TS_NORM_RMS)
        return ts_error(TS_ERR_USER,
                        "--qk-layernorm with --normalization LayerNorm: queries and keys can only be "
                        "normed as by --normalization RMSNorm");
    a->attn_sinks = o->softmax_type == TS_MODEL_SOFTMAX_LEARNABLE;
    if (o->qk_layernorm && o->qk_l2_norm)
        return ts_error(TS_ERR_USER, "--qk-layernorm and --qk-l2-norm are two norms of queries and keys: give one");
    a->qk_norm_last = o->qk_l2_norm;
    a->qk_norm = o->qk_layernorm ? TS_QK_NORM_HEAD : o->qk_l2_norm ? TS_QK_NORM_UNIT : TS_QK_NORM_NONE;
    return TS_OK;
}

static void describe_mlp(const ts_model_options *o, ts_arch *a)
{
    a->gated = o->swiglu || o->geglu || o->gelu_tanh || o->quick_geglu;
    a->act = o->swiglu         ? TS_ACT_SILU
             : o->gelu_tanh    ? TS_ACT_GELU_TANH
             : o->quick_geglu  ? TS_ACT_GELU_QUICK
             : o->squared_relu ? TS_ACT_RELU2
                               : TS_ACT_GELU;
    a->ffn = o->ffn_hidden_size ? o->ffn_hidden_size
             : o->swiglu        ? 4 * a->hidden * 2 / 3 / 64 * 64
                                : 4 * a->hidden;
    if (a->ffn < 1)
        a->ffn = 64;
    a->bias_fc1 = a->bias_fc2 = o->bias_linear;
}

/* Megatron's --use-rope-scaling: Llama 3.1's stretching, whose numbers stand in its code. */
static ts_status scale_as_llama3(const ts_model_options *o, const ts_option_set *set,
                                 ts_rope_config *r)
{
    if (o->rope_scaling_type != TS_MODEL_SCALING_NONE &&
        o->rope_scaling_type != TS_MODEL_SCALING_LLAMA3)
        return ts_error(TS_ERR_USER,
                        "--use-rope-scaling is --rope-scaling-type llama3, but another type is "
                        "given: give one of the two options");
    if (o->rotary_seq_len_interpolation_factor > 1)
        return ts_error(TS_ERR_USER,
                        "--use-rope-scaling and --rotary-seq-len-interpolation-factor contradict "
                        "each other: give one");
    r->scaling = TS_ROPE_LLAMA3;
    if (!set || !ts_option_given(set, "rope-scaling-factor"))
        r->factor = 8;
    if (!o->rope_original_max)
        r->original_max_positions = 8192;
    return TS_OK;
}

static ts_status describe_positions(const ts_model_options *o, const ts_option_set *set,
                                    ts_arch *a)
{
    const bool rope = o->use_rotary || o->position_embedding_type == TS_MODEL_POSITION_ROPE;
    a->max_positions = o->max_position_embeddings;
    a->position = rope                                          ? TS_POSITION_ROPE
                  : o->position_embedding_type == TS_MODEL_POSITION_ALIBI ? TS_POSITION_ALIBI
                  : o->position_embedding_type == TS_MODEL_POSITION_NONE || o->no_position_embedding
                      ? TS_POSITION_NONE
                                                                : TS_POSITION_LEARNED;
    if (!rope)
        return TS_OK;
    static const ts_rope_scaling of[] = { [TS_MODEL_SCALING_NONE] = TS_ROPE_DEFAULT,
                                          [TS_MODEL_SCALING_LINEAR] = TS_ROPE_LINEAR,
                                          [TS_MODEL_SCALING_DYNAMIC] = TS_ROPE_DYNAMIC,
                                          [TS_MODEL_SCALING_YARN] = TS_ROPE_YARN,
                                          [TS_MODEL_SCALING_LLAMA3] = TS_ROPE_LLAMA3 };
    ts_rope_config *r = &a->rope[0];
    *r = (ts_rope_config){ .theta = o->rotary_base,
                           .interleaved = o->rotary_interleaved || o->glm_rope,
                           .dim = (int64_t)((double)a->head_dim *
                                            (o->glm_rope ? 0.5 : o->rotary_percent)),
                           .scaling = of[o->rope_scaling_type],
                           .factor = o->rope_scaling_factor,
                           .low_freq_factor = o->low_freq_factor,
                           .high_freq_factor = o->high_freq_factor,
                           .original_max_positions = o->rope_original_max
                                                         ? o->rope_original_max
                                                         : o->max_position_embeddings,
                           .beta_fast = o->beta_fast,
                           .beta_slow = o->beta_slow,
                           .mscale = o->mscale,
                           .mscale_all_dim = o->mscale_all_dim,
                           .max_positions = o->max_position_embeddings };
    if (o->rotary_seq_len_interpolation_factor > 1) {
        r->scaling = TS_ROPE_LINEAR;
        r->factor = (double)o->rotary_seq_len_interpolation_factor;
    }
    if (o->rope_type == TS_MODEL_ROPE_YARN)
        r->scaling = TS_ROPE_YARN;
    a->n_ropes = 1;
    if (o->use_rope_scaling)
        TS_TRY(scale_as_llama3(o, set, r));
    if (r->dim < 2 || r->dim % 2)
        return ts_error(TS_ERR_USER,
                        "--rotary-percent %g of heads of %lld gives %lld rotated values, an even "
                        "number of at least 2 was expected",
                        o->rotary_percent, (long long)a->head_dim, (long long)r->dim);
    return TS_OK;
}

/* What embeddings, sublayers and logits are multiplied with. */
static void describe_scales(const ts_model_options *o, ts_arch *a)
{
    if (o->embed_scale > 0)
        a->embed_scale = o->embed_scale;
    if (o->input_embeds_norm)
        a->embed_scale = sqrt((double)a->hidden);
    if (o->logit_scale > 0)
        a->logit_scale = o->logit_scale;
    if (o->dim_model_base > 0)
        a->logit_scale *= o->dim_model_base / (double)a->hidden;
    if (o->scale_depth > 0)
        a->residual_scale = o->scale_depth / sqrt((double)a->n_layers);
}

/* Windows of single layers, once there are layers. */
static void describe_windows(const ts_model_options *o, ts_arch *a)
{
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (o->sliding_window)
            a->layer[i].window = o->sliding_window;
        if (o->interleave_sliding_window)
            a->layer[i].window = i % 2 == 0 ? o->interleave_sliding_window : 0;
    }
}

ts_status ts_model_config_read(const char *file, ts_arch *a)
{
    json_t *config;
    const ts_family *f;
    TS_TRY(ts_json_read(file, &config));
    ts_status st = ts_family_of(config, file, &f);
    if (st == TS_OK) {
        snprintf(a->family, sizeof a->family, "%s", f->model_type);
        st = ts_family_read(f, config, file, a);
    }
    if (st == TS_OK)
        st = ts_arch_check(a, file);
    json_decref(config);
    return st;
}

static int64_t pad_vocab(const ts_model_options *o, int64_t vocab)
{
    const int64_t m = o->make_vocab_size_divisible_by;
    return o->padded_vocab_size ? o->padded_vocab_size : (vocab + m - 1) / m * m;
}

ts_status ts_model_describe(const ts_model_options *o, const ts_option_set *set, int64_t vocab,
                            ts_arch *a)
{
    int64_t window = 0;
    if (o->preset) {
        TS_TRY(ts_preset_read(o->preset, a));
        a->mtp_layers = o->mtp_layers;
        return ts_model_compare(o, set, a, "--preset");
    }
    if (o->model_config) {
        TS_TRY(ts_model_config_read(o->model_config, a));
        a->mtp_layers = o->mtp_layers;
        return ts_model_compare(o, set, a, o->model_config);
    }
    TS_TRY(need(o->num_layers, "num-layers"));
    TS_TRY(need(o->hidden_size, "hidden-size"));
    TS_TRY(need(o->num_attention_heads, "num-attention-heads"));
    TS_TRY(need(o->max_position_embeddings, "max-position-embeddings"));
    TS_TRY(need(vocab > 0 ? vocab : o->padded_vocab_size, "vocab-size"));
    if (o->padded_vocab_size && o->padded_vocab_size < vocab)
        return ts_error(TS_ERR_USER, "--padded-vocab-size %lld is less than the tokenizer's %lld",
                        (long long)o->padded_vocab_size, (long long)vocab);
    describe_fields(o, a);
    a->vocab = pad_vocab(o, vocab);
    a->norm = o->normalization == TS_MODEL_NORM_RMS ? TS_NORM_RMS : TS_NORM_LAYER;
    a->norm_bias = a->norm == TS_NORM_LAYER;
    a->norm_offset = o->layernorm_1p ? 1 : 0;
    a->init_std = o->init_method_std;
    if (o->hyper)
        a->hyper_streams = o->hyper_streams, a->hyper_turns = o->hyper_turns, a->hyper_start = o->hyper_start;
    describe_scales(o, a);
    TS_TRY(describe_heads(o, a));
    TS_TRY(ts_model_describe_latent(o, a));
    describe_mlp(o, a);
    TS_TRY(ts_model_describe_experts(o, a));
    TS_TRY(describe_positions(o, set, a));
    TS_TRY(ts_model_describe_latent_rope(o, set, a));
    TS_TRY(ts_model_window(&o->window_size, &window));
    TS_TRY(ts_arch_layers(a, window));
    describe_windows(o, a);
    if (a->index_heads)
        ts_arch_share_choices(a, o->index_freq, o->index_offset);
    TS_TRY(ts_model_describe_skips(o, a));
    TS_TRY(ts_model_describe_expert_layers(o, a));
    TS_TRY(ts_model_describe_compressed(o, a));
    if (ts_model_is_mamba(set))
        TS_TRY(ts_model_describe_mamba(o, a));
    TS_TRY(ts_model_describe_delta(o, set, a));
    return ts_arch_check(a, "the model's options");
}
