#include "train/look_ahead.h"

#include "train/flight.h"

static ts_status take_batch(ts_trainer *t, const ts_look_ahead *l)
{
    ts_status st = l->looked ? l->looked(l->ctx) : TS_OK;
    TS_TRY(ts_comm_agree(t->comm, st));
    for (int64_t m = 0; st == TS_OK && m < t->feed.n_micro; m++) {
        const ts_micro_batch micro = ts_feed_micro(&t->feed, m);
        st = l->take(l->ctx, &micro);
    }
    return ts_comm_agree(t->comm, st);
}

/* The batch that was read. */
static ts_status look_at_batch(ts_trainer *t, const ts_look_ahead *l)
{
    int64_t lacks = 0;
    for (int64_t m = 0; m < t->feed.n_micro; m++) {
        const ts_micro_batch micro = ts_feed_micro(&t->feed, m);
        lacks += l->lacks(l->ctx, &micro);
    }
    TS_TRY(ts_comm_run(t->comm, ts_all_reduce(&lacks, 1, TS_COMM_I64, TS_COMM_MAX)));
    if (!lacks)
        return TS_OK;
    TS_TRY(ts_comm_agree(t->comm, ts_trainer_look(t)));
    return take_batch(t, l);
}

static ts_status look_at_part(ts_trainer *t, const ts_look_ahead *l, ts_data_part part)
{
    const ts_dataset *d = t->feed.part[part];
    for (int64_t first = part == TS_DATA_TRAIN ? t->consumed : 0; d && first < d->n; first += t->feed.global) {
        TS_TRY(ts_comm_agree(t->comm, ts_feed_read(&t->feed, part, first)));
        TS_TRY(look_at_batch(t, l));
    }
    return TS_OK;
}

ts_status ts_trainer_look_ahead(ts_trainer *t, const ts_look_ahead *l)
{
    ts_feed_size(&t->feed, t->feed.ramp.full);
    if (!t->dev->computes)
        return ts_trainer_look(t);
    for (int p = 0; p < TS_DATA_PARTS; p++)
        TS_TRY(look_at_part(t, l, (ts_data_part)p));
    return TS_OK;
}
