#include "text/trie.h"

#include <string.h>

static ts_status grow_edges(ts_trie *t)
{
    ts_trie old = *t;
    const size_t edges = old.edges ? old.edges * 2 : 256;
    ts_trie_edge *edge = NULL;
    TS_TRY(ts_alloc(&edge, edges, sizeof *edge));
    t->edge = edge;
    t->edges = edges;
    for (size_t i = 0; i < old.edges; i++)
        if (old.edge[i].from)
            edge[ts_trie_slot(t, old.edge[i].from - 1, (unsigned char)old.edge[i].to_byte)] =
                old.edge[i];
    ts_free(&old.edge);
    return TS_OK;
}

static ts_status new_node(ts_trie *t, uint32_t *out)
{
    if (t->n >= TS_TRIE_MAX_NODES)
        return ts_error(TS_ERR_USER, "token texts together are longer than %d bytes",
                        TS_TRIE_MAX_NODES);
    TS_TRY(ts_grow(&t->value, &t->cap, t->n + 1, sizeof *t->value));
    t->value[t->n] = -1;
    *out = (uint32_t)t->n++;
    return TS_OK;
}

ts_status ts_trie_add(ts_trie *t, const char *s, size_t n, int32_t value)
{
    uint32_t node = 0;
    if (t->n == 0)
        TS_TRY(new_node(t, &node));
    for (size_t i = 0; i < n; i++) {
        const unsigned char b = (unsigned char)s[i];
        if (2 * (t->n + 1) > t->edges)
            TS_TRY(grow_edges(t));
        uint32_t child = ts_trie_child(t, node, b);
        if (!child) {
            TS_TRY(new_node(t, &child));
            t->edge[ts_trie_slot(t, node, b)] =
                (ts_trie_edge){ .from = node + 1, .to_byte = child << 8 | b };
            if (node == 0)
                t->root[b] = child;
        }
        node = child;
    }
    t->value[node] = value;
    return TS_OK;
}

/* Follows a byte from a node, by failure links where the trie has no edge. */
static uint32_t step(const ts_trie *t, uint32_t node, unsigned char b)
{
    for (;;) {
        const uint32_t child = ts_trie_child(t, node, b);
        if (child || node == 0)
            return child;
        node = t->fail[node];
    }
}

/* A child always has a larger number than its parent but not than its failure target, so nodes are
 * linked breadth first, by depth. */
ts_status ts_trie_link(ts_trie *t)
{
    ts_status st = TS_OK;
    uint32_t *parent = NULL, *order = NULL, *count = NULL;
    unsigned char *byte = NULL;
    if (t->n == 0)
        return TS_OK;
    TS_TRY_TO(done, st, ts_alloc(&t->fail, t->n, sizeof *t->fail));
    TS_TRY_TO(done, st, ts_alloc(&t->out, t->n, sizeof *t->out));
    TS_TRY_TO(done, st, ts_alloc(&t->depth, t->n, sizeof *t->depth));
    TS_TRY_TO(done, st, ts_alloc(&parent, t->n, sizeof *parent));
    TS_TRY_TO(done, st, ts_alloc(&byte, t->n, 1));
    TS_TRY_TO(done, st, ts_alloc(&order, t->n, sizeof *order));
    TS_TRY_TO(done, st, ts_alloc(&count, t->n + 1, sizeof *count));
    for (size_t i = 0; i < t->edges; i++)
        if (t->edge[i].from) {
            parent[t->edge[i].to_byte >> 8] = t->edge[i].from - 1;
            byte[t->edge[i].to_byte >> 8] = (unsigned char)t->edge[i].to_byte;
        }
    for (size_t i = 1; i < t->n; i++)
        t->depth[i] = t->depth[parent[i]] + 1;
    for (size_t i = 0; i < t->n; i++)
        count[t->depth[i] + 1]++;
    for (size_t i = 1; i <= t->n; i++)
        count[i] += count[i - 1];
    for (size_t i = 0; i < t->n; i++)
        order[count[t->depth[i]]++] = (uint32_t)i;
    for (size_t k = 1; k < t->n; k++) {
        const uint32_t node = order[k];
        t->fail[node] = parent[node] ? step(t, t->fail[parent[node]], byte[node]) : 0;
        t->out[node] = t->value[node] >= 0 ? node : t->out[t->fail[node]];
    }
    t->only = -1;
    for (int b = 0, n = 0; b < 256; b++)
        if (t->root[b])
            t->only = n++ ? -1 : b;
done:
    ts_free(&parent);
    ts_free(&byte);
    ts_free(&order);
    ts_free(&count);
    return st;
}

/* The next place from i on where a text may begin, n: none. */
static inline size_t next_begin(const ts_trie *t, const char *s, size_t i, size_t n)
{
    if (t->only >= 0) {
        const char *hit = memchr(s + i, t->only, n - i);
        return hit ? (size_t)(hit - s) : n;
    }
    while (i < n && !t->root[(unsigned char)s[i]])
        i++;
    return i;
}

int32_t ts_trie_search(const ts_trie *t, const char *s, size_t from, size_t n, size_t *start,
                       size_t *end)
{
    int32_t best = -1;
    size_t best_start = SIZE_MAX, best_end = 0;
    uint32_t node = 0;
    if (t->n == 0)
        return -1;
    for (size_t i = from; i < n; i++) {
        if (node == 0) {
            if (best >= 0)
                break;
            i = next_begin(t, s, i, n);
            if (i == n)
                break;
        }
        node = step(t, node, (unsigned char)s[i]);
        /* What this state stands for begins here; nothing further left can come any more. */
        if (best >= 0 && i + 1 - t->depth[node] > best_start)
            break;
        const uint32_t o = t->out[node];
        if (o) {
            const size_t o_start = i + 1 - t->depth[o];
            if (o_start <= best_start) { /* further left, or from the same place and so longer */
                best = t->value[o];
                best_start = o_start;
                best_end = i + 1;
            }
        }
    }
    *start = best_start;
    *end = best_end;
    return best;
}

int32_t ts_trie_prefix(const ts_trie *t, uint32_t node, const char *s, size_t n, size_t *len)
{
    int32_t best = -1;
    for (size_t i = 0; i < n && t->n; i++) {
        node = ts_trie_child(t, node, (unsigned char)s[i]);
        if (!node)
            break;
        if (t->value[node] >= 0) {
            best = t->value[node];
            *len = i + 1;
        }
    }
    return best;
}

uint32_t ts_trie_walk(const ts_trie *t, const char *s, size_t n)
{
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        node = t->n ? ts_trie_child(t, node, (unsigned char)s[i]) : 0;
        if (!node)
            return 0;
    }
    return node;
}

void ts_trie_deinit(ts_trie *t)
{
    ts_free(&t->edge);
    ts_free(&t->value);
    ts_free(&t->fail);
    ts_free(&t->out);
    ts_free(&t->depth);
    *t = (ts_trie){ 0 };
}
