#include "train/flight.h"

void ts_trainer_enter(ts_trainer *t, const char *phase)
{
    ts_device_phase(t->dev, phase);
    ts_watch_phase(t->comm->watch, phase ? phase : "between steps");
}

/* The weights from a row of the batch on; NULL: each is 1. */
static const float *counts_at(const ts_trainer *t, int64_t row)
{
    const char *name = t->objective->counts;
    return name ? ts_batch_floats(&t->feed.batch, name, row) : NULL;
}

double ts_flight_counts(const ts_trainer *t)
{
    const int64_t n = t->feed.n_micro * t->losses;
    const float *counts = counts_at(t, 0);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += counts ? (double)counts[i] : 1;
    return sum;
}

static ts_status put_weights(ts_trainer *t, ts_flight *f, const ts_micro_batch *m, double weight,
                             ts_tensor **out)
{
    const int64_t n = t->losses;
    const float *counts = counts_at(t, m->row);
    for (int64_t i = 0; t->host && i < n; i++)
        t->host[i] = (float)((counts ? (double)counts[i] : 1) * weight);
    return ts_tape_upload(f->tape, TS_DTYPE_F32, t->host, n, out);
}

ts_status ts_flight_forward(ts_trainer *t, ts_flight *f, int64_t m, double weight, bool evaluates)
{
    ts_micro_batch micro = ts_feed_micro(&t->feed, m);
    ts_tensor *weights = NULL;
    micro.step = t->iteration;
    ts_tape_reset(f->tape);
    f->tape->recording = !evaluates;
    if (!evaluates)
        TS_TRY(put_weights(t, f, &micro, weight, &weights));
    TS_TRY(t->objective->forward(t->objective, f->tape, &micro, &f->losses));
    TS_ASSERT(ts_tensor_count(f->losses) == t->losses, "%lld losses, %lld expected",
              (long long)ts_tensor_count(f->losses), (long long)t->losses);
    return evaluates ? TS_OK : ts_tape_accumulate(f->tape, f->losses, weights);
}

ts_status ts_flight_sum(ts_trainer *t, const ts_flight *f, int64_t m, double *sum)
{
    const int64_t n = t->losses;
    const float *counts = counts_at(t, m * t->feed.micro);
    *sum = 0;
    if (!t->dev->computes)
        return TS_OK;
    TS_TRY(ts_device_read(t->dev, t->host, ts_tensor_data(f->losses), (size_t)n * sizeof *t->host));
    for (int64_t i = 0; i < n; i++)
        *sum += (counts ? (double)counts[i] : 1) * (double)t->host[i];
    return TS_OK;
}
