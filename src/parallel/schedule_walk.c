#include "parallel/schedule_walk.h"

#include "base/rng.h"
#include "base/str.h"

enum { FORWARD, GRADIENT };

/* ---- what a unit needs, and what it gives ---- */

static bool makes_gradient(ts_unit u)
{
    return u.kind == TS_UNIT_BACKWARD || u.kind == TS_UNIT_INPUT_GRAD;
}

/* When the unit's input has come; below 0: not yet. Weight halves and recomputation need only what
 * their stage has done before. */
static double input_of(const ts_walk *w, int64_t stage, ts_unit u)
{
    if (u.kind != TS_UNIT_FORWARD && !makes_gradient(u))
        return 0;
    const int64_t part = ts_schedule_part(w->s, (ts_spot){ stage, u.chunk });
    return w->input[makes_gradient(u)][part * w->s->shape.n_micro + u.micro];
}

static double chance(const ts_walk *w, int64_t message)
{
    const ts_rng rng = ts_rng_stream(w->costs->seed, TS_RNG_TEST, 0, 0);
    uint32_t bits[4];
    ts_rng_block(&rng, (uint64_t)message, bits);
    return w->costs->jitter * bits[0] / UINT32_MAX;
}

/* Each stage is linked with the next one, and the last with the first. */
static double *link_between(const ts_walk *w, int64_t a, int64_t b, int direction)
{
    const int64_t low = a < b ? a : b, high = a < b ? b : a;
    const int64_t link = high - low == 1 ? low : w->s->shape.n_stages - 1;
    return &w->link_free[2 * link + (w->costs->shares_link ? 0 : direction)];
}

/* Returns the stage that has now more to go on with: its own where it hands nothing on. */
static int64_t hand_on(ts_walk *w, int64_t stage, ts_unit u, double end)
{
    const ts_spot here = { stage, u.chunk };
    const int direction = makes_gradient(u) ? GRADIENT : FORWARD;
    ts_spot to;
    if (u.kind != TS_UNIT_FORWARD && !makes_gradient(u))
        return stage;
    if (!(direction == GRADIENT ? ts_schedule_before : ts_schedule_after)(w->s, here, &to)) {
        if (direction == FORWARD) /* the loss is there */
            w->input[GRADIENT][ts_schedule_part(w->s, here) * w->s->shape.n_micro + u.micro] = end;
        return stage;
    }
    const int64_t at = ts_schedule_part(w->s, to) * w->s->shape.n_micro + u.micro;
    if (to.stage != stage) {
        double *link = link_between(w, stage, to.stage, direction);
        end = end > *link ? end : *link;
        end += w->costs->send + chance(w, 2 * at + direction);
        *link = end;
        w->n_messages++;
    }
    w->input[direction][at] = end;
    return to.stage;
}

/* ---- the next unit ---- */

/* How many units more the stage holds behind it. */
static int kept_by(ts_unit u)
{
    if (u.kind == TS_UNIT_BACKWARD || u.kind == TS_UNIT_WEIGHT_GRAD)
        return -1;
    return u.kind == TS_UNIT_RECOMPUTE || (u.kind == TS_UNIT_FORWARD && !u.runs_again);
}

/* The oldest weight half that waits on the stage, where the walk fills. */
static bool waiting_half(const ts_walk *w, struct ts_walk_stage *st, int64_t stage, ts_unit *out)
{
    const ts_unit *v = w->s->stage[stage].v;
    while (st->flushed < st->next && v[st->flushed].kind != TS_UNIT_INPUT_GRAD)
        st->flushed++;
    if (!w->moves.weight_halves || st->flushed == st->next)
        return false;
    *out = v[st->flushed];
    out->kind = TS_UNIT_WEIGHT_GRAD;
    return true;
}

/* The next RECOMPUTE behind what is done, where the stage has room for it until its place. */
static bool early_recompute(const ts_walk *w, struct ts_walk_stage *st, int64_t stage, ts_unit *out)
{
    const ts_unit_list *list = &w->s->stage[stage];
    int64_t held = st->held;
    for (int64_t i = st->next; i < list->n && held < w->moves.recompute_held; i++) {
        const ts_unit u = list->v[i];
        if (u.kind == TS_UNIT_RECOMPUTE && i >= st->early) {
            st->in_sight = i;
            *out = u;
            return true;
        }
        if (u.kind == TS_UNIT_FORWARD && u.runs_again)
            return false; /* its own may be the one that would be found */
        held += kept_by(u);
    }
    return false;
}

static double cost_of(const ts_walk *w, int64_t stage, const ts_unit *u)
{
    const ts_schedule_costs *c = w->costs;
    if (c->of_micro)
        return c->of_micro[u->micro][stage * w->s->shape.n_chunks + u->chunk][u->kind];
    return c->of ? c->of[stage * w->s->shape.n_chunks + u->chunk][u->kind] : c->unit[u->kind];
}

/* Of the stage's next unit, and of the one behind it where the two begin together: which of them waits longer. */
static ts_unit waits_longer(const ts_walk *w, int64_t stage)
{
    const ts_unit *u = &w->s->stage[stage].v[w->stage[stage].next];
    if (!w->moves.pairs || !u->with_next)
        return *u;
    const double own = input_of(w, stage, u[0]), other = input_of(w, stage, u[1]);
    return own >= 0 && (other < 0 || other > own) ? u[1] : u[0];
}

/* What the stage would do next. */
static bool next_of(const ts_walk *w, int64_t stage, ts_walk_event *out)
{
    struct ts_walk_stage *st = &w->stage[stage];
    const ts_unit_list *list = &w->s->stage[stage];
    const double come = st->next < list->n ? input_of(w, stage, waits_longer(w, stage)) : -1;
    *out = (ts_walk_event){ .stage = stage, .begin = st->free };
    if (come < 0 || come > st->free) {
        if (!waiting_half(w, st, stage, &out->unit) && !early_recompute(w, st, stage, &out->unit)) {
            if (come < 0)
                return false;
            out->unit = list->v[st->next];
            out->begin = come;
        }
    } else {
        out->unit = list->v[st->next];
    }
    out->end = out->begin + cost_of(w, stage, &out->unit);
    return true;
}

static void mark_done(ts_walk *w, const ts_walk_event *e)
{
    struct ts_walk_stage *st = &w->stage[e->stage];
    const ts_unit_list *list = &w->s->stage[e->stage];
    st->free = e->end;
    st->held += kept_by(e->unit);
    if (w->moves.weight_halves && e->unit.kind == TS_UNIT_WEIGHT_GRAD) {
        st->flushed++;
        return;
    }
    /* one in its place never waits */
    if (e->unit.kind == TS_UNIT_RECOMPUTE && list->v[st->next].kind != TS_UNIT_RECOMPUTE)
        st->early = st->in_sight + 1;
    else
        st->next++;
    while (st->next < st->early && list->v[st->next].kind == TS_UNIT_RECOMPUTE)
        st->next++;
}

/* ---- whose turn it is ---- */

/* The lower stage of two that end together, so that a schedule always has the same replay. */
static bool is_earlier(const ts_walk *w, int64_t a, int64_t b)
{
    const double ends_a = w->stage[a].event.end, ends_b = w->stage[b].event.end;
    return ends_a < ends_b || (ends_a == ends_b && a < b);
}

static void place(ts_walk *w, int64_t at, int64_t stage)
{
    w->queue[at] = stage;
    w->stage[stage].at = at;
}

/* Up or down from where it stands, until the order is right again. */
static void settle(ts_walk *w, int64_t stage)
{
    int64_t at = w->stage[stage].at;
    for (; at > 1 && is_earlier(w, stage, w->queue[at / 2]); at /= 2)
        place(w, at, w->queue[at / 2]);
    for (int64_t below; (below = 2 * at) <= w->n_queue; at = below) {
        if (below < w->n_queue && is_earlier(w, w->queue[below + 1], w->queue[below]))
            below++;
        if (!is_earlier(w, w->queue[below], stage))
            break;
        place(w, at, w->queue[below]);
    }
    place(w, at, stage);
}

static void leave(ts_walk *w, int64_t stage)
{
    const int64_t at = w->stage[stage].at, last = w->queue[w->n_queue--];
    w->stage[stage].at = 0;
    if (last == stage)
        return;
    place(w, at, last);
    settle(w, last);
}

/* After what the stage does next may have changed. */
static void look_again(ts_walk *w, int64_t stage)
{
    struct ts_walk_stage *st = &w->stage[stage];
    if (!next_of(w, stage, &st->event)) {
        if (st->at)
            leave(w, stage);
        return;
    }
    if (!st->at)
        place(w, ++w->n_queue, stage);
    settle(w, stage);
}

/* The earliest end of all: whatever ends before it, and could hand something on, has been done. */
bool ts_walk_step(ts_walk *w, ts_walk_event *out)
{
    if (!w->n_queue)
        return false;
    *out = w->stage[w->queue[1]].event;
    mark_done(w, out);
    const int64_t whom = hand_on(w, out->stage, out->unit, out->end);
    look_again(w, out->stage);
    if (whom != out->stage)
        look_again(w, whom);
    return true;
}

ts_status ts_walk_init(ts_walk *w, const ts_schedule *s, const ts_schedule_costs *costs,
                       ts_walk_moves moves)
{
    const ts_schedule_shape *shape = &s->shape;
    const size_t p = (size_t)shape->n_stages, m = (size_t)shape->n_micro;
    const size_t n = p * (size_t)shape->n_chunks * m;
    *w = (ts_walk){ .s = s, .costs = costs, .moves = moves };
    TS_TRY(ts_alloc(&w->input[FORWARD], n, sizeof(double)));
    TS_TRY(ts_alloc(&w->input[GRADIENT], n, sizeof(double)));
    TS_TRY(ts_alloc(&w->link_free, 2 * p, sizeof(double)));
    TS_TRY(ts_alloc(&w->stage, p, sizeof *w->stage));
    TS_TRY(ts_alloc(&w->queue, p + 1, sizeof *w->queue));
    for (size_t i = 0; i < n; i++) {
        w->input[FORWARD][i] = i < m ? 0 : -1; /* the first part needs nobody's */
        w->input[GRADIENT][i] = -1;
    }
    for (int64_t r = 0; r < shape->n_stages; r++)
        look_again(w, r);
    return TS_OK;
}

void ts_walk_deinit(ts_walk *w)
{
    ts_free(&w->input[FORWARD]);
    ts_free(&w->input[GRADIENT]);
    ts_free(&w->link_free);
    ts_free(&w->stage);
    ts_free(&w->queue);
}

/* ---- who waits for whom ---- */

/* Adds for what the stage waits, and tells for whom. */
static ts_status add_waiting(const ts_walk *w, int64_t stage, ts_str *text, int64_t *whom)
{
    const int64_t i = w->stage[stage].next;
    const ts_unit u = waits_longer(w, stage);
    const ts_spot here = { stage, u.chunk };
    ts_spot from = here;
    const bool is_sent =
        (makes_gradient(u) ? ts_schedule_after : ts_schedule_before)(w->s, here, &from);
    *whom = from.stage;
    if (!is_sent) /* only where the two begin together */
        return ts_str_printf(text, "%sstage %lld waits at unit %lld (%s of micro-batch %d, chunk %d) for its own forward",
                             text->len ? "; " : "", (long long)stage, (long long)i + 1, ts_unit_kind_name(u.kind), u.micro,
                             u.chunk);
    return ts_str_printf(
        text,
        "%sstage %lld waits at unit %lld (%s of micro-batch %d, chunk %d) for the %s of chunk %lld on stage %lld",
        text->len ? "; " : "", (long long)stage, (long long)i, ts_unit_kind_name(u.kind), u.micro,
        u.chunk, makes_gradient(u) ? "gradient" : "output", (long long)from.chunk,
        (long long)from.stage);
}

/* Along who waits for whom until a stage comes again, or one that is done and hands on no more. */
ts_status ts_walk_finish(const ts_walk *w)
{
    enum { MOST_TOLD = 8 };
    const int64_t p = w->s->shape.n_stages;
    int64_t told[MOST_TOLD], n = 0, r = 0;
    ts_str text = { 0 };
    while (r < p && w->stage[r].next == w->s->stage[r].n)
        r++;
    if (r == p)
        return TS_OK;
    ts_status st = TS_OK;
    for (bool again = false; st == TS_OK && !again && n < MOST_TOLD;) {
        told[n++] = r;
        st = add_waiting(w, r, &text, &r);
        again = w->stage[r].next == w->s->stage[r].n;
        for (int64_t i = 0; i < n; i++)
            again |= told[i] == r;
    }
    if (st == TS_OK)
        st = ts_error(TS_ERR_RUN, "the schedule comes to no end: %s", text.s);
    ts_str_deinit(&text);
    return st;
}
