/* Bloom: ALiBi, layer norms with one of the embedding too, biases; a head's query, key and value stand side
 * by side as ours do. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "transformer.word_embeddings" },
    { .name = "embedding.norm", .hf_name = "transformer.word_embeddings_layernorm" },
    { .name = "input_layernorm", .hf_name = "transformer.h.*.input_layernorm" },
    { .name = "self_attention.linear_qkv", .hf_name = "transformer.h.*.self_attention.query_key_value" },
    { .name = "self_attention.linear_proj", .hf_name = "transformer.h.*.self_attention.dense" },
    { .name = "pre_mlp_layernorm", .hf_name = "transformer.h.*.post_attention_layernorm" },
    { .name = "mlp.linear_fc1", .hf_name = "transformer.h.*.mlp.dense_h_to_4h" },
    { .name = "mlp.linear_fc2", .hf_name = "transformer.h.*.mlp.dense_4h_to_h" },
    { .name = "decoder.final_layernorm", .hf_name = "transformer.ln_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static const ts_config_row rows[] = {
    TS_REFUSE("apply_residual_connection_post_layernorm", "the residual must be what the norm reads"),
    TS_COPY("vocab_size", vocab, 250880),
    TS_CONFIG_ROW(COPY, "hidden_size", hidden, 64, .before = "n_embed", .most = TS_ARCH_MAX_WIDTH / 4),
    TS_OWN(NULL, ffn, ts_config_wide_mlp, NULL, 0),
    TS_CONFIG_ROW(COPY, "n_layer", n_layers, 2, .before = "num_hidden_layers"),
    TS_CONFIG_ROW(COPY, "n_head", n_heads, 8, .before = "num_attention_heads"),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_NO_HEAD_DIM,
    TS_COPY("seq_length", max_positions, 2048),
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-5),
    TS_FIXED(act, TS_ACT_GELU_TANH),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_FIXED(position, TS_POSITION_ALIBI),
    TS_OWN(NULL, rope, NULL, NULL, 0), /* there is none */
    TS_FIXED(embed_norm, true),
    TS_FIXED(bias_qkv, true),
    TS_FIXED(bias_proj, true),
    TS_FIXED(bias_fc1, true),
    TS_FIXED(bias_fc2, true),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_FIXED(gated, false),
    TS_FIXED(pad_frozen, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_bloom = { .model_type = "bloom", .architecture = "BloomForCausalLM",
                                 .base = &ts_family_base, .prefix = "transformer.", .names = names,
                                 .rows = rows };
