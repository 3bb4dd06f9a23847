#include "serve/calls.h"

#include <string.h>

static const char begin_mark[] = "<tool_call>", end_mark[] = "</tool_call>", mistral_mark[] = "[TOOL_CALLS]",
                  python_mark[] = "<|python_tag|>";

void ts_tool_calls_deinit(ts_tool_calls *c)
{
    for (size_t i = 0; i < c->n; i++) {
        ts_free(&c->v[i].name);
        ts_free(&c->v[i].arguments);
    }
    ts_free(&c->v);
    ts_str_deinit(&c->content);
    *c = (ts_tool_calls){ 0 };
}

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

static const char *skip_blanks(const char *s, const char *end)
{
    while (s < end && is_blank(*s))
        s++;
    return s;
}

/* Behind a mark, where there is one. */
static const char *skip_mark(const char *s, const char *end, const char *mark)
{
    const size_t n = strlen(mark);
    return (size_t)(end - s) >= n && !memcmp(s, mark, n) ? s + n : s;
}

static const char *find(const char *s, const char *end, const char *mark)
{
    return s < end ? memmem(s, (size_t)(end - s), mark, strlen(mark)) : NULL;
}

static bool is_tool(const json_t *tools, const char *name)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *f = json_object_get(json_array_get(tools, i), "function");
        const char *has = json_string_value(json_object_get(f ? f : json_array_get(tools, i), "name"));
        if (has && !strcmp(has, name))
            return true;
    }
    return false;
}

/* Whether a value is a call, and its parts. */
static bool is_call(const json_t *v, const json_t *tools, const char **name, const json_t **arguments)
{
    const json_t *a = json_object_get(v, "arguments");
    *arguments = a ? a : json_object_get(v, "parameters");
    *name = json_string_value(json_object_get(v, "name"));
    return *name && json_is_object(*arguments) && is_tool(tools, *name);
}

static ts_status add_call(const json_t *v, const json_t *tools, ts_tool_calls *out, bool *is_one)
{
    const char *name;
    const json_t *arguments;
    ts_str text = { 0 };
    *is_one = is_call(v, tools, &name, &arguments);
    if (!*is_one)
        return TS_OK;
    TS_TRY(ts_grow(&out->v, &out->cap, out->n + 1, sizeof *out->v));
    ts_status st = ts_json_write(arguments, 0, "arguments of a call", &text);
    ts_tool_call c = { 0 };
    if (st == TS_OK)
        st = ts_strdup(name, &c.name);
    if (st == TS_OK)
        st = ts_strdup(ts_str_text(&text), &c.arguments);
    ts_str_deinit(&text);
    out->v[out->n++] = c;
    return st;
}

/* One JSON value at the beginning of [s, end), and where it ends; NULL: none. */
static json_t *value_at(const char **s, const char *end)
{
    json_error_t e;
    json_t *v = json_loadb(*s, (size_t)(end - *s), JSON_DISABLE_EOF_CHECK, &e);
    *s = v ? *s + e.position : *s;
    return v;
}

static void forget(ts_tool_calls *c)
{
    ts_str content = c->content;
    c->content = (ts_str){ 0 };
    ts_tool_calls_deinit(c);
    c->content = content;
}

/* The whole text as values that are calls, a list or one behind another; nothing where anything else is in
 * it. */
static ts_status find_bare(const char *s, const char *end, const json_t *tools, ts_tool_calls *out)
{
    bool all = true;
    s = skip_blanks(skip_mark(skip_mark(skip_blanks(s, end), end, mistral_mark), end, python_mark), end);
    while (all && s < end) {
        json_t *v = *s == '{' || *s == '[' ? value_at(&s, end) : NULL;
        const size_t n = json_is_array(v) ? json_array_size(v) : 1;
        ts_status st = TS_OK;
        all = v != NULL && n > 0;
        for (size_t i = 0; st == TS_OK && all && i < n; i++)
            st = add_call(json_is_array(v) ? json_array_get(v, i) : v, tools, out, &all);
        json_decref(v);
        TS_TRY(st);
        s = skip_blanks(s, end);
        s = skip_blanks(s < end && *s == ';' ? s + 1 : s, end);
    }
    if (!all)
        forget(out);
    return TS_OK;
}

/* Calls between marks; the rest is content. */
static ts_status find_marked(const char *s, const char *end, const json_t *tools, ts_tool_calls *out)
{
    for (const char *at; (at = find(s, end, begin_mark)) != NULL;) {
        const char *inside = at + strlen(begin_mark), *close = find(inside, end, end_mark),
                   *upto = close ? close : end;
        const char *from = skip_blanks(inside, upto);
        json_t *v = from < upto ? value_at(&from, upto) : NULL;
        bool is_one = false;
        ts_status st = v && skip_blanks(from, upto) == upto ? add_call(v, tools, out, &is_one) : TS_OK;
        json_decref(v);
        TS_TRY(st);
        TS_TRY(ts_str_add(&out->content, s, (size_t)((is_one ? at : upto) - s)));
        s = is_one && close ? skip_blanks(close + strlen(end_mark), end) : upto;
    }
    return ts_str_add(&out->content, s, (size_t)(end - s));
}

ts_status ts_tool_calls_find(const char *s, size_t n, const json_t *tools, ts_tool_calls *out)
{
    ts_tool_calls c = { 0 };
    ts_status st = find_bare(s, s + n, tools, &c);
    if (st == TS_OK && !c.n)
        st = find_marked(s, s + n, tools, &c);
    if (st == TS_OK)
        *out = c;
    else
        ts_tool_calls_deinit(&c);
    return st;
}

/* The longest end of a text that a mark may begin with. */
static size_t begun(const char *s, size_t n, const char *mark)
{
    const size_t len = strlen(mark);
    for (size_t k = n < len ? n : len; k > 0; k--)
        if (!memcmp(s + n - k, mark, k))
            return k;
    return 0;
}

size_t ts_tool_calls_none(const char *s, size_t n)
{
    const char *first = skip_blanks(s, s + n), *mark = find(s, s + n, begin_mark);
    const size_t left = (size_t)(s + n - first);
    if (!left || *first == '{' || *first == '[' || begun(first, left, python_mark) == left ||
        skip_mark(first, s + n, python_mark) != first)
        return 0;
    return mark ? (size_t)(mark - s) : n - begun(s, n, begin_mark);
}

/* ---- calls that are still being written ---- */

/* Behind a word that comes next, blanks before it; NULL: it does not, or not yet. */
static const char *expect(const char *s, const char *end, const char *word)
{
    if (!s)
        return NULL;
    s = skip_blanks(s, end);
    const char *behind = skip_mark(s, end, word);
    return behind > s ? behind : NULL;
}

/* {"name": N, "arguments": ... of a tool: where the arguments' object begins; NULL: that is not there, or not yet. */
static const char *call_head(const char *s, const char *end, const json_t *tools, ts_str *name, ts_status *st)
{
    s = expect(expect(expect(expect(s, end, "{"), end, "\"name\""), end, ":"), end, "\"");
    const char *quote = s ? find(s, end, "\"") : NULL;
    if (!quote)
        return NULL;
    ts_str_reset(name);
    *st = ts_str_add(name, s, (size_t)(quote - s));
    if (*st != TS_OK || !is_tool(tools, ts_str_text(name)))
        return NULL;
    const char *comma = expect(quote + 1, end, ","), *key = expect(comma, end, "\"arguments\"");
    const char *brace = expect(expect(key ? key : expect(comma, end, "\"parameters\""), end, ":"), end, "{");
    return brace ? brace - 1 : NULL;
}

/* Behind the object that begins at s; NULL: its end is not there. */
static const char *object_end(const char *s, const char *end)
{
    bool in_text = false;
    for (int depth = 0; s < end; s++) {
        if (in_text) {
            s += *s == '\\';
            in_text = s < end && *s != '"';
        } else if (*s == '{' || *s == '[') {
            depth++;
        } else if (*s == '}' || *s == ']') {
            if (--depth == 0)
                return s + 1;
        } else {
            in_text = *s == '"';
        }
    }
    return NULL;
}

static ts_status add_begun(const ts_str *name, const char *arguments, const char *upto, ts_tool_calls *out)
{
    ts_tool_call c = { 0 };
    ts_str text = { 0 };
    TS_TRY(ts_grow(&out->v, &out->cap, out->n + 1, sizeof *out->v));
    ts_status st = ts_str_add(&text, arguments, (size_t)(upto - arguments));
    if (st == TS_OK)
        st = ts_strdup(ts_str_text(name), &c.name);
    if (st == TS_OK)
        st = ts_strdup(ts_str_text(&text), &c.arguments);
    ts_str_deinit(&text);
    out->v[out->n++] = c;
    return st;
}

/* The call at s, if it has begun; *s: behind it, or NULL where it has not ended. */
static ts_status add_next(const char **s, const char *end, const json_t *tools, ts_str *name, ts_tool_calls *out)
{
    ts_status st = TS_OK;
    const char *arguments = call_head(*s, end, tools, name, &st), *upto = arguments ? object_end(arguments, end) : NULL;
    if (arguments)
        st = add_begun(name, arguments, upto ? upto : end, out);
    *s = expect(upto, end, "}");
    return st;
}

ts_status ts_tool_calls_begun(const char *s, size_t n, const json_t *tools, ts_tool_calls *out)
{
    const char *end = s + n, *mark = find(s, end, begin_mark);
    const char *first = skip_blanks(skip_mark(skip_mark(skip_blanks(s, end), end, mistral_mark), end, python_mark), end);
    const bool is_bare = first < end && (*first == '{' || *first == '[');
    ts_str name = { 0 };
    ts_status st = TS_OK;
    *out = (ts_tool_calls){ 0 };
    for (s = is_bare ? first + (*first == '[') : mark ? mark + strlen(begin_mark) : NULL; s && st == TS_OK;) {
        st = add_next(&s, end, tools, &name, out);
        const char *comma = expect(s, end, ",");
        s = !is_bare ? expect(expect(s, end, end_mark), end, begin_mark) : comma ? comma : expect(s, end, ";");
    }
    ts_str_deinit(&name);
    if (st != TS_OK)
        ts_tool_calls_deinit(out);
    return st;
}
