/* gpt-oss: experts and a router with biases, whose gated values are clamped; sinks of attention; every other layer has a
 * window. Published files hold the experts' matrices in MXFP4. */
#include "model/families/families.h"

#include <string.h>

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "self_attention.core_attention.softmax_offset", .hf_name = "model.layers.*.self_attn.sinks" },
    TS_NAMES_QKV("model.layers.*.self_attn."),
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.router" },
    { "mlp.experts.linear_fc1.weight", "model.layers.*.mlp.experts.gate_up_proj", TS_PART_PAIRS, true },
    { "mlp.experts.linear_fc1.bias", "model.layers.*.mlp.experts.gate_up_proj_bias", TS_PART_PAIRS, false },
    { "mlp.experts.linear_fc2.weight", "model.layers.*.mlp.experts.down_proj", TS_PART_ALL, true },
    { .name = "mlp.experts.linear_fc2.bias", .hf_name = "model.layers.*.mlp.experts.down_proj_bias" },
    TS_NAMES_LAST,
    { 0 },
};

/* MXFP4 is unpacked when it is read. */
static ts_status read_quantisation(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *q = json_object_get(o, r->key);
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    (void)a;
    if (!q || json_is_null(q) || json_is_false(q) || (method && !strcmp(method, "mxfp4")))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: %s: quant_method is \"%.60s\", expected mxfp4", file, r->key,
                    method ? method : "not given");
}

/* The sigmoid's factor: 1.702 or 1. */
static ts_status read_alpha(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double alpha;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &alpha));
    if (alpha != 1.702 && alpha != 1)
        return ts_error(TS_ERR_USER, "%s: %s is %g, expected 1.702 or 1", file, r->key, alpha);
    a->act = alpha == 1 ? TS_ACT_SILU : TS_ACT_GELU_QUICK;
    return TS_OK;
}

static ts_status write_alpha(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "hidden_act", json_string("silu")));
    return ts_config_put(o, r->key, json_real(a->act == TS_ACT_SILU ? 1 : 1.702));
}

/* Without a word of it positions are stretched by yarn, as transformers' class says. */
static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *given;
    TS_TRY(ts_config_rope_find(o, file, &given));
    if (given)
        return ts_config_read_rope(r, o, file, a);
    json_t *usual = json_pack("{s:s, s:f, s:f, s:f, s:b, s:i}", "rope_type", "yarn", "factor", 32.0, "beta_fast", 32.0,
                              "beta_slow", 1.0, "truncate", 0, "original_max_position_embeddings", 4096);
    double theta = r->def;
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    ts_status st = usual ? ts_config_real(o, file, r->key, r->def, r->def, &theta)
                         : ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    if (st == TS_OK)
        st = ts_config_rope_object(o, usual, file, theta, 0, a, &a->rope[0]);
    json_decref(usual);
    return st;
}

/* A missing rope_scaling would mean yarn. */
static ts_status write_rope(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write_ropes(r, a, o));
    return a->rope[0].scaling == TS_ROPE_DEFAULT
               ? ts_config_put(o, "rope_scaling", json_pack("{s:s}", "rope_type", "default"))
               : TS_OK;
}

/* The first layer, the third, ... have the window unless layer_types says otherwise. */
static ts_status read_windows(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t window;
    bool given;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers && !given; i += 2)
        a->layer[i].window = window;
    return TS_OK;
}

static const ts_config_row rows[] = {
    { .kind = TS_CONFIG_OWN, .key = "quantization_config", .read = read_quantisation },
    TS_COPY("vocab_size", vocab, 201088),
    TS_COPY("hidden_size", hidden, 2880),
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 2880),
    TS_COPY("num_hidden_layers", n_layers, 36),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_KV_HEADS(8),
    TS_HEAD_DIM(64),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 150000, .read = read_rope, .write = write_rope),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, true),
    TS_CONFIG_ROW(COPY, "num_local_experts", n_experts, 128, .before = "num_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 4),
    TS_OWN("swiglu_alpha", act, read_alpha, write_alpha, 1.702),
    TS_COPY("swiglu_limit", act_clamp, 7),
    TS_FIXED(glu_offset, 1),
    TS_FIXED(router_score, TS_ROUTE_CHOSEN),
    TS_FIXED(experts_bias, true),
    TS_FIXED(bias_fc1, true), /* of layers without experts, of which there are none */
    TS_FIXED(bias_fc2, true),
    TS_FIXED(attn_sinks, true),
    TS_OWN("sliding_window", layer, read_windows, ts_config_write_layers, 128),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_gpt_oss = { .model_type = "gpt_oss", .architecture = "GptOssForCausalLM",
                                      .base = &ts_family_base, .names = names, .rows = rows };
