/* A trie over bytes whose edges stand in one hash table; with links, an Aho-Corasick automaton. */
#ifndef TS_TEXT_TRIE_H
#define TS_TEXT_TRIE_H
#include "base/mem.h"

typedef struct ts_trie_edge {
    uint32_t from; /* node + 1, 0: empty */
    uint32_t to_byte; /* child << 8 | byte */
} ts_trie_edge;

typedef struct ts_trie {
    ts_trie_edge *edge;
    size_t edges; /* a power of two */
    int32_t *value; /* [n] of each node, -1: no text ends here */
    size_t n, cap;
    uint32_t root[256]; /* children of the root; 0: none */
    /* After ts_trie_link: */
    uint32_t *fail, *out,
        *depth; /* [n]; out: nearest suffix (the node itself too) where a text ends */
    int only;   /* the byte that all texts begin with, -1: several */
} ts_trie;

enum { TS_TRIE_MAX_NODES = 1 << 24 }; /* a child shares a word with its byte */

ts_status ts_trie_add(ts_trie *t, const char *s, size_t n, int32_t value) TS_NODISCARD;
ts_status ts_trie_link(ts_trie *t) TS_NODISCARD;
void ts_trie_deinit(ts_trie *t);

static inline uint32_t ts_trie_slot(const ts_trie *t, uint32_t node, unsigned char byte)
{
    const uint64_t key = ((uint64_t)node << 8 | byte) * 0x9e3779b97f4a7c15u;
    size_t h = (size_t)(key >> 32) & (t->edges - 1);
    while (t->edge[h].from && (t->edge[h].from != node + 1 || (t->edge[h].to_byte & 255) != byte))
        h = (h + 1) & (t->edges - 1);
    return (uint32_t)h;
}

/* The child of a node, 0 when there is none (nothing leads to the root). */
static inline uint32_t ts_trie_child(const ts_trie *t, uint32_t node, unsigned char byte)
{
    if (node == 0)
        return t->root[byte];
    const ts_trie_edge e = t->edge[ts_trie_slot(t, node, byte)];
    return e.from ? e.to_byte >> 8 : 0;
}

/* The leftmost-longest text in s[from..n): its value, start and end; -1 when there is none. */
int32_t ts_trie_search(const ts_trie *t, const char *s, size_t from, size_t n, size_t *start,
                       size_t *end);
/* The longest text that s continues from a node (0: the root): its value and how much of s it
 * took; -1 when there is none. */
int32_t ts_trie_prefix(const ts_trie *t, uint32_t node, const char *s, size_t n, size_t *len);
/* The node that s leads to from the root; 0 when there is none (or n is 0). */
uint32_t ts_trie_walk(const ts_trie *t, const char *s, size_t n);
#endif
