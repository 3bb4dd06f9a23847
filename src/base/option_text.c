#include "base/option.h"
#include "base/option_set.h"

#include <stdio.h>
#include <string.h>

typedef ts_option_entry entry;

ts_status ts_option_value_word(const ts_option *r, ts_str *out)
{
    switch (r->type) {
    case TS_OPTION_INT: return ts_str_puts(out, "N");
    case TS_OPTION_REAL: return ts_str_puts(out, "X");
    case TS_OPTION_TEXT:
    case TS_OPTION_EACH: return ts_str_puts(out, "TEXT");
    case TS_OPTION_LIST: return ts_str_puts(out, "WORD...");
    case TS_OPTION_CHOICE: return ts_option_choices(r->choices, false, out);
    default: return TS_OK;
    }
}

/* Whether row i is the first of its group. */
static bool begins_group(const ts_option_set *s, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (!ts_option_is_mute(s->e[j].row) && !strcmp(s->e[j].row->group, s->e[i].row->group))
            return false;
    return true;
}

ts_status ts_option_walk(const ts_option_set *s, ts_option_visit *visit, void *ctx)
{
    for (size_t i = 0; i < s->n; i++) {
        if (ts_option_is_mute(s->e[i].row) || !begins_group(s, i))
            continue;
        for (size_t j = i; j < s->n; j++)
            if (!ts_option_is_mute(s->e[j].row) &&
                !strcmp(s->e[j].row->group, s->e[i].row->group))
                TS_TRY(visit(ctx, s->e[j].row, j == i));
    }
    for (size_t i = 0; i < s->n; i++)
        if (s->e[i].row->type == TS_OPTION_NOTE)
            TS_TRY(visit(ctx, s->e[i].row, false));
    return TS_OK;
}

static ts_status help_row(void *ctx, const ts_option *r, bool begins)
{
    ts_str *out = ctx;
    if (r->type == TS_OPTION_NOTE)
        return TS_OK;
    if (begins)
        TS_TRY(ts_str_printf(out, "\n%s:\n", r->group));
    const size_t begin = out->len;
    TS_TRY(ts_str_printf(out, "  --%s ", r->name));
    TS_TRY(ts_option_value_word(r, out));
    if (out->len - begin < 38)
        TS_TRY(ts_str_printf(out, "%*s", (int)(38 - (out->len - begin)), ""));
    else
        TS_TRY(ts_str_printf(out, "\n%38s", ""));
    TS_TRY(ts_str_puts(out, r->help ? r->help : ""));
    if (r->def)
        TS_TRY(ts_str_printf(out, " (default %s)", r->def));
    return ts_str_puts(out, "\n");
}

/* The names of what is accepted without effect, as one paragraph. */
static ts_status help_notes(const ts_option_set *s, ts_str *out)
{
    enum { WIDTH = 110 };
    size_t column = 0;
    for (size_t i = 0; i < s->n; i++) {
        const char *name = s->e[i].row->name;
        if (s->e[i].row->type != TS_OPTION_NOTE)
            continue;
        const size_t n = strlen(name) + 3;
        if (!column)
            TS_TRY(ts_str_puts(out, "\nAccepted, without effect here:\n "));
        else if (column + n > WIDTH) {
            TS_TRY(ts_str_puts(out, "\n "));
            column = 0;
        }
        TS_TRY(ts_str_printf(out, " --%s", name));
        column += n;
    }
    return column ? ts_str_puts(out, "\n") : TS_OK;
}

/* The subjects that there are not yet, a line each. */
static ts_status help_later(const ts_option_set *s, ts_str *out)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        const ts_option *r = s->e[i].row;
        int n = 0;
        bool first = r->type == TS_OPTION_LATER;
        for (size_t k = 0; k < s->n && first; k++) {
            const ts_option *q = s->e[k].row;
            const bool same = q->type == TS_OPTION_LATER && !strcmp(q->help, r->help);
            n += same;
            first = k >= i || !same;
        }
        if (!first)
            continue;
        TS_TRY(ts_str_printf(out, "%s  %s (--%s", any ? "" : "\nNot in this version, and refused with "
                             "its reason:\n", r->help, r->name));
        TS_TRY(n > 1 ? ts_str_printf(out, " and %d more)\n", n - 1) : ts_str_puts(out, ")\n"));
        any = true;
    }
    return TS_OK;
}

ts_status ts_option_help(const ts_option_set *s, ts_str *out)
{
    TS_TRY(ts_option_walk(s, help_row, out));
    TS_TRY(help_notes(s, out));
    return help_later(s, out);
}

ts_status ts_option_value_json(const entry *e, ts_str *out)
{
    const void *f = ts_option_field(e);
    switch (e->row->type) {
    /* As it would be given: a --no-... that is absent is false, though its field is true. */
    case TS_OPTION_FLAG:
    case TS_OPTION_NOFLAG:
        return ts_str_puts(out,
                           *(const bool *)f == (e->row->type == TS_OPTION_FLAG) ? "true" : "false");
    case TS_OPTION_INT: return ts_str_printf(out, "%lld", (long long)*(const int64_t *)f);
    case TS_OPTION_REAL: return ts_str_json_real(out, *(const double *)f, 17);
    case TS_OPTION_TEXT: {
        const char *t = *(const char *const *)f;
        return t ? ts_str_json(out, t, strlen(t)) : ts_str_puts(out, "null");
    }
    case TS_OPTION_CHOICE: {
        const char *p = e->row->choices;
        for (int i = *(const int *)f; i > 0; i--)
            p += strcspn(p, "|") + 1;
        return ts_str_json(out, p, strcspn(p, "|,"));
    }
    case TS_OPTION_LIST:
    case TS_OPTION_EACH: {
        const ts_option_list *l = f;
        TS_TRY(ts_str_puts(out, "["));
        for (int64_t i = 0; i < l->n; i++) {
            TS_TRY(ts_str_puts(out, i ? ", " : ""));
            TS_TRY(ts_str_json(out, l->v[i], strlen(l->v[i])));
        }
        return ts_str_puts(out, "]");
    }
    case TS_OPTION_NOTE:
    case TS_OPTION_LATER:
    case TS_OPTION_HINT: break;
    }
    return ts_str_puts(out, "null");
}

ts_status ts_option_json(const ts_option_set *s, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{"));
    bool first = true;
    for (size_t i = 0; i < s->n; i++) {
        if (ts_option_is_mute(s->e[i].row))
            continue;
        TS_TRY(ts_str_printf(out, "%s\n  \"%s\": ", first ? "" : ",", s->e[i].row->name));
        TS_TRY(ts_option_value_json(&s->e[i], out));
        first = false;
    }
    return ts_str_puts(out, "\n}\n");
}

/* ---- differences ---- */

/* An earlier row of the same field, of those that were saved too. */
static bool is_alias(const ts_option_set *s, size_t i, const json_t *there)
{
    const entry *e = &s->e[i];
    for (size_t k = 0; k < i; k++) {
        const ts_option *r = s->e[k].row;
        if (s->e[k].values == e->values && r->offset == e->row->offset && !ts_option_is_mute(r) &&
            json_object_get(there, r->name))
            return true;
    }
    return false;
}

static ts_status tell(const ts_option *row, const json_t *here, const json_t *there,
                      ts_option_differs_fn *fn, void *ctx)
{
    ts_str a = { 0 }, b = { 0 };
    const size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
    ts_status st = ts_json_write(here, flags, row->name, &a);
    if (st == TS_OK)
        st = ts_json_write(there, flags, row->name, &b);
    if (st == TS_OK)
        st = fn(ctx, &(ts_option_difference){ row, here, there, a.s, b.s });
    ts_str_deinit(&a);
    ts_str_deinit(&b);
    return st;
}

ts_status ts_option_compare(const ts_option_set *s, const json_t *there, ts_option_differs_fn *fn,
                            void *ctx)
{
    ts_str text = { 0 };
    json_t *all = NULL;
    ts_status st = ts_option_json(s, &text);
    if (st == TS_OK)
        st = ts_json_parse(text.s, text.len, "options", &all);
    ts_str_deinit(&text);
    for (size_t i = 0; st == TS_OK && i < s->n; i++) {
        const ts_option *r = s->e[i].row;
        const json_t *one = json_object_get(all, r->name), *other = json_object_get(there, r->name);
        if (one && other && !json_equal(one, other) && !is_alias(s, i, there))
            st = tell(r, one, other, fn, ctx);
    }
    json_decref(all);
    return st;
}

typedef struct changes {
    ts_str *out;
    bool inherits; /* none of the options that a run can inherit is given */
} changes;

static ts_status add_change(void *ctx, const ts_option_difference *d)
{
    const changes *c = ctx;
    if (!(d->row->is & TS_OPTION_DECIDES) || (d->row->is & TS_OPTION_INHERITS && c->inherits))
        return TS_OK;
    return ts_str_printf(c->out, "%s--%s %.200s (was %.200s)", c->out->len ? ", " : "", d->row->name,
                         d->here_text, d->there_text);
}

ts_status ts_option_changes(const ts_option_set *s, const json_t *was, ts_str *out)
{
    changes c = { out, true };
    for (size_t i = 0; i < s->n; i++)
        if (s->e[i].row->is & TS_OPTION_INHERITS && s->e[i].from != TS_FROM_DEFAULT)
            c.inherits = false;
    return ts_option_compare(s, was, add_change, &c);
}
