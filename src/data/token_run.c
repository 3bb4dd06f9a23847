#include "data/token_run.h"

#include "base/mem.h"

ts_status ts_token_run_end(ts_token_run *r)
{
    size_t before = r->mark_ids;
    for (size_t i = r->mark; i < r->n; i++)
        before += (size_t)r->lengths[i];
    TS_TRY(ts_grow(&r->lengths, &r->cap, r->n + 1, sizeof *r->lengths));
    r->lengths[r->n++] = (int64_t)(r->ids.n - before);
    return TS_OK;
}

void ts_token_run_mark(ts_token_run *r)
{
    r->mark = r->n;
    r->mark_ids = r->ids.n;
}

void ts_token_run_back(ts_token_run *r)
{
    r->n = r->mark;
    r->ids.n = r->mark_ids;
}

void ts_token_run_deinit(ts_token_run *r)
{
    ts_ids_deinit(&r->ids);
    ts_free(&r->lengths);
}
