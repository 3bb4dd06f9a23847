#include "ops/ngram.h"

#include <string.h>

ts_status ts_op_ngram(ts_tape *tape, const ts_ngram_op *o, const ts_tensor *ids, ts_tensor **y)
{
    const int64_t T = ids->dim[0];
    TS_ASSERT(ids->dtype == TS_DTYPE_I32 && T % o->B == 0 && o->n >= 1 && o->n <= TS_NGRAM_MOST && o->rows > 0 &&
                  o->rows <= INT32_MAX && (!o->before || o->back >= o->n - 1),
              "%lld-grams of %lld tokens", (long long)o->n, (long long)T);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_I32, T, 0, y));
    ts_ngram_args a = { .B = o->B, .S = T / o->B, .n = o->n, .vocab = o->vocab, .rows = o->rows,
                        .x = ts_tensor_data(ids), .before = o->before, .back = o->back,
                        .first_key = o->first_key ? ts_tensor_data(o->first_key) : NULL,
                        .n_ends = o->n_ends, .y = ts_tensor_data(*y) };
    memcpy(a.ends, o->ends, sizeof a.ends);
    ts_launch_ngram(tape->dev, &a, T, (ts_cost){ 0, 8 * (double)T, TS_DTYPE_I32 });
    return TS_OK;
}
