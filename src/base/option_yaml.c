#include "base/option.h"
#include "base/option_set.h"

#include <stdio.h>
#include <string.h>

typedef ts_option_entry entry;

/* Of the rows of a field the one that is shown: all that were given, else the first. */
static bool is_shown(const ts_option_set *s, size_t i)
{
    const entry *e = &s->e[i];
    if (ts_option_is_mute(e->row))
        return false;
    if (e->from != TS_FROM_DEFAULT)
        return true;
    for (size_t k = 0; k < s->n; k++) {
        const entry *o = &s->e[k];
        if (k != i && !ts_option_is_mute(o->row) && o->values == e->values && o->row->offset == e->row->offset &&
            (o->from != TS_FROM_DEFAULT || k < i))
            return false;
    }
    return true;
}

static void put_name(const char *name, char out[128])
{
    size_t n = 0;
    for (; name[n] && n < 127; n++)
        out[n] = name[n] == '-' ? '_' : name[n];
    out[n] = 0;
}

/* A value as YAML: JSON is, but for numbers such as 1e-05, which many readers take for text. */
static ts_status put_value(const entry *e, ts_str *out)
{
    const ts_option *r = e->row;
    const void *field = ts_option_field(e);
    const bool none = e->from == TS_FROM_DEFAULT && !r->def;
    if (none && (r->type == TS_OPTION_INT || r->type == TS_OPTION_REAL || r->type == TS_OPTION_TEXT ||
                 r->type == TS_OPTION_LIST || r->type == TS_OPTION_EACH))
        return ts_str_puts(out, "null");
    if (r->type != TS_OPTION_REAL)
        return ts_option_value_json(e, out);
    const size_t begin = out->len;
    TS_TRY(ts_str_real(out, *(const double *)field));
    const char *exponent = strchr(out->s + begin, 'e');
    if (!exponent || strchr(out->s + begin, '.'))
        return TS_OK;
    char tail[8];
    snprintf(tail, sizeof tail, "%s", exponent);
    out->len = (size_t)(exponent - out->s);
    return ts_str_printf(out, ".0%s", tail);
}

static ts_status put_row(const ts_option_set *s, size_t i, ts_str *out)
{
    static const char *const from[] = { [TS_FROM_DEFAULT] = "default", [TS_FROM_FILE] = "a file",
                                        [TS_FROM_ENV] = "the environment", [TS_FROM_COMMAND] = "command line" };
    const entry *e = &s->e[i];
    char name[128];
    put_name(e->row->name, name);
    const size_t begin = out->len;
    TS_TRY(ts_str_printf(out, "%s: ", name));
    TS_TRY(put_value(e, out));
    const int width = 44 - (int)(out->len - begin);
    const bool known = e->where && (e->from == TS_FROM_FILE || e->from == TS_FROM_ENV);
    const char *is = e->from == TS_FROM_DEFAULT && !e->row->def ? "not given" : known ? e->where : from[e->from];
    TS_TRY(ts_str_printf(out, "%*s # ", width > 0 ? width : 0, ""));
    for (const char *p = is; *p; p++) /* a name of a file may hold anything */
        TS_TRY(ts_str_add(out, (unsigned char)*p < ' ' ? "?" : p, 1));
    return ts_str_puts(out, "\n");
}

static ts_status put_given(const ts_option_set *s, ts_str *out)
{
    bool any = false;
    TS_TRY(ts_str_puts(out, "given: ["));
    for (size_t i = 0; i < s->n; i++) {
        char name[128];
        if (ts_option_is_mute(s->e[i].row) || s->e[i].from == TS_FROM_DEFAULT)
            continue;
        put_name(s->e[i].row->name, name);
        TS_TRY(ts_str_printf(out, "%s%s", any ? ", " : "", name));
        any = true;
    }
    return ts_str_puts(out, "]\n");
}

ts_status ts_option_yaml(const ts_option_set *s, const char *title, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "# %s: every option, its value and where it is from.\n"
                              "# Read back by --config, what is not among the given ones counts as given once its "
                              "value is changed.\n", title));
    TS_TRY(put_given(s, out));
    for (size_t i = 0; i < s->n; i++) {
        const char *group = s->e[i].row->group;
        bool begins = is_shown(s, i);
        for (size_t k = 0; k < i && begins; k++)
            begins = !is_shown(s, k) || strcmp(s->e[k].row->group, group) != 0;
        if (!begins)
            continue;
        TS_TRY(ts_str_printf(out, "\n# %s\n", group));
        for (size_t k = i; k < s->n; k++)
            if (is_shown(s, k) && !strcmp(s->e[k].row->group, group))
                TS_TRY(put_row(s, k, out));
    }
    return TS_OK;
}
