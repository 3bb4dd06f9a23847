#include "base/timeline_sum.h"

#include <stdlib.h>
#include <string.h>

static bool is_same(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static ts_status add_call(ts_timeline_sum *s, const ts_mark *m)
{
    size_t i = 0;
    while (i < s->n_calls && !(is_same(s->call[i].group, m->group) && is_same(s->call[i].name, m->name)))
        i++;
    if (i == s->n_calls) {
        TS_TRY(ts_grow(&s->call, &s->cap_calls, i + 1, sizeof *s->call));
        s->call[s->n_calls++] = (ts_call_sum){ .group = m->group, .name = m->name };
    }
    ts_call_sum *c = &s->call[i];
    const double length = m->end - m->begin;
    c->calls++;
    c->messages += m->messages;
    c->bytes += m->bytes;
    c->seconds += length;
    c->blocked += m->busy < length ? m->busy : length;
    return TS_OK;
}

static ts_status add_module(ts_timeline_sum *s, const ts_mark *m)
{
    size_t i = 0;
    while (i < s->n_modules && !(is_same(s->module[i].part, m->part) && is_same(s->module[i].phase, m->phase) &&
                                 s->module[i].again == m->again))
        i++;
    if (i == s->n_modules) {
        TS_TRY(ts_grow(&s->module, &s->cap_modules, i + 1, sizeof *s->module));
        s->module[s->n_modules++] = (ts_module_sum){ .part = m->part, .phase = m->phase, .again = m->again };
    }
    ts_module_sum *o = &s->module[i];
    o->kernels += m->calls;
    o->busy += m->busy;
    o->flops += m->flops;
    o->bytes += m->bytes;
    s->busy += m->busy;
    return TS_OK;
}

static ts_status add(ts_timeline_sum *s, const ts_mark *m)
{
    const double length = m->end - m->begin;
    switch (m->track) {
    case TS_TRACK_COMM: return add_call(s, m);
    case TS_TRACK_MODULE: return add_module(s, m);
    case TS_TRACK_WAIT: s->blocked += length; return TS_OK;
    case TS_TRACK_STEP:
        if (!strcmp(m->name, "step")) {
            s->steps++;
            s->seconds += length;
        }
        return TS_OK;
    default: return TS_OK;
    }
}

static int by_time(const void *x, const void *y)
{
    const double a = ((const ts_module_sum *)x)->busy, b = ((const ts_module_sum *)y)->busy;
    return (a < b) - (a > b);
}

ts_status ts_timeline_add_up(const ts_timeline *t, ts_timeline_sum *out)
{
    *out = (ts_timeline_sum){ .lost = t->lost };
    for (size_t i = 0; i < t->n; i++)
        if (t->mark[i].step)
            TS_TRY(add(out, &t->mark[i]));
    if (out->n_modules)
        qsort(out->module, out->n_modules, sizeof *out->module, by_time);
    return TS_OK;
}

void ts_timeline_sum_deinit(ts_timeline_sum *s)
{
    ts_free(&s->call);
    ts_free(&s->module);
    *s = (ts_timeline_sum){ 0 };
}

/* ---- told ---- */

static double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

static const char *phase_of(const ts_module_sum *m)
{
    return m->again ? "recomputation" : m->phase ? m->phase : "";
}

static const char *part_of(const ts_module_sum *m) { return m->part ? m->part : m->phase ? m->phase : "other"; }

ts_status ts_timeline_sum_table(const ts_timeline_sum *s, ts_str *out)
{
    char bytes[32];
    TS_TRY(ts_str_printf(out, "%-22s %-14s %8s %12s %12s %12s %12s\n", "calls", "group", "number", "sent",
                         "under way s", "waiting s", "hidden s"));
    for (size_t i = 0; i < s->n_calls; i++) {
        const ts_call_sum *c = &s->call[i];
        TS_TRY(ts_str_printf(out, "%-22s %-14s %8lld %12s %12.6f %12.6f %12.6f\n", c->name, c->group,
                             (long long)c->calls, ts_human_bytes(c->bytes, bytes), c->seconds, c->blocked,
                             c->seconds - c->blocked));
    }
    TS_TRY(ts_str_printf(out, "%-22s %-14s %8s %12s %12s %12s\n", "modules", "phase", "kernels", "GFLOP/s",
                         "seconds", "share %"));
    for (size_t i = 0; i < s->n_modules; i++) {
        const ts_module_sum *m = &s->module[i];
        TS_TRY(ts_str_printf(out, "%-22s %-14s %8lld %12.1f %12.6f %12.1f\n", part_of(m), phase_of(m),
                             (long long)m->kernels, m->busy > 0 ? m->flops / m->busy * 1e-9 : 0, m->busy,
                             share(m->busy, s->seconds)));
    }
    return ts_str_printf(out, "%lld step%s of %.6f s: %.1f %% in kernels, %.1f %% waiting", (long long)s->steps,
                         s->steps == 1 ? "" : "s", s->steps ? s->seconds / (double)s->steps : 0,
                         share(s->busy, s->seconds), share(s->blocked, s->seconds));
}

static ts_status calls_json(const ts_timeline_sum *s, ts_str *out)
{
    for (size_t i = 0; i < s->n_calls; i++) {
        const ts_call_sum *c = &s->call[i];
        TS_TRY(ts_str_printf(out,
                             "%s\n    {\"group\": \"%s\", \"collective\": \"%s\", \"calls\": %lld, \"messages\": %lld, "
                             "\"bytes\": %.0f, \"seconds\": %.9f, \"waiting_seconds\": %.9f, \"hidden_seconds\": %.9f}",
                             i ? "," : "", c->group, c->name, (long long)c->calls, (long long)c->messages, c->bytes,
                             c->seconds, c->blocked, c->seconds - c->blocked));
    }
    return TS_OK;
}

static ts_status modules_json(const ts_timeline_sum *s, ts_str *out)
{
    for (size_t i = 0; i < s->n_modules; i++) {
        const ts_module_sum *m = &s->module[i];
        TS_TRY(ts_str_printf(out,
                             "%s\n    {\"module\": \"%s\", \"phase\": \"%s\", \"kernels\": %lld, \"seconds\": %.9f, "
                             "\"flops\": %.0f, \"bytes\": %.0f}",
                             i ? "," : "", part_of(m), phase_of(m), (long long)m->kernels, m->busy, m->flops,
                             m->bytes));
    }
    return TS_OK;
}

ts_status ts_timeline_sum_json(const ts_timeline_sum *s, ts_str *out)
{
    TS_TRY(ts_str_printf(out,
                         "{\"steps\": %lld, \"seconds\": %.9f, \"waiting_seconds\": %.9f, \"kernel_seconds\": %.9f, "
                         "\"lost_events\": %zu,\n   \"collectives\": [",
                         (long long)s->steps, s->seconds, s->blocked, s->busy, s->lost));
    TS_TRY(calls_json(s, out));
    TS_TRY(ts_str_puts(out, "],\n   \"modules\": ["));
    TS_TRY(modules_json(s, out));
    return ts_str_puts(out, "]");
}
