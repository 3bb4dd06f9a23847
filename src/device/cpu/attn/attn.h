/* Attention on the CPU: what the drivers (attn_fwd.c, attn_bwd.c) and the bodies of each instruction set agree on.
 *
 * Scores of all queries and keys at once would be S x S numbers, gigabytes for a long sequence. So
 * they are made tile by tile, used, and forgotten. And a key that is loaded should serve many rows:
 * the query heads that share a KV head (a group) see the same keys, so they are stacked as rows of
 * one matrix, and the products below need not know what a head is:
 *
 *     row = query * r + head of the group     keys ->   tile 0   tile 1   tile 2
 *                                                     +--------+--------+--------+
 *     query 0, head 0    r = 2 query                  | scores |        |        |
 *     query 0, head 1    heads a KV head     block 0  |        |      no row of  |
 *     query 1, head 0                                 |        |      the block  |
 *     query 1, head 1                                 +--------+--    sees these |
 *     query 2, head 0                        block 1  |        |        |        |
 *     ...                                             +--------+--------+--------+
 *
 * Every mask (causal, window, first_key, last_key, kv_len) leaves a row one range of keys [lo, hi). So a mask
 * is two numbers a row, and a tile that no row of the block sees is not computed at all.
 *
 * forward   a block goes over its tiles from left to right. A row's softmax needs the largest of
 *           all its scores, which the first tile cannot know: the row keeps the largest so far, the
 *           sum of exponentials and o relative to it, and shrinks both when a larger one comes. At
 *           the end o is divided by the sum, and the row's log-sum-exp (lse) is kept.
 * backward  makes p again, tile by tile, from lse. dq of a row is a sum over tiles, as o was; but
 *           dk and dv of a key are sums over the rows of all blocks, and two threads must not add
 *           to the same ones. So blocks are shared out in chunks, each with fp32 sums of its own,
 *           which are put together in order at the end. */
#ifndef TS_DEVICE_CPU_ATTN_ATTN_H
#define TS_DEVICE_CPU_ATTN_ATTN_H
#include "device/cpu/helpers.h"
#include "device/kernels/attn.h"

#include <stdbool.h>

enum {
    TS_ATTN_ROWS = 192, /* rows of a block, at most: a multiple of 6 (register tile) and of 2 */
    TS_ATTN_TILE = 256, /* keys of a tile, at most */
    /* A thread's scratch: what a body packs for a block and a tile; behind it, sums of dk, dv. */
    TS_ATTN_SCRATCH = 3 << 19,
    /* So few rows (decoding) use a packed key too seldom to pay for packing: up to this many, keys
     * are read where they stand. */
    TS_ATTN_FEW = 12,
    TS_ATTN_MOST_DIM = 640, /* larger heads take the reference: no block of them would fit */
};

typedef struct ts_attn_shape {
    int64_t r;    /* query heads that share a KV head */
    int64_t rows; /* of a block */
    int64_t tile; /* keys of a tile */
    int64_t dp;   /* head_dim rounded up to 16, so that rows of fp32 sums are whole vectors */
} ts_attn_shape;

/* What one call of a body does: rows [row0, row0 + rows) of group g of sequence b, against keys
 * [key0, key1). */
typedef struct ts_attn_block {
    int64_t b, g, row0, rows, key0, key1;
} ts_attn_block;

/* One set of sums: dk and dv in fp32, [keys, dp] each; the first row is key `key0`. */
typedef struct ts_attn_sums {
    float *dk, *dv;
    int64_t key0;
} ts_attn_sums;

typedef struct ts_attn_body {
    /* partial NULL: all keys are here, and o and lse are written. Else the keys are split among
     * several calls, and this one leaves its rows' state: [rows] maxima, [rows] sums, [rows, dp] o
     * not yet divided by the sum. */
    void (*fwd)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                char *scratch, float *partial);
    /* o and lse from n such partials of the same rows, one after another: each is shrunk from its
     * own maximum to the largest and added, in order. */
    void (*fwd_join)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                     char *scratch, const float *partial, int64_t n);
    /* Adds to the sums of dk and dv; NULL: they are not wanted. want_dq: writes delta and dq; else
     * delta is there from an earlier call. */
    void (*bwd)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                char *scratch, const ts_attn_sums *sums, bool want_dq);
    /* dk and dv of keys [key0, key1) of k from n sets of sums that lie `stride` floats apart, added
     * in order. */
    void (*bwd_keys)(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                     const ts_attn_sums *sums, int64_t n, int64_t stride);
    const char *name;
} ts_attn_body;

void ts_attn_body_init_avx2(ts_attn_body *body);
void ts_attn_body_init_avx512(ts_attn_body *body);
void ts_attn_body_init_bf16(ts_attn_body *body); /* bf16 data only */

struct ts_cpu;
/* The best body for this device and data; false: only the reference can do it. */
bool ts_attn_choose_body(const struct ts_cpu *c, const ts_attn_args *a, ts_attn_body *body);

/* Fills attention's rows of the kernel table for the instruction sets in c->isa. */
void ts_cpu_init_attn(struct ts_cpu *c);

/* The two drivers: TS_KERNEL_attn_fwd and TS_KERNEL_attn_bwd. */
void ts_attn_fwd(struct ts_cpu *cpu, const void *args, int64_t n);
void ts_attn_bwd(struct ts_cpu *cpu, const void *args, int64_t n);

/* The specification, in double, without tiles. */
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

/* The row of k and v where key `key` of sequence b stands. */
static inline int64_t ts_attn_key_row(const ts_attn_args *a, int64_t b, int64_t key)
{
    if (!a->pages)
        return b * a->kv_batch + key;
    const int64_t page = a->pages[b * a->pages_each + (key >> a->page_bits)];
    return (page << a->page_bits) + (key & (((int64_t)1 << a->page_bits) - 1));
}

/* Where lse and delta have the numbers of head h, query i of sequence b. */
static inline int64_t ts_attn_stat(const ts_attn_args *a, int64_t b, int64_t h, int64_t i)
{
    return (b * a->S_q + i) * a->n_q + h;
}

/* Where first_key and last_key say what query i of sequence b may see. */
static inline int64_t ts_attn_limit(const ts_attn_args *a, int64_t b, int64_t i)
{
    return b * (a->limit_batch ? a->limit_batch : a->S_q) + i;
}

/* Where query i of sequence b stands, without what the mask and q_start add. */
static inline int64_t ts_attn_place(const ts_attn_args *a, int64_t i)
{
    return a->q_at.n ? ts_stretches_at(&a->q_at, i) : i;
}

/* All masks in one place: the keys [*lo, *hi) that query i of sequence b sees; none: both are 0.
 * Returns the query's position. All are counted from the first key that is here.
 *
 *   keys   0 .... first_key .... pos - left .... pos .... pos + right .... last_key .... kv_len
 *                                [##############################]       seen: a window  */
static inline int64_t ts_attn_range(const ts_attn_args *a, int64_t b, int64_t i, int64_t *lo,
                                    int64_t *hi)
{
    const int64_t pos = a->mask.offset + (a->q_start ? a->q_start[b] : 0) + ts_attn_place(a, i) - a->key0;
    const int64_t first = ts_mask_first(&a->mask, pos + a->key0), right = ts_mask_right(&a->mask);
    *lo = a->first_key ? a->first_key[ts_attn_limit(a, b, i)] - a->key0 : 0;
    *hi = ts_attn_kv_len(a, b);
    if (a->last_key && *hi > (int64_t)a->last_key[ts_attn_limit(a, b, i)] + 1 - a->key0)
        *hi = (int64_t)a->last_key[ts_attn_limit(a, b, i)] + 1 - a->key0;
    if (first > *lo + a->key0)
        *lo = first - a->key0;
    if (*lo < 0)
        *lo = 0;
    if (right >= 0 && *hi > pos + right + 1)
        *hi = pos + right + 1;
    if (*hi <= *lo)
        *lo = *hi = 0;
    return pos;
}

/* Dropout compares integers, so that every variant drops the same elements: one is kept if its
 * random number, shifted right by 8 (24 bits, which a float holds exactly), is at least this. */
static inline uint32_t ts_attn_drop_below(float p)
{
    const double t = (double)p * 0x1p24;
    const uint32_t u = (uint32_t)t;
    return (double)u < t ? u + 1 : u;
}

/* Where in the stream of random numbers the row (b, head h, query i) begins. It counts samples and
 * heads of the whole job, so that cutting the job in another way drops the same elements. */
static inline uint64_t ts_attn_drop_row(const ts_attn_args *a, int64_t b, int64_t h, int64_t i)
{
    const int64_t head = (a->sample0 + b) * a->n_q_total + a->head0 + h;
    if (a->q_at.n)
        return (uint64_t)((head * a->S_q_all + ts_attn_place(a, i)) * a->S_kv_all + a->key0);
    return (uint64_t)((head * a->S_q + i) * a->S_kv);
}
#endif
