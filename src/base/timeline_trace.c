#include "base/timeline_trace.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Threads of the trace, in the order in which they are shown; calls come behind. */
static const char *const thread_name[TS_TRACKS] = {
    [TS_TRACK_STEP] = "step",       [TS_TRACK_UNIT] = "units",  [TS_TRACK_MODULE] = "modules",
    [TS_TRACK_KERNEL] = "kernels",  [TS_TRACK_HOST] = "copies", [TS_TRACK_WAIT] = "waiting",
    [TS_TRACK_COMM] = NULL,
};

/* A thread for calls of a group, and when its last one ends. */
typedef struct lane {
    const char *group;
    int number; /* among the group's */
    int64_t end;
} lane;

typedef struct writer {
    const ts_timeline *t;
    ts_trace *to;
    int64_t pid;
    lane *lanes;
    size_t n_lanes, cap_lanes;
} writer;

/* Nanoseconds: rounded at both ends alike, so that what lies within something stays within it. */
static int64_t ns_of(const ts_timeline *t, double at) { return llround((at - t->origin) * 1e9); }

static double us_of(int64_t ns) { return (double)ns / 1e3; }

static const char *pass_of(const ts_mark *m)
{
    if (m->track == TS_TRACK_COMM || m->track == TS_TRACK_WAIT)
        return m->group;
    return m->again ? "recomputation" : m->phase ? m->phase : thread_name[m->track];
}

static void name_of(const ts_mark *m, char buf[96])
{
    if (m->track == TS_TRACK_UNIT)
        snprintf(buf, 96, "%.60s %d", m->name, m->micro);
    else if (m->track == TS_TRACK_STEP && m->step && !strcmp(m->name, "step"))
        snprintf(buf, 96, "%.60s %lld", m->name, (long long)m->step);
    else if (m->track == TS_TRACK_MODULE && m->layer >= 0)
        snprintf(buf, 96, "%.60s %lld", m->name, (long long)m->layer);
    else if (m->group)
        snprintf(buf, 96, "%.40s %.40s", m->name, m->group);
    else
        snprintf(buf, 96, "%.90s", m->name);
}

static void place_arguments(const writer *w, const ts_mark *m)
{
    if (m->step)
        ts_trace_int(w->to, "step", m->step);
    if (m->micro >= 0)
        ts_trace_int(w->to, "micro-batch", m->micro);
    if (m->chunk >= 0)
        ts_trace_int(w->to, "chunk", m->chunk);
    if (m->track == TS_TRACK_KERNEL && m->part)
        ts_trace_text(w->to, "module", m->part);
    if (m->layer >= 0 && (m->track == TS_TRACK_KERNEL || m->track == TS_TRACK_MODULE))
        ts_trace_int(w->to, "layer", m->layer);
}

static void shape_arguments(const writer *w, const ts_mark *m)
{
    const char *name = m->dims;
    for (int i = 0; name && i < TS_MARK_DIMS; i++) {
        char key[16];
        const size_t n = strcspn(name, ",");
        snprintf(key, sizeof key, "%.*s", (int)n, name);
        ts_trace_int(w->to, key, m->dim[i]);
        name = name[n] ? name + n + 1 : NULL;
    }
}

/* "tessera+0x1234 tessera+0x5678": what addr2line -f -e tessera 0x1234 names. */
static void stack_argument(const writer *w, const ts_mark *m)
{
    char text[TS_MARK_STACK * 40];
    size_t n = 0;
    for (int i = 0; i < TS_MARK_STACK && m->stack[i] && n < sizeof text; i++) {
        Dl_info in;
        const bool is_known = dladdr(m->stack[i], &in) && in.dli_fname;
        const char *file = is_known ? in.dli_fname : "?", *last = strrchr(file, '/');
        const size_t offset = is_known ? (size_t)((char *)m->stack[i] - (char *)in.dli_fbase) : 0;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.20s+0x%zx", n ? " " : "", last ? last + 1 : file, offset);
    }
    if (n)
        ts_trace_text(w->to, "stack", text);
}

static void cost_arguments(const writer *w, const ts_mark *m, int64_t ns)
{
    ts_trace_real(w->to, "flops", m->flops);
    ts_trace_real(w->to, "bytes", m->bytes);
    if (ns > 0) {
        ts_trace_real(w->to, "gflops_per_second", m->flops / (double)ns);
        ts_trace_real(w->to, "gigabytes_per_second", m->bytes / (double)ns);
    }
}

static void more_arguments(const writer *w, const ts_mark *m, int64_t ns)
{
    const ts_timeline_detail *d = &w->t->detail;
    if (m->track == TS_TRACK_COMM) {
        const double blocked = m->busy * 1e6, length = us_of(ns);
        ts_trace_int(w->to, "bytes", (int64_t)(m->bytes + 0.5));
        if (d->costs)
            ts_trace_int(w->to, "messages", m->messages);
        ts_trace_real(w->to, "blocked_us", blocked < length ? blocked : length);
    }
    if (m->track == TS_TRACK_MODULE) {
        ts_trace_int(w->to, "kernels", m->calls);
        ts_trace_real(w->to, "busy_us", m->busy * 1e6);
    }
    if (m->track == TS_TRACK_HOST)
        ts_trace_int(w->to, "bytes", (int64_t)m->bytes);
    if (d->shapes && m->track == TS_TRACK_KERNEL)
        shape_arguments(w, m);
    if (d->costs && (m->track == TS_TRACK_KERNEL || m->track == TS_TRACK_MODULE))
        cost_arguments(w, m, ns);
    if (d->stack && m->track == TS_TRACK_KERNEL)
        stack_argument(w, m);
    if (d->host && (m->track == TS_TRACK_UNIT || m->track == TS_TRACK_STEP) && m->cpu_seconds > 0) {
        ts_trace_real(w->to, "cpu_ms", m->cpu_seconds * 1e3);
        ts_trace_int(w->to, "page_faults", m->faults);
        ts_trace_int(w->to, "switches", m->switches);
    }
}

/* Calls of a group lie in its first lane that is free: they overlap, and spans of a thread must not. */
static ts_status lane_of(writer *w, const ts_mark *m, int64_t begin, int64_t end, int64_t *tid)
{
    int number = 0;
    for (size_t i = 0; i < w->n_lanes; i++) {
        if (strcmp(w->lanes[i].group, m->group))
            continue;
        number++;
        if (w->lanes[i].end <= begin) {
            w->lanes[i].end = end;
            *tid = TS_TRACKS + (int64_t)i;
            return TS_OK;
        }
    }
    TS_TRY(ts_grow(&w->lanes, &w->cap_lanes, w->n_lanes + 1, sizeof *w->lanes));
    w->lanes[w->n_lanes] = (lane){ m->group, number, end };
    *tid = TS_TRACKS + (int64_t)w->n_lanes++;
    return TS_OK;
}

static ts_status write_mark(writer *w, const ts_mark *m)
{
    const int64_t begin = ns_of(w->t, m->begin), end = ns_of(w->t, m->end);
    int64_t tid = m->track;
    char name[96];
    if (m->track == TS_TRACK_COMM)
        TS_TRY(lane_of(w, m, begin, end, &tid));
    name_of(m, name);
    ts_trace_span(w->to, w->pid, tid, name, pass_of(m), us_of(begin), us_of(end - begin));
    place_arguments(w, m);
    more_arguments(w, m, end - begin);
    return TS_OK;
}

static void write_memory(const writer *w)
{
    for (size_t i = 0; i < w->t->n_memory; i++) {
        const ts_memory_mark *m = &w->t->memory[i];
        ts_trace_counter(w->to, w->pid, "memory", us_of(ns_of(w->t, m->at)));
        for (int k = 0; k < TS_MEM_KINDS; k++)
            ts_trace_int(w->to, ts_mem_kind_name((ts_mem_kind)k), m->now[k]);
    }
}

static void name_threads(const writer *w)
{
    bool is_used[TS_TRACKS] = { false };
    for (size_t i = 0; i < w->t->n; i++)
        is_used[w->t->mark[i].track] = true;
    for (int k = 0; k < TS_TRACKS; k++) {
        if (!thread_name[k] || !is_used[k])
            continue;
        ts_trace_thread(w->to, w->pid, k, thread_name[k]);
        ts_trace_thread_place(w->to, w->pid, k, k);
    }
    for (size_t i = 0; i < w->n_lanes; i++) {
        char name[64];
        if (w->lanes[i].number)
            snprintf(name, sizeof name, "calls of %.30s (%d)", w->lanes[i].group, w->lanes[i].number + 1);
        else
            snprintf(name, sizeof name, "calls of %.30s", w->lanes[i].group);
        ts_trace_thread(w->to, w->pid, TS_TRACKS + (int64_t)i, name);
        ts_trace_thread_place(w->to, w->pid, TS_TRACKS + (int64_t)i, TS_TRACKS + (int64_t)i);
    }
}

ts_status ts_timeline_trace(const ts_timeline *t, int64_t pid, const char *name, ts_trace *to)
{
    writer w = { .t = t, .to = to, .pid = pid };
    ts_status st = TS_OK;
    ts_trace_process(to, pid, name);
    ts_trace_process_place(to, pid, pid);
    for (size_t i = 0; i < t->n && st == TS_OK; i++)
        st = write_mark(&w, &t->mark[i]);
    write_memory(&w);
    name_threads(&w);
    ts_free(&w.lanes);
    return st != TS_OK ? st : to->st;
}
