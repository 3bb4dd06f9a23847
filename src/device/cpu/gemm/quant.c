#include "device/cpu/gemm/quant.h"

#include "device/cpu/gemm/gemm.h"
#include "device/cpu/gemm/gemm_kernels.h"

#include <math.h>
#include <string.h>

/* A task is a panel of 48 columns against some rows; it goes along k a few groups at a time, which
 * stay in L1 while the rows pass, so that every weight is read from memory once. */
enum {
    ROWS = 128,      /* of a task */
    CHUNK = 4,       /* groups at a time */
    PAD = 64,        /* bytes behind a row of A, so that rows do not share cache lines' places */
    SMALL = 1 << 18, /* products below which threads are not worth waking */
};

const uint8_t ts_quant_nf4[16] = { 128 - 127, 128 - 88, 128 - 67, 128 - 50, 128 - 36, 128 - 23,
                                   128 - 12,  128,      128 + 10, 128 + 20, 128 + 31, 128 + 43,
                                   128 + 56,  128 + 71, 128 + 92, 128 + 127 };

static void kernels_of(ts_quant_kernels *k, unsigned isa)
{
    ts_quant_kernels_init_ref(k);
#if defined(__x86_64__)
    if (isa & TS_ISA_AVX2)
        ts_quant_kernels_init_avx2(k);
    if (isa & TS_ISA_VNNI)
        ts_quant_kernels_init_vnni(k);
#else
    (void)isa;
#endif
}

/* ---- weights into the layout ---- */

static uint16_t bf16_up(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    return (uint16_t)((bits + 0xFFFF) >> 16);
}

/* q + 128. The scale was rounded up, so that nothing is above 127; what is no number is 0. */
static uint8_t nearest_whole(float whole)
{
    const float shifted = whole + 12582912; /* 1.5 x 2^23: rounds to whole numbers */
    return fabsf(whole) <= 127.5f ? (uint8_t)((int)(shifted - 12582912) + 128) : 128;
}

static int nearest_level(float whole)
{
    int above = 0; /* how many midpoints between levels it is above */
    for (int i = 0; i < 15; i++)
        above += 2 * whole > (float)(ts_quant_nf4[i] + ts_quant_nf4[i + 1] - 256);
    return above;
}

/* One row's group: values v[64], to lanes of the panel's group `to`. One that is not finite makes the
 * scale NaN, for whole numbers cannot say it. */
static uint16_t put_group(ts_quant quant, const float *v, int lane, uint8_t *to)
{
    enum { STEP = TS_QUANT_PANEL * 4, NAN_BF16 = 0x7FC0 };
    float most = 0;
    bool finite = true;
    for (int i = 0; i < TS_QUANT_GROUP; i++)
        most = fabsf(v[i]) > most ? fabsf(v[i]) : most, finite = finite && isfinite(v[i]);
    const uint16_t scale = finite ? bf16_up(most / 127) : NAN_BF16;
    const float inverse = scale ? 1 / ts_bf16_to_f32(scale) : 0;
    for (int i = 0; i < TS_QUANT_GROUP; i++) {
        const int step = i / 4, at = lane * 4 + i % 4;
        const float whole = v[i] * inverse;
        if (quant == TS_QUANT_INT8) {
            to[step * STEP + at] = nearest_whole(whole);
        } else {
            uint8_t *b = &to[step / 2 * STEP + at];
            const int level = nearest_level(whole);
            *b = (uint8_t)(step % 2 ? (*b & 15) | level << 4 : (*b & 0xF0) | level);
        }
    }
    return scale;
}

static void quantize_panels(const void *args, int64_t begin, int64_t end)
{
    const ts_quantize_args *q = args;
    const int64_t groups = ts_quant_groups(q->k), bytes = ts_quant_group_bytes(q->quant);
    uint16_t *scales =
        (uint16_t *)(void *)((char *)q->dst + ts_quant_data_bytes(q->quant, q->n, q->k));
    float v[TS_QUANT_GROUP];
    for (int64_t i = begin; i < end; i++) { /* a panel's group */
        const int64_t row = i / groups * TS_QUANT_PANEL, k0 = i % groups * TS_QUANT_GROUP;
        for (int lane = 0; lane < TS_QUANT_PANEL; lane++) {
            for (int64_t p = 0; p < TS_QUANT_GROUP; p++)
                v[p] = row + lane < q->n && k0 + p < q->k
                           ? ts_load_f32(q->src, (row + lane) * q->ld + k0 + p, q->src_dtype)
                           : 0;
            scales[i * TS_QUANT_PANEL + lane] =
                put_group(q->quant, v, lane, (uint8_t *)q->dst + i * bytes);
        }
    }
}

typedef struct share {
    ts_cpu_rows_fn *fn;
    const void *args;
} share;

static void run_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const share *s = ctx;
    (void)thread;
    s->fn(s->args, begin, end);
}

static void quantize(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_quantize_args *q = args;
    (void)n;
    ts_pool_run(cpu->pool, ts_quant_panels(q->n) * ts_quant_groups(q->k), 16, run_share,
                &(share){ quantize_panels, q });
}

/* ---- rows out of the layout ---- */

static float quant_at(const ts_gemm_rows_args *g, int64_t row, int64_t k)
{
    const int64_t at = row / TS_QUANT_PANEL * ts_quant_groups(g->k) + k / TS_QUANT_GROUP;
    const int64_t lane = row % TS_QUANT_PANEL, step = k % TS_QUANT_GROUP / 4;
    const uint8_t *w =
        (const uint8_t *)g->b + at * ts_quant_group_bytes(g->quant) + lane * 4 + k % 4;
    const uint16_t *scales =
        (const uint16_t *)(const void *)((const char *)g->b +
                                         ts_quant_data_bytes(g->quant, g->n, g->k));
    int q;
    if (g->quant == TS_QUANT_INT8) {
        q = w[step * TS_QUANT_PANEL * 4];
    } else {
        const int both = w[step / 2 * TS_QUANT_PANEL * 4];
        q = ts_quant_nf4[step % 2 ? both >> 4 : both & 15];
    }
    return (float)(q - 128) * ts_bf16_to_f32(scales[at * TS_QUANT_PANEL + lane]);
}

/* Pairs of bf16 in panels of gemm_pack. */
static uint16_t packed_at(const ts_gemm_rows_args *g, int width, int64_t row, int64_t k)
{
    const int64_t unit = (row / width * ((g->k + 1) / 2) + k / 2) * width + row % width;
    return ((const uint16_t *)g->b)[unit * 2 + k % 2];
}

static void gemm_rows(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_gemm_rows_args *g = args;
    ts_gemm_kernels kern;
    ts_gemm_kernels_init(&kern, cpu->isa, TS_DTYPE_BF16);
    TS_ASSERT(g->quant || kern.pairs, "gemm_rows: this device packs nothing");
    for (int64_t r = 0; r < n; r++) {
        const int64_t row = g->ids[r] - g->first;
        const bool here = row >= 0 && row < g->n;
        for (int64_t k = 0; k < g->k; k++)
            ts_store_f32(g->y, r * g->k + k, g->y_dtype,
                         !here      ? 0
                         : g->quant ? quant_at(g, row, k)
                                    : ts_bf16_to_f32(packed_at(g, kern.width, row, k)));
    }
}

/* ---- products ---- */

typedef struct job {
    const ts_gemm_quant_args *g;
    ts_cpu *cpu;
    ts_quant_kernels kern;
    int64_t groups, m0, m; /* the rows at hand */
    int64_t a_row, chunks;
    int8_t *a;
    ts_quant_side *side;
} job;

static void split_rows(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    const ts_gemm_quant_args *g = j->g;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        j->kern.split_row((const char *)g->a +
                              (size_t)((j->m0 + i) * g->lda) * ts_dtype_size(g->a_dtype),
                          g->k, g->a_dtype, j->a + i * j->a_row, j->side + i * j->groups);
}

static void finish(const job *j, const float *acc, int64_t row, int64_t rows, int64_t col)
{
    const ts_gemm_quant_args *g = j->g;
    const int64_t size = (int64_t)ts_dtype_size(g->c_dtype);
    ts_quant_row r = { .acc = acc, .bias = g->bias ? g->bias + col : NULL, .c_dtype = g->c_dtype,
                       .n = min64(TS_QUANT_PANEL, g->n - col) };
    for (int64_t i = 0; i < rows; i++, r.acc += TS_QUANT_PANEL) {
        const int64_t at = ((j->m0 + row + i) * g->ldc + col) * size;
        r.add = g->add ? (const char *)g->add + at : NULL;
        r.c = (char *)g->c + at;
        j->kern.put_row(&r);
    }
}

static void run_task(const job *j, int64_t panel, int64_t row, char *scratch)
{
    const ts_gemm_quant_args *g = j->g;
    const int64_t rows = min64(ROWS, j->m - row), bytes = ts_quant_group_bytes(g->quant);
    const uint8_t *w = (const uint8_t *)g->b + panel * j->groups * bytes;
    const uint16_t *scale =
        (const uint16_t *)(const void *)((const char *)g->b +
                                         ts_quant_data_bytes(g->quant, g->n, g->k)) +
        panel * j->groups * TS_QUANT_PANEL;
    float *acc = (float *)(void *)scratch;
    uint8_t *unpacked = (uint8_t *)scratch + ROWS * TS_QUANT_PANEL * sizeof *acc;
    memset(acc, 0, (size_t)(rows * TS_QUANT_PANEL) * sizeof *acc);
    for (int64_t k = 0; k < j->groups; k += CHUNK) {
        ts_quant_tile t = { .a_row = j->a_row,
                            .side_row = j->groups,
                            .w = w + k * bytes,
                            .scale = scale + k * TS_QUANT_PANEL,
                            .groups = min64(CHUNK, j->groups - k) };
        if (g->quant == TS_QUANT_NF4) {
            j->kern.unpack(t.w, t.groups, unpacked);
            t.w = unpacked;
        }
        for (int64_t r = 0; r < rows; r += t.rows) {
            t.rows = (int)min64(j->kern.tile_rows, rows - r);
            t.a = j->a + (row + r) * j->a_row + k * 2 * TS_QUANT_GROUP;
            t.side = j->side + (row + r) * j->groups + k;
            t.acc = acc + r * TS_QUANT_PANEL;
            j->kern.tile(&t);
        }
    }
    finish(j, acc, row, rows, panel * TS_QUANT_PANEL);
}

/* Rows of a panel one after another: the second finds the panel in the cache. */
static void run_tasks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    for (int64_t t = begin; t < end; t++)
        run_task(j, t / j->chunks, t % j->chunks * ROWS, ts_cpu_scratch(j->cpu, thread));
}

static void gemm_quant(ts_cpu *cpu, const void *args, int64_t n)
{
    const ts_gemm_quant_args *g = args;
    job j = { .g = g, .cpu = cpu, .groups = ts_quant_groups(g->k) };
    (void)n;
    kernels_of(&j.kern, cpu->isa);
    j.a_row = j.groups * 2 * TS_QUANT_GROUP + PAD;
    const int64_t row_bytes = j.a_row + j.groups * (int64_t)sizeof *j.side;
    const int64_t most = TS_CPU_SHARED_SCRATCH / row_bytes;
    TS_ASSERT(most > 0, "gemm_quant: rows of %lld", (long long)g->k);
    for (j.m0 = 0; j.m0 < g->m; j.m0 += most) {
        j.m = min64(most, g->m - j.m0);
        j.side = (ts_quant_side *)(void *)cpu->shared_scratch;
        j.a = (int8_t *)(cpu->shared_scratch + j.m * j.groups * (int64_t)sizeof *j.side);
        ts_pool_run(cpu->pool, j.m, j.m * g->k < SMALL / 16 ? j.m : 4, split_rows, &j);
        j.chunks = ceil_div(j.m, ROWS);
        const int64_t tasks = j.chunks * ts_quant_panels(g->n);
        const int64_t work = min64(j.m, ROWS) * g->k * TS_QUANT_PANEL;
        ts_pool_run(cpu->pool, tasks, work * tasks < SMALL ? tasks : SMALL / 16 / (work + 1) + 1,
                    run_tasks, &j);
    }
}

void ts_cpu_init_quant(ts_cpu *c)
{
    ts_quant_kernels k;
    kernels_of(&k, c->isa);
    c->kernel[TS_KERNEL_quantize] = (ts_cpu_kernel){ .whole = quantize, .variant = "ref" };
    c->kernel[TS_KERNEL_gemm_rows] = (ts_cpu_kernel){ .whole = gemm_rows, .variant = "ref" };
    c->kernel[TS_KERNEL_gemm_quant] = (ts_cpu_kernel){ .whole = gemm_quant, .variant = k.name };
}
