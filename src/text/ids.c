#include "text/ids.h"

#include "base/mem.h"

void ts_ids_deinit(ts_ids *ids)
{
    ts_free(&ids->v);
    ids->n = ids->cap = 0;
}

ts_status ts_ids_add(ts_ids *ids, int32_t id)
{
    if (ids->n == ids->cap)
        TS_TRY(ts_grow(&ids->v, &ids->cap, ids->n + 1, sizeof *ids->v));
    ids->v[ids->n++] = id;
    return TS_OK;
}
