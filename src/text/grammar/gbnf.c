/* llama.cpp's notation of grammars (its grammars/README.md says what it is). */
#include "base/arena.h"
#include "text/grammar/net.h"

#include <string.h>

typedef struct parser {
    const char *name, *s, *end;
    int line, depth;
    ts_arena arena;
    char **rules; /* [n_rules] names */
    ts_gbnf **body; /* [n_rules]; NULL: only named so far */
    int *lines;     /* where it is named first */
    size_t n_rules, cap_rules, cap_body, cap_lines;
} parser;

enum { MOST_REPEAT = 100000, MOST_ITEMS = 10000, MOST_CODE = 0x10FFFF };

static ts_status wrong(const parser *p, const char *what)
{
    return ts_error(TS_ERR_USER, "%s:%d: %s", p->name, p->line, what);
}

/* ---- letters ---- */

static bool at(const parser *p, const char *word)
{
    const size_t n = strlen(word);
    return (size_t)(p->end - p->s) >= n && !memcmp(p->s, word, n);
}

static bool is_name_letter(const parser *p)
{
    const char c = p->s < p->end ? *p->s : 0;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Blanks and comments; line ends too where they mean nothing. */
static void skip(parser *p, bool lines)
{
    for (; p->s < p->end; p->s++) {
        if (*p->s == '#')
            while (p->s + 1 < p->end && p->s[1] != '\n')
                p->s++;
        else if (*p->s == '\n' && lines)
            p->line++;
        else if (*p->s != ' ' && *p->s != '\t' && *p->s != '\r')
            return;
    }
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static ts_status hex_code(parser *p, int digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, p->s++) {
        const int d = p->s < p->end ? hex(*p->s) : -1;
        if (d < 0)
            return wrong(p, "expected hexadecimal digits: \\xHH, \\uHHHH or \\UHHHHHHHH");
        *out = *out << 4 | (uint32_t)d;
    }
    return *out <= MOST_CODE ? TS_OK : wrong(p, "there is no such character");
}

/* One character, escaped or as it stands. */
static ts_status letter(parser *p, uint32_t *out)
{
    if (p->s >= p->end || *p->s == '\n')
        return wrong(p, "a text or brackets do not end on their line");
    if (*p->s != '\\') {
        const int n = ts_utf8_len(p->s, (size_t)(p->end - p->s));
        if (!n)
            return wrong(p, "not UTF-8");
        *out = ts_utf8_decode(p->s, n);
        p->s += n;
        return TS_OK;
    }
    if (++p->s >= p->end)
        return wrong(p, "nothing behind a backslash");
    const char c = *p->s++;
    switch (c) {
    case 'x': return hex_code(p, 2, out);
    case 'u': return hex_code(p, 4, out);
    case 'U': return hex_code(p, 8, out);
    case 'n': return *out = '\n', TS_OK;
    case 'r': return *out = '\r', TS_OK;
    case 't': return *out = '\t', TS_OK;
    case '\\':
    case '"':
    case '[':
    case ']': return *out = (unsigned char)c, TS_OK;
    default: return wrong(p, "unknown escape: expected \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH or \\UHHHHHHHH");
    }
}

/* ---- items ---- */

static ts_status make(parser *p, ts_gbnf v, ts_gbnf **out)
{
    TS_TRY(ts_arena_alloc(&p->arena, sizeof **out, out));
    **out = v;
    return TS_OK;
}

static ts_status keep(parser *p, const void *from, size_t bytes, void *out)
{
    void *to = NULL;
    TS_TRY(ts_arena_alloc(&p->arena, bytes ? bytes : 1, &to));
    if (bytes)
        memcpy(to, from, bytes);
    memcpy(out, &to, sizeof to);
    return TS_OK;
}

static ts_status literal(parser *p, ts_gbnf **out)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    const char *kept = NULL;
    p->s++;
    while (st == TS_OK && !at(p, "\"")) {
        uint32_t c;
        char utf8[4];
        st = letter(p, &c);
        if (st == TS_OK && c >= 0xD800 && c < 0xE000)
            st = wrong(p, "a surrogate is no character");
        if (st == TS_OK)
            st = ts_str_add(&text, utf8, (size_t)ts_utf8_encode(c, utf8));
    }
    p->s++;
    if (st == TS_OK)
        st = keep(p, text.s, text.len, &kept);
    if (st == TS_OK)
        st = make(p, (ts_gbnf){ .kind = TS_GBNF_TEXT, .text = kept, .n = text.len }, out);
    ts_str_deinit(&text);
    return st;
}

typedef struct ranges {
    ts_code_range *v;
    size_t n, cap;
} ranges;

static ts_status add_range(ranges *r, uint32_t lo, uint32_t hi)
{
    TS_TRY(ts_grow(&r->v, &r->cap, r->n + 1, sizeof *r->v));
    r->v[r->n++] = (ts_code_range){ lo, hi };
    return TS_OK;
}

/* In order and apart: a few, so one by one. */
static void tidy(ranges *r)
{
    for (size_t i = 1; i < r->n; i++)
        for (size_t k = i; k > 0 && r->v[k].lo < r->v[k - 1].lo; k--) {
            const ts_code_range t = r->v[k];
            r->v[k] = r->v[k - 1];
            r->v[k - 1] = t;
        }
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (n && r->v[i].lo <= r->v[n - 1].hi + 1)
            r->v[n - 1].hi = r->v[i].hi > r->v[n - 1].hi ? r->v[i].hi : r->v[n - 1].hi;
        else
            r->v[n++] = r->v[i];
    r->n = n;
}

static ts_status complement(ranges *r)
{
    ranges out = { 0 };
    uint32_t from = 0;
    ts_status st = TS_OK;
    for (size_t i = 0; i < r->n && st == TS_OK; i++) {
        if (r->v[i].lo > from)
            st = add_range(&out, from, r->v[i].lo - 1);
        from = r->v[i].hi + 1;
    }
    if (st == TS_OK && from <= MOST_CODE)
        st = add_range(&out, from, MOST_CODE);
    ts_free(&r->v);
    *r = out;
    return st;
}

static ts_status read_ranges(parser *p, ranges *r)
{
    while (!at(p, "]")) {
        uint32_t lo, hi;
        if (r->n >= MOST_ITEMS)
            return wrong(p, "too many characters in brackets");
        TS_TRY(letter(p, &lo));
        hi = lo;
        if (at(p, "-") && p->s + 1 < p->end && p->s[1] != ']') {
            p->s++;
            TS_TRY(letter(p, &hi));
        }
        if (hi < lo)
            return wrong(p, "a range of characters that ends before it begins");
        TS_TRY(add_range(r, lo, hi));
    }
    p->s++;
    return TS_OK;
}

static ts_status class(parser *p, ts_gbnf **out)
{
    ranges r = { 0 };
    const ts_code_range *kept = NULL;
    p->s++;
    const bool is_not = at(p, "^");
    p->s += is_not;
    ts_status st = read_ranges(p, &r);
    if (st == TS_OK) {
        tidy(&r);
        st = is_not ? complement(&r) : TS_OK;
    }
    if (st == TS_OK)
        st = keep(p, r.v, r.n * sizeof *r.v, &kept);
    if (st == TS_OK)
        st = make(p, (ts_gbnf){ .kind = TS_GBNF_CLASS, .range = kept, .n = r.n }, out);
    ts_free(&r.v);
    return st;
}

static ts_status any(parser *p, ts_gbnf **out)
{
    static const ts_code_range all = { 0, MOST_CODE };
    p->s++;
    return make(p, (ts_gbnf){ .kind = TS_GBNF_CLASS, .range = &all, .n = 1 }, out);
}

static ts_status rule_named(parser *p, int32_t *rule)
{
    const char *from = p->s;
    while (is_name_letter(p))
        p->s++;
    const size_t n = (size_t)(p->s - from);
    if (!n)
        return wrong(p, "expected the name of a rule");
    for (size_t i = 0; i < p->n_rules; i++)
        if (strlen(p->rules[i]) == n && !memcmp(p->rules[i], from, n))
            return *rule = (int32_t)i, TS_OK;
    TS_TRY(ts_grow(&p->rules, &p->cap_rules, p->n_rules + 1, sizeof *p->rules));
    TS_TRY(ts_grow(&p->body, &p->cap_body, p->n_rules + 1, sizeof *p->body));
    TS_TRY(ts_grow(&p->lines, &p->cap_lines, p->n_rules + 1, sizeof *p->lines));
    TS_TRY(ts_strndup(from, n, &p->rules[p->n_rules]));
    p->body[p->n_rules] = NULL;
    p->lines[p->n_rules] = p->line;
    *rule = (int32_t)p->n_rules++;
    return TS_OK;
}

static ts_status reference(parser *p, ts_gbnf **out)
{
    int32_t rule;
    TS_TRY(rule_named(p, &rule));
    return make(p, (ts_gbnf){ .kind = TS_GBNF_RULE, .rule = rule }, out);
}

static ts_status alternatives(parser *p, bool inside, ts_gbnf **out);

static ts_status group(parser *p, ts_gbnf **out)
{
    if (++p->depth > TS_NET_MOST_DEPTH)
        return wrong(p, "groups within groups, too deep");
    p->s++;
    skip(p, true);
    TS_TRY(alternatives(p, true, out));
    if (!at(p, ")"))
        return wrong(p, "expected )");
    p->s++;
    p->depth--;
    return TS_OK;
}

/* ---- repetitions ---- */

static ts_status number(parser *p, int64_t *out)
{
    if (p->s >= p->end || *p->s < '0' || *p->s > '9')
        return wrong(p, "expected a number in { }");
    for (*out = 0; p->s < p->end && *p->s >= '0' && *p->s <= '9'; p->s++)
        if ((*out = *out * 10 + (*p->s - '0')) > MOST_REPEAT)
            return wrong(p, "a number in { } above 100000");
    return TS_OK;
}

static ts_status braces(parser *p, int64_t *least, int64_t *most)
{
    p->s++;
    skip(p, true);
    *least = 0;
    if (!at(p, ","))
        TS_TRY(number(p, least));
    skip(p, true);
    *most = *least;
    if (at(p, ",")) {
        p->s++;
        skip(p, true);
        *most = -1;
        if (!at(p, "}"))
            TS_TRY(number(p, most));
        skip(p, true);
    }
    if (!at(p, "}"))
        return wrong(p, "expected }");
    p->s++;
    return *most >= 0 && *most < *least ? wrong(p, "the second number in { } is below the first") : TS_OK;
}

/* What stands behind an item, also several times. */
static ts_status repeated(parser *p, bool inside, ts_gbnf **item)
{
    for (;; skip(p, inside)) {
        int64_t least = 0, most = -1;
        if (at(p, "*"))
            p->s++;
        else if (at(p, "+"))
            p->s++, least = 1;
        else if (at(p, "?"))
            p->s++, most = 1;
        else if (at(p, "{"))
            TS_TRY(braces(p, &least, &most));
        else
            return TS_OK;
        if (++p->depth > TS_NET_MOST_DEPTH)
            return wrong(p, "repetitions of repetitions, too deep");
        TS_TRY(make(p, (ts_gbnf){ .kind = TS_GBNF_REPEAT, .child = *item, .least = least, .most = most }, item));
    }
}

/* ---- rules ---- */

static ts_status item(parser *p, ts_gbnf **out)
{
    if (at(p, "\""))
        return literal(p, out);
    if (at(p, "["))
        return class(p, out);
    if (at(p, "."))
        return any(p, out);
    if (at(p, "("))
        return group(p, out);
    if (is_name_letter(p))
        return reference(p, out);
    return *out = NULL, TS_OK;
}

static ts_status sequence(parser *p, bool inside, ts_gbnf **out)
{
    ts_gbnf *first = NULL, **last = &first;
    for (int n = 0;; n++) {
        const int depth = p->depth;
        TS_TRY(item(p, last));
        if (!*last)
            break;
        skip(p, inside);
        TS_TRY(repeated(p, inside, last));
        p->depth = depth;
        last = &(*last)->next;
        if (n == MOST_ITEMS)
            return wrong(p, "too many items in one sequence");
    }
    return make(p, (ts_gbnf){ .kind = TS_GBNF_SEQ, .child = first }, out);
}

static ts_status alternatives(parser *p, bool inside, ts_gbnf **out)
{
    ts_gbnf *first = NULL, **last = &first;
    for (;;) {
        TS_TRY(sequence(p, inside, last));
        last = &(*last)->next;
        if (!at(p, "|"))
            break;
        p->s++;
        skip(p, true);
    }
    return make(p, (ts_gbnf){ .kind = TS_GBNF_ALT, .child = first }, out);
}

static ts_status rule(parser *p)
{
    int32_t r;
    ts_gbnf *body = NULL;
    TS_TRY(rule_named(p, &r));
    if (p->body[r])
        return wrong(p, "this rule is there twice");
    skip(p, false);
    if (!at(p, "::="))
        return wrong(p, "expected NAME ::= ...");
    p->s += 3;
    skip(p, true);
    TS_TRY(alternatives(p, false, &body)); /* which may name more rules */
    p->body[r] = body;
    if (p->s < p->end && *p->s != '\n')
        return wrong(p, at(p, "<") || at(p, "!") ? "tokens (<NAME>) are not known here: write their text in quotes"
                                                 : "expected a text in quotes, brackets, the name of a rule, ( or |");
    skip(p, true);
    return TS_OK;
}

static ts_status compile(parser *p, ts_net *net)
{
    int32_t root = -1;
    TS_TRY(ts_grow(&net->v, &net->cap, 1, sizeof *net->v));
    net->v[net->n++] = (ts_net_node){ .kind = TS_NET_END, .next = -1, .other = -1 };
    TS_TRY(ts_alloc(&net->rule, p->n_rules, sizeof *net->rule));
    net->n_rules = p->n_rules;
    for (size_t i = 0; i < p->n_rules; i++) {
        if (!p->body[i])
            return ts_error(TS_ERR_USER, "%s:%d: there is no rule %s", p->name, p->lines[i], p->rules[i]);
        if (!strcmp(p->rules[i], "root"))
            root = (int32_t)i;
        TS_TRY(ts_net_add(net, p->body[i], 0, &net->rule[i]));
    }
    if (root < 0)
        return ts_error(TS_ERR_USER, "%s: there is no rule root, which is the whole text", p->name);
    net->root = root;
    return ts_net_check(net, p->rules, p->name);
}

ts_status ts_grammar_parse(const char *text, size_t n, const char *name, ts_grammar **out)
{
    parser p = { .name = name, .s = text, .end = text + n, .line = 1 };
    ts_net net = { 0 };
    ts_status st = TS_OK;
    skip(&p, true);
    while (st == TS_OK && p.s < p.end)
        st = rule(&p);
    if (st == TS_OK)
        st = compile(&p, &net);
    if (st == TS_OK)
        st = ts_grammar_of_net(&net, out);
    ts_net_deinit(&net);
    for (size_t i = 0; i < p.n_rules; i++)
        ts_free(&p.rules[i]);
    ts_free(&p.rules);
    ts_free(&p.body);
    ts_free(&p.lines);
    ts_arena_deinit(&p.arena);
    return st;
}
