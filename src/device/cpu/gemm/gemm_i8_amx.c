/* Products in 8-bit integers by tiles: a block of k is 48 steps, three groups, whose sums are exact
 * in any order. */
#include "device/cpu/gemm/gemm_vec512.h"

#define DOT amx_dot_u8i8
#include "device/cpu/gemm/gemm_finish_body.h"
#include "device/cpu/gemm/gemm_amx_body.h"
#include "device/cpu/gemm/gemm_i8.h"

/* In a thread's scratch. */
typedef struct work {
    float sum[2 * AMX_ROWS * WIDTH];
    int32_t of_block[AMX_ROWS * WIDTH];
} work;

/* Rows [16 lower, 16 lower + 16) of the block's sums to fp32, scaled and added to what there is. */
static void add_block(const ts_i8_tile *t, const char *b, int64_t block, const int lower, work *w)
{
    const int32_t *begin = (const int32_t *)(const void *)b;
    const float *scale = (const float *)(const void *)(b + WIDTH * 4);
    const int first = lower * AMX_ROWS, rows = t->out.rows - first;
    store_sums((char *)w->of_block, B_ROW, lower, VECS);
    for (int i = 0; i < rows && i < AMX_ROWS; i++) {
        const vf of_row = _mm512_set1_ps(t->a_scale[(first + i) * t->blocks + block]);
        float *sum = w->sum + (first + i) * WIDTH;
        for (int j = 0; j < WIDTH; j += V) {
            const __m512i exact = _mm512_add_epi32(_mm512_loadu_si512(w->of_block + i * WIDTH + j),
                                                   _mm512_loadu_si512(begin + j));
            const vf part = _mm512_mul_ps(_mm512_cvtepi32_ps(exact), v_getu(scale + j));
            v_putu(sum + j, _mm512_fmadd_ps(part, of_row, v_getu(sum + j)));
        }
    }
}

static void tile(const ts_i8_tile *t)
{
    const extent e = extent_of(t->out.rows, t->out.cols);
    work *w = t->work;
    const char *b = t->b;
    memset(w->sum, 0, sizeof w->sum);
    for (int64_t block = 0; block < t->blocks; block++) {
        const run r = { .a = (const char *)t->a + block * TS_GEMM_I8_BLOCK, .a_row = t->a_row,
                        .rows = t->out.rows, .b = b + WIDTH * 8,
                        .steps = block + 1 < t->blocks ? TS_I8_STEPS : t->last_steps };
        zero_sums();
        add_run(&r, e);
        add_block(t, b, block, 0, w);
        if (e.high > 1)
            add_block(t, b, block, 1, w);
        b += ts_i8_block(WIDTH);
    }
    finish(&t->out, w->sum);
}

_Static_assert((int)WIDTH == (int)TS_PACKING_I8_VNNI, "what memory is foreseen with");
void ts_i8_kernels_init_amx(ts_i8_kernels *k)
{
    k->rows = 2 * AMX_ROWS, k->variant = "amx", k->tile = tile;
    k->begin = amx_begin, k->end = amx_end;
}
