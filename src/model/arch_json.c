/* The description in JSON, by its rows. */
#include "model/arch_rows.h"
#include "model/vision.h"

#include <string.h>

static ts_status no_memory(void)
{
    return ts_error(TS_ERR_NOMEM, "no memory for the description of a model");
}

static json_t *field_value(const void *base, const ts_field_row *r)
{
    const double v = ts_field_get(base, r);
    size_t n;
    const char *name;
    switch (r->type) {
    case TS_FIELD_INT:
        return json_integer((json_int_t)v);
    case TS_FIELD_REAL:
        return json_real(v);
    case TS_FIELD_BOOL:
        return json_boolean(v != 0);
    default:
        name = ts_field_choice(r->choices, (int)v, &n);
        TS_ASSERT(name, "%s is %g", r->key, v);
        return json_stringn(name, n);
    }
}

static ts_status put(json_t *o, const char *key, json_t *value)
{
    return json_object_set_new(o, key, value) ? no_memory() : TS_OK;
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
    for (size_t i = 0; i < ts_rope_row_count; i++)
        if (ts_field_is_number(&ts_rope_rows[i]))
            TS_TRY(put(o, ts_rope_rows[i].key, field_value(r, &ts_rope_rows[i])));
    return r->scaling == TS_ROPE_LONGROPE ? write_factors(r, o) : TS_OK;
}

static ts_status write_ropes(const ts_arch *a, json_t *o)
{
    json_t *list = json_array();
    TS_TRY(put(o, "ropes", list));
    for (int i = 0; i < a->n_ropes; i++)
        TS_TRY(write_rope(&a->rope[i], list));
    return TS_OK;
}

static ts_status write_layers(const ts_arch *a, json_t *o)
{
    const ts_layer_arch usual = ts_layer_default(a);
    for (size_t k = 0; k < ts_layer_row_count; k++) {
        const ts_field_row *r = &ts_layer_rows[k];
        bool wanted = r->always;
        for (int64_t i = 0; i < a->n_layers; i++)
            wanted = wanted || ts_field_get(&a->layer[i], r) != ts_field_get(&usual, r);
        if (!wanted)
            continue;
        json_t *list = json_array();
        TS_TRY(put(o, r->key, list));
        for (int64_t i = 0; i < a->n_layers; i++)
            if (json_array_append_new(list, field_value(&a->layer[i], r)))
                return no_memory();
    }
    return TS_OK;
}

static ts_status write_ends(const ts_arch *a, json_t *o)
{
    json_t *list = json_array();
    TS_TRY(put(o, "eos", list));
    for (int i = 0; i < a->n_eos; i++)
        if (json_array_append_new(list, json_integer(a->eos[i])))
            return no_memory();
    return TS_OK;
}

static ts_status write_row(const ts_arch *a, const ts_field_row *r, json_t *o)
{
    switch (r->type) {
    case TS_FIELD_ROPES:
        return write_ropes(a, o);
    case TS_FIELD_LAYERS:
        return write_layers(a, o);
    case TS_FIELD_IDS:
        return write_ends(a, o);
    default:
        return ts_field_is_told(r) ? put(o, r->key, field_value(a, r)) : TS_OK;
    }
}

static ts_status write_vision(const ts_vision_arch *v, json_t *o)
{
    json_t *to = json_object(), *tower = NULL;
    TS_TRY(put(o, "vision", to));
    TS_TRY(put(to, "text", json_string(v->text)));
    for (size_t i = 0; i < ts_vision_row_count; i++)
        TS_TRY(put(to, ts_vision_rows[i].key, field_value(v, &ts_vision_rows[i])));
    TS_TRY(ts_arch_write(&v->tower, &tower));
    return put(to, "tower", tower);
}

ts_status ts_arch_write(const ts_arch *a, json_t **out)
{
    json_t *o = json_object();
    ts_status st = o ? TS_OK : no_memory();
    for (size_t i = 0; st == TS_OK && i < ts_arch_row_count; i++)
        st = write_row(a, &ts_arch_rows[i], o);
    if (st == TS_OK && a->vision)
        st = write_vision(a->vision, o);
    if (st == TS_OK)
        *out = o;
    else
        json_decref(o);
    return st;
}

static ts_status read_choice(const json_t *v, const char *file, const ts_field_row *r, double *out)
{
    const char *text = json_string_value(v), *name;
    size_t n;
    if (!text)
        return ts_error(TS_ERR_USER, "%s: %s must be a text", file, r->key);
    for (int i = 0; (name = ts_field_choice(r->choices, i, &n)); i++)
        if (strlen(text) == n && !strncmp(text, name, n)) {
            *out = i;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER, "%s: %s is \"%.40s\", expected one of %s", file, r->key, text,
                    r->choices);
}

static ts_status read_number(const json_t *o, const char *file, const ts_field_row *r, double *out)
{
    int64_t n;
    bool is;
    switch (r->type) {
    case TS_FIELD_INT:
        TS_TRY(ts_json_int(o, file, r->key, 0, r->lo < 0 ? -1 : 0, INT32_MAX, &n));
        *out = (double)n;
        return TS_OK;
    case TS_FIELD_REAL:
        return ts_json_real(o, file, r->key, 0, out);
    case TS_FIELD_BOOL:
        TS_TRY(ts_json_bool(o, file, r->key, false, &is));
        *out = is;
        return TS_OK;
    default:
        return read_choice(json_object_get(o, r->key), file, r, out);
    }
}

static ts_status read_field(const json_t *o, const char *file, const ts_field_row *r, void *base)
{
    double v = r->def;
    const bool is_there = json_object_get(o, r->key);
    if (!is_there && !r->later)
        return ts_error(TS_ERR_USER, "%s: %s is missing in the description of the model", file,
                        r->key);
    if (is_there)
        TS_TRY(read_number(o, file, r, &v));
    ts_field_set(base, r, v);
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
    for (size_t i = 0; i < ts_rope_row_count; i++)
        if (ts_field_is_number(&ts_rope_rows[i]))
            TS_TRY(read_field(o, file, &ts_rope_rows[i], r));
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

static ts_status read_ropes(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, "ropes");
    const size_t n = json_array_size(list);
    if (n > TS_ARCH_MAX_ROPES)
        return ts_error(TS_ERR_USER, "%s: %zu rotary embeddings, expected at most %d", file, n,
                        TS_ARCH_MAX_ROPES);
    a->n_ropes = (int)n;
    for (size_t i = 0; i < n; i++)
        TS_TRY(read_rope(json_array_get(list, i), file, &a->rope[i]));
    return TS_OK;
}

static ts_status read_ends(const json_t *o, const char *file, ts_arch *a)
{
    const size_t n = json_array_size(json_object_get(o, "eos"));
    if (n > TS_ARCH_MAX_EOS)
        return ts_error(TS_ERR_USER, "%s: %zu ends of text, expected at most %d", file, n,
                        TS_ARCH_MAX_EOS);
    a->n_eos = (int)n;
    for (size_t i = 0; i < n; i++)
        TS_TRY(list_int(o, file, "eos", i, INT32_MAX, &a->eos[i]));
    return TS_OK;
}

/* A list that is not there leaves what the model's fields say. */
static ts_status read_layer_row(const json_t *o, const char *file, const ts_field_row *r,
                                ts_arch *a)
{
    const json_t *list = json_object_get(o, r->key);
    if (!list && !r->always)
        return TS_OK;
    for (int64_t i = 0; i < a->n_layers; i++) {
        double v;
        int64_t n;
        if (r->type == TS_FIELD_CHOICE) {
            TS_TRY(read_choice(json_array_get(list, (size_t)i), file, r, &v));
        } else if (r->type == TS_FIELD_REAL) {
            v = json_number_value(json_array_get(list, (size_t)i));
        } else {
            TS_TRY(list_int(o, file, r->key, (size_t)i, (int64_t)r->hi, &n));
            v = (double)n;
        }
        ts_field_set(&a->layer[i], r, v);
    }
    return TS_OK;
}

static ts_status read_layers(const json_t *o, const char *file, ts_arch *a)
{
    if (a->n_layers > TS_ARCH_MAX_LAYERS)
        return ts_error(TS_ERR_USER, "%s: n_layers is %lld", file, (long long)a->n_layers);
    TS_TRY(ts_arch_layers(a, 0));
    for (size_t i = 0; i < ts_layer_row_count; i++)
        TS_TRY(read_layer_row(o, file, &ts_layer_rows[i], a));
    return TS_OK;
}

static ts_status read_row(const json_t *o, const char *file, const ts_field_row *r, ts_arch *a)
{
    switch (r->type) {
    case TS_FIELD_ROPES:
        return read_ropes(o, file, a);
    case TS_FIELD_LAYERS:
        return read_layers(o, file, a);
    case TS_FIELD_IDS:
        return read_ends(o, file, a);
    default:
        return ts_field_is_told(r) ? read_field(o, file, r, a) : TS_OK;
    }
}

static ts_status read_vision(const json_t *o, const char *file, ts_arch *a)
{
    const char *text = json_string_value(json_object_get(o, "text"));
    TS_TRY(ts_vision_create(a));
    if (!text || strlen(text) >= sizeof a->vision->text)
        return ts_error(TS_ERR_USER, "%s: the vision tower's decoder is of no family", file);
    memcpy(a->vision->text, text, strlen(text) + 1);
    for (size_t i = 0; i < ts_vision_row_count; i++)
        TS_TRY(read_field(o, file, &ts_vision_rows[i], a->vision));
    return ts_arch_read(json_object_get(o, "tower"), file, &a->vision->tower);
}

ts_status ts_arch_read(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *vision = json_object_get(o, "vision");
    for (size_t i = 0; i < ts_arch_row_count; i++)
        TS_TRY(read_row(o, file, &ts_arch_rows[i], a));
    if (vision)
        TS_TRY(read_vision(vision, file, a));
    return ts_arch_check(a, file);
}
