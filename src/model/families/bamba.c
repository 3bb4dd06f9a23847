/* Bamba: state-space layers, and attention where the config says so, each with an MLP behind it. */
#include "model/families/families.h"
#include "model/families/mamba.h"

#include <string.h>

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.feed_forward."),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.pre_ff_layernorm" },
    TS_MAMBA_NAMES("model.layers.*.mamba"),
    TS_NAMES_QKV("model.layers.*.self_attn."),
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "decoder.final_layernorm", .hf_name = "model.final_layernorm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, r->key), *v;
    size_t i;
    a->mamba.norm_groups = a->mamba.groups;
    for (int64_t k = 0; k < a->n_layers; k++)
        a->layer[k].attention = TS_ATTENTION_MAMBA;
    if (list && !json_is_null(list) && !json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: %s must be a list of layers", file, r->key);
    json_array_foreach((json_t *)list, i, v)
    {
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= a->n_layers)
            return ts_error(TS_ERR_USER, "%s: entry %zu of %s is none of the %lld layers, counted from 0", file, i,
                            r->key, (long long)a->n_layers);
        a->layer[json_integer_value(v)].attention = TS_ATTENTION_SOFTMAX;
    }
    return TS_OK;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (a->layer[i].attention == TS_ATTENTION_SOFTMAX &&
            json_array_append_new(json_object_get(o, r->key), json_integer(i)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 128000),
    TS_COPY("intermediate_size", ffn, 14336),
    TS_KV_HEADS(8),
    TS_NO_HEAD_DIM,
    TS_COPY("max_position_embeddings", max_positions, 262144),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_ID("pad_token_id", pad, 0),
    TS_ROPE(10000, 0.5),
    TS_COPY("mamba_n_heads", mamba.heads, 128),
    TS_COPY("mamba_n_groups", mamba.groups, 1),
    TS_COPY("mamba_d_state", mamba.state, 256),
    TS_COPY("mamba_d_conv", mamba.conv, 4),
    TS_COPY("mamba_conv_bias", mamba.conv_bias, true),
    TS_COPY("mamba_proj_bias", mamba.bias, false),
    TS_MAMBA_EXPAND,
    TS_MAMBA_STEPS("time_step_limit"),
    TS_OWN("attn_layer_indices", layer, read_layers, write_layers, 0),
    TS_STATE_ACT,
    { TS_CONFIG_END },
};

const ts_family ts_family_bamba = { .model_type = "bamba", .architecture = "BambaForCausalLM",
                                    .base = &ts_family_base, .names = names, .rows = rows };
