/* Attention's tiles: products, packing, masks, dropout. Compiled once per instruction set, after
 * the vocabularies simd/tile_<isa>.h, tile_exp.h, and tile_f32.h or tile_bf16.h. No include
 * guard. */
#include "base/status.h"
#include "device/cpu/attn/attn.h"

#include <math.h>
#include <string.h>

#define LOG2E 1.44269504088896340736f

/* ---- products: C[m][n] (= or C * beta[m] +=) sum over words u of A[m][u] . B[u][n] */

typedef struct product {
    const uint32_t *a;    /* word u of row m at a[m * a_row + u * a_word] */
    int64_t a_row, a_word;
    const uint32_t *b;    /* row u at b + u * b_ld */
    int64_t b_ld;
    int64_t words;
    float *c;
    int64_t c_ld;
    const float *beta;    /* [MR]; NULL: C is written without being read */
} product;

INLINE void multiply(const int mr, const int nr, const product *x)
{
    vf sum[MR][NR];
    const uint32_t *a = x->a, *b = x->b;
    const int64_t a_row = x->a_row, a_word = x->a_word, b_ld = x->b_ld;
#pragma GCC unroll 8
    for (int m = 0; m < mr; m++)
#pragma GCC unroll 8
        for (int n = 0; n < nr; n++)
            sum[m][n] =
                x->beta ? v_mul(v_load(x->c + m * x->c_ld + n * V), v_set(x->beta[m])) : v_set(0);
    for (int64_t u = x->words; u > 0; u--, a += a_word, b += b_ld) {
        vu bn[NR];
#pragma GCC unroll 8
        for (int n = 0; n < nr; n++)
            bn[n] = u_load(b + n * V);
#pragma GCC unroll 8
        for (int m = 0; m < mr; m++) {
            const vu am = u_set(a + m * a_row);
#pragma GCC unroll 8
            for (int n = 0; n < nr; n++)
                sum[m][n] = u_dot(sum[m][n], am, bn[n]);
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < mr; m++)
#pragma GCC unroll 8
        for (int n = 0; n < nr; n++)
            v_store(x->c + m * x->c_ld + n * V, sum[m][n]);
}

typedef void multiply_fn(const product *x);
#define MULTIPLY(m, n) \
    static void multiply_##m##_##n(const product *x) { multiply(m, n, x); }
#define EACH_ROWS(F, n) F(1, n) F(2, n) F(3, n) F(4, n) F(5, n) F(6, n)
#define NAME(m, n) multiply_##m##_##n,
EACH_ROWS(MULTIPLY, 1)
EACH_ROWS(MULTIPLY, 2)
#ifdef TILE_NR4
EACH_ROWS(MULTIPLY, 3)
EACH_ROWS(MULTIPLY, 4)
#endif
static multiply_fn *const multiply_of[][MR] = {
    { EACH_ROWS(NAME, 1) },
    { EACH_ROWS(NAME, 2) },
#ifdef TILE_NR4 /* four vectors wide, not two */
    { EACH_ROWS(NAME, 3) },
    { EACH_ROWS(NAME, 4) },
#endif
};

/* `rows` rows and `vecs` vectors of columns; beta (if any) is the same for each MR rows. */
static void multiply_all(product x, int64_t rows, int64_t vecs)
{
    const int64_t panels = (vecs + NR - 1) / NR;
    for (int64_t p = 0; p < panels; p++) {
        const int64_t v0 = vecs * p / panels, nr = vecs * (p + 1) / panels - v0;
        product y = x;
        y.b += v0 * V;
        for (int64_t m = 0; m < rows; m += MR) {
            const int64_t mr = rows - m < MR ? rows - m : MR;
            y.a = x.a + m * x.a_row;
            y.c = x.c + m * x.c_ld + v0 * V;
            multiply_of[nr - 1][mr - 1](&y);
        }
    }
}

static const float ones[MR] = { 1, 1, 1, 1, 1, 1 };

/* ---- addresses */

static const void *at(const void *p, int64_t i, ts_dtype t)
{
    return (const char *)p + i * (int64_t)ts_dtype_size(t);
}

/* Element of q (or dq) where row `row` of the group begins; of k, v; of o and dout. */
static int64_t q_at(const ts_attn_args *a, const ts_attn_block *k, int64_t r, int64_t row)
{
    return (k->b * a->q_batch + row / r) * a->q_row + k->g * a->q_group + row % r * a->head_dim;
}

static int64_t kv_at(const ts_attn_args *a, const ts_attn_block *k, int64_t key)
{
    return ts_attn_key_row(a, k->b, key) * a->kv_row + k->g * a->kv_group;
}

static int64_t o_at(const ts_attn_args *a, const ts_attn_block *k, int64_t r, int64_t row)
{
    return ((k->b * a->S_q + row / r) * a->n_q + k->g * r + row % r) * a->head_dim;
}

static int64_t stat_at(const ts_attn_args *a, const ts_attn_block *k, int64_t r, int64_t row)
{
    return ts_attn_stat(a, k->b, k->g * r + row % r, row / r);
}

/* `words` 32-bit words of scratch at a multiple of 64 bytes. */
static void *carve(char **scratch, int64_t words)
{
    char *p = *scratch;
    *scratch = p + round_up(words * 4, 64);
    return p;
}

/* ---- packing */

static int64_t dim_words(const ts_attn_args *a) { return (a->head_dim + UNIT - 1) / UNIT; }

/* Heads of one key lie far apart and hardware follows no such pattern: the next tile is asked for
 * here. */
static void ask_for(const ts_attn_args *a, const void *key)
{
    const char *p = key;
    for (size_t i = 0; i < (size_t)a->head_dim * ts_dtype_size(a->dtype); i += 64)
        __builtin_prefetch(p + i, 0, 2);
}

/* n keys from key j0 of `x`, transposed: [round_up(words, V)][tile]; keys up to a multiple of V are 0.
 * The tile behind it is fetched as far as key `end`. Where keys lie in pages, j0 is a multiple of V, so that V keys
 * follow each other. */
static void pack_transposed(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                            const void *x, int64_t j0, int64_t n, int64_t end, uint32_t *dst,
                            uint32_t *rows)
{
    const int64_t words = round_up(dim_words(a), V), step = a->kv_row * (int64_t)ts_dtype_size(a->dtype);
    const bool is_words = UNIT * ts_dtype_size(a->dtype) == 4 && a->head_dim == words * UNIT;
    for (int64_t j = 0; j < n; j += V) {
        const char *from = at(x, kv_at(a, k, j0 + j), a->dtype);
        const bool in_place = is_words && j + V <= n;
        for (int64_t i = 0; i < V; i++) {
            if (!in_place)
                u_pack_row(rows + i * words, words, from + min64(i, n - 1 - j) * step,
                           j + i < n ? a->head_dim : 0, a->dtype);
            if (j0 + j + i + s->tile < end)
                ask_for(a, from + (i + s->tile) * step);
        }
        for (int64_t w = 0; w < words; w += V)
            v_transpose(in_place ? from + w * 4 : (const char *)(rows + w),
                        in_place ? step : words * 4, dst + w * s->tile + j, s->tile);
    }
}

/* n keys from key j0 of `x` in pair form: [round_up(n, V) / UNIT][dp]. */
static void pack_keys(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                      const void *x, int64_t j0, int64_t n, int64_t end, uint32_t *dst)
{
    for (int64_t j = 0; j < round_up(n, V); j += 2) {
        for (int64_t key = j0 + j + s->tile; key < min64(j0 + j + s->tile + 2, end); key++)
            ask_for(a, at(x, kv_at(a, k, key), a->dtype));
        const void *one = at(x, kv_at(a, k, j0 + min64(j, n - 1)), a->dtype);
        const void *two = j + 1 < n ? at(x, kv_at(a, k, j0 + j + 1), a->dtype) : NULL;
        u_pack_pair(dst + j / UNIT * s->dp, s->dp, one, two, j < n ? a->head_dim : 0, a->dtype);
    }
}

/* ---- rows */

/* What is known of each row of a block. */
typedef struct row_facts {
    int32_t lo[TS_ATTN_ROWS], hi[TS_ATTN_ROWS]; /* keys seen, within the block's key0..key1 */
    float pos[TS_ATTN_ROWS], slope[TS_ATTN_ROWS];
    uint64_t drop[TS_ATTN_ROWS];   /* address of the row's first element */
    float max[TS_ATTN_ROWS];       /* forward: running maximum, times log2 e */
    float lse[TS_ATTN_ROWS];       /* backward: times log2 e */
    float delta[TS_ATTN_ROWS];
    int64_t lo_all, hi_all;        /* of all rows; equal: nothing is seen */
} row_facts;

static void find_rows(const ts_attn_args *a, const ts_attn_shape *s, const ts_attn_block *k,
                      row_facts *f)
{
    f->lo_all = INT64_MAX, f->hi_all = 0;
    for (int64_t i = 0; i < k->rows; i++) {
        const int64_t row = k->row0 + i, head = k->g * s->r + row % s->r;
        int64_t lo, hi;
        f->pos[i] = (float)ts_attn_range(a, k->b, row / s->r, &lo, &hi);
        lo = max64(lo, k->key0), hi = min64(hi, k->key1);
        if (hi <= lo)
            lo = hi = 0;
        else
            f->lo_all = min64(f->lo_all, lo), f->hi_all = max64(f->hi_all, hi);
        f->lo[i] = (int32_t)lo, f->hi[i] = (int32_t)hi;
        f->slope[i] = a->slopes ? a->slopes[head] : 0;
        f->drop[i] = ts_attn_drop_row(a, k->b, head, row / s->r);
    }
    if (f->lo_all > f->hi_all)
        f->lo_all = f->hi_all;
}

/* The columns [*c0, *c1) of the tile of n keys from j0 that any of mr rows sees, out to vectors. */
static void strip_columns(const row_facts *f, int64_t r0, int64_t mr, int64_t j0, int64_t n,
                          int64_t *c0, int64_t *c1)
{
    int64_t lo = INT64_MAX, hi = 0;
    for (int64_t i = r0; i < r0 + mr; i++)
        if (f->lo[i] < f->hi[i])
            lo = min64(lo, f->lo[i]), hi = max64(hi, f->hi[i]);
    lo = max64(lo - j0, 0) / V * V, hi = round_up(max64(min64(hi - j0, n), 0), V);
    *c0 = lo < hi ? lo : 0;
    *c1 = lo < hi ? hi : 0;
}

/* ---- logits */

/* scale * s, soft cap (*tanh_of: what was capped), ALiBi. j: key of lane 0, as seen from the
 * position. */
INLINE vf logit(const ts_attn_args *a, vf s, float slope, float from_pos, vf *tanh_of)
{
    s = v_mul(s, v_set(a->scale));
    *tanh_of = v_set(0);
    if (a->softcap > 0) {
        *tanh_of = v_tanh(v_mul(s, v_set(1 / a->softcap)));
        s = v_mul(v_set(a->softcap), *tanh_of);
    }
    if (a->slopes)
        s = v_fnma(v_set(slope), v_sub(v_set(from_pos), v_iota()), s);
    return s;
}

/* Whether a logit is a plain positive multiple of q.k, and no element is dropped. */
static bool is_plain(const ts_attn_args *a)
{
    return a->softcap <= 0 && !a->slopes && a->scale > 1e-9f && a->dropout <= 0;
}

/* ---- dropout */

enum { LANES = 16 }; /* blocks of four numbers at a time */

static void random_blocks(const ts_rng *r, uint64_t block, uint32_t out[4][LANES])
{
    uint32_t c0[LANES], c1[LANES], c2[LANES], c3[LANES], k0 = r->key[0], k1 = r->key[1];
    for (int l = 0; l < LANES; l++) {
        c0[l] = (uint32_t)(block + (uint64_t)l), c1[l] = (uint32_t)((block + (uint64_t)l) >> 32);
        c2[l] = r->hi[0], c3[l] = r->hi[1];
    }
    for (int n = 0; n < 10; n++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int l = 0; l < LANES; l++) {
            const uint64_t a = (uint64_t)0xD2511F53u * c0[l], b = (uint64_t)0xCD9E8D57u * c2[l];
            c0[l] = (uint32_t)(b >> 32) ^ c1[l] ^ k0, c1[l] = (uint32_t)b;
            c2[l] = (uint32_t)(a >> 32) ^ c3[l] ^ k1, c3[l] = (uint32_t)a;
        }
    memcpy(out[0], c0, sizeof c0);
    memcpy(out[1], c1, sizeof c1);
    memcpy(out[2], c2, sizeof c2);
    memcpy(out[3], c3, sizeof c3);
}

/* Bit i of `bits`: element first + i is kept. n: a multiple of 8, at most TS_ATTN_TILE. */
static void keep_bits(const ts_attn_args *a, uint64_t first, int64_t n, uint8_t *bits)
{
    uint8_t kept[TS_ATTN_TILE + 2 * 4 * LANES];
    uint32_t u[4][LANES];
    const uint32_t below = ts_attn_drop_below(a->dropout);
    const int64_t skip = (int64_t)(first % 4);
    for (int64_t i = 0; i < n + skip; i += 4 * LANES) {
        random_blocks(&a->rng, first / 4 + (uint64_t)i / 4, u);
        for (int l = 0; l < LANES; l++)
            for (int w = 0; w < 4; w++)
                kept[i + 4 * l + w] = (u[w][l] >> 8) >= below;
    }
    for (int64_t i = 0; i < n; i += 8) {
        uint8_t b = 0;
        for (int t = 0; t < 8; t++)
            b = (uint8_t)(b | kept[skip + i + t] << t);
        bits[i / 8] = b;
    }
}
