/* Qwen3-Next and Qwen 3.5 (text): gated delta nets. Their full attention has a gate, and Qwen3-Next's MLPs
 * are mixtures of experts, unless the config names each layer as one that has an MLP only. */
#include "model/families/families.h"

#include <string.h>

/* Behind the convolution the norm and the output in Qwen3-Next's order of modules. */
#define BEFORE                                                                                     \
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },                      \
    { .name = "self_attention.dt_bias", .hf_name = "model.layers.*.linear_attn.dt_bias" },         \
    { .name = "self_attention.A_log", .hf_name = "model.layers.*.linear_attn.A_log" },             \
    { .name = "self_attention.conv1d", .hf_name = "model.layers.*.linear_attn.conv1d", .part = TS_PART_FILTER }
#define OUTPUT                                                                                     \
    { .name = "self_attention.norm", .hf_name = "model.layers.*.linear_attn.norm" },               \
    { .name = "self_attention.out_proj", .hf_name = "model.layers.*.linear_attn.out_proj" }
#define BEHIND                                                                                     \
    { "mlp.linear_fc1", "model.layers.*.mlp.gate_proj", TS_PART_GATE, false },              \
    { "mlp.linear_fc1", "model.layers.*.mlp.up_proj", TS_PART_UP, false },                  \
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.down_proj" },                       \
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },                    \
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },         \
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },                                \
    { .name = "output_layer", .hf_name = "lm_head" }

static const ts_name_row next_names[] = {
    BEFORE,
    { "self_attention.in_proj_qkv", "model.layers.*.linear_attn.in_proj_qkvz", TS_PART_DELTA_QKV, false },
    { "self_attention.in_proj_z", "model.layers.*.linear_attn.in_proj_qkvz", TS_PART_DELTA_Z, false },
    { "self_attention.in_proj_b", "model.layers.*.linear_attn.in_proj_ba", TS_PART_DELTA_B, false },
    { "self_attention.in_proj_a", "model.layers.*.linear_attn.in_proj_ba", TS_PART_DELTA_A, false },
    OUTPUT,
    BEHIND,
    { 0 },
};

static const ts_name_row names[] = {
    BEFORE,
    OUTPUT,
    { .name = "self_attention.in_proj_qkv", .hf_name = "model.layers.*.linear_attn.in_proj_qkv" },
    { .name = "self_attention.in_proj_z", .hf_name = "model.layers.*.linear_attn.in_proj_z" },
    { .name = "self_attention.in_proj_b", .hf_name = "model.layers.*.linear_attn.in_proj_b" },
    { .name = "self_attention.in_proj_a", .hf_name = "model.layers.*.linear_attn.in_proj_a" },
    BEHIND,
    { 0 },
};

/* layer_types, or every full_attention_interval-th layer: where attention has a gate. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *types = json_object_get(o, r->key);
    int64_t interval = 4;
    TS_TRY(ts_config_int(o, file, "full_attention_interval", 4, 4, 1, TS_ARCH_MAX_LAYERS, &interval));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const char *type = json_string_value(json_array_get(types, (size_t)i));
        const bool linear = json_is_array(types) ? type && !strcmp(type, "linear_attention") : (i + 1) % interval != 0;
        if (!linear)
            return ts_error(TS_ERR_USER,
                            "%s: layer %lld of layer_types has full attention, whose output has a gate in models of this "
                            "type, which is not supported; linear_attention is",
                            file, (long long)i);
        a->layer[i].attention = TS_ATTENTION_DELTA;
    }
    return TS_OK;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(json_object_get(o, r->key), json_string("linear_attention")))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

/* Layers without experts. */
static ts_status read_dense(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, r->key);
    int64_t experts = 0;
    TS_TRY(ts_config_int(o, file, "num_experts", 512, 512, 0, 1 << 20, &experts));
    for (int64_t i = 0, found; experts && i < a->n_layers; i++) {
        found = 0;
        for (size_t k = 0; k < json_array_size(list); k++)
            found += json_integer_value(json_array_get(list, k)) == i;
        if (!found)
            return ts_error(TS_ERR_USER,
                            "%s: layer %lld is a mixture of experts, which is not supported: num_experts must be 0, or "
                            "mlp_only_layers name all layers",
                            file, (long long)i);
    }
    return TS_OK;
}

static ts_status write_dense(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(json_object_get(o, r->key), json_integer(i)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 248320),
    TS_COPY("intermediate_size", ffn, 12288),
    TS_KV_HEADS(4),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_HEAD_DIM(256),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_FIXED(norm_offset, 1),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_ROPE(10000, 0.25),
    TS_COPY("linear_num_key_heads", delta.key_heads, 16),
    TS_COPY("linear_num_value_heads", delta.heads, 32),
    TS_COPY("linear_key_head_dim", delta.key_dim, 128),
    TS_COPY("linear_value_head_dim", delta.value_dim, 128),
    TS_COPY("linear_conv_kernel_dim", delta.conv, 4),
    TS_OWN("layer_types", layer, read_layers, write_layers, 0),
    { TS_CONFIG_END },
};

static const ts_config_row next_rows[] = {
    TS_COPY("vocab_size", vocab, 151936),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 5632),
    TS_COPY("num_hidden_layers", n_layers, 48),
    TS_KV_HEADS(2),
    { .kind = TS_CONFIG_OWN, .key = "mlp_only_layers", .read = read_dense, .write = write_dense },
    { TS_CONFIG_END },
};

const ts_family ts_family_qwen3_5 = { .model_type = "qwen3_5_text", .architecture = "Qwen3_5ForCausalLM",
                                      .base = &ts_family_base, .names = names, .rows = rows };
const ts_family ts_family_qwen3_next = { .model_type = "qwen3_next", .architecture = "Qwen3NextForCausalLM",
                                         .base = &ts_family_qwen3_5, .names = next_names, .rows = next_rows };
