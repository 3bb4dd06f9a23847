/* Rotary embeddings in config.json. transformers 5 has one object, rope_parameters; transformers
 * 4 had rope_theta and partial_rotary_factor beside an object rope_scaling, whose kind was first
 * "type" and later "rope_type". transformers 5 reads all of them, and what it prefers is
 * preferred here. */
#include "model/families/config.h"

#include <string.h>

static const struct {
    const char *name;
    ts_rope_scaling scaling;
} scalings[] = {
    { "default", TS_ROPE_DEFAULT },   { "linear", TS_ROPE_LINEAR },
    { "dynamic", TS_ROPE_DYNAMIC },   { "yarn", TS_ROPE_YARN },
    { "longrope", TS_ROPE_LONGROPE }, { "llama3", TS_ROPE_LLAMA3 },
    { "proportional", TS_ROPE_PROPORTIONAL },
    { "su", TS_ROPE_LONGROPE }, /* the first name of longrope in Phi-3's files */
};
enum { N_SCALINGS = sizeof scalings / sizeof *scalings };

static ts_status read_kind(const json_t *rope, const char *file, ts_rope_scaling *out)
{
    const char *name = NULL;
    TS_TRY(ts_json_text(rope, file, "type", "default", &name));
    TS_TRY(ts_json_text(rope, file, "rope_type", name, &name));
    for (size_t i = 0; i < N_SCALINGS; i++)
        if (!strcmp(name, scalings[i].name)) {
            *out = scalings[i].scaling;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER,
                    "%s: rope_type is \"%.60s\", expected one of default, linear, dynamic, yarn, "
                    "longrope, llama3",
                    file, name);
}

static ts_status read_factors(const json_t *rope, const char *file, const char *key, int64_t n,
                              float *out)
{
    const json_t *list = json_object_get(rope, key);
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: rope scaling: %s must be a list of %lld numbers", file,
                        key, (long long)n);
    if (json_array_size(list) != (size_t)n || n > TS_ROPE_MAX_FACTORS)
        return ts_error(TS_ERR_USER, "%s: rope scaling: %s has %zu numbers, expected %lld", file,
                        key, json_array_size(list), (long long)n);
    for (int64_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        if (!json_is_number(v))
            return ts_error(TS_ERR_USER, "%s: rope scaling: entry %lld of %s is not a number", file,
                            (long long)i, key);
        out[i] = (float)json_number_value(v);
    }
    return TS_OK;
}

static ts_status read_yarn(const json_t *rope, const char *file, ts_rope_config *r)
{
    bool truncate = true;
    TS_TRY(ts_config_real(rope, file, "beta_fast", 32, 32, &r->beta_fast));
    TS_TRY(ts_config_real(rope, file, "beta_slow", 1, 1, &r->beta_slow));
    r->beta_fast = r->beta_fast == 0 ? 32 : r->beta_fast;
    r->beta_slow = r->beta_slow == 0 ? 1 : r->beta_slow;
    TS_TRY(ts_config_real(rope, file, "mscale", 0, 0, &r->mscale));
    TS_TRY(ts_config_real(rope, file, "mscale_all_dim", 0, 0, &r->mscale_all_dim));
    TS_TRY(ts_json_bool(rope, file, "truncate", true, &truncate));
    r->no_truncate = !truncate;
    return TS_OK;
}

/* The length before stretching: outside the object it counts first, as in Phi-3's files. */
static ts_status read_original(const json_t *config, const json_t *rope, const char *file,
                               const ts_arch *a, ts_rope_config *r)
{
    static const char key[] = "original_max_position_embeddings";
    TS_TRY(ts_json_int(rope, file, key, a->max_positions, 1, TS_ARCH_MAX_POSITIONS,
                       &r->original_max_positions));
    return ts_json_int(config, file, key, r->original_max_positions, 1, TS_ARCH_MAX_POSITIONS,
                       &r->original_max_positions);
}

/* 0 is a factor, which leaves nothing of the scores, and not the lack of one. */
static ts_status read_attention_factor(const json_t *rope, const char *file, ts_rope_config *r)
{
    const json_t *given = json_object_get(rope, "attention_factor");
    if (json_is_number(given) && json_number_value(given) == 0)
        return ts_error(TS_ERR_USER, "%s: rope scaling: attention_factor is 0, expected above 0",
                        file);
    return ts_config_real(rope, file, "attention_factor", 0, 0, &r->attention_factor);
}

static ts_status read_scaling(const json_t *config, const json_t *rope, const char *file,
                              const ts_arch *a, ts_rope_config *r)
{
    const bool ratio = r->scaling == TS_ROPE_YARN || r->scaling == TS_ROPE_LONGROPE;
    if (ratio || r->scaling == TS_ROPE_LLAMA3)
        TS_TRY(read_original(config, rope, file, a, r));
    const double natural = ratio ? (double)a->max_positions / (double)r->original_max_positions
                                 : r->scaling == TS_ROPE_PROPORTIONAL;
    TS_TRY(ts_config_real(rope, file, "factor", natural, natural, &r->factor));
    if (r->factor <= 0)
        return ts_error(TS_ERR_USER, "%s: rope scaling: factor is %g, expected a number above 0",
                        file, r->factor);
    if (ratio)
        TS_TRY(read_attention_factor(rope, file, r));
    if (r->scaling == TS_ROPE_LLAMA3) {
        TS_TRY(ts_config_real(rope, file, "low_freq_factor", 0, 0, &r->low_freq_factor));
        TS_TRY(ts_config_real(rope, file, "high_freq_factor", 0, 0, &r->high_freq_factor));
    } else if (r->scaling == TS_ROPE_YARN) {
        TS_TRY(read_yarn(rope, file, r));
    } else if (r->scaling == TS_ROPE_LONGROPE) {
        TS_TRY(read_factors(rope, file, "short_factor", r->dim / 2, r->short_factor));
        TS_TRY(read_factors(rope, file, "long_factor", r->dim / 2, r->long_factor));
    }
    return TS_OK;
}

ts_status ts_config_rope_object(const json_t *config, const json_t *rope, const char *file,
                                double theta, double rotary, const ts_arch *a, ts_rope_config *out)
{
    double part = rotary > 0 ? rotary : 1;
    ts_rope_config r = { .factor = 1, .max_positions = a->max_positions };
    TS_TRY(ts_config_real(rope, file, "rope_theta", theta, theta, &r.theta));
    TS_TRY(ts_config_real(rope, file, "partial_rotary_factor", part, part, &part));
    if (part <= 0 || part > 1)
        return ts_error(TS_ERR_USER,
                        "%s: partial_rotary_factor is %g, expected above 0 and up to 1", file,
                        part);
    if (rotary <= 0 && part != 1)
        return ts_error(
            TS_ERR_USER,
            "%s: partial_rotary_factor is %g, but models of this type rotate whole heads", file,
            part);
    TS_TRY(read_kind(rope, file, &r.scaling));
    r.dim = r.scaling == TS_ROPE_PROPORTIONAL ? a->head_dim : (int64_t)((double)a->head_dim * part);
    r.angles = r.scaling == TS_ROPE_PROPORTIONAL ? (int64_t)((double)a->head_dim * part / 2) : 0;
    if (r.dim % 2)
        r.odd_dim = r.dim++;
    if (r.scaling != TS_ROPE_DEFAULT)
        TS_TRY(read_scaling(config, rope, file, a, &r));
    TS_TRY(ts_rope_check(&r, a->head_dim, file));
    *out = r;
    return TS_OK;
}

/* *out: the object, or NULL when the key is missing, null or empty. */
static ts_status find_object(const json_t *o, const char *file, const char *key, const json_t **out)
{
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_null(v) && !json_is_object(v))
        return ts_error(TS_ERR_USER, "%s: %s must be an object", file, key);
    *out = json_object_size(v) ? v : NULL;
    return TS_OK;
}

ts_status ts_config_rope_find(const json_t *o, const char *file, const json_t **out)
{
    TS_TRY(find_object(o, file, "rope_scaling", out));
    return *out ? TS_OK : find_object(o, file, "rope_parameters", out);
}

ts_status ts_config_rope(const json_t *o, const char *file, double theta, double part,
                         const ts_arch *a, ts_rope_config *out)
{
    const json_t *rope = NULL;
    double rotary = part;
    TS_TRY(ts_config_rope_find(o, file, &rope));
    if (json_object_get(rope, "full_attention") || json_object_get(rope, "sliding_attention"))
        return ts_error(
            TS_ERR_USER,
            "%s: rope_parameters has one entry for each layer type, which models of this type "
            "do not know",
            file);
    TS_TRY(ts_config_real(o, file, "rope_theta", theta, theta, &theta));
    if (rotary > 0)
        TS_TRY(ts_config_real(o, file, "partial_rotary_factor", rotary, rotary, &rotary));
    if (part > 0 && rotary <= 0) /* 0 stands for models that know no part */
        return ts_error(TS_ERR_USER,
                        "%s: partial_rotary_factor is %g, expected above 0 and up to 1", file,
                        rotary);
    return ts_config_rope_object(o, rope, file, theta, rotary, a, out);
}

static ts_status write_factors(const float *factor, int64_t n, const char *key, json_t *o)
{
    TS_TRY(ts_config_put(o, key, json_array()));
    for (int64_t i = 0; i < n; i++)
        if (json_array_append_new(json_object_get(o, key), json_real((double)factor[i])))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

static ts_status write_scaling(const ts_rope_config *r, json_t *s)
{
    for (size_t i = N_SCALINGS; i-- > 0;)
        if (scalings[i].scaling == r->scaling && strcmp(scalings[i].name, "su"))
            TS_TRY(ts_config_put(s, "rope_type", json_string(scalings[i].name)));
    if (r->scaling == TS_ROPE_DEFAULT)
        return TS_OK;
    TS_TRY(ts_config_put(s, "factor", json_real(r->factor)));
    if (r->scaling == TS_ROPE_LLAMA3 || r->scaling == TS_ROPE_YARN ||
        r->scaling == TS_ROPE_LONGROPE)
        TS_TRY(ts_config_put(s, "original_max_position_embeddings",
                             json_integer(r->original_max_positions)));
    if (r->scaling == TS_ROPE_PROPORTIONAL)
        return ts_config_put(s, "partial_rotary_factor", json_real(2.0 * (double)r->angles / (double)r->dim));
    if (r->attention_factor != 0 && (r->scaling == TS_ROPE_YARN || r->scaling == TS_ROPE_LONGROPE))
        TS_TRY(ts_config_put(s, "attention_factor", json_real(r->attention_factor)));
    if (r->scaling == TS_ROPE_LLAMA3) {
        TS_TRY(ts_config_put(s, "low_freq_factor", json_real(r->low_freq_factor)));
        return ts_config_put(s, "high_freq_factor", json_real(r->high_freq_factor));
    }
    if (r->scaling == TS_ROPE_LONGROPE) {
        TS_TRY(write_factors(r->short_factor, r->dim / 2, "short_factor", s));
        return write_factors(r->long_factor, r->dim / 2, "long_factor", s);
    }
    if (r->scaling != TS_ROPE_YARN)
        return TS_OK;
    TS_TRY(ts_config_put(s, "beta_fast", json_real(r->beta_fast)));
    TS_TRY(ts_config_put(s, "beta_slow", json_real(r->beta_slow)));
    if (r->mscale != 0)
        TS_TRY(ts_config_put(s, "mscale", json_real(r->mscale)));
    if (r->mscale_all_dim != 0)
        TS_TRY(ts_config_put(s, "mscale_all_dim", json_real(r->mscale_all_dim)));
    return r->no_truncate ? ts_config_put(s, "truncate", json_false()) : TS_OK;
}

ts_status ts_config_write_rope_object(const ts_rope_config *r, json_t *o, const char *key)
{
    TS_TRY(ts_config_put(o, key, json_object()));
    json_t *s = json_object_get(o, key);
    TS_TRY(ts_config_put(s, "rope_theta", json_real(r->theta)));
    return write_scaling(r, s);
}

ts_status ts_config_write_rope(const ts_rope_config *r, json_t *o)
{
    static const char key[] = "rope_scaling";
    if (r->scaling == TS_ROPE_DEFAULT)
        return ts_config_put(o, key, json_null());
    TS_TRY(ts_config_put(o, key, json_object()));
    return write_scaling(r, json_object_get(o, key));
}
