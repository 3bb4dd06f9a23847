/* Step 3.5 (StepFun), the text model of Step 3.7 too: layers with a window have a number of heads of their own; what a head
 * gives is weighed by a gate; rotary embeddings are said layer by layer, of which two differ; gated MLPs of single layers
 * hold what their activation gives to a bound. transformers 5 reads its files as the text model of step3p7. */
#include "model/families/families.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    TS_NAMES_HEAD_NORMS,
    { .name = "self_attention.linear_gate", .hf_name = "model.layers.*.self_attn.g_proj" },
    { .name = "mlp.router.expert_bias", .hf_name = "model.layers.*.moe.router_bias" },
    { .name = "mlp.router", .hf_name = "model.layers.*.moe.gate" },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.moe."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.share_expert."),
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

/* ---- lists with an entry for each layer, in published files for those that predict further tokens too ---- */

/* NULL: the key is missing, null or an empty list. Entries of further layers may stand behind, also where the config, of a model
 * without them, counts none. */
static ts_status list_of(const json_t *o, const char *file, const char *key, const ts_arch *a, const json_t **list)
{
    const json_t *v = json_object_get(o, key);
    *list = v && !json_is_null(v) && !(json_is_array(v) && !json_array_size(v)) ? v : NULL;
    return !*list || (json_is_array(v) && json_array_size(v) >= (size_t)a->n_layers)
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: %s must be a list with an entry for each of num_hidden_layers = %lld layers", file,
                          key, (long long)a->n_layers);
}

/* Entry i; `missing` without a list, or for a null. */
static ts_status number_at(const json_t *list, const char *file, const char *key, int64_t i, double missing, double *out)
{
    const json_t *v = json_array_get(list, (size_t)i);
    *out = json_is_number(v) ? json_number_value(v) : missing;
    return !list || json_is_number(v) || json_is_null(v)
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: entry %lld of %s is not a number", file, (long long)i, key);
}

static ts_status put_number(json_t *o, const char *key, double v)
{
    return json_array_append_new(json_object_get(o, key), v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v)
                                                                                         : json_real(v))
               ? ts_error(TS_ERR_NOMEM, "no memory for a configuration")
               : TS_OK;
}

/* ---- windows, and heads of the layers with one ---- */

static const char *const types[] = { "full_attention", "sliding_attention", NULL };

/* The number of heads of layers with a window, and of their keys and values. */
static ts_status read_other_heads(const json_t *o, const char *file, ts_arch *a, int64_t *heads, int64_t *kv)
{
    static const char key[] = "attention_other_setting";
    const json_t *other = json_object_get(o, key);
    int64_t dim = a->head_dim;
    if (other && !json_is_null(other) && !json_is_object(other))
        return ts_error(TS_ERR_USER, "%s: %s must be an object", file, key);
    TS_TRY(ts_config_int(other, file, "num_attention_heads", a->n_heads, a->n_heads, 1, TS_ARCH_MAX_HEADS, heads));
    TS_TRY(ts_config_int(other, file, "num_attention_groups", a->n_kv_heads, a->n_kv_heads, 1, TS_ARCH_MAX_HEADS, kv));
    TS_TRY(ts_config_int(other, file, "head_dim", dim, dim, 1, TS_ARCH_MAX_HEAD_DIM, &dim));
    if (dim != a->head_dim)
        return ts_error(TS_ERR_USER, "%s: head_dim in %s is %lld, but all heads are %lld wide", file, key, (long long)dim,
                        (long long)a->head_dim);
    return ts_config_int(o, file, "num_sliding_attention_heads", *heads, *heads, 1, TS_ARCH_MAX_HEADS, heads);
}

static ts_status read_windows(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list, *own = json_object_get(o, "per_layer_config");
    int64_t window = 0, heads, kv;
    TS_TRY(ts_config_int(o, file, "sliding_window", 0, 0, 1, INT32_MAX, &window));
    TS_TRY(list_of(o, file, "layer_types", a, &list));
    TS_TRY(read_other_heads(o, file, a, &heads, &kv));
    for (int64_t i = 0; i < a->n_layers; i++) {
        ts_layer_arch *l = &a->layer[i];
        char number[24];
        int slides = 0;
        if (list)
            TS_TRY(ts_config_layer_word(list, file, "layer_types", i, types, &slides));
        if (slides && !window)
            return ts_error(TS_ERR_USER, "%s: layer_types has sliding_attention but sliding_window is not set", file);
        l->window = slides ? window : 0;
        l->heads = slides ? heads : a->n_heads;
        l->kv_heads = slides ? kv : a->n_kv_heads;
        snprintf(number, sizeof number, "%lld", (long long)i);
        if (json_is_object(own))
            TS_TRY(ts_config_int(json_object_get(own, number), file, "num_attention_heads", a->n_heads, a->n_heads, 1,
                                 TS_ARCH_MAX_HEADS, &l->heads));
        l->heads = l->heads == a->n_heads ? 0 : l->heads;
        l->kv_heads = l->kv_heads == a->n_kv_heads ? 0 : l->kv_heads;
    }
    return TS_OK;
}

static ts_status write_windows(const ts_arch *a, json_t *o)
{
    static const char key[] = "attention_other_setting";
    const ts_config_row unused = { .key = NULL };
    TS_TRY(ts_config_write_layers(&unused, a, o));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!a->layer[i].window || json_object_get(o, key))
            continue;
        TS_TRY(ts_config_put(o, key, json_object()));
        json_t *other = json_object_get(o, key);
        TS_TRY(ts_config_put(other, "attention_type", json_string(types[1])));
        TS_TRY(ts_config_put(other, "num_attention_heads", json_integer(ts_layer_heads(a, i))));
        TS_TRY(ts_config_put(other, "num_attention_groups", json_integer(ts_layer_kv_heads(a, i))));
        TS_TRY(ts_config_put(other, "head_dim", json_integer(a->head_dim)));
    }
    return TS_OK;
}

/* ---- rotary embeddings ---- */

/* What config.json says of one layer's. */
typedef struct turning {
    double theta, part;
    bool is_scaled;
} turning;

static bool is_listed(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *entry = json_string_value(json_array_get(list, i));
        if (entry && !strcmp(entry, word))
            return true;
    }
    return false;
}

static ts_status turning_of(const json_t *o, const char *file, const ts_arch *a, int64_t i, double missing, turning *t)
{
    const json_t *thetas = json_object_get(o, "rope_theta"), *parts = NULL, *only = json_object_get(o, "yarn_only_types");
    if (json_is_array(thetas))
        TS_TRY(list_of(o, file, "rope_theta", a, &thetas));
    else
        TS_TRY(ts_config_real(o, file, "rope_theta", missing, missing, &missing));
    TS_TRY(list_of(o, file, "partial_rotary_factors", a, &parts));
    TS_TRY(number_at(json_is_array(thetas) ? thetas : NULL, file, "rope_theta", i, missing, &t->theta));
    TS_TRY(number_at(parts, file, "partial_rotary_factors", i, 1, &t->part));
    t->is_scaled = !json_is_array(only) || is_listed(only, types[a->layer[i].window > 0]);
    return TS_OK;
}

/* As published: bases and rotated parts in lists, a scaling for layers of the types in yarn_only_types. */
static ts_status read_lists(const json_t *o, const char *file, double theta, ts_arch *a)
{
    turning kind[TS_ARCH_MAX_ROPES], t;
    const json_t *scaling = json_object_get(o, "rope_scaling");
    for (int64_t i = 0; i < a->n_layers; i++) {
        int k = 0;
        TS_TRY(turning_of(o, file, a, i, theta, &t));
        while (k < a->n_ropes && (kind[k].theta != t.theta || kind[k].part != t.part || kind[k].is_scaled != t.is_scaled))
            k++;
        if (k == TS_ARCH_MAX_ROPES)
            return ts_error(TS_ERR_USER, "%s: layer %lld has the third rotary embedding (rope_theta, partial_rotary_factors, "
                            "yarn_only_types), expected two at most", file, (long long)i);
        a->layer[i].rope = k;
        if (k < a->n_ropes)
            continue;
        kind[a->n_ropes++] = t;
        TS_TRY(ts_config_rope_object(o, t.is_scaled ? scaling : NULL, file, t.theta, t.part, a, &a->rope[k]));
    }
    return TS_OK;
}

/* As transformers 5 has them: an object for each type of layer. */
static ts_status read_objects(const json_t *both, const json_t *o, const char *file, double theta, ts_arch *a)
{
    int of[2] = { -1, -1 };
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int slides = a->layer[i].window > 0;
        if (of[slides] < 0) {
            of[slides] = a->n_ropes++;
            TS_TRY(ts_config_rope_object(o, json_object_get(both, types[slides]), file, theta, 1, a,
                                         &a->rope[of[slides]]));
        }
        a->layer[i].rope = of[slides];
    }
    return TS_OK;
}

static ts_status read_ropes(const json_t *o, const char *file, double theta, ts_arch *a)
{
    static const char key[] = "use_rope_layers";
    const json_t *both = json_object_get(o, "rope_parameters"), *rotates;
    TS_TRY(list_of(o, file, key, a, &rotates));
    a->n_ropes = 0;
    if (json_is_object(json_object_get(both, types[0])) || json_is_object(json_object_get(both, types[1])))
        TS_TRY(read_objects(both, o, file, theta, a));
    else
        TS_TRY(read_lists(o, file, theta, a));
    for (int64_t i = 0; rotates && i < a->n_layers; i++) {
        const json_t *v = json_array_get(rotates, (size_t)i);
        if (!json_is_boolean(v) && !json_is_integer(v))
            return ts_error(TS_ERR_USER, "%s: entry %lld of %s is neither true nor false", file, (long long)i, key);
        a->layer[i].position = json_is_true(v) || json_integer_value(v) ? TS_POSITION_ROPE : TS_POSITION_NONE;
    }
    return TS_OK;
}

static ts_status write_ropes(const ts_arch *a, json_t *o)
{
    const ts_rope_config *scaled = &a->rope[0];
    bool slides = false, sees_all = false, all_rotate = true;
    TS_TRY(ts_config_put(o, "rope_theta", json_array()));
    TS_TRY(ts_config_put(o, "partial_rotary_factors", json_array()));
    TS_TRY(ts_config_put(o, "use_rope_layers", json_array()));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_rope_config *r = &a->rope[a->layer[i].rope];
        TS_TRY(put_number(o, "rope_theta", r->theta));
        TS_TRY(put_number(o, "partial_rotary_factors", ts_config_rotary_part(a, r)));
        if (r->scaling != TS_ROPE_DEFAULT)
            scaled = r, *(a->layer[i].window ? &slides : &sees_all) = true;
        all_rotate = all_rotate && a->layer[i].position == TS_POSITION_ROPE;
    }
    for (int64_t i = 0; i < a->n_layers && !all_rotate; i++)
        if (json_array_append_new(json_object_get(o, "use_rope_layers"),
                                  json_boolean(a->layer[i].position == TS_POSITION_ROPE)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    TS_TRY(ts_config_put(o, "yarn_only_types", json_array()));
    for (int k = 0; k < 2; k++)
        if ((k ? slides : sees_all) && json_array_append_new(json_object_get(o, "yarn_only_types"), json_string(types[k])))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return ts_config_write_rope(scaled, o);
}

/* ---- experts and bounds ---- */

/* The layers in a list of numbers, or in a text of numbers with commas between. */
static ts_status read_enumeration(const json_t *v, const char *file, ts_arch *a)
{
    static const char key[] = "moe_layers_enum";
    const char *at = json_string_value(v);
    for (int64_t i = 0; i < a->n_layers; i++)
        a->layer[i].mlp = TS_MLP_GATED;
    if (!at && !json_is_array(v))
        return ts_error(TS_ERR_USER, "%s: %s must be a list of layers", file, key);
    for (size_t i = 0; at ? *at != 0 : i < json_array_size(v); i++) {
        char *end = NULL;
        const json_t *entry = json_array_get(v, i);
        const long long layer = at ? strtoll(at, &end, 10) : json_integer_value(entry);
        if (layer < 0 || (at ? end == at || (*end && *end != ',') : !json_is_integer(entry)))
            return ts_error(TS_ERR_USER, "%s: entry %zu of %s is not a layer's number", file, i, key);
        at = at ? end + (*end == ',') : NULL;
        if (layer < a->n_layers)
            a->layer[layer].mlp = TS_MLP_EXPERTS;
    }
    return TS_OK;
}

static ts_status read_experts(const json_t *o, const char *file, ts_arch *a)
{
    static const char *const words[] = { "dense", "sparse", NULL };
    static const char key[] = "mlp_layer_types";
    const json_t *list, *numbers = json_object_get(o, "moe_layers_enum");
    TS_TRY(list_of(o, file, key, a, &list));
    if (!list && numbers && !json_is_null(numbers))
        return read_enumeration(numbers, file, a);
    for (int64_t i = 0; i < a->n_layers; i++) {
        int experts = i >= 3; /* transformers' default */
        if (list)
            TS_TRY(ts_config_layer_word(list, file, key, i, words, &experts));
        a->layer[i].mlp = experts ? TS_MLP_EXPERTS : TS_MLP_GATED;
    }
    return TS_OK;
}

/* A dense MLP has the bound of shared experts, as the published code has it. */
static ts_status read_bounds(const json_t *o, const char *file, ts_arch *a)
{
    static const char key[] = "swiglu_limits", of_shared[] = "swiglu_limits_shared";
    const json_t *list, *shared;
    TS_TRY(list_of(o, file, key, a, &list));
    TS_TRY(list_of(o, file, of_shared, a, &shared));
    for (int64_t i = 0; i < a->n_layers; i++) {
        ts_layer_arch *l = &a->layer[i];
        double other;
        TS_TRY(number_at(list, file, key, i, 0, &l->clamp));
        TS_TRY(number_at(shared, file, of_shared, i, 0, &other));
        if (l->mlp == TS_MLP_EXPERTS)
            l->shared_clamp = other;
        else
            l->clamp = other;
    }
    return TS_OK;
}

static ts_status write_experts(const ts_arch *a, json_t *o)
{
    char text[24];
    ts_str layers = { 0 };
    ts_status st = TS_OK;
    for (int64_t i = 0; i < a->n_layers && st == TS_OK; i++) {
        snprintf(text, sizeof text, ts_str_text(&layers)[0] ? ",%lld" : "%lld", (long long)i);
        if (a->layer[i].mlp == TS_MLP_EXPERTS)
            st = ts_str_printf(&layers, "%s", text);
    }
    if (st == TS_OK)
        st = ts_config_put(o, "moe_layers_enum", json_string(ts_str_text(&layers)));
    ts_str_deinit(&layers);
    TS_TRY(st);
    TS_TRY(ts_config_put(o, "swiglu_limits", json_array()));
    TS_TRY(ts_config_put(o, "swiglu_limits_shared", json_array()));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const bool experts = a->layer[i].mlp == TS_MLP_EXPERTS;
        TS_TRY(put_number(o, "swiglu_limits", experts ? a->layer[i].clamp : 0));
        TS_TRY(put_number(o, "swiglu_limits_shared", experts ? a->layer[i].shared_clamp : a->layer[i].clamp));
    }
    return TS_OK;
}

/* ---- rows ---- */

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(read_windows(o, file, a));
    TS_TRY(read_ropes(o, file, r->def, a));
    TS_TRY(read_experts(o, file, a));
    return read_bounds(o, file, a);
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)r;
    TS_TRY(write_windows(a, o));
    TS_TRY(write_ropes(a, o));
    return write_experts(a, o);
}

static ts_status begin_ropes(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->position = TS_POSITION_ROPE;
    return TS_OK;
}

/* Keys of parts that the published code can leave out, and transformers' class always has. */
static ts_status read_true(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool is = true;
    (void)a;
    TS_TRY(ts_json_bool(o, file, r->key, true, &is));
    return is ? TS_OK : ts_error(TS_ERR_USER, "%s: %s is false, expected true: models of this type always have it", file, r->key);
}

static ts_status write_true(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)a;
    return ts_config_put(o, r->key, json_true());
}

static ts_status write_sigmoid(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)a;
    return ts_config_put(o, r->key, json_string("sigmoid"));
}

static ts_status read_scale(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double scalar = (double)a->head_dim;
    TS_TRY(ts_config_real(o, file, r->key, scalar, scalar, &scalar));
    if (scalar <= 0)
        return ts_error(TS_ERR_USER, "%s: %s is %g, expected a number above 0", file, r->key, scalar);
    a->attn_scale = 1 / sqrt(scalar);
    return TS_OK;
}

static ts_status write_scale(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return a->attn_scale == 1 / sqrt((double)a->head_dim)
               ? TS_OK
               : ts_config_put(o, r->key, json_real(1 / (a->attn_scale * a->attn_scale)));
}

#define TS_TRUE(key_) { .kind = TS_CONFIG_OWN, .key = key_, .read = read_true, .write = write_true }
static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 128815),
    TS_COPY("hidden_size", hidden, 4096),
    TS_COPY("intermediate_size", ffn, 11264),
    TS_COPY("num_hidden_layers", n_layers, 45),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_CONFIG_ROW(COPY, "num_attention_groups", n_kv_heads, 8, .before = "num_key_value_heads"),
    TS_HEAD_DIM(128),
    TS_OWN("query_pre_attn_scalar", attn_scale, read_scale, write_scale, 0),
    TS_COPY("max_position_embeddings", max_positions, 128000),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, -1),
    TS_ID("pad_token_id", pad, 1),
    TS_ENDS(-1),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_REFUSE("sink", "attention of this type has no sinks here"),
    TS_OWN("rope_theta", rope, begin_ropes, NULL, 0),
    TS_FIXED(norm_offset, 1),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_FIXED(head_gate, true),
    TS_TRUE("use_head_wise_attn_gate"),
    TS_CONFIG_ROW(COPY, "moe_num_experts", n_experts, 288, .before = "n_routed_experts"),
    TS_CONFIG_ROW(COPY, "moe_top_k", experts_per_token, 8, .before = "num_experts_per_tok"),
    TS_COPY("moe_intermediate_size", expert_ffn, 1280),
    TS_COPY("share_expert_dim", shared_ffn, 1280),
    TS_COPY("moe_router_scaling_factor", router_scale, 1),
    TS_FIXED(router_score, TS_ROUTE_SIGMOID),
    TS_FIXED(router_norm, true),
    TS_FIXED(router_bias, true),
    TS_FIXED(clamps_value, true),
    TS_TRUE("use_moe_router_bias"),
    { .kind = TS_CONFIG_OWN, .key = "moe_router_activation", .word = "sigmoid", .read = ts_config_always,
      .write = write_sigmoid },
    TS_OWN("layer_types", layer, read_layers, write_layers, 10000),
    { TS_CONFIG_END },
};

const ts_family ts_family_step3p5 = { .model_type = "step3p5", .architecture = "Step3p5ForCausalLM",
                                      .base = &ts_family_base, .names = names, .rows = rows, .has_further = true };
