#include "parallel/schedule_table.h"

#include "parallel/schedule_make.h"

/* Keeps the lists in memory and every product of sizes far from its limit. */
enum { MOST_STAGES = 1 << 16, MOST_UNITS = 1 << 22, ANY_CHUNKS = 1 << 16 };

/* ---- the table of schedules ---- */

typedef struct recipe {
    int64_t least_chunks, most_chunks;
    bool is_v, has_groups;
    void (*make)(ts_schedule *s);
    ts_status (*finish)(ts_schedule *s); /* what can fail for want of memory; NULL: nothing */
} recipe;

#define NAME(kind_, word_) [kind_] = word_,
static const char *const names[TS_SCHEDULE_KINDS] = { TS_SCHEDULES(NAME) };

static const recipe recipes[TS_SCHEDULE_KINDS] = {
    [TS_SCHEDULE_GPIPE] = { .least_chunks = 1, .most_chunks = 1, .make = ts_schedule_make_gpipe },
    [TS_SCHEDULE_1F1B] = { .least_chunks = 1, .most_chunks = 1, .make = ts_schedule_make_1f1b },
    [TS_SCHEDULE_INTERLEAVED] = { .least_chunks = 1,
                                  .most_chunks = ANY_CHUNKS,
                                  .has_groups = true,
                                  .make = ts_schedule_make_interleaved },
    [TS_SCHEDULE_ZERO_BUBBLE] = { .least_chunks = 1,
                                  .most_chunks = 1,
                                  .make = ts_schedule_make_zero_bubble },
    [TS_SCHEDULE_DUALPIPEV] = { .least_chunks = 2,
                                .most_chunks = 2,
                                .is_v = true,
                                .make = ts_schedule_make_dualpipev },
    [TS_SCHEDULE_NANOPIPE] = { .least_chunks = 1,
                               .most_chunks = ANY_CHUNKS,
                               .has_groups = true,
                               .make = ts_schedule_make_interleaved,
                               .finish = ts_schedule_split_cooldown },
};

/* ---- which shapes it has ---- */

static ts_status check_size(const char *what, int64_t n, int64_t most)
{
    if (n >= 1 && n <= most)
        return TS_OK;
    return ts_error(TS_ERR_USER, "a pipeline of %lld %s: expected 1 to %lld", (long long)n, what,
                    (long long)most);
}

static ts_status check_sizes(const ts_schedule_shape *shape)
{
    TS_TRY(check_size("stages (--pipeline-model-parallel-size)", shape->n_stages, MOST_STAGES));
    TS_TRY(check_size("chunks a stage (--num-virtual-stages-per-pipeline-rank)", shape->n_chunks,
                      ANY_CHUNKS));
    TS_TRY(check_size("micro-batches", shape->n_micro, MOST_UNITS));
    if (shape->n_micro > MOST_UNITS / shape->n_stages / shape->n_chunks)
        return ts_error(TS_ERR_USER,
                        "a pipeline of %lld stages with %lld chunks and %lld micro-batches: at "
                        "most %d forwards in all",
                        (long long)shape->n_stages, (long long)shape->n_chunks,
                        (long long)shape->n_micro, (int)MOST_UNITS);
    return TS_OK;
}

/* Megatron-LM's rule: a group keeps all stages busy, and so does what is left at the end. */
static ts_status check_group(const char *name, const ts_schedule_shape *shape)
{
    const int64_t p = shape->n_stages, g = shape->group, m = shape->n_micro;
    if (shape->n_chunks == 1)
        return TS_OK; /* no other chunk's turn comes */
    if (g < p)
        return ts_error(TS_ERR_USER,
                        "schedule %s: groups of %lld micro-batches "
                        "(--microbatch-group-size-per-virtual-pipeline-stage) with %lld stages: "
                        "expected at least as many as there are stages",
                        name, (long long)g, (long long)p);
    if (m % g && m % g < p)
        return ts_error(TS_ERR_USER,
                        "schedule %s: %lld micro-batches in groups of %lld leave %lld: expected "
                        "none, or at least as many as there are stages (%lld)",
                        name, (long long)m, (long long)g, (long long)(m % g), (long long)p);
    return TS_OK;
}

static ts_status check_fit(ts_schedule_kind kind, const ts_schedule_shape *shape)
{
    const recipe *r = &recipes[kind];
    const long long p = shape->n_stages, v = shape->n_chunks, m = shape->n_micro;
    if (v < r->least_chunks || v > r->most_chunks)
        return ts_error(TS_ERR_USER,
                        "schedule %s: %lld chunks a stage "
                        "(--num-virtual-stages-per-pipeline-rank): expected %lld",
                        names[kind], v, (long long)r->least_chunks);
    if (kind == TS_SCHEDULE_DUALPIPEV && m < 2 * p - 1)
        return ts_error(TS_ERR_USER,
                        "schedule %s: %lld micro-batches for %lld stages: expected at least %lld",
                        names[kind], m, p, 2 * p - 1);
    if (shape->recompute == TS_AGAIN_BUBBLE && kind != TS_SCHEDULE_INTERLEAVED)
        return ts_error(TS_ERR_USER,
                        "schedule %s: recomputation in the bubble is for the interleaved one",
                        names[kind]);
    return r->has_groups ? check_group(names[kind], shape) : TS_OK;
}

ts_status ts_schedule_fits(ts_schedule_kind kind, const ts_schedule_shape *shape)
{
    ts_schedule_shape whole = *shape;
    whole.group = whole.group ? whole.group : whole.n_stages;
    TS_TRY(check_sizes(&whole));
    return check_fit(kind, &whole);
}

/* ---- making one ---- */

ts_status ts_schedule_create(ts_schedule_kind kind, const ts_schedule_shape *shape,
                             ts_schedule **out)
{
    ts_schedule_shape whole = *shape;
    ts_schedule *s;
    if (!whole.group)
        whole.group = whole.n_stages;
    TS_TRY(ts_schedule_fits(kind, &whole));
    TS_TRY(ts_schedule_empty(&whole, recipes[kind].is_v, &s));
    recipes[kind].make(s);
    ts_status st = recipes[kind].finish ? recipes[kind].finish(s) : TS_OK;
    if (st == TS_OK && whole.recompute != TS_AGAIN_NONE)
        st = ts_schedule_put_recompute(s);
    if (st == TS_OK)
        *out = s;
    else
        ts_schedule_destroy(&s);
    return st;
}
