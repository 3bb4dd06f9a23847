#include "plan/report.h"

#include "plan/adapt.h"
#include "plan/hardware.h"
#include "plan/run.h"

#include <stdio.h>
#include <string.h>

/* ---- what of the ledger a row shows ---- */

int64_t ts_plan_buffers(const ts_mem_ledger *m)
{
    return m->at_peak[TS_MEM_COMM] + m->at_peak[TS_MEM_DATA] + m->at_peak[TS_MEM_OTHER];
}

typedef struct class_sum {
    int64_t calls;
    double seconds, flops, bytes;
} class_sum;

static class_sum sum_class(const ts_plan_rank *r, ts_kernel_class class)
{
    class_sum s = { 0 };
    for (int i = 0; i < TS_KERNEL_COUNT; i++) {
        if (ts_kernel_class_of((ts_kernel)i) != class)
            continue;
        s.calls += r->kernel[i].calls;
        s.seconds += r->kernel[i].seconds;
        s.flops += r->kernel[i].flops;
        s.bytes += r->kernel[i].bytes;
    }
    return s;
}

/* ---- for people ---- */

static const char *human_count(double n, const char *unit, char *buf)
{
    static const char prefix[] = " kMGTPE";
    int i = 0;
    for (; n >= 1000 && i < 6; i++)
        n /= 1000;
    snprintf(buf, 32,
             n < 10    ? "%.2f %.1s%s"
             : n < 100 ? "%.1f %.1s%s"
                       : "%.0f %.1s%s",
             n, i ? prefix + i : "", unit);
    return buf;
}

/* "70.6 billion" */
static const char *human_parameters(int64_t n, char *buf)
{
    const double v = (double)n;
    snprintf(buf, 32,
             v < 1e6   ? "%.0f"
             : v < 1e9 ? "%.1f million"
                       : "%.2f billion",
             v < 1e6   ? v
             : v < 1e9 ? v * 1e-6
                       : v * 1e-9);
    return buf;
}

static const char *human_seconds(double s, char *buf)
{
    snprintf(buf, 32,
             s < 1e-3   ? "%.1f us"
             : s < 1    ? "%.2f ms"
             : s < 1000 ? "%.3f s"
                        : "%.0f s",
             s < 1e-3 ? s * 1e6
             : s < 1  ? s * 1e3
                      : s);
    return buf;
}

static ts_status head(const ts_plan *p, ts_str *out)
{
    char a[32], b[32], c[32];
    TS_TRY(ts_str_printf(
        out, "model      %s parameters, %lld layers, vocabulary of %lld, computing in %s\n",
        human_parameters(p->parameters, a), (long long)p->layers, (long long)p->vocab,
        ts_dtype_name(p->compute)));
    if (p->active < (double)p->parameters)
        TS_TRY(ts_str_printf(out, "active     %s of them for a token, whose experts are taken to have even shares\n",
                             human_parameters((int64_t)p->active, a)));
    if (p->trained < p->parameters)
        TS_TRY(ts_str_printf(out, "trained    %s parameters, the others are frozen (--freeze)\n",
                             human_parameters(p->trained, a)));
    TS_TRY(ts_str_printf(
        out, "batch      %lld sequences of %lld tokens: %s%lld x %d %s%s x %lld micro-batch%s\n",
        (long long)p->global, (long long)p->seq_length, p->micro * p->replicas * p->n_micro == p->global ? "" : "up to ",
        (long long)p->micro, p->replicas,
        p->replicas == p->world_size ? "process" : "replica",
        p->replicas == 1               ? ""
        : p->replicas == p->world_size ? "es"
                                       : "s",
        (long long)p->n_micro, p->n_micro > 1 ? "es" : ""));
    if (p->ramp.samples)
        TS_TRY(ts_str_printf(
            out,
            "ramp-up    from %lld sequences by %lld over %lld samples; the run has %lld iterations, "
            "all figures here are of the full batch\n",
            (long long)p->ramp.start, (long long)p->ramp.increment, (long long)p->ramp.samples,
            (long long)p->train_iters));
    if (p->world_size > 1)
        TS_TRY(ts_str_printf(out, "processes  %d, %d on a host (--nproc_per_node)\n", p->world_size,
                             p->ranks_of_a_host));
    return ts_str_printf(
        out, "hardware   %s: each process has %s in fp32, %s in bf16, memory at %s/s\n", p->hw.name,
        human_count(p->hw.flops_f32, "FLOP/s", a), human_count(p->hw.flops_16, "FLOP/s", b),
        ts_human_bytes(p->hw.bytes_per_second, c));
}

static ts_status memory(const ts_plan_rank *r, int stages, ts_str *out)
{
    const struct {
        const char *name;
        int64_t bytes;
    } rows[] = {
        { "weights", r->mem.at_peak[TS_MEM_WEIGHT] },
        { "gradients", r->mem.at_peak[TS_MEM_GRAD] },
        { "optimizer", r->mem.at_peak[TS_MEM_OPTIM] },
        { "activations", r->mem.at_peak[TS_MEM_ACT] },
        { "swapped", r->mem.at_peak[TS_MEM_SWAP] }, /* left out where nothing is */
        { "buffers", ts_plan_buffers(&r->mem) },
        { "peak", r->mem.peak },
    };
    char a[32], b[32];
    const int last = r->rank + r->count - 1;
    if (stages > 1)
        TS_TRY(ts_str_printf(out, "\nmemory of each process of stage %d (%d, the first is rank %d)\n", r->pp,
                             r->count, r->rank));
    else
        TS_TRY(r->count > 1
                   ? ts_str_printf(out, "\nmemory of each of the ranks %d to %d\n", r->rank, last)
                   : ts_str_printf(out, "\nmemory of rank %d\n", r->rank));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bool is_peak = i == sizeof rows / sizeof *rows - 1;
        if (rows[i].bytes || strcmp(rows[i].name, "swapped"))
            TS_TRY(ts_str_printf(out, "  %-12s %12s%s%s\n", rows[i].name,
                                 ts_human_bytes((double)rows[i].bytes, a),
                                 is_peak ? "   reached in: " : "", is_peak ? r->peak_at : ""));
    }
    return ts_str_printf(out, "  activations: %s on average over the step; a byte lives %s\n",
                         ts_human_bytes(r->activation_bytes, a),
                         human_seconds(r->activation_seconds, b));
}

/* With --memory-report: what the highest moment is made of. */
static ts_status held(const ts_plan_rank *r, ts_str *out)
{
    enum { MOST_ROWS = 40 };
    ts_holder_list parts = { 0 };
    if (!r->held.v)
        return TS_OK;
    ts_status st = ts_holder_list_by_part(&r->held, &parts);
    if (st == TS_OK)
        st = ts_str_puts(out, "\n");
    if (st == TS_OK)
        st = ts_holder_list_table(&parts, NULL, MOST_ROWS, out);
    ts_holder_list_deinit(&parts);
    return st == TS_OK ? ts_str_puts(out, "\n") : st;
}

static ts_status does_it_fit(const ts_plan *p, const ts_plan_rank *r, ts_str *out)
{
    char a[32], b[32];
    const double host = ts_plan_host_bytes(p, r);
    if (ts_plan_over_limit(p, r))
        TS_TRY(ts_str_printf(out, "  this does NOT FIT: --memory-limit-gb allows %s\n",
                             ts_human_bytes((double)p->memory_limit, a)));
    if (ts_plan_over_host(p, r))
        TS_TRY(ts_str_printf(out,
                             "  this does NOT FIT: %d process%s on a host need %s, it has %s\n",
                             p->ranks_of_a_host, p->ranks_of_a_host > 1 ? "es" : "",
                             ts_human_bytes(host, a), ts_human_bytes(p->hw.memory_bytes, b)));
    return TS_OK;
}

static ts_status kernels(const ts_plan_rank *r, ts_str *out)
{
    char a[32], b[32], c[32];
    double rest = r->seconds - r->network_seconds;
    TS_TRY(ts_str_printf(out, "\none step    %10s %14s %12s %12s %7s\n", "calls", "operations",
                         "bytes moved", "time", "share"));
    for (int i = 0; i < TS_CLASSES; i++) {
        const class_sum s = sum_class(r, (ts_kernel_class)i);
        rest -= s.seconds;
        if (s.calls)
            TS_TRY(ts_str_printf(out, "  %-10s%10lld %14s %12s %12s %6.1f%%\n",
                                 ts_kernel_class_name((ts_kernel_class)i), (long long)s.calls,
                                 human_count(s.flops, "FLOP", a), ts_human_bytes(s.bytes, b),
                                 human_seconds(s.seconds, c), 100 * s.seconds / r->seconds));
    }
    TS_TRY(ts_str_printf(out, "  %-10s%10s %14s %12s %12s %6.1f%%\n", "zeroing", "", "", "",
                         human_seconds(rest, c), 100 * rest / r->seconds));
    for (int i = 0; r->traffic.group[i].group; i++) {
        const ts_group_traffic *g = &r->traffic.group[i];
        if (g->sum.messages)
            TS_TRY(ts_str_printf(
                out, "  group %-8s%6lld %14s %12s %12s %6.1f%%\n", g->group,
                (long long)g->sum.calls, human_count((double)g->sum.messages, "messages", a),
                ts_human_bytes(g->sum.bytes, b), human_seconds(g->sum.seconds, c),
                100 * g->sum.seconds / r->seconds));
    }
    return TS_OK;
}

static const char *utilisation(const ts_plan *p, char text[64])
{
    const double u = ts_plan_utilisation(p);
    text[0] = 0;
    if (u > 0)
        snprintf(text, 64, ", %.1f %% of the peak's operations (MFU)", 100 * u);
    return text;
}

ts_status ts_plan_table(const ts_plan *p, ts_str *out)
{
    char a[32], b[64];
    TS_TRY(head(p, out));
    TS_TRY(ts_plan_choice_text(p, out));
    for (int i = 0; i < p->n_ranks; i++) {
        TS_TRY(memory(&p->rank[i], p->n_ranks, out));
        TS_TRY(does_it_fit(p, &p->rank[i], out));
        TS_TRY(held(&p->rank[i], out));
        TS_TRY(kernels(&p->rank[i], out));
    }
    return ts_str_printf(out, "\na step takes about %s: %.0f tokens/s, pipeline bubble %.1f %%%s\n",
                         human_seconds(p->step_seconds, a), p->tokens_per_second, 100 * p->bubble,
                         utilisation(p, b));
}

/* ---- JSON ---- */

/* What is in the second memory, the peak without it, and what a step copies each way. */
static bool add_swap(const ts_plan_rank *r, json_t *mem)
{
    json_t *more = json_pack("{s:I, s:I, s:I, s:I}", "swapped", (json_int_t)r->mem.at_peak[TS_MEM_SWAP],
                             "device_peak_bytes", (json_int_t)r->mem.device_peak, "swap_out_bytes",
                             (json_int_t)r->swapped[TS_TO_HOST], "swap_in_bytes",
                             (json_int_t)r->swapped[TS_TO_DEVICE]);
    const bool good = more && json_object_update(mem, more) == 0;
    json_decref(more);
    return good;
}

static json_t *rank_json(const ts_plan_rank *r)
{
    const ts_mem_ledger *m = &r->mem;
    json_t *mem =
        json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "peak_bytes", (json_int_t)m->peak,
                  "peak_at", r->peak_at, "weights", (json_int_t)m->at_peak[TS_MEM_WEIGHT],
                  "gradients", (json_int_t)m->at_peak[TS_MEM_GRAD], "optimizer",
                  (json_int_t)m->at_peak[TS_MEM_OPTIM], "activations",
                  (json_int_t)m->at_peak[TS_MEM_ACT], "buffers", (json_int_t)ts_plan_buffers(m));
    if (m->at_peak[TS_MEM_SWAP] && !add_swap(r, mem)) {
        json_decref(mem);
        return NULL;
    }
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "rank", r->rank, "count",
                     r->count, "tp", r->tp, "cp", r->cp, "ep", r->ep, "dp", r->dp, "pp", r->pp,
                     "memory", mem, "flops", ts_json_number(r->flops), "traffic",
                     ts_traffic_json(&r->traffic));
}

/* Layers of stages, where they were chosen, and how many of each run again. */
static bool add_stages(const ts_plan *p, json_t *o)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < p->chosen_stages; i++)
        if (json_array_append_new(list, json_pack("{s:I, s:I}", "layers", (json_int_t)p->stage_layers[i], "again",
                                                  (json_int_t)p->stage_again[i]))) {
            json_decref(list);
            list = NULL;
        }
    return json_object_set_new(o, "stages", list) == 0;
}

static json_t *plan_json(const ts_plan *p, json_t *hardware)
{
    json_t *ranks = json_array();
    for (int i = 0; ranks && i < p->n_ranks; i++)
        if (json_array_append_new(ranks, rank_json(&p->rank[i]))) {
            json_decref(ranks);
            ranks = NULL;
        }
    json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "ranks", ranks, "step_seconds",
                          ts_json_number(p->step_seconds), "tokens_per_second",
                          ts_json_number(p->tokens_per_second), "bubble", ts_json_number(p->bubble),
                          "utilisation", ts_json_number(ts_plan_utilisation(p)), "hardware", hardware);
    if (o && p->stage_layers && !add_stages(p, o)) {
        json_decref(o);
        return NULL;
    }
    if (o && p->chosen && json_object_set_new(o, "layers", ts_adapt_json(p))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

ts_status ts_plan_json(const ts_plan *p, ts_str *out)
{
    json_t *hardware;
    TS_TRY(ts_plan_hardware_json(&p->hw, &hardware));
    json_t *o = plan_json(p, hardware);
    const ts_status st =
        ts_json_write(o, JSON_INDENT(1) | JSON_REAL_PRECISION(15), "the plan", out);
    json_decref(o);
    return st == TS_OK ? ts_str_puts(out, "\n") : st;
}
