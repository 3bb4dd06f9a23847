#include "model/families/config.h"

#include <math.h>
#include <string.h>

ts_status ts_config_int(const json_t *o, const char *file, const char *key, int64_t missing,
                        int64_t null, int64_t lo, int64_t hi, int64_t *out)
{
    const json_t *v = json_object_get(o, key);
    if (v && json_is_null(v)) {
        *out = null;
        return TS_OK;
    }
    return ts_json_int(o, file, key, missing, lo, hi, out);
}

ts_status ts_config_real(const json_t *o, const char *file, const char *key, double missing,
                         double null, double *out)
{
    const json_t *v = json_object_get(o, key);
    double x = null;
    if (!v || !json_is_null(v))
        TS_TRY(ts_json_real(o, file, key, missing, &x));
    if (!isfinite(x))
        return ts_error(TS_ERR_USER, "%s: %s is not a finite number", file, key);
    *out = x;
    return TS_OK;
}

ts_status ts_config_refuse(const json_t *o, const char *file, const char *key, const char *why)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v) || json_is_false(v))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: %s is not supported: %s", file, key, why);
}

ts_status ts_config_causal(const json_t *o, const char *file)
{
    bool causal = true;
    TS_TRY(ts_json_bool(o, file, "is_causal", true, &causal));
    return causal ? TS_OK
                  : ts_error(TS_ERR_USER, "%s: is_causal is false: attention must be causal", file);
}

/* Names of transformers' activations; the first of equals is the one that is written. */
static const struct {
    const char *name;
    ts_act act;
} act_names[] = {
    { "silu", TS_ACT_SILU },
    { "swish", TS_ACT_SILU },
    { "gelu", TS_ACT_GELU },
    { "gelu_python", TS_ACT_GELU },
    { "gelu_pytorch_tanh", TS_ACT_GELU_TANH },
    { "gelu_new", TS_ACT_GELU_TANH },
    { "gelu_fast", TS_ACT_GELU_TANH },
    { "gelu_python_tanh", TS_ACT_GELU_TANH },
    { "quick_gelu", TS_ACT_GELU_QUICK },
    { "relu", TS_ACT_RELU },
    { "relu2", TS_ACT_RELU2 },
};
enum { N_ACT_NAMES = sizeof act_names / sizeof *act_names };

ts_status ts_config_act(const json_t *o, const char *file, const char *key, const char *def,
                        ts_act *out)
{
    const char *name = NULL;
    TS_TRY(ts_json_text(o, file, key, def, &name));
    for (size_t i = 0; i < N_ACT_NAMES; i++)
        if (!strcmp(name, act_names[i].name)) {
            *out = act_names[i].act;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER,
                    "%s: %s is \"%.60s\", expected one of silu, gelu, gelu_pytorch_tanh, gelu_new, "
                    "quick_gelu, relu, relu2",
                    file, key, name);
}

const char *ts_config_act_name(ts_act act, bool gpt2)
{
    if (gpt2 && act == TS_ACT_GELU_TANH)
        return "gelu_new";
    for (size_t i = 0; i < N_ACT_NAMES; i++)
        if (act_names[i].act == act)
            return act_names[i].name;
    return "silu";
}

/* Ids may lie beyond the vocabulary: tiny test models keep the ids of their big sisters. */
static ts_status read_id(const json_t *o, const char *file, const char *key, int64_t def,
                         int64_t *out)
{
    return ts_config_int(o, file, key, def, -1, -1, INT32_MAX, out);
}

static ts_status read_eos_list(const json_t *list, const char *file, ts_arch *a)
{
    const size_t n = json_array_size(list);
    if (n > TS_ARCH_MAX_EOS)
        return ts_error(TS_ERR_USER, "%s: eos_token_id lists %zu ids, expected at most %d", file, n,
                        TS_ARCH_MAX_EOS);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        const json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
            return ts_error(TS_ERR_USER, "%s: entry %zu of eos_token_id is not a token id", file,
                            i);
        a->eos[i] = id;
    }
    a->n_eos = (int)n;
    return TS_OK;
}

ts_status ts_config_ids(const json_t *o, const char *file, const ts_config_defaults *d, ts_arch *a)
{
    TS_TRY(read_id(o, file, "bos_token_id", d->bos, &a->bos));
    TS_TRY(read_id(o, file, "pad_token_id", d->pad, &a->pad));
    const json_t *eos = json_object_get(o, "eos_token_id");
    if (json_is_array(eos))
        return read_eos_list(eos, file, a);
    TS_TRY(read_id(o, file, "eos_token_id", d->eos, &a->eos[0]));
    a->n_eos = a->eos[0] >= 0;
    return TS_OK;
}

static ts_status read_size(const json_t *o, const char *file, const char *key, int64_t def,
                           int64_t hi, int64_t *out)
{
    return ts_json_int(o, file, key, def, 1, hi, out);
}

ts_status ts_config_whole_heads(const ts_arch *a, const char *file)
{
    if (a->hidden % a->n_heads)
        return ts_error(
            TS_ERR_USER,
            "%s: hidden_size is %lld, expected a multiple of num_attention_heads, which is "
            "%lld",
            file, (long long)a->hidden, (long long)a->n_heads);
    return TS_OK;
}

/* Where a class has no head_dim, its rotary embedding takes one all the same, and attention does
 * not. */
static ts_status no_other_head_dim(const json_t *o, const char *file, const ts_arch *a)
{
    int64_t head_dim = 0;
    TS_TRY(ts_config_int(o, file, "head_dim", a->head_dim, a->head_dim, 1, TS_ARCH_MAX_HEAD_DIM,
                         &head_dim));
    if (head_dim != a->head_dim)
        return ts_error(TS_ERR_USER,
                        "%s: head_dim is %lld, but heads of models of this type are hidden_size / "
                        "num_attention_heads = %lld wide",
                        file, (long long)head_dim, (long long)a->head_dim);
    return TS_OK;
}

static ts_status read_heads(const json_t *o, const char *file, const ts_config_defaults *d,
                            ts_arch *a)
{
    TS_TRY(read_size(o, file, "num_attention_heads", d->heads, TS_ARCH_MAX_HEADS, &a->n_heads));
    a->n_kv_heads = a->n_heads;
    if (d->kv_heads != TS_NO_KEY)
        TS_TRY(ts_config_int(o, file, "num_key_value_heads",
                             d->kv_heads == TS_AS_HEADS ? a->n_heads : d->kv_heads, a->n_heads, 1,
                             TS_ARCH_MAX_HEADS, &a->n_kv_heads));
    a->head_dim = 0;
    if (d->head_dim != TS_NO_KEY)
        TS_TRY(ts_config_int(o, file, "head_dim", d->head_dim, 0, 1, TS_ARCH_MAX_HEAD_DIM,
                             &a->head_dim));
    if (a->head_dim)
        return TS_OK;
    TS_TRY(ts_config_whole_heads(a, file));
    a->head_dim = a->hidden / a->n_heads;
    return d->head_dim == TS_NO_KEY ? no_other_head_dim(o, file, a) : TS_OK;
}

ts_status ts_config_read(const json_t *o, const char *file, const ts_config_defaults *d, ts_arch *a)
{
    TS_TRY(ts_config_refuse(o, file, "quantization_config", "the weights must not be quantised"));
    TS_TRY(ts_config_causal(o, file));
    TS_TRY(read_size(o, file, "vocab_size", d->vocab, TS_ARCH_MAX_VOCAB, &a->vocab));
    TS_TRY(read_size(o, file, "hidden_size", d->hidden, TS_ARCH_MAX_WIDTH, &a->hidden));
    TS_TRY(read_size(o, file, "intermediate_size", d->ffn, TS_ARCH_MAX_WIDTH, &a->ffn));
    TS_TRY(read_size(o, file, "num_hidden_layers", d->layers, TS_ARCH_MAX_LAYERS, &a->n_layers));
    TS_TRY(read_size(o, file, "max_position_embeddings", d->positions, TS_ARCH_MAX_POSITIONS,
                     &a->max_positions));
    TS_TRY(read_heads(o, file, d, a));
    TS_TRY(ts_config_real(o, file, d->eps_key, d->eps, d->eps, &a->norm_eps));
    TS_TRY(ts_config_real(o, file, "initializer_range", d->init_std, d->init_std, &a->init_std));
    TS_TRY(ts_config_act(o, file, d->act_key, d->act, &a->act));
    TS_TRY(ts_json_bool(o, file, "tie_word_embeddings", d->tied, &a->tied));
    TS_TRY(ts_config_ids(o, file, d, a));
    a->attn_scale = 1 / sqrt((double)a->head_dim);
    if (d->theta > 0) {
        a->position = TS_POSITION_ROPE;
        a->n_ropes = 1;
        TS_TRY(ts_config_rope(o, file, d, a, &a->rope[0]));
    }
    return ts_arch_layers(a, 0);
}

ts_status ts_config_window(const json_t *o, const char *file, int64_t missing, ts_arch *a)
{
    int64_t window = 0;
    TS_TRY(ts_config_int(o, file, "sliding_window", missing, 0, 1, INT32_MAX, &window));
    return ts_arch_layers(a, window);
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

ts_status ts_config_qwen_windows(const json_t *o, const char *file, ts_arch *a)
{
    bool slides = false, given = false;
    int64_t window = 0, first = 0;
    TS_TRY(ts_json_bool(o, file, "use_sliding_window", false, &slides));
    if (slides)
        TS_TRY(ts_config_int(o, file, "sliding_window", 4096, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_json_int(o, file, "max_window_layers", 28, 0, INT32_MAX, &first));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = first; i < a->n_layers && !given; i++)
        a->layer[i].window = window;
    return TS_OK;
}

ts_status ts_config_write_qwen_windows(const ts_arch *a, json_t *o)
{
    bool slides = false;
    for (int64_t i = 0; i < a->n_layers; i++)
        slides = slides || a->layer[i].window;
    TS_TRY(ts_config_put(o, "use_sliding_window", json_boolean(slides)));
    return ts_config_write_layers(a, o);
}

ts_status ts_config_put(json_t *o, const char *key, json_t *value)
{
    if (!value || json_object_set_new(o, key, value))
        return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

static ts_status put_id(json_t *o, const char *key, int64_t id)
{
    return ts_config_put(o, key, id < 0 ? json_null() : json_integer(id));
}

ts_status ts_config_write_ids(const ts_arch *a, json_t *o)
{
    TS_TRY(put_id(o, "bos_token_id", a->bos));
    TS_TRY(put_id(o, "pad_token_id", a->pad));
    if (a->n_eos < 2)
        return put_id(o, "eos_token_id", a->n_eos ? a->eos[0] : -1);
    TS_TRY(ts_config_put(o, "eos_token_id", json_array()));
    for (int i = 0; i < a->n_eos; i++)
        if (json_array_append_new(json_object_get(o, "eos_token_id"), json_integer(a->eos[i])))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

double ts_config_rotary_part(const ts_arch *a)
{
    const ts_rope_config *r = &a->rope[0];
    const double width = (double)(r->odd_dim ? r->odd_dim : r->dim), head = (double)a->head_dim;
    const double part = width / head;
    return part * head < width ? nextafter(part, 1) : part;
}

ts_status ts_config_write(const ts_arch *a, const ts_config_defaults *d, json_t *o)
{
    TS_TRY(ts_config_put(o, "vocab_size", json_integer(a->vocab)));
    TS_TRY(ts_config_put(o, "hidden_size", json_integer(a->hidden)));
    TS_TRY(ts_config_put(o, "intermediate_size", json_integer(a->ffn)));
    TS_TRY(ts_config_put(o, "num_hidden_layers", json_integer(a->n_layers)));
    TS_TRY(ts_config_put(o, "num_attention_heads", json_integer(a->n_heads)));
    if (d->kv_heads != TS_NO_KEY)
        TS_TRY(ts_config_put(o, "num_key_value_heads", json_integer(a->n_kv_heads)));
    if (d->head_dim != TS_NO_KEY)
        TS_TRY(ts_config_put(o, "head_dim", json_integer(a->head_dim)));
    TS_TRY(ts_config_put(o, "max_position_embeddings", json_integer(a->max_positions)));
    TS_TRY(ts_config_put(o, d->eps_key, json_real(a->norm_eps)));
    TS_TRY(ts_config_put(o, "initializer_range", json_real(a->init_std)));
    TS_TRY(ts_config_put(o, d->act_key, json_string(ts_config_act_name(a->act, false))));
    TS_TRY(ts_config_put(o, "tie_word_embeddings", json_boolean(a->tied)));
    TS_TRY(ts_config_write_ids(a, o));
    if (d->theta <= 0)
        return TS_OK;
    TS_TRY(ts_config_put(o, "rope_theta", json_real(a->rope[0].theta)));
    if (d->rotary > 0)
        TS_TRY(ts_config_put(o, "partial_rotary_factor", json_real(ts_config_rotary_part(a))));
    return ts_config_write_rope(&a->rope[0], o);
}

ts_status ts_config_write_layers(const ts_arch *a, json_t *o)
{
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
