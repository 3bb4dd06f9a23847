#include "data/rows_order.h"

#include "data/nprandom.h"

ts_status ts_rows_order_make(const ts_rows_order *o, uint32_t **out, int64_t *count)
{
    const int64_t over = o->multiple ? o->n % o->multiple : 0, pass = o->n + (over ? o->multiple - over : 0);
    const int64_t passes = o->wanted > pass ? (o->wanted + pass - 1) / pass : 1;
    uint32_t *v;
    ts_nprandom r;
    size_t n;
    TS_ASSERT(o->n > 0, "%lld samples", (long long)o->n);
    if (!ts_mul_size((size_t)pass, (size_t)passes, &n) || n > UINT32_MAX)
        return ts_error(TS_ERR_USER, "%lld samples, of which %lld are to be trained on, are more than can be ordered",
                        (long long)o->n, (long long)o->wanted);
    TS_TRY(ts_alloc_large(&v, n, sizeof *v));
    ts_nprandom_init(&r, o->seed);
    for (int64_t p = 0; p < passes; p++) {
        uint32_t *at = v + p * pass;
        for (int64_t i = 0; i < pass; i++)
            at[i] = (uint32_t)(i % o->n);
        if (o->shuffles)
            ts_nprandom_shuffle_u32(&r, at, pass);
    }
    if (o->shuffles_all)
        ts_nprandom_python_shuffle(o->seed, v, (int64_t)n);
    *out = v;
    *count = (int64_t)n;
    return TS_OK;
}
