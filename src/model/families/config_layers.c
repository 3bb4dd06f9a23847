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

ts_status ts_config_layer_list(const json_t *o, const char *file, const char *key, const ts_arch *a,
                               const json_t **list)
{
    const json_t *v = json_object_get(o, key);
    *list = v && !json_is_null(v) ? v : NULL;
    return !*list || (json_is_array(v) && json_array_size(v) == (size_t)a->n_layers)
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: %s must be a list of num_hidden_layers = %lld names", file, key,
                          (long long)a->n_layers);
}

ts_status ts_config_layer_word(const json_t *list, const char *file, const char *key, int64_t i,
                               const char *const *words, int *number)
{
    const char *word = json_string_value(json_array_get(list, (size_t)i));
    ts_str all = { 0 };
    ts_status st = TS_OK;
    for (int k = 0; word && words[k]; k++)
        if (!strcmp(word, words[k])) {
            *number = k;
            return TS_OK;
        }
    for (int k = 0; words[k] && st == TS_OK; k++)
        st = ts_str_printf(&all, "%s%s", !k ? "" : words[k + 1] ? ", " : " or ", words[k]);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: entry %lld of %s is \"%.60s\", expected %s", file, (long long)i, key,
                      word ? word : "not a string", ts_str_text(&all));
    ts_str_deinit(&all);
    return st;
}

ts_status ts_config_put_words(json_t *o, const char *key, const ts_arch *a, ts_config_word_fn *word)
{
    TS_TRY(ts_config_put(o, key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(json_object_get(o, key), json_string(word(&a->layer[i]))))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

ts_status ts_config_layer_types(const json_t *o, const char *file, int64_t window, ts_arch *a,
                                bool *given)
{
    static const char *const words[] = { "full_attention", "sliding_attention", NULL };
    const json_t *types;
    TS_TRY(ts_config_layer_list(o, file, "layer_types", a, &types));
    *given = types;
    for (int64_t i = 0; types && i < a->n_layers; i++) {
        int slides;
        TS_TRY(ts_config_layer_word(types, file, "layer_types", i, words, &slides));
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

static const char *type_of(const ts_layer_arch *l) { return l->window ? "sliding_attention" : "full_attention"; }

ts_status ts_config_write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)r;
    int64_t window = 0;
    for (int64_t i = 0; i < a->n_layers; i++)
        window = a->layer[i].window ? a->layer[i].window : window;
    TS_TRY(ts_config_put_words(o, "layer_types", a, type_of));
    return ts_config_put(o, "sliding_window", window ? json_integer(window) : json_null());
}
