#include "data/rows.h"

#include "base/mem.h"

ts_status ts_row_room(ts_row *r, int key, int64_t n)
{
    TS_TRY(ts_grow(&r->v[key], &r->cap[key], (size_t)(n ? n : 1), sizeof *r->v[key]));
    r->n[key] = n;
    return TS_OK;
}

void ts_row_deinit(ts_row *r)
{
    for (int k = 0; k < TS_ROW_KEYS; k++) {
        ts_free(&r->v[k]);
        r->n[k] = 0, r->cap[k] = 0;
    }
}
