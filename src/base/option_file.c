#include "base/option.h"
#include "base/option_set.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef ts_option_entry entry;

ts_status ts_option_scalar_text(const json_t *v, ts_str *out)
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
        return ts_str_real(out, json_real_value(v));
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
        if ((st = ts_option_scalar_text(v, &text)) != TS_OK ||
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
        st = ts_option_set_list(s, e, (int)n, words, false);
    for (size_t i = 0; i < n; i++)
        ts_free(&words[i]);
    ts_free(&words);
    return st;
}

static ts_status take_value(ts_option_set *s, const entry *e, const json_t *v)
{
    const bool list = e->row->type == TS_OPTION_LIST || e->row->type == TS_OPTION_EACH;
    if (json_is_array(v) && list)
        return take_array(s, e, v);
    ts_str text = { 0 };
    ts_status st = ts_option_scalar_text(v, &text);
    if (st == TS_OK)
        st = ts_option_set_word(s, e, text.s);
    ts_str_deinit(&text);
    return st;
}

/* A row without a value. Lists and sections are not shown. */
static ts_status tell_json(ts_option_set *s, entry *e, const char *name, const char *place,
                           const json_t *v)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    const bool scalar = !json_is_array(v) && !json_is_object(v);
    if (scalar)
        st = ts_option_scalar_text(v, &text);
    char *word = text.s;
    if (st == TS_OK)
        st = ts_option_tell(s, e, name, place, scalar, &word);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_option_key_where(ts_option_file *f, const ts_option_key *k, const char **out)
{
    char where[1100];
    if (k->line > 0)
        snprintf(where, sizeof where, "%s:%d", f->path, k->line);
    else
        snprintf(where, sizeof where, "%s", f->path);
    return ts_option_own(f->set, where, out);
}

/* Whether a value is what the option has anyway: then only a name that is among the given ones was given. */
static ts_status is_left(const ts_option_file *f, const entry *e, const json_t *v, bool *out)
{
    size_t i;
    json_t *name, *have = NULL;
    ts_str text = { 0 };
    *out = false;
    if (!f->given || ts_option_is_mute(e->row) || e->from != TS_FROM_DEFAULT)
        return TS_OK;
    json_array_foreach(f->given, i, name)
        if (json_is_string(name) && ts_option_find(f->set, json_string_value(name)) == e)
            return TS_OK;
    ts_status st = ts_option_value_json(e, &text);
    if (st == TS_OK)
        st = ts_json_load(text.s, text.len, JSON_DECODE_ANY, e->row->name, &have);
    if (st == TS_OK)
        *out = json_is_number(v) && json_is_number(have) ? json_number_value(v) == json_number_value(have)
                                                         : json_equal(v, have);
    json_decref(have);
    ts_str_deinit(&text);
    return st;
}

/* A key that is an option's name here. */
static ts_status take_own(ts_option_file *f, const ts_option_key *k, entry *e)
{
    char place[1300];
    const char *where, *dot = strrchr(k->name, '.');
    bool left;
    if (json_is_null(k->value) || e->from > TS_FROM_FILE)
        return TS_OK;
    TS_TRY(is_left(f, e, k->value, &left));
    if (left)
        return TS_OK;
    TS_TRY(ts_option_key_where(f, k, &where));
    if (e->as && ts_option_is_set_here(f, e))
        return ts_option_collect(f->set, ts_error(TS_ERR_USER, "%s in %s sets --%s, which %s in %s sets too", k->name, where,
                                                  e->row->name, e->as, e->where), "");
    e->from = TS_FROM_FILE;
    e->where = where;
    e->as = NULL;
    if (ts_option_is_mute(e->row)) {
        snprintf(place, sizeof place, " in %s", where);
        return tell_json(f->set, e, k->name, place, k->value);
    }
    snprintf(place, sizeof place, "in %s, key %s", where, dot ? dot + 1 : k->name);
    return ts_option_collect(f->set, take_value(f->set, e, k->value), place);
}

/* made: those of other programs that are made of several keys; else all others. */
static ts_status take_key(ts_option_file *f, const ts_option_key *k, bool made)
{
    char place[1300];
    const char *where;
    entry *e = ts_option_find(f->set, k->name);
    const ts_foreign *foreign = ts_option_foreign_find(f, k, e);
    if (made != (foreign && foreign->how == TS_FOREIGN_MADE))
        return TS_OK;
    if (foreign)
        return ts_option_foreign_take(f, k, foreign);
    if (e)
        return take_own(f, k, e);
    TS_TRY(ts_option_key_where(f, k, &where));
    snprintf(place, sizeof place, " in %s", where);
    return ts_option_strange(f->set, k->name, place);
}

/* section: the names of the sections around, each with a dot behind it. lines: NULL or what
 * ts_yaml_read says of o's keys. */
static ts_status list_keys(ts_option_file *f, const char *section, const json_t *o, const json_t *lines)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, name, v) {
        const json_t *at = json_object_get(lines, name);
        TS_TRY(ts_grow(&f->key, &f->cap, f->n + 1, sizeof *f->key));
        ts_option_key *k = &f->key[f->n];
        *k = (ts_option_key){ .value = v, .line = (int)json_integer_value(json_object_get(at, "line")) };
        snprintf(k->name, sizeof k->name, "%s%s", section, name);
        if (json_is_object(v) && !ts_option_foreign_find(f, k, NULL)) {
            snprintf(k->name, sizeof k->name, "%s%s.", section, name);
            if (!ts_option_find(f->set, k->name)) {
                char inner[sizeof k->name];
                memcpy(inner, k->name, sizeof inner);
                TS_TRY(list_keys(f, inner, v, json_object_get(at, "in")));
                continue;
            }
        }
        f->n++;
    }
    return TS_OK;
}

/* What ts_option_yaml wrote says which of its values were given. */
static void take_given(ts_option_file *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->key[i].name, "given") && json_is_array(f->key[i].value)) {
            f->given = f->key[i].value;
            memmove(f->key + i, f->key + i + 1, (f->n - i - 1) * sizeof *f->key);
            f->n--;
            return;
        }
}

static ts_status take_keys(ts_option_file *f)
{
    take_given(f);
    for (int made = 0; made < 2; made++)
        for (size_t i = 0; i < f->n; i++)
            TS_TRY(take_key(f, &f->key[i], made));
    const ts_foreign_table *t = f->set->foreign;
    return t && t->end ? t->end(f) : TS_OK;
}

ts_status ts_option_read_file(ts_option_set *s, const char *path)
{
    json_t *o, *lines = NULL;
    const size_t n = strlen(path);
    const bool yaml =
        (n > 5 && !strcmp(path + n - 5, ".yaml")) || (n > 4 && !strcmp(path + n - 4, ".yml"));
    TS_TRY(yaml ? ts_yaml_read(path, &o, &lines) : ts_json_read(path, &o));
    ts_option_file f = { .set = s, .path = path };
    ts_status st = json_is_object(o)
                       ? list_keys(&f, "", o, lines)
                       : ts_error(TS_ERR_USER, "%s: name: value pairs were expected", path);
    if (st == TS_OK)
        st = take_keys(&f);
    ts_free(&f.key);
    json_decref(o);
    json_decref(lines);
    return st;
}
