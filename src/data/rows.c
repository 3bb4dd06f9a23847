#include "data/rows.h"

#include "base/mem.h"

ts_status ts_row_room(ts_row *r, int key, int64_t n)
{
    TS_TRY(ts_grow(&r->v[key], &r->cap[key], (size_t)(n ? n : 1), sizeof *r->v[key]));
    r->n[key] = n;
    return TS_OK;
}

ts_status ts_row_room_numbers(ts_row *r, int64_t n)
{
    TS_TRY(ts_grow(&r->number, &r->cap_numbers, (size_t)(n ? n : 1), sizeof *r->number));
    r->n_numbers = n;
    return TS_OK;
}

ts_status ts_row_weigh(ts_row *r, int64_t at, const float *weight, int64_t n)
{
    if (!weight && !r->n_weights)
        return TS_OK;
    TS_TRY(ts_grow(&r->weight, &r->cap_weights, (size_t)(at + n) + 1, sizeof *r->weight));
    for (; r->n_weights < at; r->n_weights++)
        r->weight[r->n_weights] = 1;
    for (int64_t i = 0; i < n; i++)
        r->weight[at + i] = weight ? weight[i] : 1;
    r->n_weights = at + n;
    return TS_OK;
}

void ts_row_deinit(ts_row *r)
{
    ts_free(&r->number);
    r->n_numbers = 0, r->cap_numbers = 0;
    for (int k = 0; k < TS_ROW_KEYS; k++) {
        ts_free(&r->v[k]);
        r->n[k] = 0, r->cap[k] = 0;
    }
    ts_free(&r->weight);
    r->n_weights = 0, r->cap_weights = 0;
}
