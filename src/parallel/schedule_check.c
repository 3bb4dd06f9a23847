#include "parallel/schedule_check.h"

#include "base/mem.h"
#include "parallel/schedule_walk.h"

/* ---- one stage's list: what is there, and in what order ---- */

enum { NOWHERE = -1 };

typedef struct places {
    const ts_schedule *s;
    int64_t stage;
    int64_t *at[TS_UNIT_KINDS]; /* [chunk * n_micro + micro]: where in the list, or NOWHERE */
} places;

static ts_status fail_at(const places *p, int64_t i, const char *what)
{
    const ts_unit u = p->s->stage[p->stage].v[i];
    return ts_error(TS_ERR_RUN, "stage %lld, unit %lld (%s of micro-batch %d, chunk %d): %s",
                    (long long)p->stage, (long long)i, ts_unit_kind_name(u.kind), u.micro, u.chunk,
                    what);
}

static ts_status find_units(places *p)
{
    const ts_schedule_shape *shape = &p->s->shape;
    const ts_unit_list *list = &p->s->stage[p->stage];
    const int64_t n = shape->n_chunks * shape->n_micro;
    for (int k = 0; k < TS_UNIT_KINDS; k++)
        for (int64_t i = 0; i < n; i++)
            p->at[k][i] = NOWHERE;
    for (int64_t i = 0; i < list->n; i++) {
        const ts_unit u = list->v[i];
        if ((unsigned)u.kind >= TS_UNIT_KINDS)
            return ts_error(TS_ERR_RUN, "stage %lld, unit %lld is of no kind", (long long)p->stage,
                            (long long)i);
        if (u.micro < 0 || u.micro >= shape->n_micro || u.chunk < 0 || u.chunk >= shape->n_chunks)
            return fail_at(p, i, "there is no such micro-batch or chunk");
        int64_t *at = &p->at[u.kind][u.chunk * shape->n_micro + u.micro];
        if (*at != NOWHERE)
            return fail_at(p, i, "it has been there before");
        *at = i;
    }
    return TS_OK;
}

static ts_status fail_missing(const places *p, int64_t micro, int64_t chunk, const char *what)
{
    return ts_error(TS_ERR_RUN, "stage %lld, micro-batch %lld, chunk %lld: there is no %s",
                    (long long)p->stage, (long long)micro, (long long)chunk, what);
}

static ts_status check_recompute(const places *p, int64_t forward, int64_t again, int64_t backward)
{
    const bool runs_again = p->s->stage[p->stage].v[forward].runs_again;
    if (again == NOWHERE)
        return runs_again ? fail_at(p, forward, "it kept nothing, and no recompute follows")
                          : TS_OK;
    if (!runs_again)
        return fail_at(p, again, "its forward has kept everything");
    if (again < forward)
        return fail_at(p, again, "its forward comes later");
    return again > backward ? fail_at(p, again, "its backward has come before") : TS_OK;
}

/* One micro-batch in one chunk. */
static ts_status check_passage(const places *p, int64_t micro, int64_t chunk)
{
    const int64_t k = chunk * p->s->shape.n_micro + micro;
    const int64_t forward = p->at[TS_UNIT_FORWARD][k], whole = p->at[TS_UNIT_BACKWARD][k];
    const int64_t input = p->at[TS_UNIT_INPUT_GRAD][k], weight = p->at[TS_UNIT_WEIGHT_GRAD][k];
    if (forward == NOWHERE)
        return fail_missing(p, micro, chunk, "forward");
    if (whole == NOWHERE && input == NOWHERE && weight == NOWHERE)
        return fail_missing(p, micro, chunk, "backward");
    if (whole != NOWHERE && (input != NOWHERE || weight != NOWHERE))
        return fail_at(p, input != NOWHERE ? input : weight,
                       "its backward is there as a whole too");
    if (whole == NOWHERE && input == NOWHERE)
        return fail_missing(p, micro, chunk, "input gradient");
    if (whole == NOWHERE && weight == NOWHERE)
        return fail_missing(p, micro, chunk, "weight gradient");
    const int64_t backward = whole != NOWHERE ? whole : input;
    if (backward < forward)
        return fail_at(p, backward, "its forward comes later");
    if (whole == NOWHERE && weight < input)
        return fail_at(p, weight, "its input gradient comes later");
    return check_recompute(p, forward, p->at[TS_UNIT_RECOMPUTE][k], backward);
}

static int64_t sum_at(const places *p, int64_t k)
{
    return p->at[TS_UNIT_BACKWARD][k] != NOWHERE ? p->at[TS_UNIT_BACKWARD][k]
                                                 : p->at[TS_UNIT_WEIGHT_GRAD][k];
}

static ts_status check_stage(places *p)
{
    const ts_schedule_shape *shape = &p->s->shape;
    TS_TRY(find_units(p));
    for (int64_t chunk = 0; chunk < shape->n_chunks; chunk++) {
        for (int64_t micro = 0; micro < shape->n_micro; micro++) {
            const int64_t k = chunk * shape->n_micro + micro;
            TS_TRY(check_passage(p, micro, chunk));
            if (micro && sum_at(p, k) < sum_at(p, k - 1))
                return fail_at(p, sum_at(p, k),
                               "weight gradients are to be added in the order of micro-batches");
        }
    }
    return TS_OK;
}

static ts_status check_lists(const ts_schedule *s)
{
    places p = { .s = s };
    const size_t n = (size_t)(s->shape.n_chunks * s->shape.n_micro);
    ts_status st = TS_OK;
    for (int k = 0; st == TS_OK && k < TS_UNIT_KINDS; k++)
        st = ts_alloc(&p.at[k], n, sizeof(int64_t));
    for (; st == TS_OK && p.stage < s->shape.n_stages; p.stage++)
        st = check_stage(&p);
    for (int k = 0; k < TS_UNIT_KINDS; k++)
        ts_free(&p.at[k]);
    return st;
}

/* ---- messages ---- */

typedef bool neighbour(const ts_schedule *s, ts_spot at, ts_spot *out);

static bool is_of(ts_unit u, bool gradient)
{
    return gradient ? u.kind == TS_UNIT_BACKWARD || u.kind == TS_UNIT_INPUT_GRAD
                    : u.kind == TS_UNIT_FORWARD;
}

/* The next unit from *i on whose message goes to (or comes from, as `side` says) the other stage. */
static bool next_message(const ts_schedule *s, int64_t stage, int64_t other, bool gradient,
                         neighbour *side, int64_t *i, ts_spot *at)
{
    for (; *i < s->stage[stage].n; ++*i) {
        const ts_unit u = s->stage[stage].v[*i];
        if (is_of(u, gradient) && side(s, (ts_spot){ stage, u.chunk }, at) && at->stage == other)
            return true;
    }
    return false;
}

/* All of one direction from one stage to another. Both lists hold each unit once. */
static ts_status check_messages(const ts_schedule *s, int64_t from, int64_t to, bool gradient)
{
    neighbour *const giver = gradient ? ts_schedule_after : ts_schedule_before;
    neighbour *const taker = gradient ? ts_schedule_before : ts_schedule_after;
    const places p = { .s = s, .stage = to };
    ts_spot sent_to, taken_from;
    int64_t i = 0, k = 0;
    for (; next_message(s, from, to, gradient, taker, &i, &sent_to) &&
           next_message(s, to, from, gradient, giver, &k, &taken_from);
         i++, k++) {
        const ts_unit sent = s->stage[from].v[i], taken = s->stage[to].v[k];
        if (sent.micro != taken.micro || sent_to.chunk != taken.chunk)
            return fail_at(&p, k, "the stage before sends another one first");
    }
    return TS_OK;
}

static ts_status check_all_messages(const ts_schedule *s)
{
    const int64_t p = s->shape.n_stages;
    for (int64_t r = 0; p > 1 && r < p; r++)
        for (int gradient = 0; gradient < 2; gradient++) {
            TS_TRY(check_messages(s, r, (r + 1) % p, gradient));
            TS_TRY(check_messages(s, (r + 1) % p, r, gradient));
        }
    return TS_OK;
}

/* ---- all of it ---- */

/* Units that may run interwoven may wait for neither of the two to come to its end. */
static ts_status check_end(const ts_schedule *s)
{
    const ts_schedule_costs costs = { 0 };
    ts_walk w;
    ts_walk_event e;
    ts_status st = ts_walk_init(&w, s, &costs, (ts_walk_moves){ .pairs = true });
    while (st == TS_OK && ts_walk_step(&w, &e))
        continue;
    if (st == TS_OK)
        st = ts_walk_finish(&w);
    ts_walk_deinit(&w);
    return st;
}

ts_status ts_schedule_check(const ts_schedule *s, const int64_t *most)
{
    TS_TRY(check_lists(s));
    TS_TRY(check_end(s));
    TS_TRY(check_all_messages(s));
    for (int64_t r = 0; most && r < s->shape.n_stages; r++) {
        const int64_t held = ts_schedule_holds(s, r).units;
        if (held > most[r])
            return ts_error(TS_ERR_RUN,
                            "stage %lld holds %lld units at a time: at most %lld may be",
                            (long long)r, (long long)held, (long long)most[r]);
    }
    return TS_OK;
}
