/* A trainer's units of work, one after another as its schedule says. */
#include "base/turns.h"
#include "train/flight.h"

/* ---- what a unit takes and gives ---- */

/* A step, or an evaluation. */
typedef struct walk {
    ts_trainer *t;
    ts_pipeline *p;
    const ts_unit_list *units; /* of this stage */
    double weight;             /* 0: it evaluates, and only forward units are done */
} walk;

static ts_flight *find(const walk *w, int64_t micro, int64_t chunk)
{
    for (int i = 0; i < w->p->n_flights; i++) {
        ts_flight *f = &w->p->flight[i];
        if (f->is_busy && f->micro == micro && f->chunk == chunk)
            return f;
    }
    TS_ASSERT(false, "micro-batch %lld of chunk %lld is not under way", (long long)micro,
              (long long)chunk);
    return NULL;
}

static ts_flight *take_free(const walk *w, const ts_unit *u)
{
    ts_flight *f = w->p->flight;
    while (f < w->p->flight + w->p->n_flights && f->is_busy)
        f++;
    TS_ASSERT(f < w->p->flight + w->p->n_flights, "more than %d micro-batches are under way",
              w->p->n_flights);
    f->is_busy = true;
    f->micro = u->micro, f->chunk = u->chunk;
    f->in.n = f->out.n = 0;
    return f;
}

static ts_status leave(const walk *w, ts_flight *f)
{
    f->is_busy = false;
    ts_tape_reset(f->tape);
    return ts_parcel_wait(&f->given, &w->p->passing, TS_PASS_FORWARD);
}

/* Whether another part of the model lies just before (or else after) the unit's part: which stage
 * and chunk it is, and the shapes of what passes between the two. */
static bool neighbour(const walk *w, const ts_unit *u, bool before, ts_spot *other,
                      ts_passed_shapes *shapes)
{
    const ts_objective *o = w->t->objective;
    const ts_spot at = { w->p->stage, u->chunk };
    if (!(before ? ts_schedule_before : ts_schedule_after)(w->p->schedule, at, other))
        return false;
    o->passes(o, ts_schedule_part(w->p->schedule, before ? *other : at), ts_feed_rows(&w->t->feed, u->micro), shapes);
    return true;
}

static bool takes(const walk *w, const ts_unit *u, ts_pass_way way, ts_spot *from, ts_passed_shapes *s)
{
    if (way == TS_PASS_FORWARD ? u->kind != TS_UNIT_FORWARD : !ts_unit_goes_back(u))
        return false;
    return neighbour(w, u, way == TS_PASS_FORWARD, from, s);
}

/* The message for the next unit that takes one of another stage may come while others are done. */
static ts_status ask(const walk *w, ts_pass_way way)
{
    ts_pipeline *p = w->p;
    for (int64_t *i = &p->asked[way]; *i < w->units->n; ++*i) {
        ts_spot from;
        ts_passed_shapes s;
        if (takes(w, &w->units->v[*i], way, &from, &s) && from.stage != p->stage)
            return ts_passing_ask(&p->passing, way, &s, (int)from.stage);
    }
    return TS_OK;
}

static ts_status unpack(const walk *w, ts_flight *f, const ts_parcel *b, ts_pass_way way, ts_passed *out)
{
    return ts_parcel_unpack(b, &w->p->passing, way, f->tape, out);
}

/* What the part before or behind gave for this unit; `here`: where it is if that part is on this stage. */
static ts_status take(const walk *w, ts_flight *f, ts_pass_way way, const ts_spot *from, const ts_parcel *here,
                      ts_passed *out)
{
    ts_pipeline *p = w->p;
    if (from->stage == p->stage)
        return unpack(w, f, here, way, out);
    TS_TRY(ts_parcel_wait(&p->passing.coming[way], &p->passing, way));
    TS_TRY(unpack(w, f, &p->passing.coming[way], way, out));
    p->asked[way]++;
    return ask(w, way);
}

static void want_grads(ts_passed *in, const ts_passed_shapes *s)
{
    for (int i = 0; i < in->n; i++)
        in->tensor[i]->wants_grad = s->v[i].has_grad;
}

static ts_status take_input(const walk *w, const ts_unit *u, ts_flight *f)
{
    ts_spot from;
    ts_passed_shapes s;
    ts_flight *giver = NULL;
    if (!takes(w, u, TS_PASS_FORWARD, &from, &s))
        return TS_OK;
    if (from.stage == w->p->stage)
        giver = find(w, u->micro, from.chunk);
    TS_TRY(take(w, f, TS_PASS_FORWARD, &from, giver ? &giver->given : NULL, &f->in));
    want_grads(&f->in, &s);
    s = ts_passed_shapes_of(&f->in, &s);
    if (u->runs_again && w->weight != 0)
        TS_TRY(ts_parcel_pack(&f->kept, &w->p->passing, TS_PASS_FORWARD, &s, f->in.tensor));
    return giver && w->weight == 0 ? leave(w, giver) : TS_OK; /* nothing comes back to it */
}

/* Its output's bytes are not needed any more, but its gradient is to come. */
static ts_status give_output(const walk *w, const ts_unit *u, ts_flight *f)
{
    ts_spot to;
    ts_passed_shapes s;
    if (!neighbour(w, u, false, &to, &s))
        return TS_OK;
    TS_ASSERT(f->out.n == s.n, "a part gives %d tensors, not %d", f->out.n, s.n);
    if (w->t->objective->varies)
        s = ts_passed_shapes_of(&f->out, &s);
    TS_TRY(ts_parcel_pack(&f->given, &w->p->passing, TS_PASS_FORWARD, &s, f->out.tensor));
    for (int i = 0; i < f->out.n; i++)
        ts_tape_drop(f->tape, f->out.tensor[i]);
    return to.stage == w->p->stage
               ? TS_OK
               : ts_parcel_send(&f->given, &w->p->passing, TS_PASS_FORWARD, (int)to.stage);
}

static ts_status take_grads(const walk *w, const ts_unit *u, ts_flight *f)
{
    ts_spot from;
    ts_passed_shapes s;
    ts_passed g;
    if (!takes(w, u, TS_PASS_BACK, &from, &s))
        return TS_OK;
    TS_TRY(take(w, f, TS_PASS_BACK, &from, &f->given, &g));
    for (int i = 0; i < g.n; i++) {
        if (!g.tensor[i])
            continue;
        TS_TRY(ts_tape_accumulate(f->tape, f->out.tensor[i], g.tensor[i]));
        ts_tape_drop(f->tape, g.tensor[i]);
    }
    return TS_OK;
}

static ts_status give_grads(const walk *w, const ts_unit *u, ts_flight *f)
{
    ts_spot to;
    ts_passed_shapes s;
    ts_tensor *grad[TS_PASSED] = { 0 };
    if (!neighbour(w, u, true, &to, &s))
        return TS_OK;
    s = ts_passed_shapes_of(&f->in, &s);
    for (int i = 0; i < f->in.n; i++)
        grad[i] = f->in.tensor[i]->grad;
    if (to.stage != w->p->stage)
        return ts_passing_send_back(&w->p->passing, &s, grad, (int)to.stage);
    return ts_parcel_pack(&find(w, u->micro, to.chunk)->given, &w->p->passing, TS_PASS_BACK, &s, grad);
}

/* Of what came in the gradient is wanted; the bytes are for who needs them in the backward pass. */
static ts_status send_away(const walk *w, ts_flight *f)
{
    for (int i = 0; w->weight != 0 && i < f->in.n; i++)
        ts_tape_leave(f->tape, f->in.tensor[i]);
    return ts_tape_send_away(f->tape);
}

/* ---- units ---- */

static ts_status forward(const walk *w, const ts_unit *u, ts_flight **out)
{
    ts_flight *f = *out = take_free(w, u);
    const bool records = w->weight != 0 && !u->runs_again;
    ts_trainer_enter(w->t, w->t->look ? "look ahead" : w->weight == 0 ? "evaluation" : "forward");
    TS_TRY(take_input(w, u, f));
    TS_TRY(ts_flight_forward(w->t, f, w->weight, records));
    TS_TRY(give_output(w, u, f));
    TS_TRY(send_away(w, f));
    if (u->runs_again && w->weight != 0)
        ts_tape_reset(f->tape);
    return TS_OK;
}

/* Its input was kept; what it gives has been given. */
static ts_status again(const walk *w, const ts_unit *u)
{
    ts_flight *f = find(w, u->micro, u->chunk);
    ts_spot other;
    ts_passed_shapes s;
    ts_trainer_enter(w->t, "recomputation");
    if (neighbour(w, u, true, &other, &s)) {
        TS_TRY(unpack(w, f, &f->kept, TS_PASS_FORWARD, &f->in));
        want_grads(&f->in, &s);
    }
    w->t->dev->again++;
    const ts_status st = ts_flight_forward(w->t, f, w->weight, true);
    w->t->dev->again--;
    TS_TRY(st);
    for (int i = 0; neighbour(w, u, false, &other, &s) && i < f->out.n; i++)
        ts_tape_drop(f->tape, f->out.tensor[i]);
    return TS_OK;
}

/* Gradients are handed on before the weights have theirs. */
static ts_status run_back(const walk *w, const ts_unit *u, ts_flight *f)
{
    if (u->kind != TS_UNIT_WEIGHT_GRAD) {
        TS_TRY(take_grads(w, u, f));
        TS_TRY(ts_tape_backward(f->tape));
        TS_TRY(give_grads(w, u, f));
    }
    return u->kind == TS_UNIT_INPUT_GRAD ? TS_OK : ts_tape_run_weights(f->tape);
}

static ts_status backward(const walk *w, const ts_unit *u, double *sums)
{
    ts_trainer *t = w->t;
    ts_flight *f = find(w, u->micro, u->chunk);
    const bool is_last = u->micro + 1 == t->feed.n_micro;
    ts_trainer_enter(t, "backward");
    ts_grads_enter(&t->grads, f->tape, is_last);
    TS_TRY(run_back(w, u, f));
    if (ts_unit_ends(u))
        TS_TRY(ts_flight_sum(t, f, &sums[u->micro], t->feed.n_micro));
    TS_TRY(ts_grads_leave(&t->grads, f->tape));
    return ts_unit_ends(u) ? leave(w, f) : TS_OK;
}

static ts_status do_unit(const walk *w, const ts_unit *u, double *sums)
{
    ts_flight *f;
    if (u->kind == TS_UNIT_RECOMPUTE)
        return again(w, u);
    return u->kind == TS_UNIT_FORWARD ? forward(w, u, &f) : backward(w, u, sums);
}

/* On the timeline it is a piece, and what happens within it is its micro-batch's. */
static ts_status mark_unit(const walk *w, const ts_unit *u, double *sums)
{
    ts_timeline *t = w->t->dev->timeline;
    if (!ts_timeline_is_on(t))
        return do_unit(w, u, sums);
    const ts_timeline_piece whole = ts_timeline_open(t);
    t->micro = u->micro, t->chunk = u->chunk;
    const ts_status st = do_unit(w, u, sums);
    ts_timeline_close(t, TS_TRACK_UNIT, ts_unit_kind_name(u->kind), &whole);
    t->micro = t->chunk = -1;
    return st;
}

/* What a unit has taken since a moment, to its account. */
typedef struct lap {
    double began, out;
    int64_t held;
} lap;

static lap begin_lap(const walk *w)
{
    const ts_device *d = w->t->dev;
    return (lap){ .began = w->p->clock ? w->p->clock(w->p->clock_ctx) : 0, .out = d->swapped[TS_TO_HOST],
                  .held = d->mem.now[TS_MEM_ACT] };
}

static void end_lap(const walk *w, const ts_unit *u, const lap *from)
{
    if (!w->p->clock)
        return;
    const lap now = begin_lap(w);
    struct ts_unit_time *time = &w->p->time[u->chunk * TS_UNIT_KINDS + u->kind];
    time->seconds += now.began - from->began;
    time->held += now.held - from->held;
    time->swapped += now.out - from->out;
}

static void count_unit(const walk *w, const ts_unit *u)
{
    if (w->p->clock)
        w->p->time[u->chunk * TS_UNIT_KINDS + u->kind].units++;
}

static ts_status train_unit(const walk *w, const ts_unit *u, double *sums)
{
    const lap from = begin_lap(w);
    TS_TRY(mark_unit(w, u, sums));
    end_lap(w, u, &from);
    count_unit(w, u);
    return TS_OK;
}

/* ---- two of them, interwoven ---- */

/* Where a unit was when it gave way. */
typedef struct place {
    bool is_known;
    const char *phase, *part;
    int64_t layer;
    int32_t micro, chunk;
    int again;
} place;

typedef struct woven {
    const walk *w;
    const ts_unit *unit[2];
    double *sums;
    place at[2];
    lap from;
} woven;

typedef struct woven_unit {
    woven *both;
    int which;
} woven_unit;

static ts_status run_woven(void *ctx)
{
    const woven_unit *u = ctx;
    return mark_unit(u->both->w, u->both->unit[u->which], u->both->sums);
}

static void remember(const walk *w, place *p)
{
    const ts_device *d = w->t->dev;
    *p = (place){ .is_known = true, .phase = d->mem.phase, .part = d->mem.part, .layer = d->mem.layer,
                  .again = d->again, .micro = d->timeline ? d->timeline->micro : -1,
                  .chunk = d->timeline ? d->timeline->chunk : -1 };
}

static void go_on(const walk *w, const place *p)
{
    ts_device *d = w->t->dev;
    if (p->is_known)
        ts_trainer_enter(w->t, p->phase);
    d->again = p->again;
    if (p->is_known)
        ts_device_part(d, p->part, p->layer);
    if (p->is_known && d->timeline)
        d->timeline->micro = p->micro, d->timeline->chunk = p->chunk;
}

static void turn(void *ctx, int from, int to)
{
    woven *b = ctx;
    if (from >= 0) {
        end_lap(b->w, b->unit[from], &b->from);
        remember(b->w, &b->at[from]);
    }
    b->from = begin_lap(b->w);
    if (to >= 0)
        go_on(b->w, &b->at[to]);
}

/* Where the one waits for rows of experts, the other goes on. */
static ts_status train_woven(const walk *w, const ts_unit *u, double *sums)
{
    woven both = { .w = w, .unit = { u, u + 1 }, .sums = sums };
    woven_unit of[2] = { { &both, 0 }, { &both, 1 } };
    const ts_turn two[2] = { { run_woven, &of[0] }, { run_woven, &of[1] } };
    TS_TRY(ts_turns_run(two, turn, &both));
    count_unit(w, u);
    count_unit(w, u + 1);
    return TS_OK;
}

static ts_status begin_timing(ts_pipeline *p)
{
    ts_free(&p->time);
    return p->clock ? ts_alloc(&p->time, (size_t)p->schedule->shape.n_chunks * TS_UNIT_KINDS, sizeof *p->time)
                    : TS_OK;
}

static ts_status begin(ts_trainer *t, double weight, walk *w)
{
    TS_TRY(ts_trainer_prepare_pipeline(t));
    ts_gather_begin(&t->gather, weight != 0);
    ts_pipeline *p = &t->pipeline;
    *w = (walk){ t, p, &p->schedule->stage[p->stage], weight };
    p->asked[TS_PASS_FORWARD] = p->asked[TS_PASS_BACK] = 0;
    TS_TRY(ask(w, TS_PASS_FORWARD));
    return weight == 0 ? TS_OK : ask(w, TS_PASS_BACK);
}

ts_status ts_pipeline_train(ts_trainer *t, double weight, double *sums)
{
    walk w;
    TS_TRY(begin(t, weight, &w));
    TS_TRY(begin_timing(w.p));
    for (int64_t i = 0; i < w.units->n; i++) {
        const bool two = w.p->kind.interweaves && w.units->v[i].with_next;
        TS_TRY((two ? train_woven : train_unit)(&w, &w.units->v[i], sums));
        i += two;
    }
    return ts_passing_finish(&w.p->passing);
}

/* What it gives to this stage itself stays until it is taken. */
static ts_status evaluate_unit(const walk *w, const ts_unit *u, double *sums, int *told)
{
    ts_flight *f;
    ts_spot to;
    ts_passed_shapes s;
    double own[TS_PASSED] = { 0 };
    TS_TRY(forward(w, u, &f));
    TS_TRY(w->t->look ? ts_flight_keep(w->t, f) : ts_flight_sum(w->t, f, own, 1));
    if (ts_objective_ends(w->t->objective, ts_schedule_part(w->p->schedule, (ts_spot){ w->p->stage, u->chunk })))
        *told = f->out.n;
    for (int k = 0; !w->t->look && k <= w->t->objective->n_side; k++)
        sums[k] += own[k];
    return neighbour(w, u, false, &to, &s) && to.stage == w->p->stage ? TS_OK : leave(w, f);
}

ts_status ts_pipeline_evaluate(ts_trainer *t, double *sums, int *told)
{
    walk w;
    *told = 0;
    TS_TRY(begin(t, 0, &w));
    for (int64_t i = 0; i < w.units->n; i++)
        if (w.units->v[i].kind == TS_UNIT_FORWARD)
            TS_TRY(evaluate_unit(&w, &w.units->v[i], sums, told));
    return TS_OK;
}
