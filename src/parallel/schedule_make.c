#include "parallel/schedule_make.h"

enum { KINDS_IN_A_LIST = 4 }; /* forward, recompute, and a backward of two halves */

static size_t room(const ts_schedule_shape *shape)
{
    return (size_t)(KINDS_IN_A_LIST * shape->n_chunks * shape->n_micro);
}

ts_status ts_schedule_empty(const ts_schedule_shape *shape, bool is_v, ts_schedule **out)
{
    ts_schedule *s;
    ts_status st;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->shape = *shape;
    s->is_v = is_v;
    TS_TRY_TO(fail, st, ts_alloc(&s->stage, (size_t)shape->n_stages, sizeof *s->stage));
    for (int64_t r = 0; r < shape->n_stages; r++)
        TS_TRY_TO(fail, st, ts_alloc(&s->stage[r].v, room(shape), sizeof *s->stage[r].v));
    *out = s;
    return TS_OK;
fail:
    ts_schedule_destroy(&s);
    return st;
}

void ts_schedule_put(ts_schedule *s, int64_t stage, ts_unit unit)
{
    ts_unit_list *list = &s->stage[stage];
    TS_ASSERT((size_t)list->n < room(&s->shape), "stage %lld has more units than there are",
              (long long)stage);
    list->v[list->n++] = unit;
}

void ts_schedule_add(ts_schedule *s, int64_t stage, ts_unit_kind kind, int64_t micro, int64_t chunk)
{
    ts_schedule_put(s, stage,
                    (ts_unit){ .kind = kind, .micro = (int32_t)micro, .chunk = (int32_t)chunk });
}
