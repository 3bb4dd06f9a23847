/* Falcon-H1: attention and a state-space layer side by side in every layer, an MLP behind them, and factors
 * everywhere (muP). */
#include "model/families/families.h"
#include "model/families/mamba.h"

#include <math.h>

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.feed_forward."),
    TS_MAMBA_NAMES("model.layers.*.mamba"),
    TS_NAMES_QKV("model.layers.*.self_attn."),
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.pre_ff_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.final_layernorm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* mamba_d_ssm, or without it (a null) mamba_expand times hidden_size, is so many heads' width. */
static ts_status read_width(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *v = json_object_get(o, "mamba_d_head");
    int64_t expand = 0, inner = 0;
    TS_TRY(ts_config_int(o, file, "mamba_expand", 2, 2, 1, 64, &expand));
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, expand * a->hidden, 1, TS_ARCH_MAX_WIDTH, &inner));
    a->mamba.head_dim = a->mamba.heads > 0 ? inner / a->mamba.heads : 0;
    if (v && json_is_integer(v))
        TS_TRY(ts_json_int(o, file, "mamba_d_head", 0, 1, TS_ARCH_MAX_HEAD_DIM, &a->mamba.head_dim));
    return a->mamba.head_dim * a->mamba.heads == inner
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: mamba_d_ssm %lld is not mamba_n_heads %lld times mamba_d_head %lld", file,
                          (long long)inner, (long long)a->mamba.heads, (long long)a->mamba.head_dim);
}

static ts_status write_width(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_integer(a->mamba.heads * a->mamba.head_dim)));
    return ts_config_put(o, "mamba_d_head", json_integer(a->mamba.head_dim));
}

/* A list of n numbers above 0; missing: they stay. */
static ts_status read_factors(const json_t *o, const char *file, const char *key, double *const *to, size_t n)
{
    const json_t *list = json_object_get(o, key);
    if (!list || json_is_null(list))
        return TS_OK;
    bool good = json_is_array(list) && json_array_size(list) == n;
    for (size_t i = 0; good && i < n; i++) {
        const double v = json_number_value(json_array_get(list, i));
        good = v > 0 && isfinite(v);
        *to[i] = v;
    }
    return good ? TS_OK : ts_error(TS_ERR_USER, "%s: %s must be a list of %zu numbers above 0", file, key, n);
}

static ts_status read_scan_factors(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    ts_mamba_arch *m = &a->mamba;
    double *const to[] = { &m->z_scale, &m->x_scale, &m->b_scale, &m->c_scale, &m->dt_scale };
    return read_factors(o, file, r->key, to, sizeof to / sizeof *to);
}

static ts_status write_scan_factors(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const ts_mamba_arch *m = &a->mamba;
    return ts_config_put(o, r->key, json_pack("[f,f,f,f,f]", m->z_scale, m->x_scale, m->b_scale, m->c_scale, m->dt_scale));
}

static ts_status read_mlp_factors(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double *const to[] = { &a->mlp_gate_scale, &a->mlp_out_scale };
    return read_factors(o, file, r->key, to, sizeof to / sizeof *to);
}

static ts_status write_mlp_factors(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_pack("[f,f]", a->mlp_gate_scale, a->mlp_out_scale));
}

/* Keys times a number are scores times it. */
static ts_status read_key_factor(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double by = 1;
    TS_TRY(ts_config_real(o, file, r->key, 1, 1, &by));
    a->attn_scale = by / sqrt((double)a->head_dim);
    return by > 0 ? TS_OK : ts_error(TS_ERR_USER, "%s: %s is %g, expected a number above 0", file, r->key, by);
}

/* The number that is read as this. */
static ts_status write_key_factor(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const double root = sqrt((double)a->head_dim), about = a->attn_scale * root;
    const double near[] = { about, nextafter(about, 0), nextafter(about, INFINITY) };
    double by = about;
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        by = near[i] / root == a->attn_scale ? near[i] : by;
    return ts_config_put(o, r->key, json_real(by));
}

/* projectors_bias is of the scan's output; here it is as of its input. */
static ts_status read_bias(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool out = false;
    TS_TRY(ts_config_copy_in(r, o, file, a));
    TS_TRY(ts_json_bool(o, file, "projectors_bias", false, &out));
    return out == a->mamba.bias ? TS_OK
                                : ts_error(TS_ERR_USER, "%s: projectors_bias and mamba_proj_bias differ: the projections "
                                                        "of a state-space layer have biases both or none", file);
}

static ts_status write_bias(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_copy_out(r, a, o));
    return ts_config_put(o, "projectors_bias", json_boolean(a->mamba.bias));
}

static ts_status read_norm(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool norms = false, first = true;
    TS_TRY(ts_json_bool(o, file, r->key, false, &norms));
    TS_TRY(ts_json_bool(o, file, "mamba_norm_before_gate", true, &first));
    a->mamba.no_norm = !norms;
    a->mamba.norm_first = norms && first;
    return TS_OK;
}

static ts_status write_norm(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_boolean(!a->mamba.no_norm)));
    return ts_config_put(o, "mamba_norm_before_gate", json_boolean(a->mamba.norm_first));
}

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->mamba.norm_groups = a->mamba.groups;
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].attention = TS_ATTENTION_BESIDE;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 128000),
    TS_COPY("intermediate_size", ffn, 14336),
    TS_KV_HEADS(8),
    TS_COPY("max_position_embeddings", max_positions, 8192),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_ID("pad_token_id", pad, 0),
    TS_COPY("embedding_multiplier", embed_scale, 1),
    TS_COPY("lm_head_multiplier", logit_scale, 1),
    TS_OWN("key_multiplier", attn_scale, read_key_factor, write_key_factor, 1),
    TS_COPY("attention_in_multiplier", attn_in_scale, 1),
    TS_COPY("attention_out_multiplier", attn_out_scale, 1),
    TS_OWN("mlp_multipliers", mlp_gate_scale, read_mlp_factors, write_mlp_factors, 1),
    TS_COPY("ssm_in_multiplier", mamba.in_scale, 1),
    TS_COPY("ssm_out_multiplier", mamba.out_scale, 1),
    TS_OWN("ssm_multipliers", mamba.z_scale, read_scan_factors, write_scan_factors, 1),
    TS_COPY("mamba_n_heads", mamba.heads, 128),
    TS_COPY("mamba_n_groups", mamba.groups, 1),
    TS_COPY("mamba_d_state", mamba.state, 256),
    TS_COPY("mamba_d_conv", mamba.conv, 4),
    TS_COPY("mamba_conv_bias", mamba.conv_bias, true),
    TS_CONFIG_ROW(COPY, "mamba_proj_bias", mamba.bias, false, .read = read_bias, .write = write_bias),
    TS_OWN("mamba_rms_norm", mamba.no_norm, read_norm, write_norm, 0),
    TS_OWN("mamba_d_ssm", mamba.head_dim, read_width, write_width, 1024),
    TS_MAMBA_STEPS("time_step_limit"),
    TS_OWN(NULL, layer, read_layers, NULL, 0),
    TS_STATE_ACT,
    { TS_CONFIG_END },
};

const ts_family ts_family_falcon_h1 = { .model_type = "falcon_h1", .architecture = "FalconH1ForCausalLM",
                                        .base = &ts_family_base, .names = names, .rows = rows };
