/* Products of pairs of bf16 by tiles of 16 x 16: 32 rows against a panel of 48 columns, six tiles
 * of sums, one of A and one of B at a time.
 *
 * A product of tiles is summed in an order of its own, 16 steps at once: each element of C is a sum
 * over groups of 16 steps from the slice's begin, whatever its place in a tile, so its bits depend
 * on k alone, as with the other kernels. The last group is filled up with zeros in copies, since
 * what lies behind the operands may be no number; so are the rows that a tile of A lacks. */
#include "device/cpu/amx.h"
#include "device/cpu/gemm_vec512.h"

#include <string.h>

#define PAIRS 1
#include "device/cpu/gemm_finish.h"
#include "device/cpu/gemm_pack512.h"

enum { GROUP = 16, B_ROW = WIDTH * 4 };
#define SUM00 0
#define SUM01 1
#define SUM02 2
#define SUM10 3
#define SUM11 4
#define SUM12 5
#define TILE_A 6
#define TILE_B 7

/* Tiles that a part of C takes. */
typedef struct extent {
    int high, wide;
} extent;

/* One group of steps: each tile of B is loaded for the upper rows, the last is kept for the lower.
 */
INLINE void add_group(const char *a, int64_t a_row, const char *b, extent e)
{
    amx_load(TILE_A, a, a_row);
    amx_load(TILE_B, b, B_ROW);
    amx_dot_bf16(SUM00, TILE_A, TILE_B);
    if (e.wide > 1) {
        amx_load(TILE_B, b + AMX_BYTES, B_ROW);
        amx_dot_bf16(SUM01, TILE_A, TILE_B);
    }
    if (e.wide > 2) {
        amx_load(TILE_B, b + 2 * AMX_BYTES, B_ROW);
        amx_dot_bf16(SUM02, TILE_A, TILE_B);
    }
    if (e.high == 1)
        return;
    amx_load(TILE_A, a + AMX_ROWS * a_row, a_row);
    if (e.wide > 2) {
        amx_dot_bf16(SUM12, TILE_A, TILE_B);
        amx_load(TILE_B, b + AMX_BYTES, B_ROW);
    }
    if (e.wide > 1) {
        amx_dot_bf16(SUM11, TILE_A, TILE_B);
        amx_load(TILE_B, b, B_ROW);
    }
    amx_dot_bf16(SUM10, TILE_A, TILE_B);
}

/* `bytes` of the rows of A there are; zeros up to whole tiles. */
INLINE void copy_a(const ts_gemm_tile *t, const char *a, int64_t bytes, char *to)
{
    const __mmask64 there = ~(__mmask64)0 >> (AMX_BYTES - bytes); /* 1..64 */
    for (int i = 0; i < t->rows; i++)
        _mm512_storeu_si512(to + i * AMX_BYTES, _mm512_maskz_loadu_epi8(there, a + i * t->a_row));
}

/* All groups but a broken last one. */
static __attribute__((noinline)) void add_groups(const ts_gemm_tile *t, extent e)
{
    const char *a = t->a, *b = t->b;
    if (t->rows == e.high * AMX_ROWS) {
        for (int64_t s = GROUP; s <= t->steps; s += GROUP, a += AMX_BYTES, b += GROUP * B_ROW)
            add_group(a, t->a_row, b, e);
        return;
    }
    char copy[2 * AMX_ROWS * AMX_BYTES] = { 0 };
    for (int64_t s = GROUP; s <= t->steps; s += GROUP, a += AMX_BYTES, b += GROUP * B_ROW) {
        copy_a(t, a, AMX_BYTES, copy);
        add_group(copy, AMX_BYTES, b, e);
    }
}

/* 16 columns of the last group's B, zeros up to a whole tile. */
INLINE void load_last_b(const char *b, int64_t steps, char *to)
{
    for (int64_t s = 0; s < steps; s++)
        _mm512_storeu_si512(to + s * AMX_BYTES, _mm512_loadu_si512(b + s * B_ROW));
    amx_load(TILE_B, to, AMX_BYTES);
}

static __attribute__((noinline)) void add_last_group(const ts_gemm_tile *t, extent e)
{
    enum { TILE = AMX_ROWS * AMX_BYTES };
    const int64_t left = t->steps % GROUP, steps = left + t->half_step, from = t->steps - left;
    const char *b = t->b + from * B_ROW;
    char a_copy[2 * TILE] = { 0 }, b_copy[TILE] = { 0 };
    copy_a(t, t->a + from * 4, left * 4 + (t->half_step ? 2 : 0), a_copy);
    load_last_b(b, steps, b_copy);
    amx_load(TILE_A, a_copy, AMX_BYTES);
    amx_dot_bf16(SUM00, TILE_A, TILE_B);
    if (e.high > 1) {
        amx_load(TILE_A, a_copy + TILE, AMX_BYTES);
        amx_dot_bf16(SUM10, TILE_A, TILE_B);
    }
    if (e.wide > 1) {
        load_last_b(b + AMX_BYTES, steps, b_copy);
        if (e.high > 1)
            amx_dot_bf16(SUM11, TILE_A, TILE_B);
        amx_load(TILE_A, a_copy, AMX_BYTES);
        amx_dot_bf16(SUM01, TILE_A, TILE_B);
    }
    if (e.wide > 2) {
        load_last_b(b + 2 * AMX_BYTES, steps, b_copy);
        amx_dot_bf16(SUM02, TILE_A, TILE_B);
        if (e.high > 1) {
            amx_load(TILE_A, a_copy + TILE, AMX_BYTES);
            amx_dot_bf16(SUM12, TILE_A, TILE_B);
        }
    }
}

/* Sums of the upper or lower 16 rows; tiles that are not wanted are stored only where there is
 * room. */
INLINE void store_sums(char *to, int64_t row, const int lower, const int wide)
{
    if (lower) {
        amx_store(SUM10, to, row);
        if (wide > 1)
            amx_store(SUM11, to + AMX_BYTES, row);
        if (wide > 2)
            amx_store(SUM12, to + 2 * AMX_BYTES, row);
        return;
    }
    amx_store(SUM00, to, row);
    if (wide > 1)
        amx_store(SUM01, to + AMX_BYTES, row);
    if (wide > 2)
        amx_store(SUM02, to + 2 * AMX_BYTES, row);
}

static __attribute__((noinline)) void put(const ts_gemm_tile *t, extent e, const int lower)
{
    ts_gemm_tile part = *t;
    const int64_t down = lower * AMX_ROWS, size = (int64_t)ts_dtype_size(t->c_dtype);
    part.rows = t->rows - (int)down < AMX_ROWS ? t->rows - (int)down : AMX_ROWS;
    part.c = (char *)t->c + down * t->ldc * size;
    part.from = t->from ? t->from + down * t->from_ld : NULL;
    part.add = t->add ? (const char *)t->add + down * t->ldc * size : NULL;
    if (t->c_dtype == TS_DTYPE_F32 && part.rows == AMX_ROWS && t->cols == e.wide * V &&
        !t->from && !t->bias && !t->add) {
        store_sums(part.c, t->ldc * 4, lower, e.wide);
        return;
    }
    _Alignas(64) float sum[AMX_ROWS * WIDTH];
    store_sums((char *)sum, B_ROW, lower, e.wide);
    finish(&part, sum);
}

static void tile(const ts_gemm_tile *t)
{
    const extent e = { (t->rows + AMX_ROWS - 1) / AMX_ROWS, (t->cols + V - 1) / V };
    amx_zero(SUM00);
    amx_zero(SUM01);
    amx_zero(SUM02);
    amx_zero(SUM10);
    amx_zero(SUM11);
    amx_zero(SUM12);
    add_groups(t, e);
    if (t->steps % GROUP || t->half_step)
        add_last_group(t, e);
    put(t, e, 0);
    if (e.high > 1)
        put(t, e, 1);
}

/* Rows of A that lie across (TN), by 16 x 16 units: turned, since a tile wants a row's units side
 * by side. */
static void pack_a(const ts_gemm_panels *p, int64_t x_begin, int64_t x_end, int64_t s_begin,
                   int64_t s_end)
{
    const int64_t row = 2 * p->ld * 2; /* bytes of two rows of bf16 */
    for (int64_t x = x_begin; x < x_end; x += V) {
        for (int64_t s = s_begin; s < s_end; s += V) {
            __m512i r[16];
            UNROLL
            for (int i = 0; i < 16; i++)
                r[i] = s + i < s_end ? units_across((const char *)p->src + (s + i) * row, p->ld,
                                                    (s + i) * 2 + 1 < p->n_k, x, x_end - x,
                                                    TS_DTYPE_BF16)
                                     : _mm512_setzero_si512();
            transpose16(r);
            UNROLL
            for (int i = 0; i < 16; i++)
                if (x + i < x_end)
                    _mm512_mask_storeu_epi32(p->dst + ((x + i) * p->steps + s) * 4,
                                             mask_of(s_end - s), r[i]);
        }
    }
}

void ts_gemm_kernels_init_amx(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){ .rows = 2 * AMX_ROWS, .width = WIDTH, .pairs = true, .tile = tile,
                            .pack = pack, .pack_a = pack_a, .begin = amx_begin, .end = amx_end };
}
