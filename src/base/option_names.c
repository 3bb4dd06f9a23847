#include "base/option.h"
#include "base/option_set.h"

#include <stdio.h>
#include <string.h>

typedef ts_option_entry entry;

enum { NAME_MAX_LEN = 128 };

/* A name as the set's table has it: _ as -. False: longer than any option's. */
static bool plain_name(const char *name, char out[NAME_MAX_LEN])
{
    size_t n = 0;
    for (; name[n] && n < NAME_MAX_LEN; n++)
        out[n] = name[n] == '_' ? '-' : name[n];
    if (n == NAME_MAX_LEN)
        return false;
    out[n] = 0;
    return true;
}

ts_status ts_option_add_name(ts_option_set *s, const char *name)
{
    char plain[NAME_MAX_LEN];
    const bool fits = plain_name(name, plain);
    TS_ASSERT(fits, "the name of option --%s is too long", name);
    TS_ASSERT(ts_names_find(s->names, plain) < 0, "two options are called --%s", name);
    return ts_names_add(s->names, plain);
}

static entry *find_exact(const ts_option_set *s, const char *name)
{
    char plain[NAME_MAX_LEN];
    const int64_t i = plain_name(name, plain) ? ts_names_find(s->names, plain) : -1;
    return i < 0 ? NULL : &s->e[i];
}

entry *ts_option_find(const ts_option_set *s, const char *name)
{
    entry *e = find_exact(s, name);
    for (const char *dot = strchr(name, '.'); dot && !e; dot = strchr(dot + 1, '.')) {
        char section[128];
        snprintf(section, sizeof section, "%.*s", (int)(dot + 1 - name), name);
        e = find_exact(s, section);
    }
    const char *last = strrchr(name, '.');
    return e || !last || !last[1] ? e : find_exact(s, last + 1);
}

enum { NEAREST = 3 };
typedef struct nearest {
    const char *name[NEAREST];
    int dist[NEAREST];
    bool foreign[NEAREST]; /* a name of another program, which files may have */
} nearest;

static void look_at(nearest *b, const char *name, const char *known, bool foreign)
{
    char plain[NAME_MAX_LEN];
    int d = ts_edit_distance(plain_name(name, plain) ? plain : name, known);
    if (strlen(name) >= 4 && strstr(known, plain))
        d = d < 4 ? d : 4;
    for (int k = 0; k < NEAREST; k++)
        if (d < b->dist[k]) {
            const size_t behind = (size_t)(NEAREST - 1 - k);
            memmove(b->dist + k + 1, b->dist + k, behind * sizeof *b->dist);
            memmove(b->name + k + 1, b->name + k, behind * sizeof *b->name);
            memmove(b->foreign + k + 1, b->foreign + k, behind * sizeof *b->foreign);
            b->dist[k] = d, b->name[k] = known, b->foreign[k] = foreign;
            return;
        }
}

/* The nearest names, and those that the word is a part of. in_file: names of other programs too. */
static ts_status put_nearest(const ts_option_set *s, const char *name, bool in_file, ts_str *out)
{
    nearest b = { .dist = { 99, 99, 99 } };
    for (size_t i = 0; i < s->n; i++)
        if (s->e[i].row->type != TS_OPTION_HINT && !strchr(s->e[i].row->name, '.'))
            look_at(&b, name, s->e[i].row->name, false);
    for (size_t i = 0; in_file && s->foreign && i < s->foreign->n; i++)
        look_at(&b, name, s->foreign->row[i].name, true);
    const int near = (int)strlen(name) / 3 + 2;
    for (int k = 0; k < NEAREST && b.name[k] && b.dist[k] <= near; k++) {
        TS_TRY(ts_str_printf(out, "%s%s", k ? ", " : " (did you mean ", b.foreign[k] ? "" : "--"));
        for (const char *p = b.name[k]; *p; p++)
            TS_TRY(ts_str_add(out, b.foreign[k] && *p == '-' ? "_" : p, 1));
    }
    return b.name[0] && b.dist[0] <= near ? ts_str_puts(out, "?)") : TS_OK;
}

ts_status ts_option_strange(ts_option_set *s, const char *name, const char *place)
{
    const char *last = strrchr(name, '.');
    TS_TRY(ts_str_printf(&s->strange, "%s--%s%s", s->strange.len ? ", " : "", name, place));
    return put_nearest(s, last ? last + 1 : name, *place, &s->strange);
}

ts_status ts_option_renamed(ts_option_set *s, const char *name, const char *place,
                            const char *here)
{
    return ts_str_printf(&s->renamed, "\n  --%s%s: %s", name, place, here);
}

/* Whether a row without a value is refused. */
static bool is_refused(const ts_option_set *s, const entry *e)
{
    const entry *with = e->said && e->row->with ? ts_option_find(s, e->row->with) : NULL;
    return e->said && (!with || with->said);
}

/* Options of subjects that there are not yet, a line for each subject. */
static ts_status put_later(const ts_option_set *s, ts_str *out)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        const char *subject = s->e[i].row->help;
        bool seen = !is_refused(s, &s->e[i]);
        for (size_t k = 0; k < i && !seen; k++)
            seen = is_refused(s, &s->e[k]) && !strcmp(s->e[k].row->help, subject);
        if (seen)
            continue;
        TS_TRY(ts_str_puts(out, any ? "" : out->len ? "\nnot in this version:"
                                                    : "not in this version:"));
        any = true;
        for (size_t k = i; k < s->n; k++)
            if (is_refused(s, &s->e[k]) && !strcmp(s->e[k].row->help, subject))
                TS_TRY(ts_str_printf(out, "%s%s", k == i ? "\n  " : ", ", s->e[k].said));
        TS_TRY(ts_str_printf(out, ": %s", subject));
    }
    return TS_OK;
}

ts_status ts_option_finish(const ts_option_set *s)
{
    ts_str text = { 0 };
    ts_status st = ts_str_puts(&text, ts_str_text(&s->wrong));
    if (st == TS_OK && s->strange.len)
        st = ts_str_printf(&text, "%sno option of this command: %s. --help lists all",
                           text.len ? "\n" : "", s->strange.s);
    if (st == TS_OK && s->renamed.len)
        st = ts_str_printf(&text, "%swhat is called otherwise here:%s", text.len ? "\n" : "",
                           s->renamed.s);
    if (st == TS_OK)
        st = put_later(s, &text);
    if (st == TS_OK && text.len)
        st = ts_error(TS_ERR_USER, "%s", text.s);
    ts_str_deinit(&text);
    return st;
}

/* Whether what was given is the row's word without effect. */
static bool is_idle(const ts_option_set *s, const entry *e)
{
    const ts_option *r = e->row;
    if (!r->idle || e->from == TS_FROM_DEFAULT || (r->unless && ts_option_is_on(s, r->unless)))
        return false;
    return r->type == TS_OPTION_FLAG
               ? *(const bool *)ts_option_field(e)
               : *(const int *)ts_option_field(e) == ts_option_choice(r->choices, r->idle);
}

ts_status ts_option_notes(const ts_option_set *s, ts_str *out)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++) {
        const ts_option *r = s->e[i].row;
        const bool alone = s->e[i].said && !is_refused(s, &s->e[i]), idle = is_idle(s, &s->e[i]);
        if (!alone && !idle && (r->type != TS_OPTION_NOTE || s->e[i].from == TS_FROM_DEFAULT))
            continue;
        TS_TRY(ts_str_printf(out, "%s--%s", any ? ", " : "accepted, without effect here: ",
                             r->name));
        if (idle)
            TS_TRY(ts_str_printf(out, "%s%s (%s)", r->type == TS_OPTION_CHOICE ? " " : "",
                                 r->type == TS_OPTION_CHOICE ? r->idle : "", r->why));
        else if (alone)
            TS_TRY(ts_str_printf(out, " (it goes with --%s)", r->with));
        else if (r->told && r->help)
            TS_TRY(ts_str_printf(out, " (%s)", r->help));
        any = true;
    }
    return TS_OK;
}
