/* roof [--threads N] [--json]: what this machine can do at most, so that a kernel's speed can be
 * given as a share of it. Arithmetic: loops that touch registers only. Memory: sums, copies, triads
 * (a = b + 3 c) and updates in place, on arrays that fit in each level of cache or in none; bytes
 * are the algorithm's. Each figure is the best of many runs of two milliseconds or more. --json: an
 * object a line, which train.py reads. */
#include "base/thread.h"
#include "device/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { REPEATS = 25, MOST_RESULTS = 40 };

typedef double work_fn(void *buffer, size_t bytes, int64_t rounds); /* returns what was done */

typedef struct result {
    const char *what, *unit;
    double one, all;
} result;

typedef struct bench {
    ts_pool *one, *all;
    char *memory;
    size_t per_thread;     /* bytes of memory for each */
    result results[MOST_RESULTS];
    int count;
} bench;

/* ---- arithmetic */

/* Where results go that nobody reads: the compiler must believe that somebody does. */
static void consume(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 24")
#endif
#define LANES(acc, expression)                                                                     \
    UNROLL for (int i = 0; i < (int)(sizeof acc / sizeof *acc); i++)                               \
        acc[i] = expression;
/* The array itself is not shown to anyone: it would live in memory instead of registers. */
#define USE_UP(acc)                                                                                \
    UNROLL for (int i = 0; i < (int)(sizeof acc / sizeof *acc); i++)                               \
        __asm__ volatile("" : : "v"(acc[i]));

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static double fma_avx2(void *buffer, size_t bytes,
                                                           int64_t rounds)
{
    __m256 acc[12];
    const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
    (void)buffer, (void)bytes;
    LANES(acc, _mm256_set1_ps((float)i))
    for (int64_t r = 0; r < rounds; r++)
        LANES(acc, _mm256_fmadd_ps(a, acc[i], b))
    USE_UP(acc)
    return (double)rounds * 12 * 8 * 2;
}

__attribute__((target("avx512f"))) static double fma_avx512(void *buffer, size_t bytes,
                                                            int64_t rounds)
{
    __m512 acc[24];
    const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
    (void)buffer, (void)bytes;
    LANES(acc, _mm512_set1_ps((float)i))
    for (int64_t r = 0; r < rounds; r++)
        LANES(acc, _mm512_fmadd_ps(a, acc[i], b))
    USE_UP(acc)
    return (double)rounds * 24 * 16 * 2;
}

__attribute__((target("avx512f,avx512bf16"))) static double dot_bf16(void *buffer, size_t bytes,
                                                                    int64_t rounds)
{
    __m512 acc[24];
    const __m512i a = _mm512_set1_epi32(0x3F003F00), b = _mm512_set1_epi32(0x3E803E80);
    (void)buffer, (void)bytes;
    LANES(acc, _mm512_set1_ps((float)i))
    for (int64_t r = 0; r < rounds; r++)
        LANES(acc, _mm512_dpbf16_ps(acc[i], (__m512bh)a, (__m512bh)b))
    USE_UP(acc)
    return (double)rounds * 24 * 32 * 2;
}

__attribute__((target("avx512f,avx512vnni"))) static double dot_int8(void *buffer, size_t bytes,
                                                                    int64_t rounds)
{
    __m512i acc[16];
    const __m512i a = _mm512_set1_epi32(0x01020304), b = _mm512_set1_epi32(0x01010101);
    (void)buffer, (void)bytes;
    LANES(acc, _mm512_set1_epi32(i))
    for (int64_t r = 0; r < rounds; r++)
        LANES(acc, _mm512_dpbusd_epi32(acc[i], a, b))
    USE_UP(acc)
    return (double)rounds * 16 * 64 * 2;
}
#endif

/* ---- memory: the whole buffer, or two or three arrays in it */

/* Vectors of 32 bytes, by AVX2 where it is x86; elsewhere the compiler makes of them what there
 * is. */
typedef float vec __attribute__((vector_size(32)));
typedef uint64_t words __attribute__((vector_size(32)));
#if defined(__x86_64__)
#define FAST __attribute__((target("avx2")))
#else
#define FAST
#endif

FAST static double read_sum(void *buffer, size_t bytes, int64_t rounds)
{
    const words *p = buffer;
    const size_t n = bytes / sizeof *p / 4 * 4;
    words s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };
    for (int64_t r = 0; r < rounds; r++)
        for (size_t i = 0; i < n; i += 4)
            s0 += p[i], s1 += p[i + 1], s2 += p[i + 2], s3 += p[i + 3];
    s0 += s1 + s2 + s3;
    consume(&s0);
    return (double)rounds * (double)(n * sizeof *p);
}

static double copy(void *buffer, size_t bytes, int64_t rounds)
{
    const size_t half = bytes / 2 / 64 * 64;
    for (int64_t r = 0; r < rounds; r++) {
        memcpy(buffer, (char *)buffer + half, half);
        consume(buffer);
    }
    return (double)rounds * 2 * (double)half;
}

FAST static double triad(void *buffer, size_t bytes, int64_t rounds)
{
    const size_t n = bytes / 3 / 128 * 4; /* each a multiple of four vectors */
    vec *restrict a = buffer;
    const vec *restrict b = a + n, *restrict c = b + n;
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 4
        for (size_t i = 0; i < n; i++)
            a[i] = b[i] + 3 * c[i];
        consume(buffer);
    }
    return (double)rounds * 3 * (double)(n * sizeof(vec));
}

FAST static double in_place(void *buffer, size_t bytes, int64_t rounds)
{
    vec *a = buffer;
    const size_t n = bytes / sizeof(vec);
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 4
        for (size_t i = 0; i < n; i++)
            a[i] = a[i] * 0.5f;
        consume(buffer);
    }
    return (double)rounds * 2 * (double)(n * sizeof(vec));
}

/* ---- running */

typedef struct run {
    const bench *b;
    work_fn *fn;
    size_t bytes;
    int64_t rounds;
    double done[256];      /* of each share */
} run;

static void run_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    run *r = ctx;
    (void)thread;
    for (int64_t t = begin; t < end; t++)
        r->done[t] = r->fn(r->b->memory + (size_t)t * r->b->per_thread, r->bytes, r->rounds);
}

/* Work a second with every thread of the pool at it. */
static double rate(const bench *b, ts_pool *pool, work_fn *fn, size_t bytes, int64_t rounds)
{
    const int threads = ts_pool_threads(pool);
    run r = { .b = b, .fn = fn, .bytes = bytes, .rounds = rounds };
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        double done = 0;
        const double began = ts_now();
        ts_pool_run(pool, threads, 1, run_share, &r);
        const double seconds = ts_now() - began;
        for (int t = 0; t < threads; t++)
            done += r.done[t];
        best = done / seconds > best ? done / seconds : best;
    }
    return best;
}

static void measure(bench *b, const char *what, const char *unit, work_fn *fn, size_t bytes)
{
    enum { TARGET_US = 2000 };
    const double began = ts_now();
    fn(b->memory, bytes, 1);
    double once = ts_now() - began;
    int64_t rounds = 1;
    if (once < TARGET_US * 1e-6) { /* a single round is too short to be timed */
        const double again = ts_now();
        fn(b->memory, bytes, 1000);
        once = (ts_now() - again) / 1000;
        rounds = (int64_t)(TARGET_US * 1e-6 / once) + 1;
    }
    result *r = &b->results[b->count++];
    *r = (result){ .what = what, .unit = unit };
    r->one = rate(b, b->one, fn, bytes, rounds) * 1e-9;
    r->all = ts_pool_threads(b->all) > 1 ? rate(b, b->all, fn, bytes, rounds) * 1e-9 : r->one;
}

static void measure_arithmetic(bench *b)
{
#if defined(__x86_64__)
    const unsigned isa = ts_isa_detect();
    if (isa & TS_ISA_AVX2)
        measure(b, "fp32, avx2 fma", "GFLOP/s", fma_avx2, 0);
    if (isa & TS_ISA_AVX512)
        measure(b, "fp32, avx512 fma", "GFLOP/s", fma_avx512, 0);
    if (isa & TS_ISA_BF16)
        measure(b, "bf16, vdpbf16ps", "GFLOP/s", dot_bf16, 0);
    if (isa & TS_ISA_VNNI)
        measure(b, "int8, vpdpbusd", "Gop/s", dot_int8, 0);
#else
    (void)b;
#endif
}

static void measure_memory(bench *b)
{
    static const struct {
        const char *read, *copy, *triad, *in_place;
        size_t bytes;
    } level[] = {
        { "L1 read", "L1 copy", "L1 triad", "L1 in place", 16 << 10 },
        { "L2 read", "L2 copy", "L2 triad", "L2 in place", 384 << 10 },
        { "L3 read", "L3 copy", "L3 triad", "L3 in place", 4 << 20 },
        { "DRAM read", "DRAM copy", "DRAM triad", "DRAM in place", 192 << 20 },
    };
    for (size_t i = 0; i < sizeof level / sizeof *level; i++) {
        measure(b, level[i].copy, "GB/s", copy, level[i].bytes);
#if defined(__x86_64__)
        if (!(ts_isa_detect() & TS_ISA_AVX2))
            continue;
#endif
        measure(b, level[i].read, "GB/s", read_sum, level[i].bytes);
        measure(b, level[i].triad, "GB/s", triad, level[i].bytes);
        measure(b, level[i].in_place, "GB/s", in_place, level[i].bytes);
    }
}

static void print_table(const bench *b)
{
    const int threads = ts_pool_threads(b->all);
    double load = 0;
    printf("%-20s %12s %9d threads\n", "", "1 thread", threads);
    for (int i = 0; i < b->count; i++) {
        const result *r = &b->results[i];
        printf("%-20s %12.1f %17.1f %s\n", r->what, r->one, r->all, r->unit);
    }
    if (getloadavg(&load, 1) == 1)
        printf("load average %.2f (this program included)\n", load);
}

/* A unit as part of a key. */
static const char *key_of(const char *unit)
{
    return strcmp(unit, "GFLOP/s") == 0 ? "gflop_per_s"
           : strcmp(unit, "Gop/s") == 0 ? "gop_per_s"
                                        : "gb_per_s";
}

static void print_json(const bench *b)
{
    for (int i = 0; i < b->count; i++) {
        const result *r = &b->results[i];
        const char *key = key_of(r->unit);
        printf("{\"what\": \"%s\", \"threads\": %d, \"%s\": %.2f, \"one_thread_%s\": %.2f}\n",
               r->what, ts_pool_threads(b->all), key, r->all, key, r->one);
    }
}

static ts_status run_all(bench *b, int threads)
{
    b->per_thread = 192 << 20;
    const size_t bytes = b->per_thread * (size_t)threads;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return ts_error(TS_ERR_NOMEM, "out of memory: %zu bytes to measure on", bytes);
    madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 0, bytes);
    b->memory = p;
    ts_status st = ts_pool_create(1, &b->one);
    if (st == TS_OK)
        st = ts_pool_create(threads, &b->all);
    if (st == TS_OK) {
        measure_arithmetic(b);
        measure_memory(b);
    }
    ts_pool_destroy(&b->one);
    munmap(p, bytes);
    return st;
}

int main(int argc, char **argv)
{
    bench b = { 0 };
    int threads = ts_cpu_count();
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
            threads = atoi(argv[++i]);
        } else {
            fprintf(stderr, "usage: roof [--threads N] [--json]\n");
            return 2;
        }
    }
    if (threads < 1 || threads > 256) {
        fprintf(stderr, "roof: --threads must be 1 to 256\n");
        return 2;
    }
    const ts_status st = run_all(&b, threads);
    if (st != TS_OK) {
        fprintf(stderr, "roof: %s\n", ts_error_message());
        return ts_status_exit_code(st);
    }
    (json ? print_json : print_table)(&b);
    ts_pool_destroy(&b.all);
    return 0;
}
