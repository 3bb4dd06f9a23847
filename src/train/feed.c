#include "train/feed.h"

#include "base/mem.h"

ts_status ts_feed_init(ts_feed *f, const ts_train_options *o, const ts_feed_args *a, int rank,
                       int size)
{
    *f = (ts_feed){ .micro = o->micro_batch_size, .rank = rank, .size = size };
    TS_TRY(ts_batch_ramp_init(&f->ramp, o, size));
    ts_feed_size(f, f->ramp.full);
    for (int p = 0; p < TS_DATA_PARTS; p++) {
        f->part[p] = a->part[p];
        if (f->part[p])
            TS_TRY(ts_picker_init(&f->picker[p], a->data, f->part[p], f->micro, rank, size));
    }
    TS_TRY(ts_alloc(&f->picked, (size_t)f->micro, sizeof *f->picked));
    return ts_batch_create(a->field, a->n_fields, f->n_micro * f->micro, a->with_values, &f->batch);
}

void ts_feed_deinit(ts_feed *f)
{
    for (int p = 0; p < TS_DATA_PARTS; p++)
        ts_picker_deinit(&f->picker[p]);
    ts_batch_deinit(&f->batch);
    ts_free(&f->picked);
}

void ts_feed_size(ts_feed *f, int64_t global)
{
    f->global = global;
    f->n_micro = global / (f->micro * f->size);
}

ts_status ts_feed_read(ts_feed *f, ts_data_part part, int64_t first)
{
    const ts_dataset *d = f->part[part];
    if (!d) { /* planning does not even hold the batch */
        TS_ASSERT(!f->batch.data[0], "part %d has no data", (int)part);
        return TS_OK;
    }
    for (int64_t m = 0; m < f->n_micro; m++) {
        TS_TRY(ts_picker_take(&f->picker[part], first, m, f->picked));
        for (int64_t b = 0; b < f->micro; b++)
            TS_TRY(d->get(d, f->picked[b], &f->batch, m * f->micro + b));
    }
    return TS_OK;
}

ts_micro_batch ts_feed_micro(const ts_feed *f, int64_t m)
{
    return (ts_micro_batch){ .batch = &f->batch,
                             .row = m * f->micro,
                             .rows = f->micro,
                             .sample0 = ts_sampler_first(0, m, f->micro, f->rank, f->size) };
}
