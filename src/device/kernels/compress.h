/* Entries of compressed attention (DeepSeek-AI, DeepSeek-V4, 2.3): each stands for `rate` tokens of a document that
 * follow one another, of which the first group begins with the document.
 *
 *   y[e][c] = sum over its rows t of p[t][c] kv[t][c],   p = softmax over t of gate[t][c] + bias[t][c]
 *
 * Rows of kv and gate, and bias, are `dim` wide; t counts the group's tokens. With `overlaps` they are twice as wide:
 * an entry is of its own group's second halves and of the group before's first halves, which the first entry of a
 * document lacks.
 *
 * compress_plan says which entries there are. S rows of a sequence come in a pass, behind `before` rows of earlier
 * passes (of these only the last ones count, as many as tokens there were). Of B sequences, sequence b:
 *
 *   start NULL   whole documents, as first_key says where each row's begins (NULL: with the sequence). Entry j of the
 *                sequence is the group that ends in rows [j rate, (j + 1) rate) of it
 *   start given  the one document has start[b] tokens already, and length[b] of the rows count; entry j is the j-th
 *                that the pass completes
 *
 *   row[b slots + j]   the first of the entry's own rows among those of all sequences, (before + S) each; -1: no entry
 *   opens[...]         1: the first entry of its document
 *   place[...]         the position of the entry's first token, by pos, which counts up in a document
 *   count[b]           the sequence's entries, with those of earlier passes (start NULL: slots)
 *   first[b S + i], last[b S + i]  the entries that row i may see, as they are numbered (start given: from the
 *                document's first on): those whose tokens are none behind it. last < first: none
 *
 * n = B for compress_plan, entries for compress_fwd and compress_bwd (dkv and dgate of their own rows alone: the rest
 * stays as it is), columns of bias, rate times the width, for compress_dw (dbias += sums over entries, in order). */
#ifndef TS_DEVICE_KERNELS_COMPRESS_H
#define TS_DEVICE_KERNELS_COMPRESS_H
#include "base/dtype.h"

#include <stdbool.h>

typedef struct ts_compress_plan_args {
    int64_t S, before, rate, slots;
    const int32_t *pos, *first_key; /* [B S]; first_key NULL */
    const int32_t *start, *length;  /* [B]; NULL */
    int32_t *row, *opens, *place;   /* [B slots] */
    int32_t *first, *last;          /* [B S] */
    int32_t *count;                 /* [B] */
} ts_compress_plan_args;

typedef struct ts_compress_args {
    int64_t entries, rate, dim;
    bool overlaps;
    ts_dtype dtype;              /* of kv, gate, y and their gradients */
    int64_t kv_row, gate_row;    /* elements from row to row */
    const void *kv, *gate;
    const float *bias;           /* [rate, width] */
    const int32_t *row, *opens;  /* [entries], as planned */
    void *y;                     /* [entries, dim]: zeros where there is no entry */
    const void *dy;
    void *dkv, *dgate;           /* as kv and gate */
    float *dbias;
} ts_compress_args;

static inline int64_t ts_compress_width(const ts_compress_args *a) { return a->overlaps ? 2 * a->dim : a->dim; }
#endif
