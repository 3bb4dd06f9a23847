/* Products of pairs of bf16 by tiles.
 *
 * The instruction sums in an order of its own, 16 steps at once: an element of C is a sum over
 * groups of 16 steps from the slice's begin, whatever its place in a tile, so its bits depend on k
 * alone, as with the other kernels. */
#include "device/cpu/gemm/gemm_vec512.h"
#include "device/packing.h"

#define PAIRS 1
#define DOT amx_dot_bf16
#include "device/cpu/gemm/gemm_finish_body.h"
#include "device/cpu/gemm/gemm_amx_body.h"
#include "device/cpu/gemm/gemm_pack512_body.h"
#include "device/cpu/gemm/nf4_pairs512_body.h"

static __attribute__((noinline)) void put(const ts_gemm_tile *t, extent e, const int lower)
{
    ts_gemm_tile part = *t;
    const int64_t down = lower * AMX_ROWS, size = (int64_t)ts_dtype_size(t->c_dtype);
    part.rows = t->rows - (int)down < AMX_ROWS ? t->rows - (int)down : AMX_ROWS;
    part.c = (char *)t->c + down * t->ldc * size;
    part.from = t->from ? t->from + down * t->from_ld : NULL;
    part.add = t->add ? (const char *)t->add + down * t->ldc * size : NULL;
    if (t->c_dtype == TS_DTYPE_F32 && part.rows == AMX_ROWS && t->cols == e.wide * V && !t->from &&
        !t->bias && !t->add) {
        store_sums(part.c, t->ldc * 4, lower, e.wide);
        return;
    }
    _Alignas(64) float sum[AMX_ROWS * WIDTH];
    store_sums((char *)sum, B_ROW, lower, e.wide);
    finish(&part, sum);
}

static void tile(const ts_gemm_tile *t)
{
    const extent e = extent_of(t->rows, t->cols);
    const run r = { t->a, t->a_row, t->rows, t->b, t->steps, t->half_step };
    zero_sums();
    add_run(&r, e);
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
                r[i] = s + i < s_end
                           ? units_across((const char *)p->src + (s + i) * row, p->ld,
                                          (s + i) * 2 + 1 < p->n_k, x, x_end - x, TS_DTYPE_BF16)
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

_Static_assert((int)WIDTH == (int)TS_PACKING_PAIRS, "what memory is foreseen with");
void ts_gemm_kernels_init_amx(ts_gemm_kernels *k)
{
    *k = (ts_gemm_kernels){ .rows = 2 * AMX_ROWS, .width = WIDTH, .pairs = true, .tile = tile,
                            .pack = pack, .look_up = look_up, .pack_a = pack_a, .begin = amx_begin, .end = amx_end };
}
