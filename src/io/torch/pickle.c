#include "io/torch/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 10 * 1000 * 1000, MAX_DEPTH = 1000, MAX_NAME = 512 };
static const size_t max_text = (size_t)64 << 20;

typedef struct machine {
    const char *path;
    const unsigned char *begin, *at, *end;
    ts_arena *arena;
    ts_pickle_node **stack;
    size_t n, cap;
    size_t *marks; /* heights of the stack */
    size_t n_marks, cap_marks;
    ts_pickle_node **memo;
    size_t n_memo, cap_memo;
    size_t nodes;
    bool stopped;
} machine;

static ts_status refuse(const machine *m, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: its pickle is damaged, or holds more than weights: %s at byte %zu", m->path, what,
                    (size_t)(m->at - m->begin));
}

/* ---- bytes ---- */

static ts_status take(machine *m, size_t n, const unsigned char **out)
{
    if ((size_t)(m->end - m->at) < n)
        return refuse(m, "it ends too early");
    *out = m->at;
    m->at += n;
    return TS_OK;
}

/* A number of n bytes, the lowest first. */
static ts_status take_number(machine *m, size_t n, uint64_t *out)
{
    const unsigned char *s = NULL;
    TS_TRY(take(m, n, &s));
    *out = 0;
    for (size_t i = n; i-- > 0;)
        *out = *out << 8 | s[i];
    return TS_OK;
}

/* Bytes up to the next line's end, which is passed over. */
static ts_status take_line(machine *m, const unsigned char **s, size_t *n)
{
    const unsigned char *end = memchr(m->at, '\n', (size_t)(m->end - m->at));
    if (!end)
        return refuse(m, "a line without end");
    *s = m->at;
    *n = (size_t)(end - m->at);
    m->at = end + 1;
    return TS_OK;
}

/* ---- nodes and stacks ---- */

static ts_status push(machine *m, ts_pickle_node *node)
{
    TS_TRY(ts_grow(&m->stack, &m->cap, m->n + 1, sizeof *m->stack));
    m->stack[m->n++] = node;
    return TS_OK;
}

static ts_status make(machine *m, ts_pickle_kind kind, ts_pickle_node **out)
{
    if (m->nodes++ >= MAX_NODES)
        return refuse(m, "more than 10000000 values");
    TS_TRY(ts_arena_alloc(m->arena, sizeof **out, out));
    (*out)->kind = kind;
    return push(m, *out);
}

/* What stands on top above the last mark; the mark's height otherwise bounds it. */
static ts_status pop(machine *m, ts_pickle_node **out)
{
    if (m->n <= (m->n_marks ? m->marks[m->n_marks - 1] : 0))
        return refuse(m, "a value is missing");
    *out = m->stack[--m->n];
    return TS_OK;
}

static ts_status top(machine *m, ts_pickle_node **out)
{
    TS_TRY(pop(m, out));
    m->n++;
    return TS_OK;
}

/* The height of the last mark, which is taken away. */
static ts_status pop_mark(machine *m, size_t *from)
{
    if (!m->n_marks)
        return refuse(m, "a mark is missing");
    *from = m->marks[--m->n_marks];
    return TS_OK;
}

static ts_status hold(const machine *m, ts_pickle_node *outer, const ts_pickle_node *inner)
{
    if (inner->depth >= outer->depth)
        outer->depth = inner->depth + 1;
    return outer->depth > MAX_DEPTH ? refuse(m, "values nested deeper than 1000") : TS_OK;
}

/* Values from this height of the stack on, at a list's end. */
static ts_status append(machine *m, ts_pickle_node *list, size_t from)
{
    const size_t more = m->n - from, need = list->list.n + more;
    if (need > list->list.cap) {
        const size_t cap = need < 2 * list->list.cap ? 2 * list->list.cap : need;
        ts_pickle_node **items;
        TS_TRY(ts_arena_alloc(m->arena, cap * sizeof *items, &items));
        if (list->list.n)
            memcpy(items, list->list.item, list->list.n * sizeof *items);
        list->list.item = items;
        list->list.cap = cap;
    }
    for (size_t i = from; i < m->n; i++) {
        TS_TRY(hold(m, list, m->stack[i]));
        list->list.item[list->list.n++] = m->stack[i];
    }
    m->n = from;
    return TS_OK;
}

/* The values from a height on become one. */
static ts_status collect(machine *m, ts_pickle_kind kind, size_t from)
{
    ts_pickle_node *list = NULL;
    TS_TRY(make(m, kind, &list));
    m->n--;
    if (kind == TS_PICKLE_DICT && (m->n - from) % 2)
        return refuse(m, "a key without value");
    TS_TRY(append(m, list, from));
    return push(m, list);
}

static ts_status collect_last(machine *m, ts_pickle_kind kind, size_t n)
{
    const size_t low = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (m->n - low < n)
        return refuse(m, "a value is missing");
    return collect(m, kind, m->n - n);
}

static ts_status collect_marked(machine *m, ts_pickle_kind kind)
{
    size_t from = 0;
    TS_TRY(pop_mark(m, &from));
    return collect(m, kind, from);
}

/* What stands above the last mark goes into the container below it. */
static ts_status add_marked(machine *m, ts_pickle_kind kind)
{
    size_t from = 0;
    ts_pickle_node *list = NULL;
    TS_TRY(pop_mark(m, &from));
    if (from <= (m->n_marks ? m->marks[m->n_marks - 1] : 0))
        return refuse(m, "a container is missing");
    list = m->stack[from - 1];
    if (list->kind != kind || (kind == TS_PICKLE_DICT && (m->n - from) % 2))
        return refuse(m, "values for what holds none of them");
    return append(m, list, from);
}

static ts_status add_last(machine *m, ts_pickle_kind kind, size_t n)
{
    const size_t low = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (m->n - low < n + 1)
        return refuse(m, "a value is missing");
    ts_pickle_node *list = m->stack[m->n - n - 1];
    if (list->kind != kind)
        return refuse(m, "values for what holds none of them");
    return append(m, list, m->n - n);
}

/* ---- texts, numbers ---- */

static ts_status push_text(machine *m, ts_pickle_kind kind, size_t n)
{
    const unsigned char *s = NULL;
    ts_pickle_node *node = NULL;
    if (n > max_text)
        return refuse(m, "a text of more than 64 MiB");
    TS_TRY(take(m, n, &s));
    TS_TRY(make(m, kind, &node));
    node->text.s = (const char *)s;
    node->text.n = n;
    return TS_OK;
}

static ts_status push_counted(machine *m, ts_pickle_kind kind, size_t width)
{
    uint64_t n = 0;
    TS_TRY(take_number(m, width, &n));
    return push_text(m, kind, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
}

static ts_status push_int(machine *m, int64_t v)
{
    ts_pickle_node *node = NULL;
    TS_TRY(make(m, TS_PICKLE_INT, &node));
    node->whole = v;
    return TS_OK;
}

static ts_status push_bytes_int(machine *m, size_t width)
{
    uint64_t v = 0;
    TS_TRY(take_number(m, width, &v));
    return push_int(m, width == 4 ? (int32_t)v : (int64_t)v);
}

static ts_status push_long(machine *m)
{
    uint64_t n = 0, v = 0;
    const unsigned char *s = NULL;
    ts_pickle_node *node = NULL;
    TS_TRY(take_number(m, 1, &n));
    if (n > 16)
        return refuse(m, "a number of more than 16 bytes");
    TS_TRY(take(m, (size_t)n, &s));
    if (n > 8)
        return make(m, TS_PICKLE_LARGE, &node);
    for (size_t i = (size_t)n; i-- > 0;)
        v = v << 8 | s[i];
    if (n && n < 8 && s[n - 1] & 0x80)
        v |= ~UINT64_C(0) << (8 * n);
    return push_int(m, (int64_t)v);
}

static ts_status push_real(machine *m)
{
    const unsigned char *s = NULL;
    ts_pickle_node *node = NULL;
    uint64_t v = 0;
    TS_TRY(take(m, 8, &s));
    TS_TRY(make(m, TS_PICKLE_REAL, &node));
    for (int i = 0; i < 8; i++)
        v = v << 8 | s[i];
    memcpy(&node->real, &v, sizeof v);
    return TS_OK;
}

static ts_status push_truth(machine *m, bool v)
{
    ts_pickle_node *node = NULL;
    TS_TRY(make(m, TS_PICKLE_BOOL, &node));
    node->truth = v;
    return TS_OK;
}

/* ---- names, and what they would make ---- */

static ts_status push_name(machine *m, const char *module, size_t n, const char *name, size_t k)
{
    char a[MAX_NAME], b[MAX_NAME];
    ts_pickle_node *node = NULL;
    char *text;
    if (n >= sizeof a || k >= sizeof b || memchr(module, 0, n) || memchr(name, 0, k))
        return refuse(m, "a name of more than 511 bytes");
    snprintf(a, sizeof a, "%.*s", (int)n, module);
    snprintf(b, sizeof b, "%.*s", (int)k, name);
    if (!ts_pickle_may_name(a, b))
        return ts_error(TS_ERR_USER, "%s: its pickle names %.100s.%.100s, which is no part of weights: the file is not read (nothing "
                                     "of it was run)", m->path, a, b);
    TS_TRY(make(m, TS_PICKLE_NAME, &node));
    TS_TRY(ts_arena_alloc(m->arena, n + k + 2, &text));
    snprintf(text, n + k + 2, "%s.%s", a, b);
    node->text.s = text;
    node->text.n = n + k + 1;
    return TS_OK;
}

static ts_status global(machine *m)
{
    const unsigned char *module = NULL, *name = NULL;
    size_t n = 0, k = 0;
    TS_TRY(take_line(m, &module, &n));
    TS_TRY(take_line(m, &name, &k));
    return push_name(m, (const char *)module, n, (const char *)name, k);
}

static ts_status stack_global(machine *m)
{
    ts_pickle_node *module = NULL, *name = NULL;
    TS_TRY(pop(m, &name));
    TS_TRY(pop(m, &module));
    if (module->kind != TS_PICKLE_TEXT || name->kind != TS_PICKLE_TEXT)
        return refuse(m, "a name that is no text");
    return push_name(m, module->text.s, module->text.n, name->text.s, name->text.n);
}

static bool is_dict(const ts_pickle_node *name)
{
    return ts_pickle_is_name(name, "collections.OrderedDict") || ts_pickle_is_name(name, "collections.Counter") ||
           ts_pickle_is_name(name, "collections.defaultdict");
}

/* A dict of a list of pairs, as Python 2 wrote them. */
static ts_status pairs(machine *m, const ts_pickle_node *list)
{
    const size_t from = m->n;
    for (size_t i = 0; i < ts_pickle_count(list); i++) {
        const ts_pickle_node *pair = list->list.item[i];
        if (ts_pickle_count(pair) != 2 || pair->kind == TS_PICKLE_DICT)
            return refuse(m, "a dict of what are no pairs");
        TS_TRY(push(m, pair->list.item[0]));
        TS_TRY(push(m, pair->list.item[1]));
    }
    return collect(m, TS_PICKLE_DICT, from);
}

static ts_status call(machine *m)
{
    ts_pickle_node *callee = NULL, *args = NULL, *node = NULL;
    TS_TRY(pop(m, &args));
    TS_TRY(pop(m, &callee));
    if (callee->kind != TS_PICKLE_NAME || args->kind != TS_PICKLE_TUPLE)
        return refuse(m, "a call of what is no name");
    if (is_dict(callee)) {
        const ts_pickle_node *list = ts_pickle_at(args, 0);
        return pairs(m, ts_pickle_is(list, TS_PICKLE_LIST) ? list : NULL);
    }
    if (ts_pickle_is_name(callee, "builtins.set") || ts_pickle_is_name(callee, "__builtin__.set")) {
        const ts_pickle_node *list = ts_pickle_at(args, 0);
        const size_t from = m->n;
        for (size_t i = 0; ts_pickle_is(list, TS_PICKLE_LIST) && i < list->list.n; i++)
            TS_TRY(push(m, list->list.item[i]));
        return collect(m, TS_PICKLE_SET, from);
    }
    TS_TRY(make(m, TS_PICKLE_CALL, &node));
    node->call.callee = callee;
    node->call.args = args;
    return hold(m, node, args);
}

/* cls, args, kwargs: of the last nothing is kept. */
static ts_status call_with_words(machine *m)
{
    ts_pickle_node *words = NULL;
    TS_TRY(pop(m, &words));
    return call(m);
}

static ts_status build(machine *m)
{
    ts_pickle_node *state = NULL, *node = NULL;
    TS_TRY(pop(m, &state));
    TS_TRY(top(m, &node));
    if (node->kind == TS_PICKLE_DICT) /* an OrderedDict's own attributes (_metadata of modules) */
        return TS_OK;
    if (node->kind != TS_PICKLE_CALL)
        return refuse(m, "a state for what has none");
    node->call.state = state;
    return hold(m, node, state);
}

static ts_status persistent(machine *m)
{
    ts_pickle_node *id = NULL, *node = NULL;
    TS_TRY(pop(m, &id));
    TS_TRY(make(m, TS_PICKLE_PERSISTENT, &node));
    node->id = id;
    return hold(m, node, id);
}

/* ---- memo ---- */

static ts_status put(machine *m, uint64_t at)
{
    ts_pickle_node *node = NULL;
    TS_TRY(top(m, &node));
    if (at >= MAX_NODES)
        return refuse(m, "more than 10000000 values");
    if (at >= m->cap_memo)
        TS_TRY(ts_grow(&m->memo, &m->cap_memo, (size_t)at + 1, sizeof *m->memo));
    m->memo[at] = node;
    if (at >= m->n_memo)
        m->n_memo = (size_t)at + 1;
    return TS_OK;
}

static ts_status get(machine *m, uint64_t at)
{
    if (at >= m->n_memo || !m->memo[at])
        return refuse(m, "a value that was not kept");
    return push(m, m->memo[at]);
}

/* A decimal number in a line, of the first protocols. */
static ts_status number_line(machine *m, int64_t *out)
{
    const unsigned char *s = NULL;
    char text[24], *end;
    size_t n = 0;
    TS_TRY(take_line(m, &s, &n));
    if (n && s[n - 1] == 'L')
        n--;
    if (!n || n >= sizeof text)
        return refuse(m, "a line that is no number");
    snprintf(text, sizeof text, "%.*s", (int)n, (const char *)s);
    *out = strtoll(text, &end, 10);
    return *end ? refuse(m, "a line that is no number") : TS_OK;
}

/* ---- codes ---- */

static ts_status mark(machine *m)
{
    if (m->n_marks >= MAX_DEPTH)
        return refuse(m, "values nested deeper than 1000");
    TS_TRY(ts_grow(&m->marks, &m->cap_marks, m->n_marks + 1, sizeof *m->marks));
    m->marks[m->n_marks++] = m->n;
    return TS_OK;
}

static ts_status with_number(machine *m, size_t width, ts_status (*then)(machine *m, uint64_t v))
{
    uint64_t v = 0;
    TS_TRY(take_number(m, width, &v));
    return then(m, v);
}

static ts_status protocol(machine *m, uint64_t v) { return v > 5 ? refuse(m, "a protocol above 5") : TS_OK; }
static ts_status frame(machine *m, uint64_t v)
{
    return v > (uint64_t)(m->end - m->at) ? refuse(m, "it ends too early") : TS_OK;
}
static ts_status memoize(machine *m) { return put(m, m->n_memo); }

static ts_status drop(machine *m)
{
    ts_pickle_node *node = NULL;
    return pop(m, &node);
}

static ts_status drop_marked(machine *m)
{
    size_t from = 0;
    TS_TRY(pop_mark(m, &from));
    m->n = from;
    return TS_OK;
}

static ts_status again(machine *m)
{
    ts_pickle_node *node = NULL;
    TS_TRY(top(m, &node));
    return push(m, node);
}

static ts_status old_int(machine *m)
{
    int64_t v = 0;
    if (m->end - m->at >= 3 && m->at[0] == '0' && (m->at[1] == '0' || m->at[1] == '1') && m->at[2] == '\n') {
        const bool truth = m->at[1] == '1';
        m->at += 3;
        return push_truth(m, truth);
    }
    TS_TRY(number_line(m, &v));
    return push_int(m, v);
}

static ts_status stop(machine *m)
{
    m->stopped = true;
    return m->n_marks || m->n != 1 ? refuse(m, "it ends with other than one value") : TS_OK;
}

/* Containers and what goes into them. */
static ts_status contain(machine *m, unsigned char code, bool *known)
{
    ts_pickle_node *node = NULL;
    switch (code) {
    case ')': return make(m, TS_PICKLE_TUPLE, &node);
    case ']': return make(m, TS_PICKLE_LIST, &node);
    case '}': return make(m, TS_PICKLE_DICT, &node);
    case 0x8f: return make(m, TS_PICKLE_SET, &node);
    case 't': return collect_marked(m, TS_PICKLE_TUPLE);
    case 'l': return collect_marked(m, TS_PICKLE_LIST);
    case 'd': return collect_marked(m, TS_PICKLE_DICT);
    case 0x91: return collect_marked(m, TS_PICKLE_SET);
    case 0x85: return collect_last(m, TS_PICKLE_TUPLE, 1);
    case 0x86: return collect_last(m, TS_PICKLE_TUPLE, 2);
    case 0x87: return collect_last(m, TS_PICKLE_TUPLE, 3);
    case 'a': return add_last(m, TS_PICKLE_LIST, 1);
    case 's': return add_last(m, TS_PICKLE_DICT, 2);
    case 'e': return add_marked(m, TS_PICKLE_LIST);
    case 'u': return add_marked(m, TS_PICKLE_DICT);
    case 0x90: return add_marked(m, TS_PICKLE_SET);
    default: *known = false; return TS_OK;
    }
}

/* Plain values. */
static ts_status plain(machine *m, unsigned char code, bool *known)
{
    ts_pickle_node *node = NULL;
    switch (code) {
    case 'N': return make(m, TS_PICKLE_NONE, &node);
    case 0x88: return push_truth(m, true);
    case 0x89: return push_truth(m, false);
    case 'I': return old_int(m);
    case 'J': return push_bytes_int(m, 4);
    case 'K': return push_bytes_int(m, 1);
    case 'M': return push_bytes_int(m, 2);
    case 0x8a: return push_long(m);
    case 'G': return push_real(m);
    case 'X': return push_counted(m, TS_PICKLE_TEXT, 4);
    case 0x8c: return push_counted(m, TS_PICKLE_TEXT, 1);
    case 0x8d: return push_counted(m, TS_PICKLE_TEXT, 8);
    case 'T': return push_counted(m, TS_PICKLE_TEXT, 4);
    case 'U': return push_counted(m, TS_PICKLE_TEXT, 1);
    case 'B': return push_counted(m, TS_PICKLE_BYTES, 4);
    case 'C': return push_counted(m, TS_PICKLE_BYTES, 1);
    case 0x8e:
    case 0x96: return push_counted(m, TS_PICKLE_BYTES, 8);
    default: *known = false; return TS_OK;
    }
}

/* Names, calls, what is kept, order. */
static ts_status act(machine *m, unsigned char code, bool *known)
{
    switch (code) {
    case 0x80: return with_number(m, 1, protocol);
    case 0x95: return with_number(m, 8, frame);
    case '.': return stop(m);
    case '(': return mark(m);
    case '0': return drop(m);
    case '1': return drop_marked(m);
    case '2': return again(m);
    case 'q': return with_number(m, 1, put);
    case 'r': return with_number(m, 4, put);
    case 0x94: return memoize(m);
    case 'h': return with_number(m, 1, get);
    case 'j': return with_number(m, 4, get);
    case 'c': return global(m);
    case 0x93: return stack_global(m);
    case 'R':
    case 0x81: return call(m);
    case 0x92: return call_with_words(m);
    case 'b': return build(m);
    case 'Q': return persistent(m);
    default: *known = false; return TS_OK;
    }
}

static ts_status step(machine *m)
{
    static ts_status (*const kinds[])(machine *, unsigned char, bool *) = { contain, plain, act };
    const unsigned char *code = NULL;
    TS_TRY(take(m, 1, &code));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool known = true;
        TS_TRY(kinds[i](m, *code, &known));
        if (known)
            return TS_OK;
    }
    return ts_error(TS_ERR_USER, "%s: its pickle has the code 0x%02x at byte %zu, which weights do not need", m->path, *code,
                    (size_t)(code - m->begin));
}

ts_status ts_pickle_read(const unsigned char *data, size_t n, const char *path, ts_arena *arena, const ts_pickle_node **out)
{
    machine m = { .path = path, .begin = data, .at = data, .end = data + n, .arena = arena };
    ts_status st = TS_OK;
    while (st == TS_OK && !m.stopped)
        st = step(&m);
    if (st == TS_OK)
        *out = m.stack[0];
    ts_free(&m.stack);
    ts_free(&m.marks);
    ts_free(&m.memo);
    return st;
}
