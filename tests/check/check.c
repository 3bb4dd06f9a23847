#include "check.h"
#include "check_main.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* State of the one program; a test may have it. */
enum { GUARD = 192, MAX_SHOWN = 6, HUGE_PAGE = 2 << 20 };

typedef struct buffer {
    char *base, *p, *initial, *first; /* first: what the first of several runs left */
    size_t size;
    bool writable;
} buffer;

static struct {
    buffer *buf;
    double **f64;
    size_t n_buf, cap_buf, n_f64, cap_f64;
    char text[256];
    const char *subject, *isa_name;
    uint64_t seed;
    check_count count;
} S;

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "check: out of memory\n");
        exit(1);
    }
    return p;
}

static void report(const char *fmt, ...) TS_PRINTF(1, 2);
static void report(const char *fmt, ...)
{
    if (S.count.bad++ >= MAX_SHOWN)
        return;
    va_list ap;
    printf("  FAIL %s: ", S.text);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n       repeat: check --only %s --isa %s --seed %llu\n", S.subject, S.isa_name,
           (unsigned long long)S.seed);
}

/* ---- buffers */

/* Guards are words 0xFFA5: signalling NaNs in fp32 and bf16, so that even adding 0 to them shows.
 * Offset i is counted from the buffer's begin. */
static unsigned char guard_byte(size_t i) { return i & 1 ? 0xFF : 0xA5; }

static void put_guards(char *p, size_t size, size_t before, size_t after)
{
    for (size_t j = 1; j <= before; j++)
        p[-(ptrdiff_t)j] = (char)guard_byte(j);
    for (size_t j = 0; j < after; j++)
        p[size + j] = (char)guard_byte(size + j);
}

static void free_case(void)
{
    for (size_t i = 0; i < S.n_buf; i++) {
        free(S.buf[i].base);
        free(S.buf[i].initial);
        free(S.buf[i].first);
    }
    for (size_t i = 0; i < S.n_f64; i++)
        free(S.f64[i]);
    S.n_buf = S.n_f64 = 0;
}

void check_begin(const char *subject, const char *isa_name, uint64_t seed)
{
    free_case();
    S.count = (check_count){ 0 };
    S.subject = subject, S.isa_name = isa_name, S.seed = seed;
    S.text[0] = 0;
}

check_count check_end(void)
{
    free_case();
    free(S.buf);
    free(S.f64);
    S.buf = NULL, S.f64 = NULL, S.cap_buf = S.cap_f64 = 0;
    return S.count;
}

void check_case(const char *fmt, ...)
{
    va_list ap;
    free_case();
    S.count.cases++;
    va_start(ap, fmt);
    vsnprintf(S.text, sizeof S.text, fmt, ap);
    va_end(ap);
}

/* `off` bytes past a multiple of 64. */
static void *add_buffer(size_t size, size_t off, bool writable)
{
    if (S.n_buf == S.cap_buf) {
        S.cap_buf = 2 * S.cap_buf + 16;
        S.buf = must(realloc(S.buf, S.cap_buf * sizeof *S.buf));
    }
    buffer b = { .size = size, .writable = writable };
    /* large ones in huge pages, as the device has them */
    const size_t page = size >= HUGE_PAGE ? HUGE_PAGE : 64;
    const size_t room = (size + 2 * GUARD + 128 + page - 1) & ~(page - 1);
    b.base = must(aligned_alloc(page, room));
    if (page == HUGE_PAGE)
        madvise(b.base, room, MADV_HUGEPAGE);
    b.p = b.base + GUARD + off;
    put_guards(b.p, size, GUARD + off, GUARD);
    memset(b.p, 0xFF, size);
    b.initial = must(malloc(size + 1));
    b.first = must(malloc(size + 1));
    memcpy(b.initial, b.p, size);
    S.buf[S.n_buf++] = b;
    return b.p;
}

static buffer *find(const void *p)
{
    for (size_t i = 0; i < S.n_buf; i++)
        if ((const char *)p >= S.buf[i].p && (const char *)p <= S.buf[i].p + S.buf[i].size)
            return &S.buf[i];
    fprintf(stderr, "check: not a buffer of the case %s\n", S.text);
    exit(1);
}

static uint64_t mix(uint64_t z)
{
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void *make(ts_dtype t, int64_t n, bool writable)
{
    const size_t size = ts_dtype_size(t);
    return add_buffer((size_t)n * size, size, writable);
}

static void *uniform(uint64_t seed, ts_dtype t, int64_t n, double scale, bool writable)
{
    void *p = make(t, n, writable);
    const uint64_t key = mix(seed ^ mix(S.seed));
    for (int64_t i = 0; i < n; i++) {
        const double u = (double)(mix(key + (uint64_t)i) >> 11) * 0x1p-52 - 1;
        ts_store_f32(p, i, t, (float)(scale * u));
    }
    check_touched(p);
    return p;
}

void *check_in(uint64_t seed, ts_dtype t, int64_t n, double scale)
{
    return uniform(seed, t, n, scale, false);
}

void *check_inout(uint64_t seed, ts_dtype t, int64_t n, double scale)
{
    return uniform(seed, t, n, scale, true);
}

void *check_ints(uint64_t seed, ts_dtype t, int64_t n, int most)
{
    void *p = make(t, n, false);
    const uint64_t key = mix(seed ^ mix(S.seed));
    for (int64_t i = 0; i < n; i++) {
        const int64_t v = (int64_t)(mix(key + (uint64_t)i) % (uint64_t)(2 * most + 1)) - most;
        if (t == TS_DTYPE_I32)
            ((int32_t *)p)[i] = (int32_t)v;
        else
            ts_store_f32(p, i, t, (float)v);
    }
    check_touched(p);
    return p;
}

void *check_out(ts_dtype t, int64_t n) { return make(t, n, true); }

void *check_work(size_t size) { return add_buffer(size, 0, true); }

void check_touched(void *p)
{
    buffer *b = find(p);
    memcpy(b->initial, b->p, b->size);
}

double *check_f64(int64_t n)
{
    if (S.n_f64 == S.cap_f64) {
        S.cap_f64 = 2 * S.cap_f64 + 16;
        S.f64 = must(realloc(S.f64, S.cap_f64 * sizeof *S.f64));
    }
    return S.f64[S.n_f64++] = must(calloc((size_t)n + 1, sizeof(double)));
}

double check_before(const void *p, int64_t i, ts_dtype t)
{
    const buffer *b = find(p);
    return ts_load_f32(b->initial + ((const char *)p - b->p), i, t);
}

/* ---- running */

typedef struct shared_call {
    ts_cpu_rows_fn *rows;
    const void *args;
} shared_call;

static void call_share(void *ctx, int64_t begin, int64_t end, int thread)
{
    const shared_call *c = ctx;
    (void)thread;
    c->rows(c->args, begin, end);
}

static void run_on(ts_cpu *cpu, ts_kernel k, const void *args, int64_t n, int64_t pieces)
{
    const ts_cpu_kernel *row = &cpu->kernel[k];
    if (row->whole) {
        row->whole(cpu, args, n);
        return;
    }
    const int64_t unit = row->grain > 0 ? row->grain : 1;
    const int64_t units = (n + unit - 1) / unit, share = (units + pieces - 1) / pieces;
    ts_pool_run(cpu->pool, n, share * unit, call_share, &(shared_call){ row->rows, args });
}

/* Shares of 1, 3, 2, 5 ... units, the last first. */
static void run_uneven(ts_cpu *cpu, ts_kernel k, const void *args, int64_t n)
{
    static const int64_t length[] = { 1, 3, 2, 17, 5, 40 };
    const ts_cpu_kernel *row = &cpu->kernel[k];
    const int64_t unit = row->grain > 0 ? row->grain : 1;
    int64_t end = n;
    for (size_t i = 0; end > 0; i++) {
        int64_t begin = end - length[i % CHECK_COUNT(length)] * unit;
        begin = begin < 0 ? 0 : (begin + unit - 1) / unit * unit;
        if (begin >= end)
            begin = (end - 1) / unit * unit;
        row->rows(args, begin, end);
        end = begin;
    }
}

static void rewind_buffers(void)
{
    for (size_t i = 0; i < S.n_buf; i++)
        memcpy(S.buf[i].p, S.buf[i].initial, S.buf[i].size);
}

static void keep_first(void)
{
    for (size_t i = 0; i < S.n_buf; i++)
        memcpy(S.buf[i].first, S.buf[i].p, S.buf[i].size);
}

static void judge_buffers(ts_kernel k, const char *how, bool compare)
{
    for (size_t i = 0; i < S.n_buf; i++) {
        const buffer *b = &S.buf[i];
        for (size_t j = 1; j <= GUARD; j++) {
            const bool low = (unsigned char)*(b->p - j) != guard_byte(j);
            const bool high = (unsigned char)b->p[b->size + j - 1] != guard_byte(b->size + j - 1);
            if (low || high) {
                report("kernel %d wrote %zu bytes %s buffer %zu (%s)", (int)k, j,
                       low ? "before" : "past", i, how);
                put_guards(b->p, b->size, GUARD, GUARD);
                break;
            }
        }
        if (!b->writable && memcmp(b->p, b->initial, b->size) != 0)
            report("kernel %d wrote into its input, buffer %zu (%s)", (int)k, i, how);
        else if (compare && memcmp(b->p, b->first, b->size) != 0)
            report("kernel %d: other bits in buffer %zu when run %s", (int)k, i, how);
    }
}

void check_kernel(const check_env *e, ts_kernel k, const void *args, int64_t n)
{
    if (!e->one->kernel[k].rows && !e->one->kernel[k].whole) {
        report("kernel %d has no row in the table", (int)k);
        return;
    }
    for (size_t i = 0; i < S.n_buf; i++)
        memcpy(S.buf[i].initial, S.buf[i].p, S.buf[i].size);
    run_on(e->one, k, args, n, 1);
    judge_buffers(k, "in one piece", false);
    keep_first();
    rewind_buffers();
    run_on(e->two, k, args, n, 7);
    judge_buffers(k, "on two threads", true);
    if (e->one->kernel[k].whole)
        return;
    rewind_buffers();
    run_uneven(e->one, k, args, n);
    judge_buffers(k, "in uneven shares", true);
}

/* ---- judging */

double check_unit(ts_dtype t)
{
    return t == TS_DTYPE_BF16 ? 0x1p-8 : t == TS_DTYPE_F16 ? 0x1p-11 : 0x1p-24;
}

/* `store`: what of the difference the rounding of the store may have made. The worst share of a
 * bound is that of the rest. */
static void near(const char *what, int64_t i, double got, double want, double bound, double store)
{
    S.count.values++;
    if (got == want || (isnan(got) && isnan(want)))
        return;
    const double error = fabs(got - want);
    if (!isfinite(want) || !(error <= bound + store)) {
        report("%s[%lld] is %.9g, wanted %.9g within %.3g", what, (long long)i, got, want,
               bound + store);
        return;
    }
    const double share = bound > 0 ? (error - store) / bound : 0;
    if (share > S.count.worst) {
        S.count.worst = share;
        snprintf(S.count.where, sizeof S.count.where, "%s[%lld], %.180s", what, (long long)i,
                 S.text);
    }
}

void check_near(const char *what, int64_t i, double got, double want, double bound)
{
    near(what, i, got, want, bound, 0);
}

void check_elem(const char *what, const void *p, int64_t i, ts_dtype t, double want, double bound)
{
    static const double most[] = { [TS_DTYPE_F32] = FLT_MAX, [TS_DTYPE_BF16] = 0x1.FEp127,
                                   [TS_DTYPE_F16] = 65504 };
    const double got = check_get(p, i, t), unit = check_unit(t);
    const double least = t == TS_DTYPE_F16 ? 0x1p-25 : 0x1p-134; /* half a step of the subnormals */
    const double store = unit * (fabs(want) + bound) + least;
    if (isinf(got) && fabs(want) + bound + store > most[t] && (got > 0) == (want > 0))
        S.count.values++; /* rounds to infinity, or may */
    else
        near(what, i, got, want, bound, store);
}

void check_equal(const char *what, int64_t i, double got, double want)
{
    S.count.values++;
    if (got != want && !(isnan(got) && isnan(want)))
        report("%s[%lld] is %.9g, wanted exactly %.9g", what, (long long)i, got, want);
}

void check_untouched(const char *what, const void *p, int64_t i, int64_t n, ts_dtype t)
{
    const buffer *b = find(p);
    const size_t size = ts_dtype_size(t);
    const char *now = (const char *)p + (size_t)i * size;
    S.count.values += n;
    if (memcmp(now, b->initial + (now - b->p), (size_t)n * size) != 0)
        report("%s[%lld..%lld] was written", what, (long long)i, (long long)(i + n - 1));
}

void check_fail(const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    report("%s", text);
}

/* ---- timing */

static double best_seconds(ts_cpu *cpu, ts_kernel k, const void *args, int64_t n, double budget)
{
    double best = 1e30;
    const double start = ts_now();
    for (int i = 0; i < 200 && (i < 2 || ts_now() - start < budget); i++) {
        const double t = ts_now();
        run_on(cpu, k, args, n, 8 * ts_pool_threads(cpu->pool));
        const double s = ts_now() - t;
        best = s < best ? s : best;
    }
    return best;
}

typedef struct stream {
    float *x;
} stream;

typedef float four __attribute__((vector_size(16)));

static void touch(void *ctx, int64_t begin, int64_t end, int thread)
{
    four *x = (four *)(void *)(((stream *)ctx)->x + begin);
    (void)thread;
    for (int64_t i = 0; i < (end - begin) / 16; i++, x += 4)
        x[0] *= 0.5f, x[1] *= 0.5f, x[2] *= 0.5f, x[3] *= 0.5f;
}

/* Bytes a second of reading and writing memory in place. */
static double memory_roof(ts_pool *pool)
{
    double roof = 0;
    const int64_t n = 32 << 20;
    stream s = { must(aligned_alloc(64, (size_t)n * sizeof(float))) };
    memset(s.x, 0, (size_t)n * sizeof(float));
    for (int i = 0; i < 6; i++) {
        const double t = ts_now();
        ts_pool_run(pool, n, 1 << 20, touch, &s);
        const double rate = 8.0 * (double)n / (ts_now() - t);
        roof = i > 0 && rate > roof ? rate : roof;
    }
    free(s.x);
    return roof;
}

void check_json(const char *fmt, ...)
{
    va_list ap;
    printf("{\"subject\": \"%s\", \"isa\": \"%s\", ", S.subject, S.isa_name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("}\n");
    fflush(stdout);
}

void check_bench(const check_env *e, const char *label, ts_kernel k, const void *args, int64_t n,
                 double amount, const char *unit, double bytes)
{
    static double roof; /* measured once */
    if (roof <= 0) {
        roof = memory_roof(e->two->pool);
        if (e->json)
            check_json("\"what\": \"memory, in place\", \"threads\": %d, \"gb_per_s\": %.2f",
                       ts_pool_threads(e->two->pool), roof * 1e-9);
        else
            printf("memory, in place, %d threads: %.1f GB/s\n", ts_pool_threads(e->two->pool),
                   roof * 1e-9);
    }
    const double t = best_seconds(e->two, k, args, n, 0.4);
    if (e->json) {
        char moved[64] = "";
        if (bytes > 0)
            snprintf(moved, sizeof moved, ", \"moved_gb_per_s\": %.2f", bytes / t * 1e-9);
        check_json("\"what\": \"%s\", \"ms\": %.4f, \"g%s_per_s\": %.3f%s", label, t * 1e3, unit,
                   amount / t * 1e-9, moved);
        return;
    }
    printf("  %-44s %-7s %9.3f ms %8.2f G%s/s", label, e->isa_name, t * 1e3, amount / t * 1e-9,
           unit);
    if (bytes > 0)
        printf(" %7.1f GB/s (%3.0f %% of memory)", bytes / t * 1e-9, 100 * bytes / t / roof);
    if (e->isa && (e->ref->kernel[k].rows || e->ref->kernel[k].whole))
        printf("  %.1f x ref", best_seconds(e->ref, k, args, n, 0) / t);
    printf("\n");
    fflush(stdout);
}
