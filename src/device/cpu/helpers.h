/* What kernels and their drivers write over and over. */
#ifndef TS_DEVICE_CPU_HELPERS_H
#define TS_DEVICE_CPU_HELPERS_H
#include <stdint.h>

/* A function that must vanish into its caller: a type, a size or a flag that is a constant at the
 * call becomes one inside, and arrays whose indices are constants become registers. */
#define INLINE static inline __attribute__((always_inline))

/* Before loops over registers: they must vanish, or their arrays live in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_TWICE _Pragma("clang loop unroll_count(2)")
#else
#define UNROLL _Pragma("GCC unroll 24")
#define UNROLL_TWICE _Pragma("GCC unroll 2") /* two rounds in one: half the counting and jumping */
#endif

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
#endif
