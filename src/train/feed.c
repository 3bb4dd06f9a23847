#include "train/feed.h"

#include "base/mem.h"

/* Micro-batches of different sizes. */
static ts_status init_sizes(ts_feed *f, const ts_train_options *o)
{
    int64_t *v, n;
    TS_TRY(ts_train_micro_sizes(o, &v, &n));
    if (!n)
        return TS_OK;
    const ts_status st = ts_alloc(&f->begin, (size_t)n + 1, sizeof *f->begin);
    f->n_micro = n;
    f->micro = 0;
    for (int64_t i = 0; st == TS_OK && i < n; i++) {
        f->begin[i + 1] = f->begin[i] + v[i];
        f->micro = v[i] > f->micro ? v[i] : f->micro;
    }
    ts_free(&v);
    return st;
}

ts_status ts_feed_init(ts_feed *f, const ts_train_options *o, const ts_feed_args *a, int rank,
                       int size)
{
    *f = (ts_feed){ .micro = o->micro_batch_size, .rank = rank, .size = size, .each = a->each ? a->each : 1,
                    .multiple = a->multiple };
    TS_TRY(ts_batch_ramp_init(&f->ramp, o, size));
    TS_TRY(init_sizes(f, o));
    ts_feed_size(f, f->ramp.full);
    for (int p = 0; p < TS_DATA_PARTS; p++) {
        f->part[p] = a->part[p];
        if (f->part[p])
            TS_TRY(ts_picker_init(&f->picker[p], a->data, f->part[p], f->micro, rank, size));
    }
    TS_TRY(ts_alloc(&f->picked, (size_t)f->micro, sizeof *f->picked));
    TS_TRY(ts_alloc(&f->length, (size_t)f->n_micro, sizeof *f->length));
    return ts_batch_create(a->field, a->n_fields, ts_feed_row(f, f->n_micro), a->with_values, &f->batch);
}

void ts_feed_deinit(ts_feed *f)
{
    for (int p = 0; p < TS_DATA_PARTS; p++)
        ts_picker_deinit(&f->picker[p]);
    ts_batch_deinit(&f->batch);
    ts_free(&f->picked);
    ts_free(&f->length);
    ts_free(&f->begin);
}

void ts_feed_size(ts_feed *f, int64_t global)
{
    f->global = global;
    if (!f->begin)
        f->n_micro = global / (f->micro * f->size);
}

/* Of micro-batch m, in the global batch: ranks have as many, one after another. */
static int64_t first_of(const ts_feed *f, int64_t m)
{
    const int64_t before = ts_feed_sample(f, m);
    return before * f->size + f->rank * (ts_feed_sample(f, m + 1) - before);
}

/* The longest row of micro-batch m, in whole multiples; no longer than rows are. */
static int64_t length_of(const ts_feed *f, int64_t m)
{
    const int64_t width = f->batch.field[ts_batch_find(&f->batch, "tokens")].width;
    int64_t n = 1;
    for (int64_t row = ts_feed_row(f, m); row < ts_feed_row(f, m + 1); row++) {
        const int64_t tokens = ts_batch_ints(&f->batch, "length", row)[0];
        n = tokens > n ? tokens : n;
    }
    n = (n + f->multiple - 1) / f->multiple * f->multiple;
    return n < width ? n : width;
}

ts_status ts_feed_read(ts_feed *f, ts_data_part part, int64_t first)
{
    const ts_dataset *d = f->part[part];
    if (!d) { /* planning does not even hold the batch */
        TS_ASSERT(!f->batch.data[0], "part %d has no data", (int)part);
        return TS_OK;
    }
    for (int64_t m = 0; m < f->n_micro; m++) {
        const int64_t samples = ts_feed_sample(f, m + 1) - ts_feed_sample(f, m);
        if (f->begin)
            ts_picker_run(&f->picker[part], first + first_of(f, m), samples, f->picked);
        else
            TS_TRY(ts_picker_take(&f->picker[part], first, m, f->picked));
        for (int64_t b = 0; b < samples; b++)
            TS_TRY(d->get(d, f->picked[b], &f->batch, ts_feed_row(f, m) + b * f->each));
        if (f->multiple)
            f->length[m] = length_of(f, m);
    }
    return TS_OK;
}

ts_micro_batch ts_feed_micro(const ts_feed *f, int64_t m)
{
    return (ts_micro_batch){ .batch = &f->batch,
                             .row = ts_feed_row(f, m),
                             .rows = ts_feed_rows(f, m),
                             .length = f->length[m],
                             .sample0 = first_of(f, m) * f->each };
}
