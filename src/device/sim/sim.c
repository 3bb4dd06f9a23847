#include "device/sim/sim.h"

#include "base/thread.h"
#include "device/isa.h"
#include "device/packing.h"
#include "device/workspace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct ts_sim {
    ts_device base;
    ts_sim_hardware hw;
    double seconds;
    double copied_at;          /* when the queue of copies is done */
    double activation_seconds; /* bytes x seconds */
    uintptr_t next;  /* the next made-up address */
} ts_sim;

static const ts_sim *as_sim(const ts_device *d) { return (const ts_sim *)(const void *)d; }

/* Addresses are only ever added to and compared with NULL. */
static ts_status sim_alloc(ts_device *d, size_t bytes, void **out)
{
    ts_sim *s = (ts_sim *)d;
    *out = (void *)s->next;
    s->next += bytes + 4096;
    return TS_OK;
}

static void sim_free(ts_device *d, void *p, size_t bytes) { (void)d, (void)p, (void)bytes; }

static void sim_move(ts_device *d, void *dst, const void *src, size_t bytes)
{
    (void)d, (void)dst, (void)src, (void)bytes;
}

/* Copies of the main queue are counted; they take no time: a batch is small. */
static void sim_to_device(ts_device *d, void *dst, const void *src, size_t bytes)
{
    (void)dst, (void)src;
    d->copied[TS_TO_DEVICE] += (double)bytes;
}

static void sim_to_host(ts_device *d, void *dst, const void *src, size_t bytes)
{
    (void)src;
    d->copied[TS_TO_HOST] += (double)bytes;
    memset(dst, 0, bytes);
}

/* Between the two memories: in a queue beside the work, or, where they are one, by what works. */
static void sim_copy(ts_device *d, ts_way way, void *dst, const void *src, size_t bytes)
{
    ts_sim *s = (ts_sim *)d;
    (void)dst, (void)src;
    d->copied[way] += (double)bytes;
    if (s->hw.swap_bytes_per_second <= 0) {
        ts_sim_add_seconds(d, 2 * (double)bytes / s->hw.bytes_per_second);
        return;
    }
    s->copied_at = s->copied_at > s->seconds ? s->copied_at : s->seconds;
    s->copied_at += (double)bytes / s->hw.swap_bytes_per_second;
}

struct ts_event {
    double at; /* seconds */
};

static ts_status sim_event(ts_device *d, ts_event **out)
{
    (void)d;
    return ts_alloc(out, 1, sizeof **out);
}

static void sim_forget(ts_device *d, ts_event *e)
{
    (void)d;
    ts_free(&e);
}

static void sim_record(ts_device *d, ts_queue q, ts_event *e)
{
    e->at = q == TS_QUEUE_MAIN ? as_sim(d)->seconds : as_sim(d)->copied_at;
}

static void sim_follow(ts_device *d, ts_queue q, const ts_event *e)
{
    ts_sim *s = (ts_sim *)d;
    if (q == TS_QUEUE_COPY)
        s->copied_at = e->at > s->copied_at ? e->at : s->copied_at;
    else if (e->at > s->seconds)
        ts_sim_add_seconds(d, e->at - s->seconds);
}

static void sim_zero(ts_device *d, void *dst, size_t bytes)
{
    (void)dst;
    ts_sim_add_seconds(d, (double)bytes / as_sim(d)->hw.bytes_per_second);
}

/* What kernels of each class reach of the rates of products and of memory; row-wise work is done in
 * fp32 whatever is stored. Measured with bench_plan on a CPU with AVX-512. */
typedef struct class_share {
    double flops, bytes;
    bool in_f32;
} class_share;

static class_share share_of(const ts_sim_hardware *hw, const ts_kernel k, ts_dtype dtype)
{
    static const class_share cpu[TS_CLASSES] = {
        [TS_CLASS_GEMM] = { 1, 1, false },       [TS_CLASS_PACK] = { 1, 0.3, false },
        [TS_CLASS_ATTENTION] = { 1, 1, false },  [TS_CLASS_ROWWISE] = { 0.35, 0.85, true },
        [TS_CLASS_LOSS] = { 0.15, 0.85, true },  [TS_CLASS_OPTIMIZER] = { 1, 1.25, true },
    };
    const ts_kernel_class c = ts_kernel_class_of(k);
    class_share s = hw->is_gpu ? (class_share){ 1, 1, dtype == TS_DTYPE_F32 } : cpu[c];
    if (c == TS_CLASS_ATTENTION)
        s.flops = hw->attention_share;
    s.in_f32 = s.in_f32 || dtype == TS_DTYPE_F32 || (dtype == TS_DTYPE_F16 && !hw->is_gpu);
    return s;
}

static void sim_launch(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost)
{
    const ts_sim *s = as_sim(d);
    const double began = ts_timeline_begin(d->timeline);
    const class_share share = share_of(&s->hw, k, cost.dtype);
    const double of_16 = share.in_f32 ? s->hw.flops_f32 : s->hw.flops_16;
    const double rate = cost.dtype == TS_DTYPE_I8 && s->hw.flops_8 > 0 ? s->hw.flops_8 : of_16;
    const double compute = cost.flops / (share.flops * rate);
    const double move = cost.bytes / (share.bytes * s->hw.bytes_per_second);
    const double t = (compute > move ? compute : move) + s->hw.seconds_per_launch;
    d->stat[k].calls++;
    d->stat[k].flops += cost.flops;
    d->stat[k].bytes += cost.bytes;
    if (d->again && k != TS_KERNEL_attn_join)
        d->flops_again[ts_kernel_class_of(k)] += cost.flops;
    d->stat[k].seconds += t;
    ts_sim_add_seconds(d, t);
    if (ts_timeline_is_on(d->timeline))
        ts_device_mark(d, k, args, n, cost, began);
}

static size_t sim_packed_bytes(const ts_device *d, ts_gemm_form form, ts_dtype dtype, int64_t n,
                               int64_t k)
{
    if (as_sim(d)->hw.is_gpu)
        return 0;
    return ts_packing_bytes(as_sim(d)->hw.isa, form, dtype, n, k);
}

static void sim_close(ts_device *d) { ts_free(&d); }

void ts_sim_hardware_here(ts_sim_hardware *hw, unsigned isa, int threads)
{
    const double cores = threads > 0 ? threads : ts_cpu_count();
    /* Per core at 3.5 GHz, 90 % of the peak: 32 flop a cycle in fp32 with AVX2 or AVX-512 of one
     * pipe, twice that in bf16 with its own instruction; 2 without vectors. AMX has 1024 in bf16
     * and 2048 in int8, of which half is believed: nobody has measured. */
    const double f32 = isa & TS_ISA_AVX2 ? 107e9 : 6e9;
    *hw = (ts_sim_hardware){ .isa = isa,
                             .flops_f32 = f32 * cores,
                             .flops_16 = (isa & TS_ISA_AMX    ? 16 * f32
                                          : isa & TS_ISA_BF16 ? 2 * f32
                                                              : f32) *
                                         cores,
                             .flops_8 = (isa & TS_ISA_AMX_I8 ? 32 * f32
                                         : isa & TS_ISA_VNNI ? 3.2 * f32
                                                             : f32) *
                                        cores,
                             .attention_share = 0.7,
                             .bytes_per_second = cores > 1 ? 45e9 : 38e9,
                             .seconds_per_launch = 3e-6,
                             .network_bytes_per_second = 1.7e9,
                             .network_latency = 2e-6,
                             .memory_bytes =
                                 (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE),
                             .threads = (int)cores };
    char names[64];
    snprintf(hw->name, sizeof hw->name, "this CPU, %d thread%s, %s", hw->threads,
             hw->threads > 1 ? "s" : "", ts_isa_names(isa, names));
}

ts_status ts_sim_open_hardware(const ts_sim_hardware *hw, ts_device **out)
{
    ts_sim *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->base = (ts_device){ .name = "sim", .alloc = sim_alloc, .free = sim_free,
                           .to_device = sim_to_device, .to_host = sim_to_host,
                           .move = sim_move, .zero = sim_zero,
                           .launch = sim_launch, .gemm_packed_bytes = sim_packed_bytes,
                           .close = sim_close };
    ts_device_at_once(&s->base);
    s->base.copy = sim_copy;
    s->base.event_create = sim_event;
    s->base.event_destroy = sim_forget;
    s->base.record = sim_record;
    s->base.follow = sim_follow;
    s->hw = *hw;
    s->next = 1u << 20;
    s->base.rounds_b = !hw->is_gpu && !ts_packing_of(hw->isa).pairs;
    if (!hw->is_gpu)
        ts_device_book(&s->base, TS_MEM_OTHER, ts_cpu_workspace_bytes(hw->threads));
    *out = &s->base;
    return TS_OK;
}

ts_status ts_sim_open(const ts_device_options *o, ts_device **out)
{
    ts_sim_hardware hw;
    ts_sim_hardware_here(&hw, ts_isa_detect() & o->isa, o->threads);
    TS_TRY(ts_sim_open_hardware(&hw, out));
    (*out)->mem.limit = o->limit;
    return TS_OK;
}

const ts_sim_hardware *ts_sim_hardware_of(const ts_device *sim) { return &as_sim(sim)->hw; }
double ts_sim_seconds(const ts_device *sim) { return as_sim(sim)->seconds; }
double ts_sim_activation_seconds(const ts_device *sim) { return as_sim(sim)->activation_seconds; }

void ts_sim_add_seconds(ts_device *sim, double seconds)
{
    ts_sim *s = (ts_sim *)sim;
    s->seconds += seconds;
    s->activation_seconds += seconds * (double)sim->mem.now[TS_MEM_ACT];
}
