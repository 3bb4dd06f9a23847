#include "model/families/mamba.h"

#include <string.h>

enum { BEYOND = 1000000000 }; /* a step that nothing reaches */

/* {"__float__": "Infinity"} */
static double number_of(const json_t *v)
{
    const char *word = json_string_value(json_object_get(v, "__float__"));
    if (json_is_number(v))
        return json_number_value(v);
    return word && !strcmp(word, "Infinity") ? BEYOND : -1;
}

ts_status ts_mamba_read_steps(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *v = json_object_get(o, r->key);
    a->mamba.dt_min = a->mamba.dt_max = 0;
    if (!v || json_is_null(v))
        return TS_OK;
    const double lo = number_of(json_array_get(v, 0)), hi = number_of(json_array_get(v, 1));
    if (!json_is_array(v) || json_array_size(v) != 2 || lo < 0 || lo >= BEYOND || hi <= 0)
        return ts_error(TS_ERR_USER, "%s: %s must be two numbers from 0 on", file, r->key);
    a->mamba.dt_min = lo;
    a->mamba.dt_max = hi < BEYOND ? hi : 0;
    return TS_OK;
}

ts_status ts_mamba_write_steps(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    json_t *hi = a->mamba.dt_max > 0 ? json_real(a->mamba.dt_max) : json_pack("{s:s}", "__float__", "Infinity");
    json_t *v = json_pack("[f,o]", a->mamba.dt_min, hi);
    return ts_config_put(o, r->key, v);
}

/* A number, or "auto": what mamba_expand times hidden_size leaves for a head. */
ts_status ts_mamba_read_expand(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *v = json_object_get(o, r->key);
    int64_t expand = 0;
    TS_TRY(ts_config_int(o, file, "mamba_expand", 2, 2, 1, 64, &expand));
    const int64_t inner = expand * a->hidden, heads = a->mamba.heads > 0 ? a->mamba.heads : 1;
    a->mamba.head_dim = inner / heads;
    if (v && !json_is_null(v) && (!json_is_string(v) || strcmp(json_string_value(v), "auto")))
        TS_TRY(ts_json_int(o, file, r->key, 0, 1, TS_ARCH_MAX_HEAD_DIM, &a->mamba.head_dim));
    if (a->mamba.head_dim * a->mamba.heads != inner)
        return ts_error(TS_ERR_USER,
                        "%s: mamba_expand %lld times hidden_size %lld is not mamba_n_heads %lld times mamba_d_head %lld",
                        file, (long long)expand, (long long)a->hidden, (long long)a->mamba.heads,
                        (long long)a->mamba.head_dim);
    return TS_OK;
}

ts_status ts_mamba_write_expand(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "mamba_expand", json_integer(a->mamba.heads * a->mamba.head_dim / a->hidden)));
    return ts_config_put(o, r->key, json_integer(a->mamba.head_dim));
}

ts_status ts_selective_read_expand(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t expand = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, (int64_t)r->def, 1, 64, &expand));
    a->selective.channels = expand * a->hidden;
    return TS_OK;
}

ts_status ts_selective_write_expand(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->selective.channels / a->hidden));
}

ts_status ts_selective_read_rank(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *word = json_string_value(json_object_get(o, r->key));
    const int64_t by_itself = (a->hidden + 15) / 16;
    a->selective.rank = by_itself;
    if (word && !strcmp(word, "auto"))
        return TS_OK;
    return ts_config_int(o, file, r->key, by_itself, by_itself, 1, TS_ARCH_MAX_WIDTH, &a->selective.rank);
}

ts_status ts_selective_write_rank(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->selective.rank));
}

ts_status ts_scans_read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)o, (void)file;
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].attention = (ts_attention_kind)r->def, a->layer[i].mlp = TS_MLP_NONE;
    return TS_OK;
}
