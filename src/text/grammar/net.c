#include "text/grammar/net.h"

enum { END_NODE = 0 };

static ts_status node(ts_net *net, ts_net_node v, int32_t *at)
{
    if (net->n >= TS_NET_MOST_NODES)
        return ts_error(TS_ERR_USER, "the grammar is too large: more than %d nodes (large numbers in {m,n} count)",
                        (int)TS_NET_MOST_NODES);
    TS_TRY(ts_grow(&net->v, &net->cap, net->n + 1, sizeof *net->v));
    *at = (int32_t)net->n;
    net->v[net->n++] = v;
    return TS_OK;
}

static ts_status bytes(ts_net *net, int lo, int hi, int32_t next, int32_t *at)
{
    return node(net, (ts_net_node){ TS_NET_BYTES, (unsigned char)lo, (unsigned char)hi, next, -1 }, at);
}

/* One more way, in front of those that begin at *at (-1: none yet). */
static ts_status way(ts_net *net, int32_t one, int32_t *at)
{
    if (*at < 0) {
        *at = one;
        return TS_OK;
    }
    return node(net, (ts_net_node){ TS_NET_SPLIT, 0, 0, one, *at }, at);
}

/* ---- characters ---- */

/* Characters lo to hi of one length whose bytes are ranges each: no byte but the first that differs is cut short. */
static ts_status product(ts_net *net, uint32_t lo, uint32_t hi, int32_t next, int32_t *ways)
{
    char a[4], b[4];
    int32_t at = next;
    const int n = ts_utf8_encode(lo, a);
    ts_utf8_encode(hi, b);
    for (int i = n; i-- > 0;)
        TS_TRY(bytes(net, (unsigned char)a[i], (unsigned char)b[i], at, &at));
    return way(net, at, ways);
}

/* Characters lo to hi, cut where their encodings change length or would not be products. */
static ts_status range(ts_net *net, uint32_t lo, uint32_t hi, int32_t next, int32_t *ways)
{
    static const uint32_t last[] = { 0x7F, 0x7FF, 0xFFFF };
    for (int i = 0; i < 3; i++)
        if (lo <= last[i] && hi > last[i]) {
            TS_TRY(range(net, lo, last[i], next, ways));
            lo = last[i] + 1;
        }
    for (int bits = 6; bits <= 18 && lo >= 0x80; bits += 6) {
        const uint32_t mask = (1u << bits) - 1;
        if (lo >> bits == hi >> bits)
            break;
        if (lo & mask) {
            TS_TRY(range(net, lo, lo | mask, next, ways));
            return range(net, (lo | mask) + 1, hi, next, ways);
        }
        if ((hi & mask) != mask) {
            TS_TRY(range(net, lo, (hi & ~mask) - 1, next, ways));
            return range(net, hi & ~mask, hi, next, ways);
        }
    }
    return product(net, lo, hi, next, ways);
}

/* Surrogates are no characters. */
static ts_status class(ts_net *net, const ts_gbnf *e, int32_t next, int32_t *at)
{
    *at = -1;
    for (size_t i = 0; i < e->n; i++) {
        const ts_code_range r = e->range[i];
        if (r.lo < 0xD800)
            TS_TRY(range(net, r.lo, r.hi < 0xD800 ? r.hi : 0xD7FF, next, at));
        if (r.hi > 0xDFFF)
            TS_TRY(range(net, r.lo > 0xDFFF ? r.lo : 0xE000, r.hi, next, at));
    }
    return *at < 0 ? ts_error(TS_ERR_USER, "there is no character in the brackets") : TS_OK;
}

/* ---- expressions ---- */

static ts_status repeat(ts_net *net, const ts_gbnf *e, int32_t next, int32_t *at)
{
    int32_t from = next, one;
    if (e->most < 0) {
        TS_TRY(node(net, (ts_net_node){ TS_NET_SPLIT, 0, 0, -1, next }, &from));
        TS_TRY(ts_net_add(net, e->child, from, &one));
        net->v[from].next = one;
    }
    for (int64_t i = e->least; i < e->most; i++) {
        TS_TRY(ts_net_add(net, e->child, from, &one));
        from = next;
        TS_TRY(way(net, one, &from));
    }
    for (int64_t i = 0; i < e->least; i++) {
        TS_TRY(ts_net_add(net, e->child, from, &one));
        if (one == from) /* it reads nothing */
            break;
        from = one;
    }
    *at = from;
    return TS_OK;
}

/* The list backwards: what reads the last one is made first. */
static ts_status sequence(ts_net *net, const ts_gbnf *first, int32_t next, int32_t *at)
{
    if (!first) {
        *at = next;
        return TS_OK;
    }
    TS_TRY(sequence(net, first->next, next, &next));
    return ts_net_add(net, first, next, at);
}

static ts_status alternatives(ts_net *net, const ts_gbnf *first, int32_t next, int32_t *at)
{
    *at = -1;
    for (const ts_gbnf *e = first; e; e = e->next) {
        int32_t one;
        TS_TRY(ts_net_add(net, e, next, &one));
        TS_TRY(way(net, one, at));
    }
    return TS_OK;
}

ts_status ts_net_add(ts_net *net, const ts_gbnf *e, int32_t next, int32_t *at)
{
    switch (e->kind) {
    case TS_GBNF_TEXT:
        *at = next;
        for (size_t i = e->n; i-- > 0;)
            TS_TRY(bytes(net, (unsigned char)e->text[i], (unsigned char)e->text[i], *at, at));
        return TS_OK;
    case TS_GBNF_CLASS: return class(net, e, next, at);
    case TS_GBNF_RULE: return node(net, (ts_net_node){ TS_NET_CALL, 0, 0, next, e->rule }, at);
    case TS_GBNF_SEQ: return sequence(net, e->child, next, at);
    case TS_GBNF_ALT: return alternatives(net, e->child, next, at);
    case TS_GBNF_REPEAT: return repeat(net, e, next, at);
    }
    return TS_OK;
}

void ts_net_deinit(ts_net *net)
{
    ts_free(&net->v);
    ts_free(&net->rule);
    *net = (ts_net){ 0 };
}

/* ---- rules that begin with themselves ---- */

typedef struct checker {
    const ts_net *net;
    bool *is_empty;  /* [n_rules] may read nothing */
    int32_t *seen;   /* [nodes] the walk that it was last in */
    int32_t now;
    int32_t *stack;  /* [nodes] of it */
    char *state;     /* [n_rules] 0: not looked at, 1: on the way, 2: done */
} checker;

/* Nodes that a rule reaches without reading a byte; calls among them, to c->stack, which is returned with its length. */
static size_t reach(checker *c, int32_t rule, bool *reaches_end)
{
    size_t n = 0, done = 0;
    c->now++;
    c->stack[n++] = c->net->rule[rule];
    c->seen[c->stack[0]] = c->now;
    while (done < n) {
        const ts_net_node *v = &c->net->v[c->stack[done++]];
        int32_t to[2] = { -1, -1 };
        if (v->kind == TS_NET_SPLIT)
            to[0] = v->next, to[1] = v->other;
        else if (v->kind == TS_NET_CALL && c->is_empty[v->other])
            to[0] = v->next;
        for (int k = 0; k < 2; k++)
            if (to[k] >= 0 && c->seen[to[k]] != c->now) {
                c->seen[to[k]] = c->now;
                c->stack[n++] = to[k];
            }
    }
    *reaches_end = c->seen[END_NODE] == c->now;
    return n;
}

static void find_empty(checker *c)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t r = 0; r < c->net->n_rules; r++) {
            bool ends;
            if (c->is_empty[r])
                continue;
            reach(c, (int32_t)r, &ends);
            c->is_empty[r] = ends;
            changed |= ends;
        }
    }
}

/* Depth first along "begins with"; the path is at most as long as there are rules. */
static ts_status walk(checker *c, int32_t rule, int depth, char *const *names, const char *grammar)
{
    bool ends;
    int32_t *calls = NULL;
    size_t n_calls = 0, cap = 0;
    if (depth > TS_NET_MOST_DEPTH)
        return ts_error(TS_ERR_USER, "%s: rules call each other more than %d deep before they read anything", grammar,
                        (int)TS_NET_MOST_DEPTH);
    c->state[rule] = 1;
    const size_t n = reach(c, rule, &ends);
    ts_status st = TS_OK;
    for (size_t i = 0; i < n && st == TS_OK; i++) {
        const ts_net_node *v = &c->net->v[c->stack[i]];
        if (v->kind != TS_NET_CALL)
            continue;
        st = ts_grow(&calls, &cap, n_calls + 1, sizeof *calls);
        if (st == TS_OK)
            calls[n_calls++] = v->other;
    }
    for (size_t i = 0; i < n_calls && st == TS_OK; i++)
        if (c->state[calls[i]] == 1)
            st = ts_error(TS_ERR_USER, "%s: rule %s begins with itself (left recursion): put what it repeats in ( )*",
                          grammar, names[calls[i]]);
        else if (c->state[calls[i]] == 0)
            st = walk(c, calls[i], depth + 1, names, grammar);
    ts_free(&calls);
    c->state[rule] = 2;
    return st;
}

ts_status ts_net_check(const ts_net *net, char *const *names, const char *grammar)
{
    checker c = { .net = net };
    ts_status st = ts_alloc(&c.is_empty, net->n_rules, sizeof *c.is_empty);
    if (st == TS_OK)
        st = ts_alloc(&c.seen, net->n, sizeof *c.seen);
    if (st == TS_OK)
        st = ts_alloc(&c.stack, net->n, sizeof *c.stack);
    if (st == TS_OK)
        st = ts_alloc(&c.state, net->n_rules, sizeof *c.state);
    if (st == TS_OK)
        find_empty(&c);
    for (size_t r = 0; r < net->n_rules && st == TS_OK; r++)
        if (!c.state[r])
            st = walk(&c, (int32_t)r, 0, names, grammar);
    ts_free(&c.is_empty);
    ts_free(&c.seen);
    ts_free(&c.stack);
    ts_free(&c.state);
    return st;
}
