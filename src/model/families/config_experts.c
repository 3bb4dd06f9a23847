/* Mixtures of experts, as config.json says them. */
#include "model/families/config.h"

#include <string.h>

/* A softmax over all experts whose chosen ones are divided by their sum is a softmax over the chosen. */
ts_status ts_config_read_topk_norm(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool norms = r->def != 0;
    TS_TRY(ts_json_bool(o, file, r->key, norms, &norms));
    const bool softmax = a->router_score == TS_ROUTE_SOFTMAX || a->router_score == TS_ROUTE_CHOSEN;
    if (softmax && !a->router_bias && a->router_groups == 1)
        a->router_score = norms ? TS_ROUTE_CHOSEN : TS_ROUTE_SOFTMAX;
    a->router_norm = norms && a->router_score != TS_ROUTE_CHOSEN;
    return TS_OK;
}

ts_status ts_config_write_topk_norm(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_boolean(a->router_norm || a->router_score == TS_ROUTE_CHOSEN));
}

/* Shared experts are one of so many widths. */
ts_status ts_config_read_shared_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t n;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 0, 1 << 16, &n));
    a->shared_ffn = n * a->expert_ffn;
    return TS_OK;
}

ts_status ts_config_write_shared_experts(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->expert_ffn ? a->shared_ffn / a->expert_ffn : 0));
}

/* A word of a list with blanks between. */
static bool is_listed_word(const char *word, const char *list)
{
    const size_t n = strlen(word);
    for (const char *at = list; n && at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (!strncmp(at, word, n) && (at[n] == ' ' || !at[n]))
            return true;
    }
    return false;
}

ts_status ts_config_always(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *word = NULL;
    (void)a;
    TS_TRY(ts_json_text(o, file, r->key, NULL, &word));
    return !word || is_listed_word(word, r->word)
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: %s is \"%.60s\", expected %.*s: models of this type compute nothing else", file,
                          r->key, word, (int)strcspn(r->word, " "), r->word);
}

/* transformers scores a group by its two best. */
ts_status ts_config_two_best(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->router_group_best = a->router_groups > 1 ? 2 : 1;
    a->router_group_topk = a->router_groups > 1 ? a->router_group_topk : 1;
    return TS_OK;
}

/* ---- which layers ---- */

static void give_experts(ts_arch *a, int64_t layer, bool has)
{
    if (has)
        a->layer[layer].mlp = TS_MLP_EXPERTS;
}

ts_status ts_config_all_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    for (int64_t i = 0; i < a->n_layers; i++)
        give_experts(a, i, true);
    return TS_OK;
}

static ts_status is_listed(const json_t *list, const char *file, const char *key, int64_t layer, bool *is)
{
    *is = false;
    if (!list || json_is_null(list))
        return TS_OK;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v))
            return ts_error(TS_ERR_USER, "%s: entry %zu of %s is not a layer's number", file, i, key);
        *is = *is || json_integer_value(v) == layer;
    }
    return json_is_array(list) ? TS_OK : ts_error(TS_ERR_USER, "%s: %s must be a list of layers", file, key);
}

ts_status ts_config_read_qwen_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t step;
    TS_TRY(ts_json_int(o, file, "decoder_sparse_step", 1, 1, INT32_MAX, &step));
    for (int64_t i = 0; i < a->n_layers; i++) {
        bool dense;
        TS_TRY(is_listed(json_object_get(o, r->key), file, r->key, i, &dense));
        give_experts(a, i, !dense && a->n_experts > 0 && (i + 1) % step == 0);
    }
    return TS_OK;
}

ts_status ts_config_write_qwen_experts(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "decoder_sparse_step", json_integer(1)));
    TS_TRY(ts_config_put(o, r->key, json_array()));
    for (int64_t i = 0; i < a->n_layers; i++)
        if (a->layer[i].mlp != TS_MLP_EXPERTS &&
            json_array_append_new(json_object_get(o, r->key), json_integer(i)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

ts_status ts_config_read_first_dense(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t first;
    TS_TRY(ts_json_int(o, file, r->key, (int64_t)r->def, 0, INT32_MAX, &first));
    for (int64_t i = first; i < a->n_layers; i++)
        give_experts(a, i, true);
    return TS_OK;
}

ts_status ts_config_write_first_dense(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t first = 0;
    while (first < a->n_layers && a->layer[first].mlp != TS_MLP_EXPERTS)
        first++;
    return ts_config_put(o, r->key, json_integer(first));
}

ts_status ts_config_read_mlp_types(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char *const words[] = { "dense", "sparse", NULL };
    const json_t *list;
    TS_TRY(ts_config_layer_list(o, file, r->key, a, &list));
    for (int64_t i = 0; i < a->n_layers; i++) {
        int experts = r->def >= 0 && (double)i >= r->def;
        if (list)
            TS_TRY(ts_config_layer_word(list, file, r->key, i, words, &experts));
        if (list || r->def >= 0)
            a->layer[i].mlp = experts ? TS_MLP_EXPERTS : TS_MLP_GATED;
    }
    return TS_OK;
}

static const char *mlp_of(const ts_layer_arch *l) { return l->mlp == TS_MLP_EXPERTS ? "sparse" : "dense"; }

ts_status ts_config_write_mlp_types(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put_words(o, r->key, a, mlp_of);
}
