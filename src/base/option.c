#include "base/option.h"

#include "base/log.h"
#include "base/option_set.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ts_option_entry entry;

/* The value of a field without a default: zero, false, NULL, an empty list. */
static void clear(const entry *e)
{
    static const size_t size[] = {
        [TS_OPTION_FLAG] = sizeof(bool),           [TS_OPTION_NOFLAG] = sizeof(bool),
        [TS_OPTION_INT] = sizeof(int64_t),         [TS_OPTION_REAL] = sizeof(double),
        [TS_OPTION_TEXT] = sizeof(const char *),   [TS_OPTION_CHOICE] = sizeof(int),
        [TS_OPTION_LIST] = sizeof(ts_option_list), [TS_OPTION_EACH] = sizeof(ts_option_list),
    };
    if (!ts_option_is_mute(e->row))
        memset(ts_option_field(e), 0, size[e->row->type]);
}

static ts_status set_default(ts_option_set *s, const entry *e)
{
    const ts_option *r = e->row;
    if (ts_option_is_mute(r))
        return TS_OK;
    if (r->type == TS_OPTION_NOFLAG)
        *(bool *)ts_option_field(e) = true;
    return r->def ? ts_option_set_word(s, e, r->def) : TS_OK;
}

static ts_status add_row(ts_option_set *s, const ts_option *r, void *values)
{
    TS_TRY(ts_option_add_name(s, r->name));
    s->e[s->n] = (entry){ .row = r, .values = values };
    clear(&s->e[s->n++]);
    return TS_OK;
}

ts_status ts_option_set_create(const ts_option_table *tables, size_t n, ts_option_set **out)
{
    ts_option_set *s;
    size_t total = 0;
    for (size_t t = 0; t < n; t++)
        total += tables[t].n;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    ts_status st = ts_alloc(&s->e, total, sizeof *s->e);
    if (st == TS_OK)
        st = ts_names_create(total, &s->names);
    for (size_t t = 0; st == TS_OK && t < n; t++)
        for (size_t i = 0; st == TS_OK && i < tables[t].n; i++)
            st = add_row(s, &tables[t].rows[i], tables[t].values);
    /* After all fields are cleared: a field may have several names, of which only one has the
     * default, and clearing it again for the next would take that away. */
    for (size_t i = 0; st == TS_OK && i < s->n; i++)
        st = set_default(s, &s->e[i]);
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
    ts_str_deinit(&s->wrong);
    ts_str_deinit(&s->strange);
    ts_str_deinit(&s->renamed);
    ts_str_deinit(&s->understood);
    ts_names_destroy(&s->names);
    ts_free(&s->owned);
    ts_free(&s->e);
    ts_free(set);
}

bool ts_option_given(const ts_option_set *s, const char *name)
{
    const entry *e = ts_option_find(s, name);
    TS_ASSERT(e, "no option is called --%s", name);
    return e->from != TS_FROM_DEFAULT;
}

bool ts_option_is_on(const ts_option_set *s, const char *name)
{
    const entry *e = ts_option_find(s, name);
    if (!e || e->from == TS_FROM_DEFAULT)
        return false;
    if (e->row->type == TS_OPTION_FLAG)
        return *(const bool *)ts_option_field(e);
    return e->row->type != TS_OPTION_NOFLAG || !*(const bool *)ts_option_field(e);
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

ts_status ts_option_collect(ts_option_set *s, ts_status st, const char *place)
{
    if (st != TS_ERR_USER)
        return st;
    return ts_str_printf(&s->wrong, "%s%s%s%s", s->wrong.len ? "\n" : "", ts_error_message(),
                         *place ? "\n  " : "", place);
}

/* LATER: a value that is not the neutral one is kept for the end; the last one given counts. */
static ts_status put_off(ts_option_set *s, entry *e, const char *given, const char *place, int n,
                         char *const *words)
{
    enum { MOST = 80 }; /* bytes of a value that are shown */
    const ts_option *r = e->row;
    ts_str text = { 0 }, said = { 0 };
    ts_status st = TS_OK;
    for (int i = 0; i < n && st == TS_OK; i++)
        st = ts_str_printf(&text, "%s%s", i ? " " : "", words[i]);
    const char *value = ts_str_text(&text);
    const bool takes_words = r->lo != 0;
    const bool off =
        n == 1 && !takes_words && ts_option_choice(TS_CHOICES(TS_TRUTHS), value) == TS_TRUTH_FALSE;
    const bool cut = text.len > MOST;
    const size_t name = strlen(given), dot = name && given[name - 1] == '.';
    e->said = NULL;
    if (st == TS_OK && !off && !ts_option_is_one_of(r->def, value)) {
        st = ts_str_printf(&said, "--%.*s%s%.*s%s%s", (int)(name - dot), given,
                           n && takes_words ? " " : "",
                           takes_words ? (int)(cut ? MOST : text.len) : 0, value,
                           cut && takes_words ? "..." : "", place);
        if (st == TS_OK)
            st = ts_option_own(s, said.s, &e->said);
    }
    ts_str_deinit(&said);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_option_tell(ts_option_set *s, entry *e, const char *given, const char *place, int n,
                         char *const *words)
{
    const ts_option *r = e->row;
    if (r->type == TS_OPTION_HINT)
        return ts_option_renamed(s, given, place, r->help);
    if (r->type == TS_OPTION_LATER)
        return put_off(s, e, given, place, n, words);
    const bool fits = !n || !r->choices || ts_option_choice(r->choices, words[0]) >= 0;
    return fits ? TS_OK : ts_option_collect(s, ts_option_none_of(r, words[0]), place);
}

/* ---- the command line ---- */

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2];
}

/* How many of the words that follow belong to an option; -1: too few. A flag may have a truth value
 * behind it, as programs with Hugging Face's parser write it. */
static int count_words(const ts_option *r, int argc, char *const *argv)
{
    int least = 1, most = 1, n = 0;
    const bool mute = ts_option_is_mute(r);
    if (r->type == TS_OPTION_FLAG || r->type == TS_OPTION_NOFLAG || (mute && r->lo == 0))
        return argc > 0 && ts_option_choice(TS_CHOICES(TS_TRUTHS), argv[0]) >= 0;
    if (r->type == TS_OPTION_LIST)
        most = argc;
    else if (mute) {
        least = r->lo > 0 ? (int)r->lo : r->lo == TS_OPTION_MANY;
        most = r->lo < 0 ? argc : (int)r->lo;
    }
    while (n < argc && n < most && !is_option(argv[n]))
        n++;
    return n < least ? -1 : n;
}

/* joined: the text behind "=", or NULL. */
static ts_status take_option(ts_option_set *s, entry *e, const char *given, const char *joined,
                             int n, char *const *words)
{
    const ts_option *r = e->row;
    char *one[] = { (char *)(uintptr_t)joined };
    ts_status st;
    if (n < 0)
        st = ts_error(TS_ERR_USER, "--%s: %s is missing", given,
                      r->type == TS_OPTION_LIST || ts_option_is_mute(r) ? "at least one value"
                                                                        : "its value");
    else if (ts_option_is_mute(r))
        st = ts_option_tell(s, e, given, "", n, joined ? one : words);
    else if (joined)
        st = ts_option_set_word(s, e, joined);
    else if (r->type == TS_OPTION_LIST)
        st = ts_option_set_list(s, e, n, words, ts_option_adds(e));
    else
        st = ts_option_set_word(s, e, n ? words[0] : "true");
    e->from = TS_FROM_COMMAND;
    return ts_option_collect(s, st, "");
}

/* A word that belongs to no option. */
static ts_status stray(ts_option_set *s, const char *word)
{
    const char *dot = strrchr(word, '.'), *here = "";
    if (dot && !strcmp(dot, ".py"))
        here = " (the name of a script is left out)";
    else if (dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json")))
        here = " (a file of options is given with --config)";
    return ts_option_collect(s,
                   ts_error(TS_ERR_USER,
                            "command line: \"%s\" stands where an option was expected%s", word,
                            here),
                   "");
}

ts_status ts_option_parse(ts_option_set *s, int argc, char *const *argv)
{
    for (int i = 0; i < argc;) {
        const char *word = argv[i++];
        if (!is_option(word)) {
            TS_TRY(stray(s, word));
            continue;
        }
        char name[128];
        const char *equals = strchr(word, '=');
        const size_t len = equals ? (size_t)(equals - word) : strlen(word);
        snprintf(name, sizeof name, "%.*s", (int)len - 2, word + 2);
        entry *e = ts_option_find(s, name);
        if (!e) {
            TS_TRY(ts_option_strange(s, name, ""));
            while (!equals && i < argc && !is_option(argv[i]))
                i++; /* its values, whatever they are */
            continue;
        }
        const int n = equals ? 1 : count_words(e->row, argc - i, argv + i);
        TS_TRY(take_option(s, e, name, equals ? equals + 1 : NULL, n, argv + i));
        i += equals || n < 0 ? 0 : n;
    }
    return TS_OK;
}

/* ---- the environment ---- */

ts_status ts_option_read_env(ts_option_set *s, char *const *environ_)
{
    static const char prefix[] = "TESSERA_";
    for (; *environ_; environ_++) {
        const char *equals = strchr(*environ_, '=');
        if (strncmp(*environ_, prefix, sizeof prefix - 1) || !equals)
            continue;
        char name[128], place[200], *word = (char *)(uintptr_t)(equals + 1);
        size_t n = 0;
        for (const char *p = *environ_ + sizeof prefix - 1; p < equals && n < sizeof name - 1; p++)
            name[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        name[n] = 0;
        entry *e = ts_option_find(s, name);
        if (!e || e->from > TS_FROM_ENV || e->row->type == TS_OPTION_HINT)
            continue;
        snprintf(place, sizeof place, "in the environment variable %.*s",
                 (int)(equals - *environ_), *environ_);
        e->from = TS_FROM_ENV;
        TS_TRY(ts_option_own(s, place + strlen("in the environment variable "), &e->where));
        TS_TRY(ts_option_is_mute(e->row) ? ts_option_tell(s, e, e->row->name, "", *word != 0, &word)
                                         : ts_option_collect(s, ts_option_set_word(s, e, word), place));
    }
    return TS_OK;
}
