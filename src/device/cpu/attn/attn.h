/* Attention on the CPU: what the driver (attn.c) and the bodies by instruction set share.
 *
 * The query heads of a kv group are rows of one matrix: row = query * r + head of the group. So a
 * packed tile of keys serves all of them, and a matrix product never sees what a head is. Each row
 * sees one range of keys [lo, hi) (causal, window, first_key and kv_len all are ranges), which is
 * all that masking is.
 *
 * forward   a block of rows x a tile of keys: s = q k^T (registers), online softmax,
 *           o = o * alpha + p v
 * backward  the same blocks; p and ds of a block and tile are kept for dv += p^T do,
 *           dk += ds^T q. dk, dv are added up in fp32 by one of n_chunks row-block sets each; the
 *           sets are summed in order. How work is cut depends on the shape alone, so bits do not
 *           depend on threads. */
#ifndef TS_DEVICE_CPU_ATTN_ATTN_H
#define TS_DEVICE_CPU_ATTN_ATTN_H
#include "device/cpu/helpers.h"
#include "device/kernels/attn.h"

enum {
    TS_ATTN_ROWS = 192,     /* rows of a block at most: a multiple of 6 (register tile) and of 2 */
    TS_ATTN_TILE = 256,     /* keys of a tile at most */
    /* bytes that a body may use of a thread's scratch; the rest holds sums */
    TS_ATTN_SCRATCH = 3 << 19,
    TS_ATTN_FEW = 12,       /* rows that read keys where they stand instead of packing them */
    TS_ATTN_MOST_DIM = 512, /* larger heads take the reference */
};

typedef struct ts_attn_shape {
    int64_t r;    /* query heads a kv head */
    int64_t rows; /* a block */
    int64_t tile; /* keys */
    int64_t dp;   /* head_dim rounded up to 16: the width of fp32 accumulators */
} ts_attn_shape;

/* Rows [row0, row0 + rows) of group g of sequence b, against keys [key0, key1). */
typedef struct ts_attn_block {
    int64_t b, g, row0, rows, key0, key1;
} ts_attn_block;

/* Sums of dk and dv in fp32: [keys, dp] each, of keys from `key0`. */
typedef struct ts_attn_sums {
    float *dk, *dv;
    int64_t key0;
} ts_attn_sums;

typedef struct ts_attn_body {
    /* partial NULL: o and lse are written. Else [rows * (2 + dp)]: maximum, sum, unscaled o. */
    void (*fwd)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                char *scratch, float *partial);
    /* Joins n partials (one after another) of the same rows, in order. */
    void (*fwd_join)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                     char *scratch, const float *partial, int64_t n);
    /* sums NULL: dk and dv are not wanted; want_dq: delta and dq are written, else delta is
     * read. */
    void (*bwd)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                char *scratch, const ts_attn_sums *sums, bool want_dq);
    /* Writes dk, dv of keys [key0, key1) of k from n sets of sums, `stride` floats apart. */
    void (*bwd_keys)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                     const ts_attn_sums *sums, int64_t n, int64_t stride);
    const char *name;
} ts_attn_body;

void ts_attn_body_init_avx2(ts_attn_body *body);
void ts_attn_body_init_avx512(ts_attn_body *body);
void ts_attn_body_init_bf16(ts_attn_body *body); /* bf16 data only */

struct ts_cpu;
/* Fills attention's rows of the table for the instruction sets in c->isa. */
void ts_cpu_init_attn(struct ts_cpu *c);

/* The plain reference, in double. */
void ts_attn_fwd_ref(struct ts_cpu *cpu, const void *args, int64_t n);
void ts_attn_bwd_ref(struct ts_cpu *cpu, const void *args, int64_t n);

static inline int64_t ts_attn_q_len(const ts_attn_args *a, int64_t b)
{
    return a->q_len ? a->q_len[b] : a->S_q;
}

static inline int64_t ts_attn_kv_len(const ts_attn_args *a, int64_t b)
{
    return a->kv_len ? a->kv_len[b] : a->S_kv;
}

/* The keys [*lo, *hi) that query row i of sequence b sees; empty: both 0. Returns its position. */
static inline int64_t ts_attn_range(const ts_attn_args *a, int64_t b, int64_t i, int64_t *lo,
                                    int64_t *hi)
{
    const int64_t pos = (a->q_start ? a->q_start[b] : 0) + i;
    *lo = a->first_key ? a->first_key[b * a->S_q + i] : 0;
    *hi = ts_attn_kv_len(a, b);
    if (a->window > 0 && *lo < pos - a->window + 1)
        *lo = pos - a->window + 1;
    if (*lo < 0)
        *lo = 0;
    if (a->causal && *hi > pos + 1)
        *hi = pos + 1;
    if (*hi <= *lo)
        *lo = *hi = 0;
    return pos;
}

/* Dropout keeps an element whose number, shifted right by 8, is at least this. */
static inline uint32_t ts_attn_drop_below(float p)
{
    const double t = (double)p * 0x1p24;
    const uint32_t u = (uint32_t)t;
    return (double)u < t ? u + 1 : u;
}

/* First element's address of the row (b, head h, query i) in the stream of random numbers. */
static inline uint64_t ts_attn_drop_row(const ts_attn_args *a, int64_t b, int64_t h, int64_t i)
{
    const int64_t head = (a->sample0 + b) * a->n_q_total + a->head0 + h;
    return (uint64_t)((head * a->S_q + i) * a->S_kv);
}
#endif
