/* What two descriptions differ in, by their rows. */
#include "model/arch_rows.h"
#include "model/vision.h"

#include <string.h>

static bool number_equal(const void *a, const void *b, const ts_field_row *r)
{
    return ts_field_get(a, r) == ts_field_get(b, r);
}

static bool factors_equal(const ts_rope_config *a, const ts_rope_config *b, const ts_field_row *r)
{
    const float *x = (const float *)(const void *)((const char *)a + r->offset),
                *y = (const float *)(const void *)((const char *)b + r->offset);
    for (int64_t i = 0; i < a->dim / 2; i++)
        if (x[i] != y[i])
            return false;
    return true;
}

/* The row of the first thing that two rotary embeddings differ in, or NULL; numbers that a scaling
 * does not use do not count. */
static const ts_field_row *rope_difference(const ts_rope_config *a, const ts_rope_config *b)
{
    for (size_t i = 0; i < ts_rope_row_count; i++) {
        const ts_field_row *r = &ts_rope_rows[i];
        if (r->scalings && !(r->scalings >> a->scaling & 1))
            continue;
        if (!(ts_field_is_number(r) ? number_equal(a, b, r) : factors_equal(a, b, r)))
            return r;
    }
    return NULL;
}

/* Of layers that there are in both: the first rotary embeddings that differ. */
static const ts_field_row *ropes_difference(const ts_arch *a, const ts_arch *b)
{
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_layer_arch *x = &a->layer[i], *y = &b->layer[i];
        const bool both = x->position == TS_POSITION_ROPE && y->position == TS_POSITION_ROPE;
        const ts_field_row *r = both ? rope_difference(&a->rope[x->rope], &b->rope[y->rope]) : NULL;
        if (r)
            return r;
    }
    return NULL;
}

static bool layers_equal(const ts_arch *a, const ts_arch *b, const ts_field_row *r)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (!number_equal(&a->layer[i], &b->layer[i], r))
            return false;
    return true;
}

/* Of the model's fields that are the default of layers, the layers' count. */
static bool field_equal(const ts_arch *a, const ts_arch *b, const ts_field_row *r)
{
    for (size_t i = 0; a->n_layers == b->n_layers && a->layer && i < ts_layer_row_count; i++)
        if (ts_layer_rows[i].model && !strcmp(ts_layer_rows[i].model, r->key))
            return layers_equal(a, b, &ts_layer_rows[i]);
    return number_equal(a, b, r);
}

static bool ends_equal(const ts_arch *a, const ts_arch *b)
{
    return a->n_eos == b->n_eos &&
           (a->n_eos == 0 || !memcmp(a->eos, b->eos, (size_t)a->n_eos * sizeof *a->eos));
}

typedef struct telling {
    ts_str *out; /* NULL: they are only counted */
    const char *last;
    int n;
} telling;

/* Several rows of the same words are one thing. */
static ts_status tell(telling *t, const ts_field_row *r)
{
    if (t->last && !strcmp(t->last, r->words))
        return TS_OK;
    t->last = r->words;
    t->n++;
    if (!t->out)
        return TS_OK;
    TS_TRY(ts_str_printf(t->out, "%s%s", t->out->len ? ", " : "", r->words));
    return r->option ? ts_str_printf(t->out, " (--%s)", r->option) : TS_OK;
}

/* What no field of the model says. */
static ts_status tell_layers(telling *t, const ts_arch *a, const ts_arch *b)
{
    if (a->n_layers != b->n_layers)
        return TS_OK;
    for (size_t i = 0; i < ts_layer_row_count; i++)
        if (ts_layer_rows[i].words && !layers_equal(a, b, &ts_layer_rows[i]))
            TS_TRY(tell(t, &ts_layer_rows[i]));
    const ts_field_row *rope = ropes_difference(a, b);
    return rope ? tell(t, rope) : TS_OK;
}

ts_status ts_arch_differences(const ts_arch *a, const ts_arch *b, ts_str *out, int *n)
{
    telling t = { .out = out };
    for (size_t i = 0; i < ts_arch_row_count; i++) {
        const ts_field_row *r = &ts_arch_rows[i];
        if (ts_field_is_told(r) && !field_equal(a, b, r))
            TS_TRY(tell(&t, r));
        if (r->type == TS_FIELD_IDS && !ends_equal(a, b))
            TS_TRY(tell(&t, r));
        if (r->type == TS_FIELD_LAYERS)
            TS_TRY(tell_layers(&t, a, b));
    }
    if (!ts_vision_equal(a->vision, b->vision))
        TS_TRY(tell(&t, &(ts_field_row){ .words = "vision tower" }));
    *n = t.n;
    return TS_OK;
}

bool ts_arch_equal(const ts_arch *a, const ts_arch *b)
{
    int n = 0;
    return ts_arch_differences(a, b, NULL, &n) == TS_OK && n == 0;
}
