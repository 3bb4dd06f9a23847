#include "parallel/schedule_fill.h"
#include "parallel/schedule_make.h"

/* Recomputation as units of their own (MindSpeed's "ripipe"): a forward that runs again keeps but
 * its input, and its RECOMPUTE stands right before the backward. It needs nothing from other
 * stages, so it runs while the gradient is still on its way; in the bubble earlier ones come where
 * the stage would wait. */

static bool is_backward(ts_unit u)
{
    return u.kind == TS_UNIT_BACKWARD || u.kind == TS_UNIT_INPUT_GRAD;
}

static bool is_same_work(ts_unit a, ts_unit b) { return a.micro == b.micro && a.chunk == b.chunk; }

/* All, but what would run again right behind its first run. */
static void choose_all(const ts_schedule *s, int64_t stage, unsigned char *again)
{
    const ts_unit_list *list = &s->stage[stage];
    for (int64_t i = 0; i < list->n; i++)
        if (is_backward(list->v[i]))
            again[list->v[i].chunk * s->shape.n_micro + list->v[i].micro] = !(
                list->v[i - 1].kind == TS_UNIT_FORWARD && is_same_work(list->v[i - 1], list->v[i]));
}

/* Until its first backward a stage does n forwards more than the g x v of the first group: these,
 * the first n of the second group in chunk 0, run again, and so do the same ones of each group that
 * follows. What they do not hold is there when they are recomputed: never more than g x v are. */
static void choose_surplus(const ts_schedule *s, int64_t stage, unsigned char *again)
{
    const ts_schedule_shape *shape = &s->shape;
    const int64_t n = ts_schedule_warmup(shape, stage) + 1 - shape->group * shape->n_chunks;
    for (int64_t i = shape->group; i < shape->n_micro; i++)
        again[i] = i % shape->group < n;
}

/* From the end, so that the list grows in its own room. */
static void put(const ts_schedule *s, int64_t stage, const unsigned char *again)
{
    ts_unit_list *list = &s->stage[stage];
    int64_t from = list->n, n = 0;
    for (int64_t i = 0; i < s->shape.n_chunks * s->shape.n_micro; i++)
        n += again[i];
    list->n += n;
    for (int64_t to = list->n; from-- > 0;) {
        const ts_unit u = list->v[from];
        const bool is_again = again[u.chunk * s->shape.n_micro + u.micro];
        list->v[--to] = u;
        if (u.kind == TS_UNIT_FORWARD)
            list->v[to].runs_again = is_again;
        if (is_backward(u) && is_again)
            list->v[--to] =
                (ts_unit){ .kind = TS_UNIT_RECOMPUTE, .micro = u.micro, .chunk = u.chunk };
    }
}

ts_status ts_schedule_put_recompute(ts_schedule *s)
{
    const ts_schedule_shape *shape = &s->shape;
    for (int64_t r = 0; r < shape->n_stages; r++) {
        unsigned char *again;
        TS_TRY(ts_alloc(&again, (size_t)(shape->n_chunks * shape->n_micro), 1));
        if (shape->recompute == TS_AGAIN_ADVANCE)
            choose_all(s, r, again);
        else
            choose_surplus(s, r, again);
        put(s, r, again);
        ts_free(&again);
    }
    if (shape->recompute == TS_AGAIN_BUBBLE)
        return ts_schedule_fill_recompute(s, shape->group * shape->n_chunks);
    return TS_OK;
}
