/* LFM2: layers of gated short convolutions and of attention, each with an MLP behind it. */
#include "model/families/lfm2.h"
#include "model/families/families.h"

static const ts_name_row names[] = { TS_LFM2_BEGIN, TS_LFM2_NAMES, TS_LFM2_END };

static ts_status read_types(const json_t *list, const char *file, const char *key, ts_arch *a)
{
    static const char *const words[] = { "conv", "full_attention", NULL };
    for (int64_t i = 0; i < a->n_layers; i++) {
        int full;
        TS_TRY(ts_config_layer_word(list, file, key, i, words, &full));
        a->layer[i].attention = full ? TS_ATTENTION_SOFTMAX : TS_ATTENTION_CONV;
    }
    return TS_OK;
}

static ts_status read_indices(const json_t *list, const char *file, ts_arch *a)
{
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: full_attn_idxs must be a list of layers", file);
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].attention = TS_ATTENTION_CONV;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *v = json_array_get(list, k);
        const json_int_t i = json_is_integer(v) ? json_integer_value(v) : -1;
        if (i < 0 || i >= a->n_layers)
            return ts_error(TS_ERR_USER, "%s: entry %zu of full_attn_idxs is none of the %lld layers, counted from 0",
                            file, k, (long long)a->n_layers);
        a->layer[i].attention = TS_ATTENTION_SOFTMAX;
    }
    return TS_OK;
}

ts_status ts_lfm2_read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *types, *indices = json_object_get(o, "full_attn_idxs");
    TS_TRY(ts_config_layer_list(o, file, r->key, a, &types));
    if (types)
        return read_types(types, file, r->key, a);
    return indices && !json_is_null(indices) ? read_indices(indices, file, a) : TS_OK;
}

static const char *type_of(const ts_layer_arch *l) { return l->attention == TS_ATTENTION_CONV ? "conv" : "full_attention"; }

ts_status ts_lfm2_write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put_words(o, r->key, a, type_of);
}

/* Unless block_auto_adjust_ff_dim says otherwise, two thirds of what stands there, times a factor and rounded up
 * to a multiple. */
static ts_status read_width(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char by[] = "block_ffn_dim_multiplier";
    const json_t *v = json_object_get(o, by), *own = json_object_get(o, "block_ff_dim");
    int64_t n, unit;
    double factor = 1;
    bool adjusts;
    TS_TRY(ts_json_int(o, file, own && !json_is_null(own) ? "block_ff_dim" : r->key, (int64_t)r->def, 1, TS_ARCH_MAX_WIDTH, &n));
    TS_TRY(ts_json_bool(o, file, "block_auto_adjust_ff_dim", true, &adjusts));
    TS_TRY(ts_json_int(o, file, "block_multiple_of", 256, 1, TS_ARCH_MAX_WIDTH, &unit));
    a->ffn = n;
    if (!adjusts)
        return TS_OK;
    a->ffn = 2 * n / 3;
    if (v && json_is_null(v))
        return TS_OK;
    TS_TRY(ts_config_real(o, file, by, 1, 1, &factor));
    const double wide = factor * (double)a->ffn;
    if (!(wide >= 1 && wide <= TS_ARCH_MAX_WIDTH))
        return ts_error(TS_ERR_USER, "%s: %s is %g, which makes an MLP of width %g", file, by, factor, wide);
    a->ffn = ((int64_t)wide + unit - 1) / unit * unit;
    return TS_OK;
}

static ts_status write_width(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_integer(a->ffn)));
    return ts_config_put(o, "block_auto_adjust_ff_dim", json_false());
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 65536),
    TS_COPY("hidden_size", hidden, 2560),
    TS_OWN("intermediate_size", ffn, read_width, write_width, 12288),
    TS_LFM2_ROWS,
    TS_LFM2_LAYERS,
    { TS_CONFIG_END },
};

const ts_family ts_family_lfm2 = { .model_type = "lfm2", .architecture = "Lfm2ForCausalLM", .base = &ts_family_base,
                                   .names = names, .rows = rows };
