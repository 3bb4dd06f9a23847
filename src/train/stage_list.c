#include "train/stage_list.h"

#include <stdlib.h>

static int by_key(const void *a, const void *b)
{
    const ts_saved *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->tensor.holder - y->tensor.holder;
}

/* Everyone's counts, and where each one's part begins, in bytes; *total likewise. */
static ts_status measure(ts_comm *stages, int64_t n, int64_t *counts, int64_t *total)
{
    const int64_t bytes = n * (int64_t)sizeof(ts_saved);
    TS_TRY(ts_comm_run(stages, ts_all_gather(&bytes, counts, 1, TS_COMM_I64)));
    *total = 0;
    for (int s = 0; s < stages->size; s++) {
        counts[stages->size + s] = *total;
        *total += counts[s];
    }
    return TS_OK;
}

/* In order, each once; data stays where it is this stage's. */
static int64_t settle(const ts_comm *stages, ts_saved *all, int64_t n)
{
    int64_t kept = 0;
    qsort(all, (size_t)n, sizeof *all, by_key);
    for (int64_t i = 0; i < n; i++) {
        if (kept && all[kept - 1].key == all[i].key)
            continue;
        all[kept] = all[i];
        if (all[kept].tensor.holder != stages->rank)
            all[kept].tensor.data = NULL;
        kept++;
    }
    return kept;
}

ts_status ts_stage_list(ts_comm *stages, ts_saved **list, int64_t *n)
{
    int64_t *counts = NULL, total = 0;
    ts_saved *all = NULL;
    if (stages->size == 1)
        return TS_OK;
    for (int64_t i = 0; i < *n; i++)
        (*list)[i].tensor.holder = stages->rank;
    ts_status st = ts_comm_agree(stages, ts_alloc(&counts, 2 * (size_t)stages->size, sizeof *counts));
    TS_TRY_TO(done, st, st);
    TS_TRY_TO(done, st, measure(stages, *n, counts, &total));
    st = ts_comm_agree(stages, ts_alloc(&all, (size_t)total + 1, 1));
    TS_TRY_TO(done, st, st);
    TS_TRY_TO(done, st,
              ts_comm_run(stages, ts_all_gather_v(*list, counts[stages->rank], all, counts,
                                                  counts + stages->size, TS_COMM_U8)));
    *n = settle(stages, all, total / (int64_t)sizeof *all);
    ts_free(list);
    *list = all;
    all = NULL;
done:
    ts_free(&all);
    ts_free(&counts);
    return st;
}
