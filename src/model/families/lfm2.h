/* What LFM2 and its mixtures of experts share. */
#ifndef TS_MODEL_FAMILIES_LFM2_H
#define TS_MODEL_FAMILIES_LFM2_H
#include "model/families/config.h"

/* layer_types: conv or full_attention; without them full_attn_idxs lists the layers with attention, and without
 * that all have it. */
ts_config_read_fn ts_lfm2_read_layers;
ts_config_write_fn ts_lfm2_write_layers;
#define TS_LFM2_LAYERS TS_OWN("layer_types", layer, ts_lfm2_read_layers, ts_lfm2_write_layers, 0)

#define TS_LFM2_NAMES                                                                              \
    { .name = "short_conv.conv1d", .hf_name = "model.layers.*.conv.conv", .part = TS_PART_FILTER },  \
    { .name = "short_conv.in_proj_b", .hf_name = "model.layers.*.conv.in_proj" },                   \
    { .name = "short_conv.in_proj_c", .hf_name = "model.layers.*.conv.in_proj", .part = TS_PART_MORE }, \
    { .name = "short_conv.in_proj_x", .hf_name = "model.layers.*.conv.in_proj", .part = TS_PART_MORE }, \
    { .name = "short_conv.out_proj", .hf_name = "model.layers.*.conv.out_proj" },                   \
    { "self_attention.linear_qkv", "model.layers.*.self_attn.q_proj", TS_PART_Q, false },           \
    { "self_attention.linear_qkv", "model.layers.*.self_attn.k_proj", TS_PART_K, false },           \
    { "self_attention.linear_qkv", "model.layers.*.self_attn.v_proj", TS_PART_V, false },           \
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.out_proj" },       \
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.q_layernorm" },    \
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.k_layernorm" },    \
    { "mlp.linear_fc1", "model.layers.*.feed_forward.w1", TS_PART_GATE, false },                    \
    { "mlp.linear_fc1", "model.layers.*.feed_forward.w3", TS_PART_UP, false },                      \
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.feed_forward.w2" }
#define TS_LFM2_BEGIN { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" }
#define TS_LFM2_END                                                                                \
    { .name = "input_layernorm", .hf_name = "model.layers.*.operator_norm" },                       \
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.ffn_norm" },                          \
    { .name = "decoder.final_layernorm", .hf_name = "model.embedding_norm" },                       \
    { .name = "output_layer", .hf_name = "lm_head" },                                               \
    { 0 }

/* Rows of both but for sizes. */
#define TS_LFM2_ROWS                                                                               \
    TS_KV_HEADS(8),                                                                                \
    TS_COPY("max_position_embeddings", max_positions, 128000),                                     \
    TS_COPY("norm_eps", norm_eps, 1e-5),                                                           \
    TS_CONFIG_ROW(COPY, "tie_word_embeddings", tied, true, .before = "tie_embedding"),             \
    TS_ID("pad_token_id", pad, 0),                                                                 \
    TS_ROPE(1000000, 0),                                                                           \
    TS_FIXED(act, TS_ACT_SILU),                                                                    \
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),                                                            \
    TS_COPY("conv_L_cache", short_conv.width, 3),                                                  \
    TS_COPY("conv_bias", short_conv.bias, false)
#endif
