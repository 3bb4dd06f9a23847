/* The kernel checker: runs kernels of the CPU's table on guarded buffers and compares what they
 * write with values computed in double, each with its own bound.
 *
 * A subject is a file check_<subject>.c and one line in tests.cmake. It defines
 *   void check_<subject>(const check_env *e);      called for every set of instructions
 *   void bench_<subject>(const check_env *e);      called with --bench
 *
 * A case: check_case(...) names it and frees the buffers of the case before; check_in / check_out /
 * check_inout make buffers; check_kernel runs the kernel; check_near... judge each element. */
#ifndef TS_TESTS_CHECK_H
#define TS_TESTS_CHECK_H
#include "check_subjects.h" /* made by tests.cmake: CHECK_SUBJECTS(X) */
#include "device/cpu/kernel.h"
#include <float.h>
#include <math.h>
#include <stdio.h>

typedef struct check_env {
    const char *isa_name; /* "ref", "avx2", "avx512", "bf16", "all" */
    unsigned isa;
    ts_cpu *one, *two;    /* the table of this isa, with one thread and with two (or --threads) */
    ts_cpu *ref;          /* the reference's, with as many threads as `two` */
    uint64_t seed;        /* --seed: mixed into check_in's by itself */
    bool bf16_only;       /* of cases with several types of operands, these alone */
    bool json;            /* --json: what --bench measures goes to check_json and nowhere else */
} check_env;

#define CHECK_DECLARE(subject)                \
    void ts_cpu_init_##subject(ts_cpu *c);    \
    void check_##subject(const check_env *e); \
    void bench_##subject(const check_env *e);
CHECK_SUBJECTS(CHECK_DECLARE)
#undef CHECK_DECLARE

#define CHECK_COUNT(a) (sizeof(a) / sizeof *(a))

/* Rounding units: of fp32, and of a type by storing. */
#define CHECK_U (FLT_EPSILON / 2)
double check_unit(ts_dtype t);

/* Begins a case: the text stands in the report of a failure. Frees all buffers made before. */
void check_case(const char *fmt, ...) TS_PRINTF(1, 2);

/* Buffers of n elements of type t that start off the vector alignment, with guards on both sides.
 *   in:    seeded uniform values in [-scale, scale), rounded to t; must not be written
 *   ints:  seeded integers in [-most, most]; must not be written
 *   inout: like in, but may be written
 *   out:   filled with bytes 0xFF (NaN, or -1)
 *   work:  `size` bytes filled with 0xFF at a multiple of 64 (packed operands) */
void *check_in(uint64_t seed, ts_dtype t, int64_t n, double scale);
void *check_ints(uint64_t seed, ts_dtype t, int64_t n, int most);
void *check_inout(uint64_t seed, ts_dtype t, int64_t n, double scale);
void *check_out(ts_dtype t, int64_t n);
void *check_work(size_t size);
/* Whatever the test writes into a buffer by hand (infinities, ids) becomes its initial content. */
void check_touched(void *p);
/* Fresh zeroed doubles for the oracle, freed with the case. */
double *check_f64(int64_t n);
/* Element i as the kernel sees it. */
static inline double check_get(const void *p, int64_t i, ts_dtype t)
{
    return ts_load_f32(p, i, t);
}
/* Element i as it was when the kernel began. */
double check_before(const void *p, int64_t i, ts_dtype t);

/* Runs the kernel: once in one piece on one thread, once on `two`, and, when it is cut by rows,
 * once more in uneven shares out of order; each from the same content of all writable buffers.
 * Reports when the bits differ, when a guard is broken or an input written. */
void check_kernel(const check_env *e, ts_kernel k, const void *args, int64_t n);

/* Judges. `bound` is absolute; NaN and infinities that are wanted must come. */
void check_near(const char *what, int64_t i, double got, double want, double bound);
/* Element i of p, of type t: adds the rounding of the store to the bound; an overflow of fp16 or
 * bf16 must be infinity. */
void check_elem(const char *what, const void *p, int64_t i, ts_dtype t, double want, double bound);
/* got == want. */
void check_equal(const char *what, int64_t i, double got, double want);
/* Element i..i+n-1 of p still hold what was there before the kernel ran (gaps between rows). */
void check_untouched(const char *what, const void *p, int64_t i, int64_t n, ts_dtype t);
/* A failure by the subject's own judgement. */
void check_fail(const char *fmt, ...) TS_PRINTF(1, 2);

/* --bench: best of repeats on `two`, and the ratio to the reference. amount: what is counted per
 * call, in `unit` ("elem": Gelem/s; "flop": GFLOP/s); bytes: that must move (0: no memory
 * figure). */
void check_bench(const check_env *e, const char *label, ts_kernel k, const void *args, int64_t n,
                 double amount, const char *unit, double bytes);
/* One measurement as a JSON object on a line: its subject and instruction set, then the members
 * that `fmt` gives, units in their names. */
void check_json(const char *fmt, ...) TS_PRINTF(1, 2);
#endif
