/* Command-R, Aya: attention and MLP side by side behind one layer norm without a bias, neighbouring pairs
 * rotated, scaled logits; Command-R+ norms each head of queries and keys. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    { "self_attention.q_layernorm", "model.layers.*.self_attn.q_norm", TS_PART_HEADS, false },
    { "self_attention.k_layernorm", "model.layers.*.self_attn.k_norm", TS_PART_HEADS, false },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_OWN_NORMS("use_qk_norm"),
    TS_COPY("vocab_size", vocab, 256000),
    TS_COPY("hidden_size", hidden, 8192),
    TS_COPY("intermediate_size", ffn, 22528),
    TS_COPY("num_hidden_layers", n_layers, 40),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_COPY("max_position_embeddings", max_positions, 8192),
    TS_COPY("layer_norm_eps", norm_eps, 1e-5),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, 5),
    TS_ID("pad_token_id", pad, 0),
    TS_ENDS(255001),
    TS_OWN("rope_theta", rope, read_rope, ts_config_write_ropes, 500000),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY("logit_scale", logit_scale, 0.0625),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(parallel_residual, true),
    TS_FIXED(shared_norm, true),
    { TS_CONFIG_END },
};

const ts_family ts_family_cohere = { .model_type = "cohere", .architecture = "CohereForCausalLM",
                                 .base = &ts_family_base, .names = names, .rows = rows };
