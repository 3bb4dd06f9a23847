#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ts_kernel_name(ts_kernel k)
{
    static const char *const name[] = {
#define TS_KERNEL_NAME(name, args, class) #name,
        TS_KERNELS(TS_KERNEL_NAME)
#undef TS_KERNEL_NAME
    };
    return name[k];
}

ts_kernel_class ts_kernel_class_of(ts_kernel k)
{
    static const uint8_t of[] = {
#define TS_KERNEL_CLASS(name, args, class) TS_CLASS_##class,
        TS_KERNELS(TS_KERNEL_CLASS)
#undef TS_KERNEL_CLASS
    };
    return (ts_kernel_class)of[k];
}

const char *ts_kernel_class_name(ts_kernel_class c)
{
    static const char *const name[TS_CLASSES] = { "gemm", "pack",  "attention",
                                                  "rowwise", "loss", "optimizer" };
    return name[c];
}

ts_status ts_device_open(const char *name, const ts_device_options *o, ts_device **out)
{
    if (!strcmp(name, "cpu"))
        return ts_cpu_open(o, out);
    if (!strcmp(name, "sim"))
        return ts_sim_open(o, out);
    return ts_error(TS_ERR_USER, "--device %s: there is no such device in this build (cpu, sim)",
                    name);
}

void ts_device_close(ts_device **d)
{
    if (*d)
        (*d)->close(*d);
    *d = NULL;
}

/* ---- everything at once ---- */

static ts_status sync_now(ts_device *d)
{
    (void)d;
    return TS_OK;
}

static ts_status host_memory(ts_device *d, size_t bytes, void **out)
{
    const size_t size = ts_device_round(bytes ? bytes : 1);
    (void)d;
    *out = aligned_alloc(64, size);
    return *out ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory: %zu bytes for copies", bytes);
}

static void free_host_memory(ts_device *d, void *p, size_t bytes)
{
    (void)d, (void)bytes;
    free(p);
}

static void copy_now(ts_device *d, ts_way way, void *dst, const void *src, size_t bytes)
{
    if (way == TS_TO_DEVICE)
        d->to_device(d, dst, src, bytes);
    else
        d->to_host(d, dst, src, bytes);
}

static ts_status no_event(ts_device *d, ts_event **out)
{
    (void)d;
    *out = NULL;
    return TS_OK;
}

static void forget_event(ts_device *d, ts_event *e) { (void)d, (void)e; }
static void record_now(ts_device *d, ts_queue q, ts_event *e) { (void)d, (void)q, (void)e; }
static void follow_now(ts_device *d, ts_queue q, const ts_event *e) { (void)d, (void)q, (void)e; }

static bool reached_now(ts_device *d, const ts_event *e)
{
    (void)d, (void)e;
    return true;
}

void ts_device_at_once(ts_device *d)
{
    d->sync = sync_now;
    d->alloc_host = host_memory;
    d->free_host = free_host_memory;
    d->copy = copy_now;
    d->event_create = no_event;
    d->event_destroy = forget_event;
    d->record = record_now;
    d->follow = follow_now;
    d->reached = reached_now;
}

/* ---- the timeline ---- */

/* What of a kernel's arguments is its shape. */
static void take_shape(ts_kernel k, const void *args, int64_t n, ts_mark *m)
{
    const ts_gemm_args *g = args;
    const ts_gemm_quant_args *q = args;
    const ts_attn_args *a = args;
    int64_t dim[TS_MARK_DIMS] = { n };
    m->dims = "n";
    switch (k) {
    case TS_KERNEL_gemm:
    case TS_KERNEL_gemm_i8:
        m->dims = "m,n,k";
        dim[0] = g->m, dim[1] = g->n, dim[2] = g->k;
        break;
    case TS_KERNEL_gemm_quant:
        m->dims = "m,n,k";
        dim[0] = q->m, dim[1] = q->n, dim[2] = q->k;
        break;
    case TS_KERNEL_attn_fwd:
    case TS_KERNEL_attn_bwd:
        m->dims = "sequences,heads,queries,keys,head_dim";
        dim[0] = a->B, dim[1] = a->n_q, dim[2] = a->S_q, dim[3] = a->S_kv, dim[4] = a->head_dim;
        break;
    default: break;
    }
    memcpy(m->dim, dim, sizeof dim);
}

void ts_device_mark(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost, double began)
{
    ts_mark m = { .track = TS_TRACK_KERNEL, .name = ts_kernel_name(k), .again = d->again > 0,
                  .phase = d->mem.phase, .part = d->mem.part, .layer = d->mem.part ? d->mem.layer : -1,
                  .begin = began, .end = ts_timeline_now(d->timeline), .flops = cost.flops,
                  .bytes = cost.bytes };
    if (d->timeline->detail.shapes)
        take_shape(k, args, n, &m);
    ts_timeline_kernel(d->timeline, &m);
}

void ts_device_mark_copy(ts_device *d, const char *name, size_t bytes, double began)
{
    const ts_mark m = { .track = TS_TRACK_HOST, .name = name, .phase = d->mem.phase, .layer = -1, .begin = began,
                        .bytes = (double)bytes };
    if (began <= 0)
        return;
    const size_t i = ts_timeline_add(d->timeline, &m);
    if (i != SIZE_MAX)
        d->timeline->mark[i].end = ts_timeline_now(d->timeline);
}

/* ---- the ledger ---- */

static void book(ts_device *d, ts_mem_kind kind, int64_t bytes)
{
    ts_mem_ledger *m = &d->mem;
    m->now[kind] += bytes;
    m->total += bytes;
    m->taken[kind] += bytes > 0 ? (double)bytes : 0;
    const int64_t here = m->total - m->now[TS_MEM_SWAP];
    m->device_peak = here > m->device_peak ? here : m->device_peak;
    if (m->total > m->peak) {
        m->peak = m->total;
        memcpy(m->at_peak, m->now, sizeof m->now);
        m->peak_phase = m->phase;
        m->peak_part = m->part;
        m->peak_layer = m->layer;
    }
    if (ts_timeline_is_on(d->timeline) && d->timeline->detail.memory)
        ts_timeline_memory(d->timeline, m->now);
}

void ts_device_book(ts_device *d, ts_mem_kind kind, int64_t bytes)
{
    book(d, kind, bytes);
    if (d->holders)
        ts_holders_book(d->holders, &d->mem, kind, bytes);
}

void ts_device_reset_peak(ts_device *d)
{
    d->mem.peak = d->mem.device_peak = 0;
    book(d, TS_MEM_OTHER, 0);
}

const char *ts_device_peak_at(const ts_device *d, char *buf)
{
    const ts_mem_ledger *m = &d->mem;
    const char *phase = m->peak_phase ? m->peak_phase : "start";
    if (!m->peak_part)
        snprintf(buf, 128, "%.60s", phase);
    else if (m->peak_layer < 0)
        snprintf(buf, 128, "%.60s, %.40s", phase, m->peak_part);
    else
        snprintf(buf, 128, "%.40s, %.30s of layer %lld", phase, m->peak_part,
                 (long long)m->peak_layer);
    return buf;
}

ts_status ts_device_mem_table(const ts_device *d, ts_str *out)
{
    char a[32], b[32], at[128];
    TS_TRY(ts_str_printf(out, "%-14s %12s %12s", "memory", "now", "at the peak"));
    for (int k = 0; k < TS_MEM_KINDS; k++)
        TS_TRY(ts_str_printf(out, "\n%-14s %12s %12s", ts_mem_kind_name((ts_mem_kind)k),
                             ts_human_bytes((double)d->mem.now[k], a),
                             ts_human_bytes((double)d->mem.at_peak[k], b)));
    return ts_str_printf(out, "\n%-14s %12s %12s%s%s", "total",
                         ts_human_bytes((double)d->mem.total, a),
                         ts_human_bytes((double)d->mem.peak, b), d->mem.peak_phase ? "  in " : "",
                         d->mem.peak_phase ? ts_device_peak_at(d, at) : "");
}

static ts_status no_memory(const ts_device *d, ts_mem_kind kind, size_t bytes)
{
    char want[32], limit[48] = "";
    ts_str table = { 0 };
    if (d->mem.limit) {
        char b[32];
        ts_human_bytes((double)d->mem.limit, b);
        strcat(strcpy(limit, ", limit "), b);
    }
    const bool ok = ts_device_mem_table(d, &table) == TS_OK;
    ts_human_bytes((double)bytes, want);
    const ts_status st =
        ts_error(TS_ERR_NOMEM,
                 "out of memory: %s more for %s could not be had on %s%s. Who holds what:\n%s\n"
                 "Try a smaller --micro-batch-size, --recompute-granularity full, or --bf16; "
                 "`tessera plan` says beforehand what a job needs.",
                 want, ts_mem_kind_name(kind), d->name, limit, ok ? table.s : "");
    ts_str_deinit(&table);
    return st;
}

ts_status ts_device_explain(const ts_device *d, ts_status st)
{
    static const char title[] = "Who holds what:";
    ts_str table = { 0 };
    char why[1024];
    if (st != TS_ERR_NOMEM || !d || strstr(ts_error_message(), title))
        return st;
    snprintf(why, sizeof why, "%s", ts_error_message());
    if (ts_device_mem_table(d, &table) == TS_OK)
        st = ts_error(st, "%s. %s\n%s", why, title, table.s);
    else
        st = ts_error(st, "%s", why);
    ts_str_deinit(&table);
    return st;
}

ts_status ts_device_alloc(ts_device *d, ts_mem_kind kind, size_t bytes, void **out)
{
    const size_t size = ts_device_round(bytes);
    if (bytes > SIZE_MAX / 4 || (d->mem.limit && d->mem.total + (int64_t)size > d->mem.limit) ||
        d->alloc(d, size, out) != TS_OK)
        return no_memory(d, kind, bytes);
    book(d, kind, (int64_t)size);
    if (d->holders)
        ts_holders_take(d->holders, &d->mem, kind, *out, (int64_t)size);
    return TS_OK;
}

void ts_device_free(ts_device *d, ts_mem_kind kind, void *p, size_t bytes)
{
    if (!p)
        return;
    const size_t size = ts_device_round(bytes);
    d->free(d, p, size);
    if (d->holders)
        ts_holders_give(d->holders, p);
    book(d, kind, -(int64_t)size);
}

static ts_status stat_row(const char *name, const ts_kernel_stat *s, double total, ts_str *out)
{
    return ts_str_printf(out, "\n%-14s %10lld %10.3f %6.1f %% %10.1f %10.1f", name,
                         (long long)s->calls, s->seconds, total > 0 ? 100 * s->seconds / total : 0,
                         s->seconds > 0 ? s->flops / s->seconds * 1e-9 : 0,
                         s->seconds > 0 ? s->bytes / s->seconds * 1e-9 : 0);
}

static void add_stat(ts_kernel_stat *to, const ts_kernel_stat *s)
{
    to->calls += s->calls;
    to->seconds += s->seconds;
    to->flops += s->flops;
    to->bytes += s->bytes;
}

ts_status ts_device_stat_table(const ts_device *d, ts_str *out)
{
    ts_kernel_stat by_class[TS_CLASSES] = { 0 }, all = { 0 };
    char a[32], b[32];
    for (int k = 0; k < TS_KERNEL_COUNT; k++) {
        add_stat(&by_class[ts_kernel_class_of((ts_kernel)k)], &d->stat[k]);
        add_stat(&all, &d->stat[k]);
    }
    TS_TRY(ts_str_printf(out, "%-14s %10s %10s %8s %10s %10s", "kernel", "calls", "seconds",
                         "share", "GFLOP/s", "GB/s"));
    for (int k = 0; k < TS_KERNEL_COUNT; k++)
        if (d->stat[k].calls)
            TS_TRY(stat_row(ts_kernel_name((ts_kernel)k), &d->stat[k], all.seconds, out));
    TS_TRY(ts_str_puts(out, "\n"));
    for (int c = 0; c < TS_CLASSES; c++)
        if (by_class[c].calls)
            TS_TRY(
                stat_row(ts_kernel_class_name((ts_kernel_class)c), &by_class[c], all.seconds, out));
    TS_TRY(stat_row("all kernels", &all, all.seconds, out));
    return ts_str_printf(out, "\ncopied to the device %s, to the host %s",
                         ts_human_bytes(d->copied[TS_TO_DEVICE], a),
                         ts_human_bytes(d->copied[TS_TO_HOST], b));
}
