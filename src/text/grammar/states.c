/* The machine that reads a text by a network: states are sets of places, made when they are first reached. */
#include "text/grammar/net.h"

#include <stdlib.h>
#include <string.h>

enum { NOT_YET = -2, MOST_STATES = 1 << 18, MOST_THREADS = 1 << 22, NO_FRAME = -1 };

/* A place in the network and what is to come behind its rule: the same pair, or nothing (NO_FRAME), on and on. A pair is
 * also a frame: "go on at node, then as below". */
typedef struct thread {
    int32_t node, below;
} thread;

typedef struct state {
    int32_t *thread; /* [n] ascending; those that read a byte */
    int32_t n;
    bool may_end;
    int32_t *to; /* [256] */
} state;

/* Numbers of values by their hash, open addressing; -1: free. */
typedef struct table {
    int32_t *v;
    size_t size; /* a power of two */
} table;

struct ts_grammar {
    ts_net net;
    thread *thread;
    size_t n_threads, cap_threads;
    table by_thread;
    state *state;
    size_t n_states, cap_states;
    table by_state;
    int32_t start;
    /* The set in the making. */
    int32_t *seen; /* [cap_seen] of each thread, the pass that it was last in */
    int32_t *work, *set;
    size_t cap_seen, cap_work, cap_set, n_work, n_set;
    int32_t pass;
    bool may_end;
};

/* ---- threads ---- */

static size_t hash_thread(thread t) { return ts_hash_bytes((const char *)&t, sizeof t); }

static ts_status table_grow(table *t, size_t n)
{
    int32_t *v;
    TS_TRY(ts_alloc(&v, n, sizeof *v));
    for (size_t i = 0; i < n; i++)
        v[i] = -1;
    ts_free(&t->v);
    *t = (table){ v, n };
    return TS_OK;
}

static ts_status grow_threads(ts_grammar *g)
{
    TS_TRY(table_grow(&g->by_thread, g->by_thread.size ? 2 * g->by_thread.size : 1024));
    for (size_t i = 0; i < g->n_threads; i++) {
        size_t h = hash_thread(g->thread[i]) & (g->by_thread.size - 1);
        while (g->by_thread.v[h] >= 0)
            h = (h + 1) & (g->by_thread.size - 1);
        g->by_thread.v[h] = (int32_t)i;
    }
    return TS_OK;
}

static ts_status too_many(void)
{
    return ts_error(TS_ERR_RUN, "the grammar is read in too many ways at once: make rules more distinct, or repetitions "
                                "with an upper bound shorter");
}

/* The number of a pair. */
static ts_status thread_of(ts_grammar *g, int32_t node, int32_t below, int32_t *out)
{
    const thread t = { node, below };
    if (2 * (g->n_threads + 1) > g->by_thread.size)
        TS_TRY(grow_threads(g));
    size_t h = hash_thread(t) & (g->by_thread.size - 1);
    for (; g->by_thread.v[h] >= 0; h = (h + 1) & (g->by_thread.size - 1)) {
        const thread k = g->thread[g->by_thread.v[h]];
        if (k.node == node && k.below == below)
            return *out = g->by_thread.v[h], TS_OK;
    }
    if (g->n_threads >= MOST_THREADS)
        return too_many();
    TS_TRY(ts_grow(&g->thread, &g->cap_threads, g->n_threads + 1, sizeof *g->thread));
    TS_TRY(ts_grow(&g->seen, &g->cap_seen, g->n_threads + 1, sizeof *g->seen));
    g->thread[g->n_threads] = t;
    *out = g->by_thread.v[h] = (int32_t)g->n_threads++;
    return TS_OK;
}

/* ---- sets ---- */

static ts_status add(ts_grammar *g, int32_t node, int32_t below)
{
    int32_t t;
    TS_TRY(thread_of(g, node, below, &t));
    if (g->seen[t] == g->pass)
        return TS_OK;
    g->seen[t] = g->pass;
    TS_TRY(ts_grow(&g->work, &g->cap_work, g->n_work + 1, sizeof *g->work));
    g->work[g->n_work++] = t;
    return TS_OK;
}

/* A call: what is behind it becomes a frame, unless that is the end of a rule already. */
static ts_status enter(ts_grammar *g, const ts_net_node *v, int32_t below)
{
    int32_t frame = below;
    if (g->net.v[v->next].kind != TS_NET_END)
        TS_TRY(thread_of(g, v->next, below, &frame));
    return add(g, g->net.rule[v->other], frame);
}

/* All that g->work leads to without reading a byte, to g->set. */
static ts_status close_set(ts_grammar *g)
{
    while (g->n_work) {
        const int32_t id = g->work[--g->n_work];
        const thread t = g->thread[id];
        const ts_net_node v = g->net.v[t.node];
        switch (v.kind) {
        case TS_NET_BYTES:
            TS_TRY(ts_grow(&g->set, &g->cap_set, g->n_set + 1, sizeof *g->set));
            g->set[g->n_set++] = id;
            break;
        case TS_NET_SPLIT:
            TS_TRY(add(g, v.next, t.below));
            TS_TRY(add(g, v.other, t.below));
            break;
        case TS_NET_CALL: TS_TRY(enter(g, &v, t.below)); break;
        case TS_NET_END:
            if (t.below == NO_FRAME)
                g->may_end = true;
            else
                TS_TRY(add(g, g->thread[t.below].node, g->thread[t.below].below));
        }
    }
    return TS_OK;
}

static int ascending(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static size_t hash_set(const int32_t *set, size_t n, bool may_end)
{
    return ts_hash_bytes((const char *)set, n * sizeof *set) + may_end;
}

static ts_status grow_states(ts_grammar *g)
{
    TS_TRY(table_grow(&g->by_state, g->by_state.size ? 2 * g->by_state.size : 256));
    for (size_t i = 0; i < g->n_states; i++) {
        const state *s = &g->state[i];
        size_t h = hash_set(s->thread, (size_t)s->n, s->may_end) & (g->by_state.size - 1);
        while (g->by_state.v[h] >= 0)
            h = (h + 1) & (g->by_state.size - 1);
        g->by_state.v[h] = (int32_t)i;
    }
    return TS_OK;
}

static ts_status make_state(ts_grammar *g, int32_t *out)
{
    state s = { .n = (int32_t)g->n_set, .may_end = g->may_end };
    if (g->n_states >= MOST_STATES)
        return too_many();
    TS_TRY(ts_grow(&g->state, &g->cap_states, g->n_states + 1, sizeof *g->state));
    TS_TRY(ts_alloc(&s.thread, g->n_set, sizeof *s.thread));
    if (g->n_set)
        memcpy(s.thread, g->set, g->n_set * sizeof *s.thread);
    g->state[g->n_states] = s;
    *out = (int32_t)g->n_states++;
    return TS_OK;
}

/* The state of the set; nothing in it and no end: TS_GRAMMAR_DEAD. */
static ts_status state_of(ts_grammar *g, int32_t *out)
{
    if (!g->n_set && !g->may_end)
        return *out = TS_GRAMMAR_DEAD, TS_OK;
    if (g->n_set)
        qsort(g->set, g->n_set, sizeof *g->set, ascending);
    if (2 * (g->n_states + 1) > g->by_state.size)
        TS_TRY(grow_states(g));
    size_t h = hash_set(g->set, g->n_set, g->may_end) & (g->by_state.size - 1);
    for (; g->by_state.v[h] >= 0; h = (h + 1) & (g->by_state.size - 1)) {
        const state *s = &g->state[g->by_state.v[h]];
        if ((size_t)s->n == g->n_set && s->may_end == g->may_end &&
            (!g->n_set || !memcmp(s->thread, g->set, g->n_set * sizeof *g->set)))
            return *out = g->by_state.v[h], TS_OK;
    }
    TS_TRY(make_state(g, out));
    g->by_state.v[h] = *out;
    return TS_OK;
}

static void begin_set(ts_grammar *g)
{
    g->pass++;
    g->n_work = g->n_set = 0;
    g->may_end = false;
}

/* ---- the machine ---- */

static ts_status step(ts_grammar *g, int32_t from, unsigned char byte, int32_t *to)
{
    begin_set(g);
    for (int32_t i = 0; i < g->state[from].n; i++) {
        const thread t = g->thread[g->state[from].thread[i]];
        const ts_net_node *v = &g->net.v[t.node];
        if (byte >= v->a && byte <= v->b)
            TS_TRY(add(g, v->next, t.below));
    }
    TS_TRY(close_set(g));
    return state_of(g, to);
}

ts_status ts_grammar_step(ts_grammar *g, int32_t from, unsigned char byte, int32_t *to)
{
    state *s = &g->state[from];
    if (!s->to) {
        TS_TRY(ts_alloc(&s->to, 256, sizeof *s->to));
        for (int i = 0; i < 256; i++)
            s->to[i] = NOT_YET;
    }
    *to = s->to[byte];
    if (*to == NOT_YET) {
        TS_TRY(step(g, from, byte, to));
        g->state[from].to[byte] = *to;
    }
    return TS_OK;
}

int32_t ts_grammar_start(const ts_grammar *g) { return g->start; }
bool ts_grammar_may_end(const ts_grammar *g, int32_t s) { return g->state[s].may_end; }
bool ts_grammar_must_end(const ts_grammar *g, int32_t s) { return g->state[s].may_end && !g->state[s].n; }
int32_t ts_grammar_states(const ts_grammar *g) { return (int32_t)g->n_states; }

ts_status ts_grammar_of_net(ts_net *net, ts_grammar **out)
{
    ts_grammar *g;
    TS_TRY(ts_alloc(&g, 1, sizeof *g));
    g->net = *net;
    *net = (ts_net){ 0 };
    begin_set(g);
    ts_status st = add(g, g->net.rule[g->net.root], NO_FRAME);
    if (st == TS_OK)
        st = close_set(g);
    if (st == TS_OK)
        st = state_of(g, &g->start);
    if (st == TS_OK && g->start == TS_GRAMMAR_DEAD)
        st = ts_error(TS_ERR_USER, "no text fits the grammar");
    if (st == TS_OK)
        *out = g;
    else
        ts_grammar_destroy(&g);
    return st;
}

void ts_grammar_destroy(ts_grammar **grammar)
{
    ts_grammar *g = *grammar;
    if (!g)
        return;
    for (size_t i = 0; i < g->n_states; i++) {
        ts_free(&g->state[i].thread);
        ts_free(&g->state[i].to);
    }
    ts_free(&g->state);
    ts_free(&g->thread);
    ts_free(&g->by_thread.v);
    ts_free(&g->by_state.v);
    ts_free(&g->seen);
    ts_free(&g->work);
    ts_free(&g->set);
    ts_net_deinit(&g->net);
    ts_free(grammar);
}
