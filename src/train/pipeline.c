#include "train/pipeline.h"

/* ---- what a schedule needs ---- */

static const ts_unit_list *units_of(const ts_schedule *s, int64_t stage) { return &s->stage[stage]; }

/* Micro-batches that a stage has under way at most, and whether some of their backward passes are in
 * halves. */
static int flights_of(const ts_schedule *s, int64_t stage, bool *splits)
{
    const ts_unit_list *l = units_of(s, stage);
    int now = 0, most = 0;
    for (int64_t i = 0; i < l->n; i++) {
        now += l->v[i].kind == TS_UNIT_FORWARD;
        most = now > most ? now : most;
        now -= ts_unit_ends(&l->v[i]);
        *splits = *splits || l->v[i].kind == TS_UNIT_INPUT_GRAD;
    }
    return most;
}

static bool is_of(const ts_pipeline *p, int64_t part)
{
    return ts_schedule_spot(p->schedule, part).stage == p->stage;
}

/* The largest message that leaves this stage or comes to it; none: the objective is in one part. */
static size_t message_size(const ts_pipeline *p, const ts_objective *o, int64_t samples)
{
    size_t most = 0;
    for (int64_t part = 0; !ts_objective_ends(o, part); part++) {
        ts_passed_shapes s;
        if (!is_of(p, part) && !is_of(p, part + 1))
            continue;
        o->passes(o, part, samples, &s);
        most = ts_passed_bytes(&s) > most ? ts_passed_bytes(&s) : most;
    }
    return most;
}

static void close_flights(ts_pipeline *p)
{
    for (int i = 0; i < p->n_flights; i++) {
        ts_tape_destroy(&p->flight[i].tape);
        ts_parcel_deinit(&p->flight[i].given, &p->passing);
        ts_parcel_deinit(&p->flight[i].kept, &p->passing);
    }
    ts_free(&p->flight);
    p->n_flights = 0;
    ts_passing_deinit(&p->passing);
}

void ts_pipeline_deinit(ts_pipeline *p)
{
    close_flights(p);
    ts_free(&p->time);
    ts_schedule_destroy(&p->schedule);
}

static ts_status open_flight(ts_pipeline *p, const ts_pipeline_needs *n, ts_flight *f)
{
    ts_tape_options o = n->tape;
    o.defer_weights = p->splits;
    TS_TRY(ts_tape_create(n->dev, &o, &f->tape));
    TS_TRY(ts_parcel_init(&f->given, &p->passing));
    return p->kind.recompute == TS_AGAIN_NONE ? TS_OK : ts_parcel_init(&f->kept, &p->passing);
}

/* A gradient is taken when its receiver needs it: as many may be under way as that has flights. */
static ts_status open_flights(ts_pipeline *p, const ts_pipeline_needs *needs)
{
    const int before = (p->stage + p->n_stages - 1) % p->n_stages;
    bool splits = false;
    int back = flights_of(p->schedule, before, &splits);
    const int other = flights_of(p->schedule, (p->stage + 1) % p->n_stages, &splits);
    back = p->schedule->is_v && other > back ? other : back;
    p->splits = false;
    const int n = flights_of(p->schedule, p->stage, &p->splits);
    TS_TRY(ts_passing_init(&p->passing, needs->dev, needs->mesh, needs->objective->varies,
                           message_size(p, needs->objective, needs->micro), p->n_stages > 1 ? back : 0));
    TS_TRY(ts_border_init(&p->passing.border, needs->mesh, needs->objective, needs->micro));
    TS_TRY(ts_alloc(&p->flight, (size_t)n, sizeof *p->flight));
    for (; p->n_flights < n; p->n_flights++) {
        const ts_status st = open_flight(p, needs, &p->flight[p->n_flights]);
        if (st != TS_OK) {
            p->n_flights++; /* what there is of it goes with the others */
            return st;
        }
    }
    return TS_OK;
}

ts_status ts_pipeline_prepare(ts_pipeline *p, const ts_pipeline_needs *n)
{
    const ts_schedule_shape shape = { .n_stages = ts_line_stages(n->mesh),
                                      .n_chunks = p->kind.chunks ? p->kind.chunks : 1,
                                      .n_micro = n->n_micro,
                                      .group = p->kind.group,
                                      .recompute = p->kind.recompute,
                                      .detaches_weights = p->kind.detaches_weights,
                                      .interweaves = p->kind.interweaves };
    if (p->schedule && p->schedule->shape.n_micro == shape.n_micro)
        return TS_OK;
    ts_pipeline_deinit(p);
    p->stage = ts_line_stage(n->mesh);
    p->n_stages = (int)shape.n_stages;
    TS_ASSERT(!n->mesh->line || shape.n_chunks == 1, "%lld chunks of stages of two networks",
              (long long)shape.n_chunks);
    TS_ASSERT(ts_objective_parts(n->objective) == shape.n_stages * shape.n_chunks,
              "an objective of %lld parts in a pipeline of %d stages",
              (long long)ts_objective_parts(n->objective), p->n_stages);
    TS_TRY(ts_schedule_create(p->kind.schedule, &shape, &p->schedule));
    return open_flights(p, n);
}
