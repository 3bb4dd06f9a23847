/* Sums of products in tiles of 16 x 16: up to 32 rows of A against a panel of 48 columns, six tiles
 * of sums, one of A and one of B at a time. No include guard: the including file has chosen DOT and
 * included gemm_finish_body.h (WIDTH).
 *
 * Steps are taken 16 at once. The last group is filled up with zeros in copies, since what lies
 * behind the operands may be no number, or no memory; so are the rows that a tile of A lacks. */
#include "device/cpu/gemm/amx.h"

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
INLINE extent extent_of(int rows, int cols)
{
    return (extent){ (rows + AMX_ROWS - 1) / AMX_ROWS, (cols + 15) / 16 };
}

typedef struct run {
    const char *a;  /* [rows][steps] units, a_row bytes from row to row */
    int64_t a_row;
    int rows;
    const char *b;  /* [steps][WIDTH] units */
    int64_t steps;
    bool half_step; /* as in ts_gemm_tile */
} run;

/* One group of steps: the lower rows begin with the tile of B that the upper ended with. */
INLINE void add_group(const char *a, int64_t a_row, const char *b, extent e)
{
    amx_load(TILE_A, a, a_row);
    amx_load(TILE_B, b, B_ROW);
    DOT(SUM00, TILE_A, TILE_B);
    if (e.wide > 1) {
        amx_load(TILE_B, b + AMX_BYTES, B_ROW);
        DOT(SUM01, TILE_A, TILE_B);
    }
    if (e.wide > 2) {
        amx_load(TILE_B, b + 2 * AMX_BYTES, B_ROW);
        DOT(SUM02, TILE_A, TILE_B);
    }
    if (e.high == 1)
        return;
    amx_load(TILE_A, a + AMX_ROWS * a_row, a_row);
    if (e.wide > 2) {
        DOT(SUM12, TILE_A, TILE_B);
        amx_load(TILE_B, b + AMX_BYTES, B_ROW);
    }
    if (e.wide > 1) {
        DOT(SUM11, TILE_A, TILE_B);
        amx_load(TILE_B, b, B_ROW);
    }
    DOT(SUM10, TILE_A, TILE_B);
}

/* `bytes` of the rows of A there are; zeros up to whole tiles. */
INLINE void copy_a(const run *t, const char *a, int64_t bytes, char *to)
{
    const __mmask64 there = ~(__mmask64)0 >> (AMX_BYTES - bytes); /* 1..64 */
    for (int i = 0; i < t->rows; i++)
        _mm512_storeu_si512(to + i * AMX_BYTES, _mm512_maskz_loadu_epi8(there, a + i * t->a_row));
}

/* All groups but a broken last one. */
static __attribute__((noinline)) void add_groups(const run *t, extent e)
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

static __attribute__((noinline)) void add_last_group(const run *t, extent e)
{
    enum { TILE = AMX_ROWS * AMX_BYTES };
    const int64_t left = t->steps % GROUP, steps = left + t->half_step, from = t->steps - left;
    const char *b = t->b + from * B_ROW;
    char a_copy[2 * TILE] = { 0 }, b_copy[TILE] = { 0 };
    copy_a(t, t->a + from * 4, left * 4 + (t->half_step ? 2 : 0), a_copy);
    load_last_b(b, steps, b_copy);
    amx_load(TILE_A, a_copy, AMX_BYTES);
    DOT(SUM00, TILE_A, TILE_B);
    if (e.high > 1) {
        amx_load(TILE_A, a_copy + TILE, AMX_BYTES);
        DOT(SUM10, TILE_A, TILE_B);
    }
    if (e.wide > 1) {
        load_last_b(b + AMX_BYTES, steps, b_copy);
        if (e.high > 1)
            DOT(SUM11, TILE_A, TILE_B);
        amx_load(TILE_A, a_copy, AMX_BYTES);
        DOT(SUM01, TILE_A, TILE_B);
    }
    if (e.wide > 2) {
        load_last_b(b + 2 * AMX_BYTES, steps, b_copy);
        DOT(SUM02, TILE_A, TILE_B);
        if (e.high > 1) {
            amx_load(TILE_A, a_copy + TILE, AMX_BYTES);
            DOT(SUM12, TILE_A, TILE_B);
        }
    }
}

INLINE void zero_sums(void)
{
    amx_zero(SUM00);
    amx_zero(SUM01);
    amx_zero(SUM02);
    amx_zero(SUM10);
    amx_zero(SUM11);
    amx_zero(SUM12);
}

INLINE void add_run(const run *t, extent e)
{
    add_groups(t, e);
    if (t->steps % GROUP || t->half_step)
        add_last_group(t, e);
}

/* Sums of the upper or the lower 16 rows, `row` bytes from row to row. */
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
