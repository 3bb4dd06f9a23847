#include "base/timeline.h"

#include "base/thread.h"

#include <string.h>
#include <sys/resource.h>
#if defined(__GLIBC__)
#include <execinfo.h>
#endif

/* Marks of one recording: some hundred megabytes. */
enum { MOST = 1 << 21 };

double ts_timeline_now(const ts_timeline *t) { return t->clock ? t->clock(t->clock_ctx) : ts_now(); }

void ts_timeline_start(ts_timeline *t, const ts_timeline_detail *detail, double origin)
{
    t->detail = *detail;
    t->origin = origin;
    t->n = t->lost = t->n_memory = t->n_open = t->module = 0;
    t->micro = t->chunk = -1;
    t->on = true;
}

void ts_timeline_stop(ts_timeline *t)
{
    const double now = ts_timeline_now(t);
    for (size_t i = 0; i < t->n_open; i++)
        t->mark[t->open[i].mark].end = now;
    t->n_open = 0;
    t->on = false;
}

void ts_timeline_deinit(ts_timeline *t)
{
    ts_free(&t->mark);
    ts_free(&t->memory);
    ts_free(&t->open);
    *t = (ts_timeline){ 0 };
}

/* Recording must not make a run fail: what there is no room for is counted. */
size_t ts_timeline_add(ts_timeline *t, const ts_mark *m)
{
    if (t->n >= MOST || ts_grow(&t->mark, &t->cap, t->n + 1, sizeof *t->mark) != TS_OK) {
        t->lost++;
        return SIZE_MAX;
    }
    ts_mark *to = &t->mark[t->n];
    *to = *m;
    to->step = t->step;
    to->micro = t->micro;
    to->chunk = t->chunk;
    return t->n++;
}

/* ---- kernels ---- */

static bool is_same(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool goes_on(const ts_timeline *t, const ts_mark *m)
{
    if (!t->module)
        return false;
    const ts_mark *of = &t->mark[t->module - 1];
    return of->layer == m->layer && of->again == m->again && of->step == t->step && of->micro == t->micro &&
           of->chunk == t->chunk && is_same(of->part, m->part) && is_same(of->phase, m->phase);
}

static void add_to_module(ts_timeline *t, const ts_mark *m)
{
    if (!goes_on(t, m)) {
        ts_mark module = *m;
        module.track = TS_TRACK_MODULE;
        module.name = m->part ? m->part : m->phase ? m->phase : "between steps";
        module.dims = NULL;
        module.busy = module.flops = module.bytes = 0;
        module.calls = 0;
        t->module = ts_timeline_add(t, &module) + 1; /* lost: 0, none */
    }
    if (!t->module)
        return;
    ts_mark *of = &t->mark[t->module - 1];
    of->end = m->end;
    of->busy += m->end - m->begin;
    of->flops += m->flops;
    of->bytes += m->bytes;
    of->calls++;
}

static void take_stack(ts_mark *m)
{
#if defined(__GLIBC__)
    enum { OWN = 3 }; /* frames of the recording itself */
    void *at[TS_MARK_STACK + OWN];
    const int n = backtrace(at, TS_MARK_STACK + OWN);
    for (int i = OWN; i < n; i++)
        m->stack[i - OWN] = at[i];
#else
    (void)m;
#endif
}

void ts_timeline_kernel(ts_timeline *t, const ts_mark *m)
{
    add_to_module(t, m);
    if (!t->detail.kernels)
        return;
    ts_mark one = *m;
    if (t->detail.stack)
        take_stack(&one);
    ts_timeline_add(t, &one);
}

/* ---- spans ---- */

double ts_timeline_begin(const ts_timeline *t) { return ts_timeline_is_on(t) ? ts_timeline_now(t) : 0; }

/* What began before the recording did is not told. */
static bool is_whole(const ts_timeline *t, double begin) { return ts_timeline_is_on(t) && begin >= t->origin; }

void ts_timeline_span(ts_timeline *t, ts_track track, const char *name, double begin)
{
    if (is_whole(t, begin))
        ts_timeline_add(t, &(ts_mark){ .track = track, .name = name, .layer = -1, .begin = begin,
                                       .end = ts_timeline_now(t) });
}

static ts_timeline_piece use_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (ts_timeline_piece){ .cpu_seconds = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                                               (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6,
                                .faults = u.ru_majflt + u.ru_minflt,
                                .switches = u.ru_nivcsw };
}

ts_timeline_piece ts_timeline_open(const ts_timeline *t)
{
    ts_timeline_piece p = { 0 };
    if (ts_timeline_is_on(t)) {
        if (t->detail.host)
            p = use_now();
        p.begin = ts_timeline_now(t);
    }
    return p;
}

void ts_timeline_close(ts_timeline *t, ts_track track, const char *name, const ts_timeline_piece *from)
{
    if (!is_whole(t, from->begin))
        return;
    ts_mark m = { .track = track, .name = name, .layer = -1, .begin = from->begin, .end = ts_timeline_now(t) };
    if (t->detail.host) {
        const ts_timeline_piece to = use_now();
        m.cpu_seconds = to.cpu_seconds - from->cpu_seconds;
        m.faults = to.faults - from->faults;
        m.switches = to.switches - from->switches;
    }
    ts_timeline_add(t, &m);
}

void ts_timeline_memory(ts_timeline *t, const int64_t now[TS_MEM_KINDS])
{
    if (t->n_memory >= MOST ||
        ts_grow(&t->memory, &t->cap_memory, t->n_memory + 1, sizeof *t->memory) != TS_OK) {
        t->lost++;
        return;
    }
    ts_memory_mark *m = &t->memory[t->n_memory++];
    m->at = ts_timeline_now(t);
    memcpy(m->now, now, sizeof m->now);
}

/* ---- calls of communicators ---- */

static void add_wait(ts_timeline *t, const ts_mark *call, double begin, double end)
{
    ts_mark m = *call;
    m.track = TS_TRACK_WAIT;
    m.begin = begin;
    m.end = end;
    m.bytes = 0;
    m.calls = 0;
    ts_timeline_add(t, &m);
}

void ts_timeline_call(ts_timeline *t, const ts_mark *m, const void *request)
{
    ts_mark call = *m;
    call.track = TS_TRACK_COMM;
    call.end = ts_timeline_now(t);
    call.busy = call.end - call.begin;
    const size_t at = ts_timeline_add(t, &call);
    add_wait(t, &call, call.begin, call.end);
    if (!request || at == SIZE_MAX)
        return;
    if (ts_grow(&t->open, &t->cap_open, t->n_open + 1, sizeof *t->open) != TS_OK) {
        t->lost++;
        return;
    }
    t->open[t->n_open++] = (struct ts_call_open){ request, at };
}

/* The newest: an address may be used again. */
static ts_mark *find(const ts_timeline *t, const void *request, size_t *at)
{
    for (size_t i = t->n_open; i-- > 0;) {
        if (t->open[i].request == request) {
            *at = i;
            return &t->mark[t->open[i].mark];
        }
    }
    return NULL;
}

void ts_timeline_waited(ts_timeline *t, const void *request, const char *group, double began)
{
    static const char earlier[] = "earlier call";
    size_t at;
    ts_mark *m = find(t, request, &at);
    const double now = ts_timeline_now(t);
    const ts_mark unknown = { .name = earlier, .group = group, .layer = -1 };
    const ts_mark call = m ? *m : unknown;
    if (m) {
        m->busy += now - began;
        m->end = now;
        t->open[at] = t->open[--t->n_open];
    }
    add_wait(t, &call, began, now);
}

void ts_timeline_done(ts_timeline *t, const void *request)
{
    size_t at;
    ts_mark *m = find(t, request, &at);
    if (!m)
        return;
    m->end = ts_timeline_now(t);
    t->open[at] = t->open[--t->n_open];
}
