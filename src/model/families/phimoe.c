/* Phi-3.5-MoE: layer norms, biases, and two experts chosen by sparsemixer. */
#include "model/families/families.h"

/* The one that the paper and the published model have. */
static ts_status check_noise(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double noise;
    (void)a;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &noise));
    return noise == r->def ? TS_OK
                           : ts_error(TS_ERR_USER, "%s: %s is %g, only %g is known here", file, r->key, noise, r->def);
}

static ts_status write_noise(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)a;
    return ts_config_put(o, r->key, json_real(r->def));
}

/* Its longrope says what cosines and sines are multiplied with, for short and for long batches. */
static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *rope = NULL;
    double of_short, of_long;
    TS_TRY(ts_config_read_rope(r, o, file, a));
    if (a->rope[0].scaling == TS_ROPE_DEFAULT)
        return TS_OK;
    if (a->rope[0].scaling != TS_ROPE_LONGROPE)
        return ts_error(TS_ERR_USER, "%s: rope_type of a phimoe model must be default or longrope", file);
    TS_TRY(ts_config_rope_find(o, file, &rope));
    TS_TRY(ts_config_real(rope, file, "short_mscale", 0, 0, &of_short));
    TS_TRY(ts_config_real(rope, file, "long_mscale", 0, 0, &of_long));
    if (!(of_short > 0) || of_short != of_long)
        return ts_error(TS_ERR_USER,
                        "%s: rope scaling: short_mscale is %g and long_mscale %g, expected one number above 0 in both, as "
                        "the published model has it", file, of_short, of_long);
    a->rope[0].attention_factor = of_short;
    return TS_OK;
}

static ts_status write_rope(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const double factor = a->rope[0].attention_factor;
    TS_TRY(ts_config_write_ropes(r, a, o));
    if (a->rope[0].scaling != TS_ROPE_LONGROPE)
        return TS_OK;
    json_t *rope = json_object_get(o, "rope_scaling");
    TS_TRY(ts_config_put(rope, "short_mscale", json_real(factor)));
    return ts_config_put(rope, "long_mscale", json_real(factor));
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 32064),
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 6400),
    TS_KV_HEADS(8),
    TS_COPY("max_position_embeddings", max_positions, 4096 * 32),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY("lm_head_bias", bias_head, false),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 1e6, .read = read_rope, .write = write_rope),
    TS_WINDOW(0),
    TS_COPY("num_local_experts", n_experts, 16),
    TS_COPY("num_experts_per_tok", experts_per_token, 2),
    { .kind = TS_CONFIG_OWN, .key = "router_jitter_noise", .def = 0.01, .read = check_noise, .write = write_noise },
    TS_FIXED(router_score, TS_ROUTE_SPARSEMIXER),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_phimoe = { .model_type = "phimoe", .architecture = "PhimoeForCausalLM",
                                     .base = &ts_family_base, .names = ts_mixtral_names, .rows = rows };
