#include "plan/record.h"

#include "device/sim/sim.h"
#include "parallel/schedule_picture.h"

#include <string.h>

static double sim_clock(void *dev) { return ts_sim_seconds(dev); }

static ts_status too_many(int64_t n)
{
    return ts_error(TS_ERR_USER,
                    "--trace: a step of %lld micro-batches does more than can be drawn: give a smaller "
                    "--global-batch-size, or --profile-level level0",
                    (long long)n);
}

ts_status ts_plan_record(ts_job *job, ts_timeline *out)
{
    ts_timeline *t = &job->timeline;
    const ts_timeline_detail detail = ts_profile_detail(&job->o->profile);
    ts_step_result r;
    const int64_t units = job->trainer->feed.n_micro * job->stages.n_chunks * TS_UNIT_KINDS;
    if (units > TS_SCHEDULE_MOST_DRAWN)
        return too_many(job->trainer->feed.n_micro);
    t->clock = sim_clock;
    t->clock_ctx = job->dev;
    ts_timeline_start(t, &detail, ts_sim_seconds(job->dev));
    const ts_status st = ts_trainer_step(job->trainer, false, &r);
    ts_timeline_stop(t);
    *out = *t;
    *t = (ts_timeline){ 0 };
    for (size_t i = 0; i < out->n; i++)
        out->mark[i].step = 1;
    return st == TS_OK && out->lost ? too_many(job->trainer->feed.n_micro) : st;
}

/* ---- where the replay has it ---- */

/* Times of a stage alone, and the same in the replay; straight lines between. */
typedef struct knot {
    double alone, replayed;
} knot;

typedef struct line {
    knot *at;
    size_t n;
} line;

static double between(const knot *a, const knot *b, double t)
{
    const double length = b->alone - a->alone;
    return length > 0 ? a->replayed + (t - a->alone) / length * (b->replayed - a->replayed) : a->replayed;
}

/* At a time that has several knots: what begins there does so at the last of them, what ends at the first. */
static double move_begin(const line *l, double t)
{
    size_t i = l->n - 1;
    while (i > 0 && l->at[i].alone > t)
        i--;
    return i + 1 < l->n ? between(&l->at[i], &l->at[i + 1], t) : l->at[i].replayed;
}

static double move_end(const line *l, double t)
{
    size_t i = 0;
    while (i + 1 < l->n && l->at[i].alone < t)
        i++;
    return i > 0 && l->at[i].alone > t ? between(&l->at[i - 1], &l->at[i], t) : l->at[i].replayed;
}

static size_t units_of(const ts_timeline *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->mark[i].track == TS_TRACK_UNIT;
    return n;
}

/* Knots at both ends of each unit; the step's beginning before, and its tail behind, which begins when the last
 * stage is done. */
static ts_status draw_line(const ts_timeline *t, const ts_replay *r, int stage, double length, line *l)
{
    const size_t units = units_of(t);
    size_t n = 0;
    double end = t->origin;
    TS_TRY(ts_alloc(&l->at, 2 * units + 3, sizeof *l->at));
    l->at[n++] = (knot){ t->origin, 0 };
    for (size_t i = 0, u = 0; i < t->n; i++) {
        const ts_mark *m = &t->mark[i];
        end = m->end > end ? m->end : end;
        if (m->track != TS_TRACK_UNIT)
            continue;
        const ts_span span = r->stage[stage].unit[u++];
        l->at[n++] = (knot){ m->begin, span.begin };
        l->at[n++] = (knot){ m->end, span.end };
    }
    l->at[n] = (knot){ l->at[n - 1].alone, r->makespan };
    l->at[n + 1] = (knot){ end, length };
    l->n = n + 2;
    return TS_OK;
}

/* Before a unit a stage waits for what its neighbour sends: of the next micro-batch, or gradients. */
static void add_waits(ts_timeline *t, const ts_replay *r, int stage)
{
    const size_t n = t->n;
    double last = 0;
    for (size_t i = 0, u = 0; i < n; i++) {
        const ts_mark *m = &t->mark[i];
        if (m->track != TS_TRACK_UNIT)
            continue;
        const ts_span span = r->stage[stage].unit[u++];
        const bool is_forward = !strcmp(m->name, ts_unit_kind_name(TS_UNIT_FORWARD));
        const ts_mark wait = { .track = TS_TRACK_WAIT, .name = ts_collective_name(TS_RECV),
                               .group = is_forward ? ts_mesh_dim_name(TS_MESH_PP) : TS_MESH_PP_BACK, .layer = -1, .begin = last,
                               .end = span.begin };
        if (span.begin > last)
            ts_timeline_add(t, &wait);
        last = span.end;
    }
}

ts_status ts_plan_place(ts_timeline *t, const ts_replay *r, int stage, double length)
{
    line l = { 0 };
    TS_TRY(draw_line(t, r, stage, length, &l));
    for (size_t i = 0; i < t->n; i++) {
        ts_mark *m = &t->mark[i];
        const double begin = move_begin(&l, m->begin), end = move_end(&l, m->end);
        m->begin = begin;
        m->end = end > begin ? end : begin;
    }
    for (size_t i = 0; i < t->n_memory; i++)
        t->memory[i].at = move_begin(&l, t->memory[i].at);
    ts_free(&l.at);
    t->origin = 0;
    t->step = 1;
    t->micro = t->chunk = -1;
    add_waits(t, r, stage);
    return TS_OK;
}
