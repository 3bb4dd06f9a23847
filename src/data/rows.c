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

void ts_row_deinit(ts_row *r)
{
    ts_free(&r->number);
    r->n_numbers = 0, r->cap_numbers = 0;
    for (int k = 0; k < TS_ROW_KEYS; k++) {
        ts_free(&r->v[k]);
        r->n[k] = 0, r->cap[k] = 0;
    }
}
