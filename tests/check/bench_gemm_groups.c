/* --bench of grouped products: 16 experts of [1280, 768] with even rows, beside one product of as many operations and
 * beside the time that reading their weights takes. */
#include "check.h"
#include "device/cpu/gemm/gemm.h"
#include "device/packing.h"

#include <stdlib.h>
#include <string.h>

enum { EXPERTS = 16, OUT = 1280, IN = 768, REPEATS = 9 };

static void *filled(size_t bytes)
{
    uint16_t *p = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    uint32_t r = 1;
    for (size_t i = 0; p && i < bytes / 2; i++) {
        r = r * 1664525u + 1013904223u;
        p[i] = (uint16_t)(0x3C00u | r >> 31 << 15 | (r >> 20 & 0x1FF));
    }
    return p;
}

static double seconds_of(ts_cpu *c, ts_kernel k, const void *args)
{
    double all[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        const double began = ts_now();
        c->kernel[k].whole(c, args, 0);
        all[i] = ts_now() - began;
        for (int j = i; j > 0 && all[j] < all[j - 1]; j--) {
            const double swap = all[j];
            all[j] = all[j - 1], all[j - 1] = swap;
        }
    }
    return all[REPEATS / 2];
}

typedef struct reading {
    const char *p;
    size_t bytes;
    uint64_t sums[64];
} reading;

static void read_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    reading *r = ctx;
    uint64_t sum = 0;
    for (size_t i = (size_t)begin * 4096; i < (size_t)end * 4096; i += 64)
        sum += *(const volatile uint64_t *)(const void *)(r->p + i);
    r->sums[thread % 64] += sum;
}

/* Median seconds to read that much, all threads. */
static double reading_time(ts_cpu *c, const void *p, size_t bytes)
{
    reading r = { .p = p, .bytes = bytes };
    double best = 1e30;
    for (int i = 0; i < 15; i++) {
        const double began = ts_now();
        ts_pool_run(c->pool, (int64_t)(bytes / 4096), 64, read_share, &r);
        best = fmin(best, ts_now() - began);
    }
    return best;
}

typedef struct groups_bench {
    ts_dtype dtype;
    ts_gemm_form form;
    void *x, *w, *y; /* rows; matrices; results (TN: w and y swap) */
    size_t packed;   /* bytes of a packed matrix; 0: as files have it */
    void *packs;
} groups_bench;

static void say(const check_env *e, const groups_bench *b, int64_t rows, double reads)
{
    static const char *const passes[] = { "forward", "input gradient", "weight gradient" };
    const bool tn = b->form == TS_GEMM_TN, nt = b->form == TS_GEMM_NT;
    const int64_t all = EXPERTS * rows;
    int32_t offsets[EXPERTS + 1];
    for (int i = 0; i <= EXPERTS; i++)
        offsets[i] = (int32_t)(i * rows);
    ts_gemm_groups_args g = { .groups = EXPERTS, .rows = all, .offsets = offsets };
    const size_t size = ts_dtype_size(b->dtype);
    g.one = (ts_gemm_args){ .form = b->form, .m = OUT, .n = nt ? OUT : IN, .k = nt ? IN : OUT, .dtype = b->dtype,
                            .a = b->x, .b = tn ? b->y : b->packs ? b->packs : b->w, .lda = nt ? IN : OUT,
                            .ldb = IN, .ldc = nt ? OUT : IN, .c_dtype = tn ? TS_DTYPE_F32 : b->dtype,
                            .c = tn ? b->w : b->y, .accumulate = tn, .b_packed = !tn && b->packs };
    g.b_stride = b->packs ? b->packed : (size_t)(OUT * IN) * size;
    g.c_stride = (size_t)(OUT * IN) * sizeof(float);
    const double grouped = seconds_of(e->two, TS_KERNEL_gemm_groups, &g);
    ts_gemm_args one = g.one;
    *(tn ? &one.k : &one.m) = all;
    const double single = seconds_of(e->two, TS_KERNEL_gemm, &one);
    const double flop = 2.0 * (double)all * OUT * IN;
    if (e->json)
        check_json("\"what\": \"%s\", \"dtype\": \"%s\", \"rows\": %lld, \"gflop_per_s\": %.2f, \"of_one_product\": %.4f, "
                   "\"of_reading_weights\": %.4f", passes[b->form], ts_dtype_name(b->dtype), (long long)rows,
                   flop / grouped * 1e-9, single / grouped, reads / grouped);
    else
        printf("  %-16s %s %5lld rows an expert: %7.1f GFLOP/s, %.2f of one product's speed, reading the weights takes %.2f of "
               "the time\n", passes[b->form], ts_dtype_name(b->dtype), (long long)rows, flop / grouped * 1e-9,
               single / grouped, reads / grouped);
    fflush(stdout);
}

static void pack(const check_env *e, groups_bench *b)
{
    b->packed = ts_packing_bytes(e->isa, b->form, b->dtype, b->form == TS_GEMM_NT ? OUT : IN, b->form == TS_GEMM_NT ? IN : OUT);
    b->packs = b->packed && b->form != TS_GEMM_TN ? aligned_alloc(64, (b->packed * EXPERTS + 63) / 64 * 64) : NULL;
    for (size_t i = 0; b->packs && i < EXPERTS; i++) {
        const ts_gemm_pack_args a = { .form = b->form, .n = b->form == TS_GEMM_NT ? OUT : IN, .k = b->form == TS_GEMM_NT ? IN : OUT,
                                      .ld = IN, .src_dtype = b->dtype, .dtype = b->dtype,
                                      .src = (char *)b->w + i * OUT * IN * ts_dtype_size(b->dtype),
                                      .dst = (char *)b->packs + i * b->packed };
        e->two->kernel[TS_KERNEL_gemm_pack].whole(e->two, &a, 0);
    }
}

void bench_gemm_groups(const check_env *e)
{
    static const int64_t rows[] = { 1, 4, 16, 64, 128, 256 };
    enum { MOST = 256 };
    ts_cpu_init_gemm(e->two);
    for (int t = TS_DTYPE_F32; t <= TS_DTYPE_BF16; t++) {
        groups_bench b = { .dtype = (ts_dtype)t, .w = filled((size_t)EXPERTS * OUT * IN * 4), .x = filled((size_t)EXPERTS * MOST * OUT * 4),
                           .y = filled((size_t)EXPERTS * MOST * OUT * 4) };
        const double reads = reading_time(e->two, b.w, (size_t)EXPERTS * OUT * IN * ts_dtype_size(b.dtype));
        for (int form = TS_GEMM_NT; b.w && b.x && b.y && form <= TS_GEMM_TN; form++) {
            b.form = (ts_gemm_form)form;
            pack(e, &b);
            for (size_t r = 0; r < CHECK_COUNT(rows); r++)
                say(e, &b, rows[r], reads);
            free(b.packs);
        }
        free(b.w), free(b.x), free(b.y);
    }
}
