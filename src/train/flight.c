#include "train/flight.h"

void ts_trainer_enter(ts_trainer *t, const char *phase)
{
    ts_device_phase(t->dev, phase);
    ts_watch_phase(t->comm->watch, phase ? phase : "between steps");
}

/* How much the losses count of the samples from a row of the batch on. */
typedef struct loss_weights {
    const float *counts; /* of whole samples; NULL: each loss counts 1 */
    const ts_stretches *here;
    int64_t n, width; /* losses of a sample that are here, and all */
} loss_weights;

static loss_weights weights_at(const ts_trainer *t, int64_t row)
{
    const ts_batch *b = &t->feed.batch;
    const char *name = t->objective->counts;
    const ts_stretches *here = &t->objective->here;
    return (loss_weights){ .counts = name ? ts_batch_floats(b, name, row) : NULL,
                      .here = here,
                      .n = ts_stretches_count(here),
                      .width = name ? b->field[ts_batch_find(b, name)].width : 1 };
}

static double weight_of(const loss_weights *w, int64_t i)
{
    if (!w->counts)
        return 1;
    return (double)w->counts[w->n ? i / w->n * w->width + ts_stretches_at(w->here, i % w->n) : i];
}

double ts_flight_counts(const ts_trainer *t)
{
    const int64_t n = t->feed.n_micro * t->losses;
    const loss_weights w = weights_at(t, 0);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += weight_of(&w, i);
    return sum;
}

static ts_status put_weights(ts_trainer *t, ts_flight *f, const ts_micro_batch *m, double weight,
                             ts_tensor **out)
{
    const int64_t n = t->losses;
    const loss_weights w = weights_at(t, m->row);
    for (int64_t i = 0; t->host && i < n; i++)
        t->host[i] = (float)(weight_of(&w, i) * weight);
    return ts_tape_upload(f->tape, TS_DTYPE_F32, t->host, n, out);
}

static int64_t part_of(const ts_trainer *t, const ts_flight *f)
{
    return ts_schedule_part(t->pipeline.schedule, (ts_spot){ t->pipeline.stage, f->chunk });
}

ts_status ts_flight_forward(ts_trainer *t, ts_flight *f, double weight, bool records)
{
    ts_micro_batch micro = ts_feed_micro(&t->feed, f->micro);
    ts_tensor *weights = NULL;
    micro.step = t->iteration;
    micro.evaluates = weight == 0;
    micro.pass = f->micro;
    if (weight != 0) /* the mean over all micro-batches of the step, with the loss scale */
        micro.balance = (float)(t->scaler.scale / (double)(t->feed.n_micro * t->mesh->size[TS_MESH_DP]));
    micro.part = part_of(t, f);
    micro.in = f->in;
    f->out.n = 0;
    f->tape->recording = records;
    f->tape->viewer = weight == 0 ? NULL : ts_dump_viewer(t->dump);
    const bool ends = ts_objective_ends(t->objective, micro.part);
    if (ends && records)
        TS_TRY(put_weights(t, f, &micro, weight, &weights));
    TS_TRY(t->objective->forward(t->objective, f->tape, &micro, &f->out));
    if (!ends)
        return TS_OK;
    const ts_tensor *losses = f->out.tensor[0];
    TS_ASSERT(ts_tensor_count(losses) == t->losses, "%lld losses, %lld expected",
              (long long)ts_tensor_count(losses), (long long)t->losses);
    return records ? ts_tape_accumulate(f->tape, f->out.tensor[0], weights) : TS_OK;
}

ts_status ts_flight_sum(ts_trainer *t, const ts_flight *f, double *sum)
{
    const int64_t n = t->losses;
    const loss_weights w = weights_at(t, f->micro * t->feed.micro);
    *sum = 0;
    if (!t->dev->computes || !ts_objective_ends(t->objective, part_of(t, f)))
        return TS_OK;
    TS_TRY(ts_tape_show_made(f->tape, f->out.tensor[0]));
    TS_TRY(ts_device_read(t->dev, t->host, ts_tensor_data(f->out.tensor[0]),
                          (size_t)n * sizeof *t->host));
    for (int64_t i = 0; i < n; i++)
        *sum += weight_of(&w, i) * (double)t->host[i];
    return TS_OK;
}
