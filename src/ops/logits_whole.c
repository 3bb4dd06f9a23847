/* Logits of a vocabulary that is cut over processes, brought together. */
#include "ops/group.h"
#include "ops/ops.h"

/* Rows of the vocabulary that each process has, as ts_place_cut_even cuts them: values and offsets of its T rows. */
static void count(const ts_xent_op *o, int64_t T, int64_t *counts, int64_t *offsets)
{
    const int64_t n = o->group->size, each = o->vocab / n, more = o->vocab % n;
    int64_t sum = 0;
    for (int64_t r = 0; r < n; r++) {
        counts[r] = T * (each + (r < more));
        offsets[r] = sum;
        sum += counts[r];
    }
}

/* all: blocks [T, cols of a process], one after another -> y [T, vocab]. */
static void lay_out(ts_device *dev, const ts_tensor *all, const int64_t *counts, const int64_t *offsets, int n, ts_tensor *y)
{
    const int64_t T = y->dim[0], vocab = y->dim[1];
    const float *from = ts_tensor_data(all);
    float *to = ts_tensor_data(y);
    int64_t first = 0;
    for (int r = 0; r < n; r++) {
        const int64_t cols = counts[r] / T;
        for (int64_t t = 0; t < T; t++)
            dev->move(dev, to + t * vocab + first, from + offsets[r] + t * cols, (size_t)cols * sizeof *to);
        first += cols;
    }
}

ts_status ts_op_logits_whole(ts_tape *tape, const ts_xent_op *o, ts_tensor *x, ts_tensor **logits)
{
    const int64_t T = x->dim[0];
    ts_tensor *here, *all;
    int64_t *counts;
    if (!ts_group_shares(o->group))
        return ts_op_logits(tape, o, x, logits);
    const int n = o->group->size;
    TS_ASSERT(o->vocab > 0, "logits: how large is the vocabulary of %s?", o->w->name);
    TS_TRY(ts_op_logits(tape, o, x, &here));
    TS_TRY(ts_arena_alloc(&tape->arena, 2 * (size_t)n * sizeof *counts, &counts));
    count(o, T, counts, counts + n);
    TS_ASSERT(counts[o->group->rank] == ts_tensor_count(here), "%s: %lld rows of the vocabulary here", o->w->name,
              (long long)here->dim[1]);
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, o->vocab, &all));
    TS_TRY(ts_group_run(tape, o->group,
                        ts_all_gather_v(ts_tensor_data(here), ts_tensor_count(here), ts_tensor_data(all), counts, counts + n,
                                        TS_COMM_F32),
                        ts_tensor_count(here), T * o->vocab));
    ts_tape_drop(tape, here);
    if (T == 1) {
        *logits = all;
        return TS_OK;
    }
    TS_TRY(ts_tape_new(tape, TS_DTYPE_F32, T, o->vocab, logits));
    lay_out(tape->dev, all, counts, counts + n, n, *logits);
    ts_tape_drop(tape, all);
    return TS_OK;
}
