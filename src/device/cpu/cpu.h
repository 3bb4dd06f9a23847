/* The inside of the CPU device: what kernel files share.
 *
 * A kernel is either `rows`, called on shares [begin, end) of its n items by any thread, or
 * `whole`, which shares out its own work with ts_pool_run. Each subject fills its part of the
 * table, reference first, then better ones by instruction set. */
#ifndef TS_DEVICE_CPU_CPU_H
#define TS_DEVICE_CPU_CPU_H
#include "base/thread.h"
#include "device/cpu/isa.h"
#include "device/device.h"

/* Work space, booked at open and the same on sim: what a kernel needs beyond it, it does
 * without. */
enum {
    TS_CPU_SHARED_SCRATCH = 24 << 20, /* one, for a whole kernel's packed operand */
    TS_CPU_THREAD_SCRATCH = 3 << 20,  /* one a thread */
};

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
    char *shared_scratch;          /* TS_CPU_SHARED_SCRATCH, 64-aligned */
    char *thread_scratch;          /* threads * TS_CPU_THREAD_SCRATCH */
    struct ts_cpu_heap *heap;
};

static inline char *ts_cpu_scratch(const ts_cpu *c, int thread)
{
    return c->thread_scratch + (size_t)thread * TS_CPU_THREAD_SCRATCH;
}

/* What a CPU device with this many threads books at open. */
static inline int64_t ts_cpu_workspace_bytes(int threads)
{
    return TS_CPU_SHARED_SCRATCH + (int64_t)threads * TS_CPU_THREAD_SCRATCH;
}

/* Where the process's CPUs belong to several memory nodes (NUMA): binds the pool's threads to them,
 * and spreads the heap and the shared scratch over them. `root`: as in ts_numa_read. */
void ts_cpu_place(ts_cpu *c, const char *root);

/* One a subject: fills its rows of the table for the instruction sets in c->isa. */
void ts_cpu_init_norm(ts_cpu *c);
void ts_cpu_init_rope(ts_cpu *c);
void ts_cpu_init_act(ts_cpu *c);
void ts_cpu_init_elementwise(ts_cpu *c);
void ts_cpu_init_embed(ts_cpu *c);
void ts_cpu_init_loss(ts_cpu *c);
void ts_cpu_init_optim(ts_cpu *c);
void ts_cpu_init_step_pack(ts_cpu *c);
void ts_cpu_init_gemm(ts_cpu *c);
void ts_cpu_init_quant(ts_cpu *c);
void ts_cpu_init_gemm_i8(ts_cpu *c);
void ts_cpu_init_attn(ts_cpu *c);
/* Multiplies a little with AMX and without, where it is in c->isa; takes it out, and says so, when
 * the results are not the same. After ts_cpu_init_gemm and _gemm_i8, which are then due again. */
ts_status ts_cpu_try_amx(ts_cpu *c) TS_NODISCARD;
size_t ts_cpu_gemm_packed_bytes(const ts_device *d, ts_gemm_form form, ts_dtype dtype, int64_t n,
                                int64_t k);
size_t ts_cpu_gemm_i8_bytes(unsigned isa, int64_t n, int64_t k);
#endif
