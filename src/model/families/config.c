/* Reading and writing by rows. */
#include "model/families/config.h"

#include "model/arch_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(offsetof(ts_arch, family) == 0, "0 stands for no field in rows of config.json");

/* ---- a family's rows ---- */

static bool same(const ts_config_row *a, const ts_config_row *b)
{
    return (a->field[0] && a->field[0] == b->field[0]) ||
           (a->key && b->key && !strcmp(a->key, b->key));
}

static const ts_config_row *find(const ts_family *f, const ts_config_row *like)
{
    for (; f; f = f->base)
        for (const ts_config_row *r = f->rows; r->kind != TS_CONFIG_END; r++)
            if (same(r, like))
                return r;
    return NULL;
}

typedef ts_status row_fn(void *ctx, const ts_config_row *r);

/* The base's rows as the family has them, then the family's own. A row of its own kind alone (a
 * check) has no like. */
static ts_status each_row(const ts_family *f, const ts_family *leaf, row_fn *fn, void *ctx)
{
    if (f->base)
        TS_TRY(each_row(f->base, leaf, fn, ctx));
    for (const ts_config_row *r = f->rows; r->kind != TS_CONFIG_END; r++) {
        const ts_config_row *own = find(leaf, r);
        if (!find(f->base, r))
            TS_TRY(fn(ctx, own ? own : r));
    }
    return TS_OK;
}

const char *ts_family_prefix(const ts_family *f)
{
    for (; f; f = f->base)
        if (f->prefix)
            return f->prefix;
    return NULL; /* of families with towers too: their forms say it */
}

const ts_name_row *ts_family_name_rows(const ts_family *f)
{
    while (!f->names)
        f = f->base;
    return f->names;
}

/* ---- one row ---- */

static bool is_given(const json_t *o, const char *key)
{
    const json_t *v = key ? json_object_get(o, key) : NULL;
    return v && !json_is_null(v);
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

bool ts_config_act_named(const char *name, ts_act *out)
{
    for (size_t i = 0; i < N_ACT_NAMES; i++)
        if (!strcmp(name, act_names[i].name)) {
            *out = act_names[i].act;
            return true;
        }
    return false;
}

const char *ts_config_act_name(ts_act act)
{
    for (size_t i = 0; i < N_ACT_NAMES; i++)
        if (act_names[i].act == act)
            return act_names[i].name;
    return "silu";
}

static ts_status read_act(const ts_config_row *r, const json_t *o, const char *file, double *out)
{
    const char *name = NULL;
    ts_act act = (ts_act)r->def;
    TS_TRY(ts_json_text(o, file, r->key, NULL, &name));
    if (name && !ts_config_act_named(name, &act))
        return ts_error(
            TS_ERR_USER,
            "%s: %s is \"%.60s\", expected one of silu, gelu, gelu_pytorch_tanh, gelu_new, "
            "quick_gelu, relu, relu2",
            file, r->key, name);
    *out = act;
    return TS_OK;
}

ts_status ts_config_copy_in(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const ts_field_row *f = ts_arch_row_at(r->field[0]);
    const char *key = is_given(o, r->before) ? r->before : r->key;
    const double null = r->has_null ? r->null : r->def;
    double v = r->def;
    int64_t n = 0;
    bool is = r->def != 0;
    switch (f->type) {
    case TS_FIELD_INT:
        TS_TRY(ts_config_int(o, file, key, (int64_t)r->def, (int64_t)null, (int64_t)f->lo,
                             (int64_t)(r->most > 0 ? r->most : f->hi), &n));
        v = (double)n;
        break;
    case TS_FIELD_REAL:
        TS_TRY(ts_config_real(o, file, key, r->def, null, &v));
        break;
    case TS_FIELD_BOOL:
        TS_TRY(ts_json_bool(o, file, key, is, &is));
        v = is;
        break;
    default:
        TS_ASSERT(r->field[0] == offsetof(ts_arch, act), "%s is of no kind to copy", r->key);
        TS_TRY(read_act(r, o, file, &v));
    }
    for (int i = 0; i < TS_CONFIG_FIELDS && r->field[i]; i++)
        ts_field_set(a, ts_arch_row_at(r->field[i]), v);
    return TS_OK;
}

ts_status ts_config_copy_out(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const ts_field_row *f = ts_arch_row_at(r->field[0]);
    const double v = ts_field_get(a, f);
    ts_act preferred;
    if (r->has_null && v == r->null)
        return ts_config_put(o, r->key, json_null());
    switch (f->type) {
    case TS_FIELD_INT:
        return ts_config_put(o, r->key, json_integer((json_int_t)v));
    case TS_FIELD_REAL:
        return ts_config_put(o, r->key, json_real(v));
    case TS_FIELD_BOOL:
        return ts_config_put(o, r->key, json_boolean(v != 0));
    default:
        if (r->word && ts_config_act_named(r->word, &preferred) && preferred == a->act)
            return ts_config_put(o, r->key, json_string(r->word));
        return ts_config_put(o, r->key, json_string(ts_config_act_name(a->act)));
    }
}

static ts_status read_by_kind(const ts_config_row *r, const json_t *o, const char *file,
                              ts_arch *a)
{
    const json_t *v = r->key ? json_object_get(o, r->key) : NULL;
    switch (r->kind) {
    case TS_CONFIG_COPY:
        return ts_config_copy_in(r, o, file, a);
    case TS_CONFIG_FIXED:
        ts_field_set(a, ts_arch_row_at(r->field[0]), r->def);
        return TS_OK;
    case TS_CONFIG_REFUSE:
        if (!v || json_is_null(v) || json_is_false(v))
            return TS_OK;
        return ts_error(TS_ERR_USER, "%s: %s is not supported: %s", file, r->key, r->why);
    default:
        return TS_OK;
    }
}

/* ---- a whole config ---- */

typedef struct reading {
    const json_t *o;
    const char *file;
    ts_arch *a;
    bool layers; /* their turn */
} reading;

static ts_status read_row(void *ctx, const ts_config_row *r)
{
    const reading *d = ctx;
    if ((r->late || r->field[0] == TS_CONFIG_AT(layer)) != d->layers)
        return TS_OK;
    return (r->read ? r->read : read_by_kind)(r, d->o, d->file, d->a);
}

/* ---- heads of labels ---- */

static const char classes[] = "ForSequenceClassification";

static const char *architecture_of(const json_t *config)
{
    const char *name = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    return name ? name : "";
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

static const char *problem_word(ts_problem p, size_t *n) { return ts_field_choice(TS_CHOICES(TS_PROBLEMS), (int)p, n); }

/* Where a config does not say it transformers goes by the labels that it is trained with. */
static ts_status read_problem(const json_t *config, const char *file, int64_t labels, ts_problem *out)
{
    const json_t *said = json_object_get(config, "problem_type");
    const char *word = json_string_value(said), *known;
    size_t n;
    *out = labels == 1 ? TS_PROBLEM_REGRESSION : TS_PROBLEM_SINGLE;
    if (!said || json_is_null(said))
        return TS_OK;
    for (int i = 0; word && (known = problem_word((ts_problem)i, &n)); i++)
        if (strlen(word) == n && !strncmp(word, known, n)) {
            *out = (ts_problem)i;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER, "%s: problem_type is none of %s", file, TS_CHOICES(TS_PROBLEMS));
}

/* As transformers counts them: by their names, which it leaves out where there are two. */
static ts_status read_labels(const json_t *config, const char *file, ts_arch *a)
{
    const json_t *names = json_object_get(config, "id2label");
    int64_t n = json_is_object(names) ? (int64_t)json_object_size(names) : 2;
    if (!ends_with(architecture_of(config), classes))
        return TS_OK;
    ts_problem problem;
    TS_TRY(ts_json_int(config, file, "num_labels", n, 1, 1 << 20, &n));
    TS_TRY(read_problem(config, file, n, &problem));
    ts_arch_take_labels(a, n, problem);
    return TS_OK;
}

/* The class of the same family that has a head of classes. */
static ts_status write_class(const ts_family *f, json_t *config)
{
    static const char *const ends[] = { "ForCausalLM", "LMHeadModel", "ForConditionalGeneration" };
    const char *name = *architecture_of(config) ? architecture_of(config) : f->architecture;
    size_t n = strlen(name);
    char text[160];
    if (ends_with(name, classes))
        return TS_OK;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            n = strlen(name) - strlen(ends[i]);
    snprintf(text, sizeof text, "%.*s%s", (int)(n < 100 ? n : 100), name, classes);
    return json_object_set_new(config, "architectures", json_pack("[s]", text)) ? ts_error(TS_ERR_NOMEM, "no memory for %s", text)
                                                                               : TS_OK;
}

static ts_status write_names(const ts_arch *a, json_t *config)
{
    json_t *names = json_object(), *numbers = json_object();
    char name[32], number[24];
    bool fine = names && numbers;
    for (int64_t i = 0; i < a->labels; i++) {
        snprintf(name, sizeof name, "LABEL_%lld", (long long)i);
        snprintf(number, sizeof number, "%lld", (long long)i);
        fine = fine && !json_object_set_new(names, number, json_string(name)) &&
               !json_object_set_new(numbers, name, json_integer(i));
    }
    fine = fine && !json_object_set(config, "id2label", names) && !json_object_set(config, "label2id", numbers);
    json_decref(names);
    json_decref(numbers);
    return fine ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory for the names of classes");
}

ts_status ts_family_write_labels(const ts_family *f, const ts_arch *a, json_t *config)
{
    const json_t *names = json_object_get(config, "id2label"), *eos = json_object_get(config, "eos_token_id");
    size_t n;
    const char *problem = problem_word(a->problem, &n);
    if (!a->labels)
        return TS_OK;
    TS_TRY(write_class(f, config));
    if (!json_is_object(names) || (int64_t)json_object_size(names) != a->labels)
        TS_TRY(write_names(a, config));
    if (json_is_array(eos))
        eos = json_array_get(eos, 0);
    /* transformers finds the last token of a padded row by it */
    const bool pads = json_is_integer(json_object_get(config, "pad_token_id")) || !json_is_integer(eos);
    if ((!pads && json_object_set_new(config, "pad_token_id", json_integer(json_integer_value(eos)))) ||
        json_object_set_new(config, "problem_type", json_stringn(problem, n)))
        return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

ts_status ts_family_read(const ts_family *f, const json_t *config, const char *file, ts_arch *a)
{
    reading d = { config, file, a, false };
    if (f->vision)
        return ts_vision_read(f, config, file, a);
    TS_TRY(each_row(f, f, read_row, &d));
    TS_TRY(ts_arch_layers(a, 0));
    d.layers = true;
    TS_TRY(each_row(f, f, read_row, &d));
    return read_labels(config, file, a);
}

typedef struct writing {
    const ts_arch *a;
    json_t *o;
} writing;

static ts_status write_row(void *ctx, const ts_config_row *r)
{
    const writing *d = ctx;
    if (r->write)
        return r->write(r, d->a, d->o);
    return r->kind == TS_CONFIG_COPY ? ts_config_copy_out(r, d->a, d->o) : TS_OK;
}

ts_status ts_family_write(const ts_family *f, const ts_arch *a, json_t *config)
{
    TS_TRY(each_row(f, f, write_row, &(writing){ a, config }));
    return ts_family_write_labels(f, a, config);
}

/* ---- what a family always has ---- */

typedef struct fitting {
    const ts_arch *a;
    bool fits;
} fitting;

/* What layers may have otherwise is left to who compares them. */
static bool is_of_layers(const ts_field_row *f)
{
    for (size_t i = 0; i < ts_layer_row_count; i++)
        if (ts_layer_rows[i].model && !strcmp(ts_layer_rows[i].model, f->key))
            return true;
    return false;
}

static ts_status fit_row(void *ctx, const ts_config_row *r)
{
    fitting *x = ctx;
    const ts_field_row *f = r->kind == TS_CONFIG_FIXED ? ts_arch_row_at(r->field[0]) : NULL;
    if (f && ts_field_is_told(f) && !is_of_layers(f) && ts_field_get(x->a, f) != r->def)
        x->fits = false;
    return TS_OK;
}

bool ts_family_may_say(const ts_family *f, const ts_arch *a)
{
    fitting x = { a, true };
    return each_row(f, f, fit_row, &x) == TS_OK && x.fits;
}

/* ---- values ---- */

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

ts_status ts_config_put(json_t *o, const char *key, json_t *value)
{
    if (!value || json_object_set_new(o, key, value))
        return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}
