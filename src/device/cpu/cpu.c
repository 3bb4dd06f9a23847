#include "device/cpu/attn/attn.h"
#include "device/cpu/gemm/gemm.h"
#include "device/cpu/heap.h"
#include "device/cpu/kernel.h"
#include "device/cpu/place.h"
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/scan/scan.h"
#include "device/packing.h"

#include <string.h>
#include <sys/mman.h>

static ts_cpu *as_cpu(ts_device *d) { return (ts_cpu *)d; }

static ts_status cpu_alloc(ts_device *d, size_t bytes, void **out)
{
    return ts_cpu_heap_alloc(as_cpu(d)->heap, bytes, out);
}

static void cpu_free(ts_device *d, void *p, size_t bytes)
{
    (void)bytes;
    ts_cpu_heap_free(as_cpu(d)->heap, p);
}

static void cpu_move(ts_device *d, void *dst, const void *src, size_t bytes)
{
    const double began = ts_device_copy_begins(d);
    memcpy(dst, src, bytes);
    ts_device_mark_copy(d, "copy", bytes, began);
}

static void cpu_to_device(ts_device *d, void *dst, const void *src, size_t bytes)
{
    const double began = ts_device_copy_begins(d);
    d->copied[TS_TO_DEVICE] += (double)bytes;
    memcpy(dst, src, bytes);
    ts_device_mark_copy(d, "to the device", bytes, began);
}

static void cpu_to_host(ts_device *d, void *dst, const void *src, size_t bytes)
{
    const double began = ts_device_copy_begins(d);
    d->copied[TS_TO_HOST] += (double)bytes;
    memcpy(dst, src, bytes);
    ts_device_mark_copy(d, "to the host", bytes, began);
}

static void cpu_zero(ts_device *d, void *dst, size_t bytes)
{
    const double began = ts_device_copy_begins(d);
    memset(dst, 0, bytes);
    ts_device_mark_copy(d, "zero", bytes, began);
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

/* A few shares a thread even out an unlucky core; below SMALL work the threads are not woken at
 * all. */
enum { SMALL = 32768, SHARES = 6 };

static int64_t grain_of(const ts_cpu *c, const ts_cpu_kernel *k, int64_t n, ts_cost cost)
{
    const int64_t unit = k->grain > 0 ? k->grain : 1;
    const int threads = ts_pool_threads(c->pool);
    if (threads == 1 || cost.bytes + cost.flops / 4 < SMALL)
        return n;
    const int64_t g = (n + threads * SHARES - 1) / (threads * SHARES);
    return (g + unit - 1) / unit * unit;
}

static void cpu_launch(ts_device *d, ts_kernel kernel, const void *args, int64_t n, ts_cost cost)
{
    ts_cpu *c = as_cpu(d);
    const ts_cpu_kernel *k = &c->kernel[kernel];
    ts_kernel_stat *stat = &d->stat[kernel];
    const bool is_marked = ts_timeline_is_on(d->timeline);
    const double began = d->timing || is_marked ? ts_now() : 0;
    TS_ASSERT(k->rows || k->whole, "kernel %s is missing on cpu", ts_kernel_name(kernel));
    if (k->whole) {
        k->whole(c, args, n);
    } else {
        share s = { k->rows, args };
        ts_pool_run(c->pool, n, grain_of(c, k, n, cost), run_share, &s);
    }
    stat->calls++;
    stat->flops += cost.flops;
    stat->bytes += cost.bytes;
    if (d->again && kernel != TS_KERNEL_attn_join)
        d->flops_again[ts_kernel_class_of(kernel)] += cost.flops;
    if (d->timing)
        stat->seconds += ts_now() - began;
    if (is_marked)
        ts_device_mark(d, kernel, args, n, cost, began);
}

static size_t cpu_packed_bytes(const ts_device *d, ts_gemm_form form, ts_dtype dtype, int64_t n,
                               int64_t k)
{
    return ts_packing_bytes(((const ts_cpu *)d)->isa, form, dtype, n, k);
}

static void cpu_close(ts_device *d)
{
    ts_cpu *c = as_cpu(d);
    const int threads = c->pool ? ts_pool_threads(c->pool) : 0;
    if (c->shared_scratch)
        munmap(c->shared_scratch, TS_CPU_SHARED_SCRATCH);
    if (c->thread_scratch)
        munmap(c->thread_scratch, (size_t)threads * TS_CPU_THREAD_SCRATCH);
    ts_pool_destroy(&c->pool);
    ts_pool_destroy(&c->alone);
    ts_cpu_heap_destroy(&c->heap);
    ts_free(&c);
}

static ts_status map_scratch(size_t bytes, char **out)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return ts_error(TS_ERR_NOMEM, "out of memory: %zu bytes of work space", bytes);
    madvise(p, bytes, MADV_HUGEPAGE);
    *out = p;
    return TS_OK;
}

/* Those that hang on nothing but the instruction sets. */
static void init_kernels(ts_cpu *c)
{
    ts_cpu_init_norm(c);
    ts_cpu_init_rope(c);
    ts_cpu_init_act(c);
    ts_cpu_init_elementwise(c);
    ts_cpu_init_join(c);
    ts_cpu_init_embed(c);
    ts_cpu_init_ngram(c);
    ts_cpu_init_experts(c);
    ts_cpu_init_route(c);
    ts_cpu_init_gemm_groups(c);
    ts_cpu_init_loss(c);
    ts_cpu_init_optim(c);
    ts_cpu_init_conv(c);
    ts_cpu_init_gate(c);
    ts_cpu_init_altup(c);
    ts_cpu_init_hyper(c);
    ts_cpu_init_product(c);
    ts_cpu_init_unit_rows(c);
    ts_cpu_init_dsa(c);
    ts_cpu_init_compress(c);
    ts_cpu_init_ssd(c);
    ts_cpu_init_mamba3(c);
    ts_cpu_init_delta(c);
    ts_cpu_init_selective(c);
    ts_cpu_init_narrow(c);
    ts_cpu_init_distill(c);
    ts_cpu_init_distill_kept(c);
    ts_cpu_init_prefer(c);
    ts_cpu_init_heads(c);
    ts_cpu_init_kv_code(c);
}

ts_status ts_cpu_open(const ts_device_options *o, ts_device **out)
{
    ts_cpu *c;
    TS_TRY(ts_alloc(&c, 1, sizeof *c));
    c->base = (ts_device){ .name = "cpu", .computes = true, .on_host = true,
                           .alloc = cpu_alloc, .free = cpu_free,
                           .to_device = cpu_to_device, .to_host = cpu_to_host,
                           .move = cpu_move, .zero = cpu_zero,
                           .launch = cpu_launch, .gemm_packed_bytes = cpu_packed_bytes,
                           .close = cpu_close };
    ts_device_at_once(&c->base);
    c->base.mem.limit = o->limit;
    c->isa = ts_isa_detect() & o->isa;
    c->base.rounds_b = !ts_packing_of(c->isa).pairs;
    const int threads = o->threads > 0 ? o->threads : ts_cpu_count();
    ts_status st;
    TS_TRY_TO(fail, st, ts_cpu_heap_create(&c->heap));
    TS_TRY_TO(fail, st, ts_pool_create(threads, &c->pool));
    TS_TRY_TO(fail, st, ts_pool_create(1, &c->alone));
    TS_TRY_TO(fail, st, map_scratch(TS_CPU_SHARED_SCRATCH, &c->shared_scratch));
    c->shared_bytes = TS_CPU_SHARED_SCRATCH;
    TS_TRY_TO(fail, st, map_scratch((size_t)threads * TS_CPU_THREAD_SCRATCH, &c->thread_scratch));
    if (!o->unplaced)
        ts_cpu_place(c, NULL);
    ts_device_book(&c->base, TS_MEM_OTHER, ts_cpu_workspace_bytes(threads));
    init_kernels(c);
    ts_cpu_init_step_pack(c);
    ts_cpu_init_gemm(c);
    ts_cpu_init_gemm_i8(c);
    TS_TRY_TO(fail, st, ts_cpu_try_amx(c));
    ts_cpu_init_gemm(c);
    ts_cpu_init_gemm_i8(c);
    ts_cpu_init_quant(c);
    ts_cpu_init_attn(c);
    *out = &c->base;
    return TS_OK;
fail:
    cpu_close(&c->base);
    return st;
}
