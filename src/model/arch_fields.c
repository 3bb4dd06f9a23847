/* The description as a table of its fields: what two descriptions differ in, and a form in JSON for
 * checkpoints of models that no family can say. */
#include "base/choice.h"
#include "base/json.h"
#include "model/arch.h"

#include <stdlib.h>
#include <string.h>

typedef enum field_type { FIELD_INT, FIELD_REAL, FIELD_BOOL, FIELD_CHOICE } field_type;

typedef struct field {
    const char *key;
    field_type type;
    size_t offset;
    const char *choices; /* "a|b|c": the values of an enumeration */
    const char *words;   /* for people; NULL: as the key */
} field;

#define F(type, name, choices, words) { #name, FIELD_##type, offsetof(ts_arch, name), choices, words }

/* The words of JSON, in the order of the enumerations. */
#define POSITIONS(W)                                                                               \
    W(TS_POSITION_NONE, "none") W(TS_POSITION_ROPE, "rope") W(TS_POSITION_LEARNED, "learned")
#define NORMS(W) W(TS_NORM_RMS, "rms") W(TS_NORM_LAYER, "layer")
#define ACTS(W)                                                                                    \
    W(TS_ACT_SILU, "silu")                                                                         \
    W(TS_ACT_GELU, "gelu")                                                                         \
    W(TS_ACT_GELU_TANH, "gelu_tanh")                                                               \
    W(TS_ACT_GELU_QUICK, "gelu_quick")                                                             \
    W(TS_ACT_RELU, "relu")                                                                         \
    W(TS_ACT_RELU2, "relu2")
#define QK_NORMS(W)                                                                                \
    W(TS_QK_NORM_NONE, "none") W(TS_QK_NORM_HEAD, "head") W(TS_QK_NORM_FULL, "full")
#define SCALINGS(W)                                                                                \
    W(TS_ROPE_DEFAULT, "default")                                                                  \
    W(TS_ROPE_LINEAR, "linear")                                                                    \
    W(TS_ROPE_DYNAMIC, "dynamic")                                                                  \
    W(TS_ROPE_YARN, "yarn")                                                                        \
    W(TS_ROPE_LONGROPE, "longrope")                                                                \
    W(TS_ROPE_LLAMA3, "llama3")
enum { POSITIONS(TS_CHOICE_ORDER) };
POSITIONS(TS_CHOICE_CHECK)
enum { NORMS(TS_CHOICE_ORDER) };
NORMS(TS_CHOICE_CHECK)
enum { ACTS(TS_CHOICE_ORDER) };
ACTS(TS_CHOICE_CHECK)
enum { QK_NORMS(TS_CHOICE_ORDER) };
QK_NORMS(TS_CHOICE_CHECK)
enum { SCALINGS(TS_CHOICE_ORDER) };
SCALINGS(TS_CHOICE_CHECK)

/* Order of messages: the most particular first. */
static const field fields[] = {
    F(CHOICE, position, TS_CHOICES(POSITIONS), "position embedding (--position-embedding-type)"),
    F(CHOICE, norm, TS_CHOICES(NORMS), "kind of norm (--normalization)"),
    F(REAL, norm_offset, NULL, "norm weights as 1 + w (--apply-layernorm-1p)"),
    F(BOOL, gated, NULL, "gated MLP (--swiglu)"),
    F(CHOICE, act, TS_CHOICES(ACTS), "activation of the MLP"),
    F(CHOICE, qk_norm, TS_CHOICES(QK_NORMS), "norm of queries and keys (--qk-layernorm)"),
    F(BOOL, bias_qkv, NULL, "bias of queries, keys and values (--add-qkv-bias)"),
    F(BOOL, bias_proj, NULL, "bias of the attention's output (--disable-bias-linear)"),
    F(BOOL, bias_fc1, NULL, "biases of the MLP (--disable-bias-linear)"),
    F(BOOL, bias_fc2, NULL, "bias of the MLP's output (--disable-bias-linear)"),
    F(BOOL, bias_head, NULL, "bias of the output layer"),
    F(BOOL, tied, NULL, "tied output layer (--untie-embeddings-and-output-weights)"),
    F(INT, n_kv_heads, NULL, "key and value heads (--num-query-groups)"),
    F(INT, head_dim, NULL, "width of a head (--kv-channels)"),
    F(BOOL, norm_bias, NULL, "bias of norms"),
    F(BOOL, pre_norm, NULL, "norms before attention and MLP"),
    F(BOOL, post_norm, NULL, "norms after attention and MLP"),
    F(BOOL, final_norm, NULL, "norm after the last layer"),
    F(BOOL, parallel_residual, NULL, "attention and MLP side by side"),
    F(REAL, embed_scale, NULL, "scale of the embedding"),
    F(REAL, attn_scale, NULL, "scale of attention scores"),
    F(BOOL, attn_by_layer, NULL, "attention scores divided by the layer's number"),
    F(REAL, attn_softcap, NULL, "soft cap of attention scores"),
    F(REAL, logit_softcap, NULL, "soft cap of logits"),
    F(REAL, residual_scale, NULL, "scale of residuals"),
    F(REAL, logit_scale, NULL, "scale of logits"),
    F(REAL, norm_eps, NULL, "epsilon of norms (--norm-epsilon)"),
    F(REAL, init_std, NULL, "deviation of random weights (--init-method-std)"),
    F(INT, n_layers, NULL, "layers (--num-layers)"),
    F(INT, hidden, NULL, "hidden size (--hidden-size)"),
    F(INT, n_heads, NULL, "heads (--num-attention-heads)"),
    F(INT, ffn, NULL, "width of the MLP (--ffn-hidden-size)"),
    F(INT, vocab, NULL, "vocabulary"),
    F(INT, max_positions, NULL, "positions (--max-position-embeddings)"),
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

#define R(type, name, choices)                                                                     \
    { #name, FIELD_##type, offsetof(ts_rope_config, name), choices, NULL }
static const field rope_fields[] = {
    R(REAL, theta, NULL),
    R(INT, dim, NULL),
    R(INT, odd_dim, NULL),
    R(BOOL, interleaved, NULL),
    R(CHOICE, scaling, TS_CHOICES(SCALINGS)),
    R(REAL, factor, NULL),
    R(REAL, low_freq_factor, NULL),
    R(REAL, high_freq_factor, NULL),
    R(INT, original_max_positions, NULL),
    R(REAL, beta_fast, NULL),
    R(REAL, beta_slow, NULL),
    R(REAL, mscale, NULL),
    R(REAL, mscale_all_dim, NULL),
    R(REAL, attention_factor, NULL),
    R(BOOL, no_truncate, NULL),
    R(INT, max_positions, NULL),
};
enum { N_ROPE_FIELDS = sizeof rope_fields / sizeof *rope_fields };

static const void *at(const void *base, const field *f) { return (const char *)base + f->offset; }

/* Enumerations are stored as int. */
static int choice_of(const void *base, const field *f)
{
    int v;
    memcpy(&v, at(base, f), sizeof v);
    return v;
}

/* ---- differences ---- */

static bool field_equal(const void *a, const void *b, const field *f)
{
    switch (f->type) {
    case FIELD_INT:
        return *(const int64_t *)at(a, f) == *(const int64_t *)at(b, f);
    case FIELD_REAL:
        return *(const double *)at(a, f) == *(const double *)at(b, f);
    case FIELD_BOOL:
        return *(const bool *)at(a, f) == *(const bool *)at(b, f);
    case FIELD_CHOICE:
        return choice_of(a, f) == choice_of(b, f);
    }
    return false;
}

/* The first thing that two rotary embeddings differ in, or NULL; numbers that a scaling does not use
 * do not count. */
static const char *rope_difference(const ts_rope_config *a, const ts_rope_config *b)
{
    const bool yarn = a->scaling == TS_ROPE_YARN, lng = a->scaling == TS_ROPE_LONGROPE;
    const bool llama3 = a->scaling == TS_ROPE_LLAMA3;
    if (a->interleaved != b->interleaved)
        return "order of rotated pairs (--rotary-interleaved)";
    if (a->dim != b->dim || a->odd_dim != b->odd_dim)
        return "rotated part of a head (--rotary-percent)";
    if (a->theta != b->theta)
        return "base of rotary embeddings (--rotary-base)";
    bool same = a->scaling == b->scaling &&
                (a->scaling == TS_ROPE_DEFAULT || a->factor == b->factor);
    if (yarn || lng || llama3)
        same = same && a->original_max_positions == b->original_max_positions;
    if (llama3)
        same = same && a->low_freq_factor == b->low_freq_factor &&
               a->high_freq_factor == b->high_freq_factor;
    if (yarn)
        same = same && a->beta_fast == b->beta_fast && a->beta_slow == b->beta_slow &&
               a->mscale == b->mscale && a->mscale_all_dim == b->mscale_all_dim &&
               a->no_truncate == b->no_truncate;
    if (yarn || lng)
        same = same && a->attention_factor == b->attention_factor;
    if (a->scaling == TS_ROPE_DYNAMIC)
        same = same && a->max_positions == b->max_positions;
    for (int64_t i = 0; same && lng && i < a->dim / 2; i++)
        same = a->short_factor[i] == b->short_factor[i] && a->long_factor[i] == b->long_factor[i];
    return same ? NULL : "stretching of rotary embeddings (--rope-scaling-type)";
}

static bool ids_equal(const ts_arch *a, const ts_arch *b)
{
    if (a->bos != b->bos || a->pad != b->pad || a->n_eos != b->n_eos)
        return false;
    for (int i = 0; i < a->n_eos; i++)
        if (a->eos[i] != b->eos[i])
            return false;
    return true;
}

/* Windows and rotary embeddings, layer by layer; the first difference of each. */
static void layer_differences(const ts_arch *a, const ts_arch *b, const char *window[1],
                              const char *rope[1])
{
    const bool both_rope = a->position == TS_POSITION_ROPE && b->position == TS_POSITION_ROPE;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_layer_arch *x = &a->layer[i], *y = &b->layer[i];
        if (x->window != y->window)
            window[0] = "window (--window-size)";
        if (both_rope && !rope[0])
            rope[0] = rope_difference(&a->rope[x->rope], &b->rope[y->rope]);
    }
}

ts_status ts_arch_differences(const ts_arch *a, const ts_arch *b, ts_str *out, int *n)
{
    const char *words[N_FIELDS + 3];
    const char *window = NULL, *rope = NULL;
    int found = 0;
    for (size_t i = 0; i < N_FIELDS; i++)
        if (!field_equal(a, b, &fields[i]))
            words[found++] = fields[i].words;
    if (a->n_layers == b->n_layers)
        layer_differences(a, b, &window, &rope);
    if (window)
        words[found++] = window;
    if (rope)
        words[found++] = rope;
    if (!ids_equal(a, b))
        words[found++] = "ids of special tokens";
    for (int i = 0; out && i < found; i++)
        TS_TRY(ts_str_printf(out, "%s%s", out->len ? ", " : "", words[i]));
    *n = found;
    return TS_OK;
}

bool ts_arch_equal(const ts_arch *a, const ts_arch *b)
{
    int n = 0;
    return ts_arch_differences(a, b, NULL, &n) == TS_OK && n == 0;
}

/* ---- JSON ---- */

static ts_status no_memory(void)
{
    return ts_error(TS_ERR_NOMEM, "no memory for the description of a model");
}

/* Name number i of "a|b|c", with its length; NULL: there are fewer. */
static const char *choice_name(const char *choices, int i, size_t *n)
{
    for (; i > 0 && choices; i--) {
        choices = strchr(choices, '|');
        choices = choices ? choices + 1 : NULL;
    }
    *n = choices ? strcspn(choices, "|") : 0;
    return choices;
}

static json_t *field_value(const void *base, const field *f)
{
    size_t n;
    const char *name;
    switch (f->type) {
    case FIELD_INT:
        return json_integer(*(const int64_t *)at(base, f));
    case FIELD_REAL:
        return json_real(*(const double *)at(base, f));
    case FIELD_BOOL:
        return json_boolean(*(const bool *)at(base, f));
    case FIELD_CHOICE:
        name = choice_name(f->choices, choice_of(base, f), &n);
        TS_ASSERT(name, "%s is %d", f->key, choice_of(base, f));
        return json_stringn(name, n);
    }
    return NULL;
}

static ts_status write_fields(const void *base, const field *f, size_t n, json_t *o)
{
    for (size_t i = 0; i < n; i++)
        if (json_object_set_new(o, f[i].key, field_value(base, &f[i])))
            return no_memory();
    return TS_OK;
}

static ts_status write_factors(const ts_rope_config *r, json_t *o)
{
    json_t *lists[2] = { json_array(), json_array() };
    static const char *const keys[2] = { "short_factor", "long_factor" };
    int bad = 0;
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; lists[k] && i < r->dim / 2; i++)
            bad |= json_array_append_new(
                lists[k], json_real((double)(k ? r->long_factor : r->short_factor)[i]));
        bad |= json_object_set_new(o, keys[k], lists[k]);
    }
    return bad ? no_memory() : TS_OK;
}

static ts_status write_rope(const ts_rope_config *r, json_t *list)
{
    json_t *o = json_object();
    if (json_array_append_new(list, o))
        return no_memory();
    TS_TRY(write_fields(r, rope_fields, N_ROPE_FIELDS, o));
    return r->scaling == TS_ROPE_LONGROPE ? write_factors(r, o) : TS_OK;
}

static ts_status write_lists(const ts_arch *a, json_t *o)
{
    json_t *ropes = json_array(), *windows = json_array(), *which = json_array(),
           *eos = json_array();
    int bad = json_object_set_new(o, "ropes", ropes) | json_object_set_new(o, "windows", windows) |
              json_object_set_new(o, "layer_ropes", which) | json_object_set_new(o, "eos", eos);
    for (int i = 0; !bad && i < a->n_ropes; i++)
        TS_TRY(write_rope(&a->rope[i], ropes));
    for (int64_t i = 0; !bad && i < a->n_layers; i++)
        bad = json_array_append_new(windows, json_integer(a->layer[i].window)) |
              json_array_append_new(which, json_integer(a->layer[i].rope));
    for (int i = 0; !bad && i < a->n_eos; i++)
        bad = json_array_append_new(eos, json_integer(a->eos[i]));
    bad = bad || json_object_set_new(o, "bos", json_integer(a->bos)) ||
          json_object_set_new(o, "pad", json_integer(a->pad));
    return bad ? no_memory() : TS_OK;
}

ts_status ts_arch_write(const ts_arch *a, json_t **out)
{
    json_t *o = json_object();
    ts_status st = o ? write_fields(a, fields, N_FIELDS, o) : no_memory();
    if (st == TS_OK)
        st = write_lists(a, o);
    if (st == TS_OK)
        *out = o;
    else
        json_decref(o);
    return st;
}

static ts_status read_choice(const json_t *o, const char *file, const field *f, int *out)
{
    const char *text = NULL, *name;
    size_t n;
    TS_TRY(ts_json_text(o, file, f->key, "", &text));
    for (int i = 0; (name = choice_name(f->choices, i, &n)); i++)
        if (strlen(text) == n && !strncmp(text, name, n)) {
            *out = i;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER, "%s: %s is \"%.40s\", expected one of %s", file, f->key, text,
                    f->choices);
}

static ts_status read_fields(const json_t *o, const char *file, const field *f, size_t n,
                             void *base)
{
    for (size_t i = 0; i < n; i++) {
        char *to = (char *)base + f[i].offset;
        if (!json_object_get(o, f[i].key))
            return ts_error(TS_ERR_USER, "%s: %s is missing in the description of the model", file,
                            f[i].key);
        if (f[i].type == FIELD_INT)
            TS_TRY(ts_json_int(o, file, f[i].key, 0, 0, INT32_MAX, (int64_t *)(void *)to));
        else if (f[i].type == FIELD_REAL)
            TS_TRY(ts_json_real(o, file, f[i].key, 0, (double *)(void *)to));
        else if (f[i].type == FIELD_BOOL)
            TS_TRY(ts_json_bool(o, file, f[i].key, false, (bool *)(void *)to));
        else
            TS_TRY(read_choice(o, file, &f[i], (int *)(void *)to));
    }
    return TS_OK;
}

/* Entry i of a list of whole numbers. */
static ts_status list_int(const json_t *o, const char *file, const char *key, size_t i, int64_t hi,
                          int64_t *out)
{
    const json_t *v = json_array_get(json_object_get(o, key), i);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > hi)
        return ts_error(TS_ERR_USER, "%s: entry %zu of %s is missing or not a number from 0 to %lld",
                        file, i, key, (long long)hi);
    *out = json_integer_value(v);
    return TS_OK;
}

static ts_status read_rope(const json_t *o, const char *file, ts_rope_config *r)
{
    TS_TRY(read_fields(o, file, rope_fields, N_ROPE_FIELDS, r));
    if (r->scaling != TS_ROPE_LONGROPE)
        return TS_OK;
    if (r->dim > 2 * TS_ROPE_MAX_FACTORS)
        return ts_error(TS_ERR_USER, "%s: longrope over %lld values of a head", file,
                        (long long)r->dim);
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < r->dim / 2; i++)
            (k ? r->long_factor : r->short_factor)[i] = (float)json_number_value(json_array_get(
                json_object_get(o, k ? "long_factor" : "short_factor"), (size_t)i));
    return TS_OK;
}

static ts_status read_layers(const json_t *o, const char *file, ts_arch *a)
{
    int64_t v;
    if (a->n_layers > TS_ARCH_MAX_LAYERS)
        return ts_error(TS_ERR_USER, "%s: n_layers is %lld", file, (long long)a->n_layers);
    TS_TRY(ts_arch_layers(a, 0));
    for (int64_t i = 0; i < a->n_layers; i++) {
        TS_TRY(list_int(o, file, "windows", (size_t)i, INT32_MAX, &a->layer[i].window));
        TS_TRY(list_int(o, file, "layer_ropes", (size_t)i, 1, &v));
        a->layer[i].rope = (int)v;
    }
    return TS_OK;
}

ts_status ts_arch_read(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *ropes = json_object_get(o, "ropes"), *eos = json_object_get(o, "eos");
    const size_t n_ropes = json_array_size(ropes), n_eos = json_array_size(eos);
    TS_TRY(read_fields(o, file, fields, N_FIELDS, a));
    if (n_ropes > 2 || n_eos > TS_ARCH_MAX_EOS)
        return ts_error(TS_ERR_USER, "%s: %zu rotary embeddings and %zu ends of text", file,
                        n_ropes, n_eos);
    a->n_ropes = (int)n_ropes;
    a->n_eos = (int)n_eos;
    for (size_t i = 0; i < n_ropes; i++)
        TS_TRY(read_rope(json_array_get(ropes, i), file, &a->rope[i]));
    for (size_t i = 0; i < n_eos; i++)
        TS_TRY(list_int(o, file, "eos", i, INT32_MAX, &a->eos[i]));
    TS_TRY(ts_json_int(o, file, "bos", -1, -1, INT32_MAX, &a->bos));
    TS_TRY(ts_json_int(o, file, "pad", -1, -1, INT32_MAX, &a->pad));
    TS_TRY(read_layers(o, file, a));
    return ts_arch_check(a, file);
}
