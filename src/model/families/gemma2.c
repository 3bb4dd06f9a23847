/* Gemma 2: norms before and after each part, a window in every other layer, soft caps. */
#include "model/families/families.h"

#include <math.h>

/* Gemma 3's and OLMo 2's too. */
const ts_name_row ts_norms_around_names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    TS_NAMES_QKV("model.layers.*.self_attn."),
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.q_norm" },
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.k_norm" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "post_attn_norm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.pre_feedforward_layernorm" },
    { .name = "post_mlp_layernorm", .hf_name = "model.layers.*.post_feedforward_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static ts_status read_scale(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double scalar = 0;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &scalar));
    if (scalar <= 0)
        return ts_error(TS_ERR_USER, "%s: query_pre_attn_scalar is %g, expected a number above 0",
                        file, scalar);
    a->attn_scale = 1 / sqrt(scalar);
    return TS_OK;
}

static ts_status write_scale(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const double scalar = 1 / (a->attn_scale * a->attn_scale);
    return ts_config_put(o, r->key,
                         scalar < 1e15 ? json_integer(llround(scalar)) : json_real(scalar));
}

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers && !given; i += 2)
        a->layer[i].window = window;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("hidden_size", hidden, 2304),
    TS_COPY("intermediate_size", ffn, 9216),
    TS_COPY("num_hidden_layers", n_layers, 26),
    TS_COPY("num_attention_heads", n_heads, 8),
    TS_KV_HEADS(4),
    TS_COPY("hidden_activation", act, TS_ACT_GELU_TANH),
    TS_OWN("query_pre_attn_scalar", attn_scale, read_scale, write_scale, 256),
    TS_FIXED(post_norm, true),
    TS_CHECK(ts_config_whole_heads),
    TS_CAP("attn_logit_softcapping", attn_softcap, 50),
    TS_CAP("final_logit_softcapping", logit_softcap, 30),
    TS_OWN("sliding_window", layer, read_layers, ts_config_write_layers, 4096),
    { TS_CONFIG_END },
};

const ts_family ts_family_gemma2 = { .model_type = "gemma2", .architecture = "Gemma2ForCausalLM",
                                     .base = &ts_family_gemma, .names = ts_norms_around_names, .rows = rows };
