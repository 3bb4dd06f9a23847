/* Products in 8-bit integers, written once for every instruction set. No include guard: the
 * including file has chosen V, ROWS, VECS and, beside the names that gemm_finish_body.h needs,
 *
 *   vi                      V lanes of int32; vb: the magnitudes of V floats, as bits
 *   v_unit(p), v_units(p)   four bytes in all lanes; V units
 *   v_dot(acc, a, b)        acc + the four products of unsigned a and signed b of each lane
 *   v_ints(p), v_float(vi)  int32 from memory; as floats
 *   v_set(f), v_mul, v_fma(a, b, c)
 *   vb_none(), vb_more(b, v), vb_max(b)   the largest magnitude so far; of all lanes
 *   vb_put(b, p)
 *   vi_quant(v, by)         v * by rounded to the nearest integer, ties to even
 *   v_ints_of(i), vi_none(), vi_add, vi_times(v, i), vi_sum, vi_put(p, v)
 *   vi_low(v, i, u)         u with the low byte of v as its byte i
 *   v_bytes(p, n, v)        the low bytes of the first n lanes
 *   STORE_BF16              as in gemm_tile_body.h, or not */
#include "device/cpu/gemm/gemm_finish_body.h"
#include "device/cpu/gemm/gemm_i8.h"

typedef ts_i8_tile tile_args;
INLINE const ts_gemm_tile *tile_out(const tile_args *t) { return &t->out; }

/* The largest magnitude of n elements from element i on. */
INLINE uint32_t most_of(const void *src, int64_t i, int64_t n, const ts_dtype t)
{
    vb most = vb_none();
    for (int64_t c = 0; c < n; c += V)
        most = vb_more(most, v_load(src, i + c, t, n - c));
    return vb_max(most);
}

/* n elements as bytes, `offset` added; returns the sum of the integers, wrapped to a small one
 * where there are values that are no numbers. */
INLINE int32_t quantise_run(const void *src, int64_t i, int64_t n, float by, int offset,
                            uint8_t *q, const ts_dtype t)
{
    const vi add = v_ints_of(offset);
    vi sum = vi_none();
    for (int64_t c = 0; c < n; c += V) {
        const vi v = vi_quant(v_load(src, i + c, t, n - c), v_set(by));
        sum = vi_add(sum, v);
        v_bytes(q + c, n - c, vi_add(v, add));
    }
    return (int16_t)vi_sum(sum);
}

INLINE void quantise_as(const ts_i8_rows *r, int64_t begin, int64_t end, const ts_dtype t)
{
    for (int64_t row = begin; row < end; row++) {
        for (int64_t b = 0; b < r->blocks; b++) {
            const int64_t k0 = b * TS_GEMM_I8_BLOCK, left = r->k - k0;
            const int64_t n = left < TS_GEMM_I8_BLOCK ? left : TS_GEMM_I8_BLOCK;
            float by;
            r->scale[row * r->blocks + b] =
                ts_i8_scale(most_of(r->src, row * r->ld + k0, n, t), &by);
            quantise_run(r->src, row * r->ld + k0, n, by, 128, r->q + row * r->q_ld + k0, t);
        }
    }
}

static void quantise(const ts_i8_rows *r, int64_t begin, int64_t end)
{
    switch (r->src_dtype) {
    case TS_DTYPE_BF16: quantise_as(r, begin, end, TS_DTYPE_BF16); break;
    case TS_DTYPE_F16: quantise_as(r, begin, end, TS_DTYPE_F16); break;
    default: quantise_as(r, begin, end, TS_DTYPE_F32); break;
    }
}

/* ---- packing; n columns of a panel exist */

/* NT: a column's values follow each other. */
INLINE void pack_along(const ts_gemm_pack_args *p, int64_t x, int64_t n, char *panel,
                       const ts_dtype t)
{
    uint8_t q[TS_GEMM_I8_BLOCK + 4];
    for (int64_t k0 = 0; k0 < p->k; k0 += TS_GEMM_I8_BLOCK, panel += ts_i8_block(WIDTH)) {
        const int64_t left = p->k - k0, most = left < TS_GEMM_I8_BLOCK ? left : TS_GEMM_I8_BLOCK;
        int32_t *begin = (int32_t *)(void *)panel;
        float *scale = (float *)(void *)(panel + WIDTH * 4);
        char *units = panel + WIDTH * 8;
        for (int64_t c = 0; c < WIDTH; c++) {
            float by = 0;
            begin[c] = 0, scale[c] = 0;
            memset(q + most, 0, 4);
            if (c < n) {
                const int64_t at = (x + c) * p->ld + k0;
                scale[c] = ts_i8_scale(most_of(p->src, at, most, t), &by);
                begin[c] = -128 * quantise_run(p->src, at, most, by, 0, q, t);
            } else {
                memset(q, 0, sizeof q);
            }
            for (int64_t s = 0; s < ts_i8_steps(most); s++)
                memcpy(units + (s * WIDTH + c) * 4, q + s * 4, 4);
        }
    }
}

/* V columns of one block; rows of the source run across. */
INLINE void pack_lanes(const ts_gemm_pack_args *p, int64_t x, int64_t n, int64_t k0, int64_t most,
                       char *block, const ts_dtype t)
{
    _Alignas(64) uint32_t bits[V];
    _Alignas(64) float scale[V], by[V];
    vb largest = vb_none();
    vi sum = vi_none();
    for (int64_t k = 0; k < most; k++)
        largest = vb_more(largest, v_load(p->src, (k0 + k) * p->ld + x, t, n));
    vb_put(largest, bits);
    for (int l = 0; l < V; l++)
        scale[l] = ts_i8_scale(bits[l], &by[l]);
    const vf factor = v_get(by);
    for (int64_t k = 0; k < most; k += 4) {
        vi unit = vi_none();
        UNROLL
        for (int i = 0; i < 4; i++) {
            if (k + i < most) {
                const vf v = v_load(p->src, (k0 + k + i) * p->ld + x, t, n);
                const vi q = vi_quant(v, factor);
                sum = vi_add(sum, q);
                unit = vi_low(q, i, unit);
            }
        }
        vi_put(block + WIDTH * 8 + k * WIDTH, unit);
    }
    vi_put(block, vi_times(sum, -128));
    memcpy(block + WIDTH * 4, scale, sizeof scale);
}

/* NN */
INLINE void pack_across(const ts_gemm_pack_args *p, int64_t x, int64_t n, char *panel,
                        const ts_dtype t)
{
    for (int64_t k0 = 0; k0 < p->k; k0 += TS_GEMM_I8_BLOCK, panel += ts_i8_block(WIDTH)) {
        const int64_t left = p->k - k0, most = left < TS_GEMM_I8_BLOCK ? left : TS_GEMM_I8_BLOCK;
        for (int64_t c = 0; c < WIDTH; c += V)
            pack_lanes(p, x + c, n - c > 0 ? n - c : 0, k0, most, panel + c * 4, t);
    }
}

INLINE void pack_as(const ts_gemm_pack_args *p, int64_t x, char *panel, const ts_dtype t)
{
    const int64_t n = p->n - x < WIDTH ? p->n - x : WIDTH;
    if (p->form == TS_GEMM_NT)
        pack_along(p, x, n, panel, t);
    else
        pack_across(p, x, n, panel, t);
}

static void pack(const ts_gemm_pack_args *p, int64_t x, char *panel)
{
    switch (p->src_dtype) {
    case TS_DTYPE_BF16: pack_as(p, x, panel, TS_DTYPE_BF16); break;
    case TS_DTYPE_F16: pack_as(p, x, panel, TS_DTYPE_F16); break;
    default: pack_as(p, x, panel, TS_DTYPE_F32); break;
    }
}

/* ---- the product */

/* The sums of one block, from where `b` and `a` stand; both go on behind it. */
INLINE void sums_of(int64_t steps, rows_of_a *a, const char **b, vi acc[ROWS][VECS],
                    const int rows, const int vecs)
{
    const char *units = *b + WIDTH * 8;
    UNROLL
    for (int j = 0; j < vecs; j++) {
        UNROLL
        for (int i = 0; i < rows; i++)
            acc[i][j] = v_ints(*b + j * V * 4);
    }
    do { /* there is at least one */
        vi bv[VECS];
        UNROLL
        for (int j = 0; j < vecs; j++)
            bv[j] = v_units(units + j * V * 4);
        UNROLL
        for (int i = 0; i < rows; i++) {
            const vi av = v_unit(row_at(a, i));
            UNROLL
            for (int j = 0; j < vecs; j++)
                acc[i][j] = v_dot(acc[i][j], av, bv[j]);
        }
        rows_on(a, 4), units += WIDTH * 4;
    } while (--steps);
    *b = units;
}

/* The block's sums, scaled, and what the blocks before it have come to. */
INLINE vf scaled(vi acc, const float *of_col, vf of_row, vf before)
{
    return v_fma(v_mul(v_float(acc), v_getu(of_col)), of_row, before);
}

/* C is asked for while the last block is multiplied. */
INLINE void expect(const ts_gemm_tile *t, const int rows, const int vecs)
{
    const int64_t row = t->ldc * (int64_t)ts_dtype_size(t->c_dtype);
    const char *c = t->c;
    for (int i = 0; i < rows; i++, c += row)
        for (int64_t j = 0; j < vecs * V * (int64_t)ts_dtype_size(t->c_dtype); j += 64)
            __builtin_prefetch(c + j, 1);
}

INLINE void put_tile(const ts_gemm_tile *t, vf c[ROWS][VECS], const int rows, const int vecs)
{
    const bool plain = t->cols == vecs * V && !t->bias && !t->add;
    if (plain && t->c_dtype == TS_DTYPE_F32) {
        UNROLL
        for (int i = 0; i < rows; i++) {
            UNROLL
            for (int j = 0; j < vecs; j++)
                v_store(t->c, i * t->ldc + j * V, TS_DTYPE_F32, V, c[i][j]);
        }
        return;
    }
#ifdef STORE_BF16
    if (plain && t->c_dtype == TS_DTYPE_BF16) {
        STORE_BF16(t->c, t->ldc, c, rows, vecs);
        return;
    }
#endif
    _Alignas(64) float sum[ROWS * WIDTH];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vecs; j++)
            v_put(sum + i * WIDTH + j * V, c[i][j]);
    }
    finish(t, sum);
}

/* rows and vecs are constants where this is called: the loops over them vanish. */
INLINE void tile_of(const ts_i8_tile *t, const int rows, const int vecs)
{
    _Alignas(64) float sum[ROWS * WIDTH];
    const char *b = t->b;
    rows_of_a a = rows_at((const char *)t->a, t->a_row);
    vf c[ROWS][VECS];
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vecs; j++)
            v_put(sum + i * WIDTH + j * V, c[i][j] = v_zero());
    }
    for (int64_t block = 0; block < t->blocks; block++) {
        const float *scale = (const float *)(const void *)(b + WIDTH * 4);
        const bool last = block + 1 == t->blocks;
        vi acc[ROWS][VECS];
        if (last)
            expect(&t->out, rows, vecs);
        sums_of(last ? t->last_steps : TS_I8_STEPS, &a, &b, acc, rows, vecs);
        UNROLL
        for (int i = 0; i < rows; i++) {
            const vf of_row = v_set(t->a_scale[i * t->blocks + block]);
            UNROLL
            for (int j = 0; j < vecs; j++) {
                float *p = sum + i * WIDTH + j * V;
                c[i][j] = scaled(acc[i][j], scale + j * V, of_row, v_get(p));
                if (!last)
                    v_put(p, c[i][j]);
            }
        }
    }
    put_tile(&t->out, c, rows, vecs);
}
