#include "dist/gather_text.h"

ts_status ts_comm_gather_text(ts_comm *c, const char *own, size_t n, ts_str *all)
{
    int64_t *count = NULL, *offset = NULL, here = (int64_t)n, sum = 0;
    ts_status st;
    ts_str_reset(all);
    if (c->size == 1)
        return ts_str_add(all, own, n);
    TS_TRY_TO(done, st, ts_alloc(&count, (size_t)c->size, sizeof *count));
    TS_TRY_TO(done, st, ts_alloc(&offset, (size_t)c->size, sizeof *offset));
    TS_TRY_TO(done, st, ts_comm_run(c, ts_all_gather(&here, count, 1, TS_COMM_I64)));
    for (int i = 0; i < c->size; i++) {
        offset[i] = sum;
        sum += count[i];
    }
    TS_TRY_TO(done, st, ts_grow(&all->s, &all->cap, (size_t)sum + 1, 1));
    TS_TRY_TO(done, st, ts_comm_run(c, ts_all_gather_v(own, here, all->s, count, offset, TS_COMM_U8)));
    all->s[all->len = (size_t)sum] = 0;
done:
    ts_free(&count);
    ts_free(&offset);
    return st;
}
