#include "base/option.h"

#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a value came from; a later source of lower rank does not replace it. */
typedef enum origin { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_COMMAND } origin;

typedef struct entry {
    const ts_option *row;
    void *values;
    origin from;
} entry;

struct ts_option_set {
    entry *e;
    size_t n;
    void **owned; /* texts and arrays that values point to */
    size_t n_owned, cap_owned;
};

static ts_status own(ts_option_set *s, void *p)
{
    const ts_status st = ts_grow(&s->owned, &s->cap_owned, s->n_owned + 1, sizeof *s->owned);
    if (st == TS_OK)
        s->owned[s->n_owned++] = p;
    else
        free(p);
    return st;
}

static ts_status own_text(ts_option_set *s, const char *text, const char **out)
{
    char *copy;
    TS_TRY(ts_strdup(text, &copy));
    TS_TRY(own(s, copy));
    *out = copy;
    return TS_OK;
}

static void *field(const entry *e) { return (char *)e->values + e->row->offset; }

static bool takes_words(const ts_option *r)
{
    return r->type == TS_OPTION_LIST || (r->type == TS_OPTION_NOTE && r->lo != 0);
}

/* Whether one more of it on the command line adds to what is there. */
static bool adds(const entry *e)
{
    const ts_option *r = e->row;
    return e->from == FROM_COMMAND && (r->type == TS_OPTION_EACH ||
                                       (r->type == TS_OPTION_LIST && r->lo == TS_LIST_ADDS));
}

static entry *find(const ts_option_set *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->e[i].row->name, name))
            return &s->e[i];
    return NULL;
}

static ts_status set_number(const entry *e, const char *text)
{
    const ts_option *r = e->row;
    char *end;
    errno = 0;
    const bool whole = r->type == TS_OPTION_INT;
    long long n = 0;
    double v;
    if (whole) {
        n = strtoll(text, &end, 10);
        if (!*text || *end || errno) { /* 1e6 and 4096.0 are whole numbers too */
            v = strtod(text, &end);
            if (!*text || *end || v != floor(v) || fabs(v) > 9e15)
                return ts_error(TS_ERR_USER, "--%s: \"%s\" is not a whole number", r->name, text);
            n = (long long)v;
        }
        v = (double)n;
    } else {
        v = strtod(text, &end);
        if (!*text || *end || isnan(v))
            return ts_error(TS_ERR_USER, "--%s: \"%s\" is not a number", r->name, text);
    }
    if ((r->lo != 0 || r->hi != 0) && (v < r->lo || v > r->hi))
        return ts_error(TS_ERR_USER, "--%s: %s is out of range, expected %g to %g", r->name, text,
                        r->lo, r->hi);
    if (whole)
        *(int64_t *)field(e) = n;
    else
        *(double *)field(e) = v;
    return TS_OK;
}

/* Number of the word `text` in "a|b|c", or -1. */
static int choice_of(const char *choices, const char *text)
{
    const size_t n = strlen(text);
    int i = 0;
    for (const char *p = choices; *p; i++) {
        const size_t len = strcspn(p, "|");
        if (len == n && !memcmp(p, text, n))
            return i;
        p += len + (p[len] == '|');
    }
    return -1;
}

static ts_status set_choice(const entry *e, const char *text)
{
    const int i = choice_of(e->row->choices, text);
    if (i < 0)
        return ts_error(TS_ERR_USER, "--%s: \"%s\" is none of %s", e->row->name, text,
                        e->row->choices);
    *(int *)field(e) = i;
    return TS_OK;
}

static ts_status set_list(ts_option_set *s, const entry *e, int n, char *const *words, bool add)
{
    ts_option_list *l = field(e);
    const int64_t old = add ? l->n : 0;
    const char **v;
    TS_TRY(ts_alloc(&v, (size_t)(old + n + 1), sizeof *v));
    TS_TRY(own(s, v));
    for (int64_t i = 0; i < old; i++)
        v[i] = l->v[i];
    for (int i = 0; i < n; i++)
        TS_TRY(own_text(s, words[i], &v[old + i]));
    *l = (ts_option_list){ v, old + n };
    return TS_OK;
}

/* One word for everything but lists. Flags take "true" and "false" from files. */
static ts_status set_word(ts_option_set *s, const entry *e, const char *text)
{
    switch (e->row->type) {
    case TS_OPTION_FLAG:
    case TS_OPTION_NOFLAG: {
        const bool yes = !strcmp(text, "true") || !strcmp(text, "1");
        if (!yes && strcmp(text, "false") && strcmp(text, "0"))
            return ts_error(TS_ERR_USER, "%s: \"%s\" is neither true nor false", e->row->name,
                            text);
        *(bool *)field(e) = e->row->type == TS_OPTION_FLAG ? yes : !yes;
        return TS_OK;
    }
    case TS_OPTION_INT:
    case TS_OPTION_REAL: return set_number(e, text);
    case TS_OPTION_TEXT: return own_text(s, text, (const char **)field(e));
    case TS_OPTION_CHOICE: return set_choice(e, text);
    case TS_OPTION_LIST:
    case TS_OPTION_EACH: {
        char *word = (char *)(uintptr_t)text;
        return set_list(s, e, 1, &word, adds(e));
    }
    case TS_OPTION_NOTE: return TS_OK;
    }
    return TS_OK;
}

static ts_status set_default(ts_option_set *s, const entry *e)
{
    const ts_option *r = e->row;
    if (r->type == TS_OPTION_NOFLAG)
        *(bool *)field(e) = true;
    return r->def ? set_word(s, e, r->def) : TS_OK;
}

ts_status ts_option_set_create(const ts_option_table *tables, size_t n, ts_option_set **out)
{
    ts_option_set *s;
    size_t total = 0;
    for (size_t t = 0; t < n; t++)
        total += tables[t].n;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    ts_status st = ts_alloc(&s->e, total, sizeof *s->e);
    for (size_t t = 0; st == TS_OK && t < n; t++) {
        for (size_t i = 0; st == TS_OK && i < tables[t].n; i++) {
            const ts_option *r = &tables[t].rows[i];
            TS_ASSERT(!find(s, r->name), "two options are called --%s", r->name);
            s->e[s->n] = (entry){ r, tables[t].values, FROM_DEFAULT };
            st = set_default(s, &s->e[s->n++]);
        }
    }
    if (st != TS_OK)
        ts_option_set_destroy(&s);
    else
        *out = s;
    return st;
}

void ts_option_set_destroy(ts_option_set **set)
{
    ts_option_set *s = *set;
    if (!s)
        return;
    for (size_t i = 0; i < s->n_owned; i++)
        free(s->owned[i]);
    ts_free(&s->owned);
    ts_free(&s->e);
    ts_free(set);
}

/* The nearest names, and those that the word is a part of: "did you mean". */
static ts_status unknown(const ts_option_set *s, const char *where, const char *name)
{
    const char *best[3] = { 0 };
    int dist[3] = { 99, 99, 99 };
    for (size_t i = 0; i < s->n; i++) {
        const char *known = s->e[i].row->name;
        int d = ts_edit_distance(name, known);
        if (strlen(name) >= 4 && strstr(known, name))
            d = d < 4 ? d : 4;
        for (int k = 0; k < 3; k++) {
            if (d < dist[k]) {
                memmove(dist + k + 1, dist + k, (size_t)(2 - k) * sizeof *dist);
                memmove(best + k + 1, best + k, (size_t)(2 - k) * sizeof *best);
                dist[k] = d;
                best[k] = known;
                break;
            }
        }
    }
    char text[512] = "";
    const int near = (int)strlen(name) / 3 + 2;
    for (int k = 0; k < 3 && best[k] && (k == 0 || dist[k] <= near); k++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s--%s", k ? ", " : "", best[k]);
    return ts_error(TS_ERR_USER, "%s: --%s is no option of this command. Did you mean %s? "
                    "(--help lists all)", where, name, text);
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2];
}

ts_status ts_option_parse(ts_option_set *s, int argc, char *const *argv)
{
    for (int i = 0; i < argc;) {
        if (!is_option(argv[i]))
            return ts_error(TS_ERR_USER, "command line: \"%s\" stands where an option was expected",
                            argv[i]);
        char name[128];
        const char *equals = strchr(argv[i], '=');
        const size_t len = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        snprintf(name, sizeof name, "%.*s", (int)len - 2, argv[i] + 2);
        entry *e = find(s, name);
        if (!e)
            return unknown(s, "command line", name);
        i++;
        const ts_option_type t = e->row->type;
        const bool flag = t == TS_OPTION_FLAG || t == TS_OPTION_NOFLAG ||
                          (t == TS_OPTION_NOTE && e->row->lo == 0);
        if (t == TS_OPTION_NOTE)
            ts_log(TS_LOG_INFO, "--%s is accepted and has no effect here%s%s", name,
                   e->row->help ? ": " : "", e->row->help ? e->row->help : "");
        if (flag && !equals) {
            if (t != TS_OPTION_NOTE)
                TS_TRY(set_word(s, e, "true"));
        } else if (takes_words(e->row) && !equals) {
            int n = 0;
            const int most = t == TS_OPTION_NOTE && e->row->lo > 0 ? (int)e->row->lo : argc;
            while (i + n < argc && n < most && !is_option(argv[i + n]))
                n++;
            if (!n)
                return ts_error(TS_ERR_USER, "--%s: at least one value is missing", name);
            if (t == TS_OPTION_LIST)
                TS_TRY(set_list(s, e, n, argv + i, adds(e)));
            i += n;
        } else {
            if (!equals && (i >= argc || is_option(argv[i])))
                return ts_error(TS_ERR_USER, "--%s: its value is missing", name);
            TS_TRY(set_word(s, e, equals ? equals + 1 : argv[i++]));
        }
        e->from = FROM_COMMAND;
    }
    return TS_OK;
}

static ts_status scalar_text(const json_t *v, ts_str *out)
{
    ts_str_reset(out);
    if (json_is_string(v) && strlen(json_string_value(v)) != json_string_length(v))
        return ts_error(TS_ERR_USER, "has a NUL character in it");
    if (json_is_string(v))
        return ts_str_puts(out, json_string_value(v));
    if (json_is_boolean(v))
        return ts_str_puts(out, json_is_true(v) ? "true" : "false");
    if (json_is_integer(v))
        return ts_str_printf(out, "%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return ts_str_printf(out, "%.17g", json_real_value(v));
    return ts_error(TS_ERR_USER, "is neither text, number, true nor false");
}

/* The elements as words, which set_list copies. */
static ts_status array_words(const json_t *array, char **words)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    size_t i;
    json_t *v;
    json_array_foreach(array, i, v) {
        if ((st = scalar_text(v, &text)) != TS_OK ||
            (st = ts_strdup(ts_str_text(&text), &words[i])) != TS_OK)
            break;
    }
    ts_str_deinit(&text);
    return st;
}

static ts_status take_array(ts_option_set *s, const entry *e, const json_t *array)
{
    const size_t n = json_array_size(array);
    char **words;
    if (n == 0)
        return TS_OK;
    if (n > INT_MAX)
        return ts_error(TS_ERR_USER, "is a list of %zu words", n);
    TS_TRY(ts_alloc(&words, n, sizeof *words));
    ts_status st = array_words(array, words);
    if (st == TS_OK)
        st = set_list(s, e, (int)n, words, false);
    for (size_t i = 0; i < n; i++)
        ts_free(&words[i]);
    ts_free(&words);
    return st;
}

static ts_status take_value(ts_option_set *s, entry *e, const json_t *v)
{
    const bool list = e->row->type == TS_OPTION_LIST || e->row->type == TS_OPTION_EACH;
    if (json_is_null(v))
        return TS_OK;
    if (json_is_array(v) && list)
        return take_array(s, e, v);
    ts_str text = { 0 };
    ts_status st = scalar_text(v, &text);
    if (st == TS_OK)
        st = set_word(s, e, text.s);
    ts_str_deinit(&text);
    return st;
}

static void dashes(char *name)
{
    for (; *name; name++)
        if (*name == '_')
            *name = '-';
}

static ts_status take_object(ts_option_set *s, const char *path, const json_t *o)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        if (json_is_object(v)) { /* a section */
            TS_TRY(take_object(s, path, v));
            continue;
        }
        char name[128];
        snprintf(name, sizeof name, "%s", key);
        dashes(name);
        entry *e = find(s, name);
        if (!e)
            return unknown(s, path, name);
        if (e->from > FROM_FILE)
            continue;
        const ts_status st = take_value(s, e, v);
        if (st != TS_OK)
            return ts_error_context(st, "in %s, key %s", path, key);
        e->from = FROM_FILE;
    }
    return TS_OK;
}

ts_status ts_option_read_file(ts_option_set *s, const char *path)
{
    json_t *o;
    const size_t n = strlen(path);
    const bool yaml =
        (n > 5 && !strcmp(path + n - 5, ".yaml")) || (n > 4 && !strcmp(path + n - 4, ".yml"));
    TS_TRY(yaml ? ts_yaml_read(path, &o) : ts_json_read(path, &o));
    ts_status st = json_is_object(o)
                       ? take_object(s, path, o)
                       : ts_error(TS_ERR_USER, "%s: name: value pairs were expected", path);
    json_decref(o);
    return st;
}

ts_status ts_option_read_env(ts_option_set *s, char *const *environ_)
{
    static const char prefix[] = "TESSERA_";
    for (; *environ_; environ_++) {
        const char *equals = strchr(*environ_, '=');
        if (strncmp(*environ_, prefix, sizeof prefix - 1) || !equals)
            continue;
        char name[128];
        size_t n = 0;
        for (const char *p = *environ_ + sizeof prefix - 1; p < equals && n < sizeof name - 1; p++)
            name[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        name[n] = 0;
        dashes(name);
        entry *e = find(s, name);
        if (!e || e->from > FROM_ENV)
            continue;
        const ts_status st = set_word(s, e, equals + 1);
        if (st != TS_OK)
            return ts_error_context(st, "in the environment variable %.*s",
                                    (int)(equals - *environ_), *environ_);
        e->from = FROM_ENV;
    }
    return TS_OK;
}

bool ts_option_given(const ts_option_set *s, const char *name)
{
    const entry *e = find(s, name);
    TS_ASSERT(e, "no option is called --%s", name);
    return e->from != FROM_DEFAULT;
}

bool ts_option_is_on(const ts_option_set *s, const char *name)
{
    const entry *e = find(s, name);
    if (!e || e->from == FROM_DEFAULT)
        return false;
    if (e->row->type == TS_OPTION_FLAG)
        return *(const bool *)field(e);
    return e->row->type != TS_OPTION_NOFLAG || !*(const bool *)field(e);
}

ts_status ts_option_exclude(const ts_option_set *s, const char *a, const char *b)
{
    if (!ts_option_is_on(s, a) || !ts_option_is_on(s, b))
        return TS_OK;
    return ts_error(TS_ERR_USER, "--%s and --%s contradict each other: give one", a, b);
}

void ts_option_warn_alone(const ts_option_set *s, const char *name, bool has_partner,
                          const char *partner)
{
    if (!has_partner && ts_option_is_on(s, name))
        ts_log(TS_LOG_WARN, "--%s has no effect without %s", name, partner);
}

const char *ts_option_value_word(const ts_option *r)
{
    switch (r->type) {
    case TS_OPTION_INT: return "N";
    case TS_OPTION_REAL: return "X";
    case TS_OPTION_TEXT:
    case TS_OPTION_EACH: return "TEXT";
    case TS_OPTION_LIST: return "WORD...";
    case TS_OPTION_CHOICE: return r->choices;
    default: return "";
    }
}

/* Whether row i is the first of its group. */
static bool begins_group(const ts_option_set *s, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (s->e[j].row->type != TS_OPTION_NOTE && !strcmp(s->e[j].row->group, s->e[i].row->group))
            return false;
    return true;
}

ts_status ts_option_walk(const ts_option_set *s, ts_option_visit *visit, void *ctx)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->e[i].row->type == TS_OPTION_NOTE || !begins_group(s, i))
            continue;
        for (size_t j = i; j < s->n; j++)
            if (s->e[j].row->type != TS_OPTION_NOTE &&
                !strcmp(s->e[j].row->group, s->e[i].row->group))
                TS_TRY(visit(ctx, s->e[j].row, j == i));
    }
    for (size_t i = 0; i < s->n; i++)
        if (s->e[i].row->type == TS_OPTION_NOTE)
            TS_TRY(visit(ctx, s->e[i].row, false));
    return TS_OK;
}

typedef struct help_text {
    ts_str *out;
    bool notes; /* rows without effect have begun */
} help_text;

static ts_status help_row(void *ctx, const ts_option *r, bool begins)
{
    help_text *h = ctx;
    if (r->type == TS_OPTION_NOTE) {
        TS_TRY(ts_str_printf(h->out, "%s--%s",
                             h->notes ? " " : "\nAccepted, without effect here:\n  ", r->name));
        h->notes = true;
        return TS_OK;
    }
    if (begins)
        TS_TRY(ts_str_printf(h->out, "\n%s:\n", r->group));
    const size_t begin = h->out->len;
    const char *word = ts_option_value_word(r);
    TS_TRY(ts_str_printf(h->out, "  --%s%s%s", r->name, *word ? " " : "", word));
    if (h->out->len - begin < 38)
        TS_TRY(ts_str_printf(h->out, "%*s", (int)(38 - (h->out->len - begin)), ""));
    else
        TS_TRY(ts_str_printf(h->out, "\n%38s", ""));
    TS_TRY(ts_str_puts(h->out, r->help ? r->help : ""));
    if (r->def)
        TS_TRY(ts_str_printf(h->out, " (default %s)", r->def));
    return ts_str_puts(h->out, "\n");
}

ts_status ts_option_help(const ts_option_set *s, ts_str *out)
{
    help_text h = { out, false };
    TS_TRY(ts_option_walk(s, help_row, &h));
    return h.notes ? ts_str_puts(out, "\n") : TS_OK;
}

static ts_status json_value(const entry *e, ts_str *out)
{
    const void *f = field(e);
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
        return ts_str_json(out, p, strcspn(p, "|"));
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
    case TS_OPTION_NOTE: break;
    }
    return ts_str_puts(out, "null");
}

ts_status ts_option_json(const ts_option_set *s, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{"));
    bool first = true;
    for (size_t i = 0; i < s->n; i++) {
        if (s->e[i].row->type == TS_OPTION_NOTE)
            continue;
        TS_TRY(ts_str_printf(out, "%s\n  \"%s\": ", first ? "" : ",", s->e[i].row->name));
        TS_TRY(json_value(&s->e[i], out));
        first = false;
    }
    return ts_str_puts(out, "\n}\n");
}
