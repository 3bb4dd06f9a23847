#include "base/option_foreign.h"

#include "base/option.h"
#include "base/option_set.h"

#include <stdio.h>
#include <string.h>

void ts_option_speak(ts_option_set *s, const ts_foreign_table *table) { s->foreign = table; }

const char *ts_option_understood(const ts_option_set *s) { return ts_str_text(&s->understood); }

/* A key without its sections. */
static const char *last_of(const ts_option_key *k)
{
    const char *dot = strrchr(k->name, '.');
    return dot ? dot + 1 : k->name;
}

static bool is_named(const char *key, const char *name)
{
    for (; *key && (*key == '_' ? '-' : *key) == *name; key++)
        name++;
    return !*key && !*name;
}

const ts_foreign *ts_option_foreign_find(const ts_option_file *f, const ts_option_key *k,
                                         const ts_option_entry *own)
{
    const ts_foreign_table *t = f->set->foreign;
    const bool is_section = own && strchr(own->row->name, '.');
    if (!t || is_section || (own && !ts_option_is_mute(own->row)))
        return NULL;
    for (size_t i = 0; i < t->n; i++)
        if (is_named(last_of(k), t->row[i].name))
            return &t->row[i];
    return NULL;
}

const ts_option_key *ts_option_file_key(const ts_option_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (is_named(last_of(&f->key[i]), name) && !json_is_null(f->key[i].value))
            return &f->key[i];
    return NULL;
}

const json_t *ts_option_key_value(const ts_option_key *k) { return k->value; }
const char *ts_option_file_path(const ts_option_file *f) { return f->path; }

const char *ts_option_key_text(ts_option_file *f, const ts_option_key *k)
{
    ts_str text = { 0 };
    const char *out = NULL;
    if (k && (ts_option_scalar_text(k->value, &text) != TS_OK || ts_option_own(f->set, ts_str_text(&text), &out) != TS_OK))
        out = NULL;
    ts_str_deinit(&text);
    return out;
}

/* Appends what stands behind a key: a scalar as it is, else JSON, not without end. */
static ts_status put_value(const ts_option_key *k, ts_str *out)
{
    enum { MOST = 120 };
    ts_str text = { 0 };
    const bool scalar = !json_is_array(k->value) && !json_is_object(k->value) && !json_is_null(k->value);
    ts_status st = scalar ? ts_option_scalar_text(k->value, &text)
                          : ts_json_write(k->value, JSON_ENCODE_ANY, k->name, &text);
    if (st == TS_OK)
        st = ts_str_printf(out, "%s: %.*s%s", last_of(k), MOST, ts_str_text(&text), text.len > MOST ? "..." : "");
    ts_str_deinit(&text);
    return st;
}

ts_status ts_option_key_say(ts_option_file *f, const ts_option_key *k, const char *is)
{
    ts_str *out = &f->set->understood;
    TS_TRY(ts_str_puts(out, out->len ? "\n  " : "  "));
    TS_TRY(put_value(k, out));
    return ts_str_printf(out, " -> %s", is);
}

/* Sets an option, which may be one that takes several words, to what a text says. */
static ts_status set_text(ts_option_set *s, const ts_option_entry *e, const char *value)
{
    char *copy, *words[256];
    int n = 0;
    if (e->row->type != TS_OPTION_LIST && e->row->type != TS_OPTION_EACH)
        return ts_option_set_word(s, e, value);
    TS_TRY(ts_strdup(value, &copy));
    char *rest = copy;
    for (char *w = strtok_r(copy, ", ", &rest); w && n < 256; w = strtok_r(NULL, ", ", &rest))
        words[n++] = w;
    const ts_status st = n ? ts_option_set_list(s, e, n, words, false) : TS_OK;
    ts_free(&copy);
    return st;
}

bool ts_option_is_set_here(const ts_option_file *f, const ts_option_entry *e)
{
    const size_t n = strlen(f->path);
    return e->from == TS_FROM_FILE && e->where && !strncmp(e->where, f->path, n) &&
           (!e->where[n] || e->where[n] == ':');
}

/* as: what stands in the file, or what was left out of it. */
static ts_status set_option(ts_option_file *f, const char *as, const char *where, const char *option,
                            const char *value)
{
    char place[1400], text[300];
    ts_option_entry *e = ts_option_find(f->set, option);
    snprintf(place, sizeof place, " in %s", where);
    if (!e || e->row->type == TS_OPTION_HINT) {
        snprintf(text, sizeof text, "--%s %.200s, no option of this command", option, value);
        return ts_option_renamed(f->set, as, place, text);
    }
    if (e->from > TS_FROM_FILE)
        return TS_OK;
    if (ts_option_is_set_here(f, e))
        return ts_option_collect(f->set, ts_error(TS_ERR_USER, "%s in %s is --%s here, which %s sets already", as, where,
                                                  option, e->where), "");
    e->from = TS_FROM_FILE;
    e->where = where;
    TS_TRY(ts_option_own(f->set, as, &e->as));
    if (ts_option_is_mute(e->row)) {
        char *word = (char *)(uintptr_t)value;
        return ts_option_tell(f->set, e, option, place, 1, &word);
    }
    snprintf(place, sizeof place, "in %s, key %s", where, as);
    return ts_option_collect(f->set, set_text(f->set, e, value), place);
}

ts_status ts_option_key_replace(ts_option_file *f, const ts_option_key *k, const char *option, const char *value)
{
    ts_option_entry *e = ts_option_find(f->set, option);
    if (e && ts_option_is_set_here(f, e))
        e->where = NULL;
    return ts_option_key_put(f, k, option, value);
}

/* The first of "a|b" that the set has, or the first. */
static const char *one_here(const ts_option_set *s, const char *options, char out[64])
{
    for (const char *p = options; *p; p += strcspn(p, "|"), p += *p != 0) {
        snprintf(out, 64, "%.*s", (int)strcspn(p, "|"), p);
        const ts_option_entry *e = ts_option_find(s, out);
        if (e && e->row->type != TS_OPTION_HINT)
            return out;
    }
    snprintf(out, 64, "%.*s", (int)strcspn(options, "|"), options);
    return out;
}

ts_status ts_option_key_put(ts_option_file *f, const ts_option_key *k, const char *options, const char *value)
{
    const char *where;
    char is[400], option[64];
    const ts_option_entry *e = ts_option_find(f->set, one_here(f->set, options, option));
    const bool bare = e && e->row->type == TS_OPTION_FLAG && !strcmp(value, "true");
    snprintf(is, sizeof is, "--%s%s%.300s", option, bare ? "" : " ", bare ? "" : value);
    TS_TRY(ts_option_key_where(f, k, &where));
    TS_TRY(ts_option_key_say(f, k, is));
    return set_option(f, last_of(k), where, option, value);
}

ts_status ts_option_file_default(ts_option_file *f, const char *name, const char *whose, const char *option,
                                 const char *value)
{
    const ts_option_entry *e = ts_option_find(f->set, option);
    ts_str *out = &f->set->understood;
    if (!e || ts_option_is_mute(e->row) || e->from != TS_FROM_DEFAULT)
        return TS_OK;
    TS_TRY(ts_str_printf(out, "%s%s, left out: %s -> --%s %s", out->len ? "\n  " : "  ", name, whose, option, value));
    return set_option(f, name, f->path, option, value);
}

ts_status ts_option_key_idle(ts_option_file *f, const ts_option_key *k, const char *why)
{
    char is[400];
    snprintf(is, sizeof is, "without effect here%s%.300s%s", why ? " (" : "", why ? why : "", why ? ")" : "");
    return ts_option_key_say(f, k, is);
}

ts_status ts_option_key_refuse(ts_option_file *f, const ts_option_key *k, const char *why)
{
    const char *where;
    char place[1300];
    ts_str as = { 0 };
    TS_TRY(ts_option_key_where(f, k, &where));
    snprintf(place, sizeof place, " in %s", where);
    ts_status st = put_value(k, &as);
    if (st == TS_OK)
        st = ts_option_renamed(f->set, ts_str_text(&as), place, why);
    ts_str_deinit(&as);
    return st;
}

/* The word here for one there: of "a,b=x|c=y", where "*" at the end leaves others as they are. NULL: none. */
static const char *word_for(const char *words, const char *text, char out[64])
{
    if (!words)
        return text;
    for (const char *p = words; *p; p += strcspn(p, "|"), p += *p != 0) {
        const size_t n = strcspn(p, "|"), left = strcspn(p, "=|");
        char names[200];
        if (left == n)
            return *p == '*' ? text : NULL;
        snprintf(names, sizeof names, "%.*s", (int)left, p);
        if (ts_option_choice(names, text) == 0) {
            snprintf(out, 64, "%.*s", (int)(n - left - 1), p + left + 1);
            return out;
        }
    }
    return NULL;
}

/* The words that there are, for the message. */
static ts_status refuse_word(ts_option_file *f, const ts_option_key *k, const ts_foreign *row)
{
    char why[400];
    int n = snprintf(why, sizeof why, "none of");
    for (const char *p = row->words; *p && n < 300; p += strcspn(p, "|"), p += *p != 0) {
        const size_t left = strcspn(p, "=|,");
        n += snprintf(why + n, sizeof why - (size_t)n, "%s %.*s", p == row->words ? "" : ",", (int)left, p);
    }
    snprintf(why + n, sizeof why - (size_t)n, ", which are --%s here", row->here);
    return ts_option_key_refuse(f, k, why);
}

/* Options as on a command line, each with at most one word. */
static ts_status take_on(ts_option_file *f, const ts_option_key *k, const char *here)
{
    const char *where;
    TS_TRY(ts_option_key_where(f, k, &where));
    TS_TRY(ts_option_key_say(f, k, here));
    for (const char *p = strstr(here, "--"), *next; p; p = next) {
        char name[64], value[128] = "true";
        const size_t n = strcspn(p + 2, " ");
        next = strstr(p + 2, " --");
        const size_t all = next ? (size_t)(next - p) : strlen(p);
        snprintf(name, sizeof name, "%.*s", (int)n, p + 2);
        if (all > n + 3)
            snprintf(value, sizeof value, "%.*s", (int)(all - n - 3), p + n + 3);
        next = next ? next + 1 : NULL;
        TS_TRY(set_option(f, last_of(k), where, name, value));
    }
    return TS_OK;
}

/* The words of a list, or of a text with commas, each for its own. */
static ts_status take_list(ts_option_file *f, const ts_option_key *k, const ts_foreign *row, const char *text)
{
    ts_str all = { 0 }, one = { 0 };
    ts_status st = TS_OK;
    size_t i;
    json_t *v;
    char word[64];
    if (text)
        for (const char *p = text; *p && st == TS_OK; p += strcspn(p, ", "), p += strspn(p, ", ")) {
            ts_str_reset(&one);
            st = ts_str_add(&one, p, strcspn(p, ", "));
            const char *is = st == TS_OK ? word_for(row->words, ts_str_text(&one), word) : "";
            if (st == TS_OK)
                st = ts_str_printf(&all, "%s%s", all.len ? "," : "", is ? is : ts_str_text(&one));
        }
    json_array_foreach(k->value, i, v)
        if (st == TS_OK && (st = ts_option_scalar_text(v, &one)) == TS_OK)
            st = ts_str_printf(&all, "%s%s", all.len ? "," : "", ts_str_text(&one));
    st = ts_option_collect(f->set, st, k->name);
    if (st == TS_OK)
        st = ts_option_key_put(f, k, row->here, ts_str_text(&all));
    ts_str_deinit(&one);
    ts_str_deinit(&all);
    return st;
}

ts_status ts_option_foreign_take(ts_option_file *f, const ts_option_key *k, const ts_foreign *row)
{
    char word[64];
    const char *text = ts_option_key_text(f, k), *is;
    if (json_is_null(k->value) || (text && ts_option_is_one_of(row->none, text)))
        return TS_OK;
    switch (row->how) {
    case TS_FOREIGN_IDLE: return ts_option_key_idle(f, k, row->why);
    case TS_FOREIGN_REFUSED: return ts_option_key_refuse(f, k, row->why);
    case TS_FOREIGN_MADE: return row->make(f, k);
    case TS_FOREIGN_LIST: return take_list(f, k, row, text);
    case TS_FOREIGN_SAME:
    case TS_FOREIGN_ON: break;
    }
    if (!text)
        return ts_option_key_refuse(f, k, "one word or number was expected");
    if (row->how == TS_FOREIGN_ON) {
        const int truth = ts_option_choice(TS_CHOICES(TS_TRUTHS), text);
        return truth == TS_TRUTH_TRUE    ? take_on(f, k, row->here)
               : truth == TS_TRUTH_FALSE ? TS_OK
                                         : ts_option_key_refuse(f, k, "neither true nor false");
    }
    is = word_for(row->words, text, word);
    return is ? ts_option_key_put(f, k, row->here, is) : refuse_word(f, k, row);
}
