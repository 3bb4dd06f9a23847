/* Which keys the queries of a layer see, as config.json says it. */
#include "model/families/config.h"

#include <string.h>

ts_status ts_config_read_window(const ts_config_row *r, const json_t *o, const char *file,
                                ts_arch *a)
{
    int64_t window = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].window = window;
    return TS_OK;
}

ts_status ts_config_write_window(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const int64_t window = a->layer[0].window;
    return ts_config_put(o, r->key, window ? json_integer(window) : json_null());
}

ts_status ts_config_layer_types(const json_t *o, const char *file, int64_t window, ts_arch *a,
                                bool *given)
{
    const json_t *types = json_object_get(o, "layer_types");
    *given = types && !json_is_null(types);
    if (!*given)
        return TS_OK;
    if (!json_is_array(types) || json_array_size(types) != (size_t)a->n_layers)
        return ts_error(TS_ERR_USER,
                        "%s: layer_types must be a list of num_hidden_layers = %lld names", file,
                        (long long)a->n_layers);
    for (int64_t i = 0; i < a->n_layers; i++) {
        const char *type = json_string_value(json_array_get(types, (size_t)i));
        const bool slides = type && !strcmp(type, "sliding_attention");
        if (!slides && (!type || strcmp(type, "full_attention")))
            return ts_error(
                TS_ERR_USER,
                "%s: entry %lld of layer_types is \"%.60s\", expected full_attention or "
                "sliding_attention",
                file, (long long)i, type ? type : "not a string");
        if (slides && window < 1)
            return ts_error(TS_ERR_USER,
                            "%s: layer_types has sliding_attention but sliding_window is not set",
                            file);
        a->layer[i].window = slides ? window : 0;
    }
    return TS_OK;
}

ts_status ts_config_state_act(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o;
    for (int64_t i = 0; i < a->n_layers && a->act != TS_ACT_SILU; i++) {
        const ts_attention_kind k = a->layer[i].attention;
        if (ts_has_mamba(k) || k == TS_ATTENTION_DELTA || k == TS_ATTENTION_KDA)
            return ts_error(TS_ERR_USER, "%s: hidden_act is \"%s\", expected silu: convolutions of layers that carry a state "
                            "(layer %lld) have nothing else", file, ts_config_act_name(a->act), (long long)i);
    }
    return TS_OK;
}

ts_status ts_config_read_qwen_windows(const ts_config_row *r, const json_t *o, const char *file,
                                      ts_arch *a)
{
    bool slides = false, given = false;
    int64_t window = 0, first = 0;
    TS_TRY(ts_json_bool(o, file, "use_sliding_window", false, &slides));
    if (slides)
        TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_json_int(o, file, "max_window_layers", 28, 0, INT32_MAX, &first));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = first; i < a->n_layers && !given; i++)
        a->layer[i].window = window;
    return TS_OK;
}

ts_status ts_config_write_qwen_windows(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    bool slides = false;
    for (int64_t i = 0; i < a->n_layers; i++)
        slides = slides || a->layer[i].window;
    TS_TRY(ts_config_put(o, "use_sliding_window", json_boolean(slides)));
    return ts_config_write_layers(r, a, o);
}

ts_status ts_config_write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)r;
    int64_t window = 0;
    TS_TRY(ts_config_put(o, "layer_types", json_array()));
    json_t *types = json_object_get(o, "layer_types");
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int64_t w = a->layer[i].window;
        if (json_array_append_new(types, json_string(w ? "sliding_attention" : "full_attention")))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
        window = w ? w : window;
    }
    return ts_config_put(o, "sliding_window", window ? json_integer(window) : json_null());
}
