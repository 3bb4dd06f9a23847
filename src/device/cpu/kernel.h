/* The inside of the CPU device: what a kernel is there, and what it may use.
 *
 * A kernel is either `rows`, called on shares [begin, end) of its n items by any thread, or
 * `whole`, which shares out its own work with ts_pool_run. Each subject (gemm/, attn/,
 * rowwise/) fills its part of the table, reference first, then better ones by instruction set. */
#ifndef TS_DEVICE_CPU_KERNEL_H
#define TS_DEVICE_CPU_KERNEL_H
#include "base/thread.h"
#include "device/device.h"
#include "device/isa.h"
#include "device/workspace.h"

typedef struct ts_cpu ts_cpu;
typedef void ts_cpu_rows_fn(const void *args, int64_t begin, int64_t end);
typedef void ts_cpu_whole_fn(ts_cpu *cpu, const void *args, int64_t n);

typedef struct ts_cpu_kernel {
    ts_cpu_rows_fn *rows;
    ts_cpu_whole_fn *whole;
    const char *variant;   /* "ref", "avx2", ...: for the log and `info` */
    int64_t grain;         /* rows: shares are a multiple of this many items; 0: chosen by cost */
} ts_cpu_kernel;

struct ts_cpu {
    ts_device base;
    unsigned isa;
    ts_pool *pool;
    ts_cpu_kernel kernel[TS_KERNEL_COUNT];
    ts_pool *alone;                /* of one thread: for a kernel that runs others, each on its own thread */
    char *shared_scratch;          /* 64-aligned */
    int64_t shared_bytes;          /* TS_CPU_SHARED_SCRATCH */
    char *thread_scratch;          /* threads * TS_CPU_THREAD_SCRATCH */
    struct ts_cpu_heap *heap;
};

static inline char *ts_cpu_scratch(const ts_cpu *c, int thread)
{
    return c->thread_scratch + (size_t)thread * TS_CPU_THREAD_SCRATCH;
}
#endif
