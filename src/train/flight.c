#include "train/flight.h"

void ts_trainer_enter(ts_trainer *t, const char *phase)
{
    ts_device_phase(t->dev, phase);
    ts_watch_phase(t->comm->watch, phase ? phase : "between steps");
}

/* How much the losses of a micro-batch count. */
typedef struct loss_weights {
    const float *counts;     /* of whole samples; NULL: each loss counts 1 */
    const int32_t *segments; /* of whole samples; NULL: they are not told apart */
    ts_stretches here;
    int64_t n, length, width; /* losses of a sample that are here, all, and how far samples are apart in `counts` */
    int64_t ahead;
    double scale; /* what each weight is multiplied by */
} loss_weights;

static double weight_at(const loss_weights *w, int64_t sample, int64_t s)
{
    const int64_t begin = sample * w->width;
    const int64_t at = ts_batch_ahead(w->segments ? w->segments + begin : NULL, w->length, s, w->ahead);
    return at < 0 ? 0 : (double)w->counts[begin + at];
}

/* Of a loss of those that are here. */
static double weight_of(const loss_weights *w, int64_t i)
{
    if (!w->counts)
        return w->scale;
    const int64_t at = w->here.n ? ts_stretches_at(&w->here, i % w->n) : i % w->n;
    return w->scale * weight_at(w, i / w->n, at);
}

/* Of all samples, also what other processes have of them. */
static double sum_of_weights(const loss_weights *w, int64_t samples)
{
    double sum = 0;
    for (int64_t i = 0; i < samples * w->length; i++)
        sum += w->counts ? weight_at(w, i / w->length, i % w->length) : 1;
    return sum;
}

/* Samples, or where they have weights of their own rows. */
static int64_t samples_of(const ts_trainer *t, const ts_micro_batch *m)
{
    return t->objective->counts ? m->rows : m->rows / t->feed.each;
}

/* loss: 0 the objective's first, then those beside it. */
static loss_weights weights_of(const ts_trainer *t, const ts_micro_batch *m, int loss)
{
    const ts_batch *b = &t->feed.batch;
    const char *name = t->objective->counts, *own = loss ? t->objective->side[loss - 1].counts : NULL;
    if (own) /* of a sample one number, in its first row */
        return (loss_weights){ .counts = ts_batch_floats(b, own, m->row), .n = 1, .length = 1, .width = t->feed.each,
                               .scale = 1 };
    const int64_t width = name ? b->field[ts_batch_find(b, name)].width : 1,
                  length = name && m->length && m->length < width ? m->length : width;
    loss_weights w = { .counts = name ? ts_batch_floats(b, name, m->row) : NULL,
                       .segments = name ? ts_batch_ints(b, "segments", m->row) : NULL,
                       .here = ts_objective_here(t->objective, length),
                       .length = length, .width = width,
                       .ahead = loss ? t->objective->side[loss - 1].ahead : 0, .scale = 1 };
    w.n = w.here.n ? ts_stretches_count(&w.here) : length;
    if (!t->objective->by_micro)
        return w;
    const double sum = !name || w.counts ? sum_of_weights(&w, samples_of(t, m)) : 1;
    w.scale = sum > 0 ? 1 / sum : 0;
    return w;
}

double ts_flight_counts(const ts_trainer *t, int loss)
{
    double sum = 0;
    for (int64_t k = 0; k < t->feed.n_micro; k++) {
        const ts_micro_batch m = ts_feed_micro(&t->feed, k);
        loss_weights w = weights_of(t, &m, loss);
        w.scale = 1;
        for (int64_t i = 0; i < samples_of(t, &m) * w.n; i++)
            sum += weight_of(&w, i);
    }
    return sum;
}

double ts_flight_divisor(const ts_trainer *t, double counts)
{
    return t->objective->by_micro ? (double)(t->feed.n_micro * t->feed.size) : counts > 0 ? counts : 1;
}

static ts_status put_weights(ts_trainer *t, ts_flight *f, const ts_micro_batch *m, double weight, int loss,
                             ts_tensor **out)
{
    const loss_weights w = weights_of(t, m, loss);
    const int64_t n = samples_of(t, m) * w.n;
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
    ts_tensor *weights[TS_PASSED] = { 0 };
    micro.step = t->iteration;
    micro.evaluates = weight == 0;
    micro.look = t->look;
    micro.pass = f->micro;
    if (weight != 0) /* the mean over all micro-batches of the step, with the loss scale */
        micro.balance = (float)(t->scaler.scale * (double)micro.rows /
                                (double)(ts_feed_row(&t->feed, t->feed.n_micro) * t->mesh->size[TS_MESH_DP]));
    micro.part = part_of(t, f);
    micro.in = f->in;
    f->out.n = 0;
    f->tape->recording = records;
    f->tape->viewer = weight == 0 ? NULL : ts_dump_viewer(t->dump);
    const bool ends = ts_objective_ends(t->objective, micro.part);
    for (int k = 0; ends && records && k <= t->objective->n_side; k++)
        TS_TRY(put_weights(t, f, &micro, k ? t->side_weight[k - 1] : weight, k, &weights[k]));
    TS_TRY(t->objective->forward(t->objective, f->tape, &micro, &f->out));
    if (!ends || t->look)
        return TS_OK;
    TS_ASSERT(weight == 0 || f->out.n == 1 + t->objective->n_side, "%d losses of a part that ends", f->out.n);
    for (int k = 0; k < f->out.n; k++) {
        const int64_t n = ts_tensor_count(f->out.tensor[k]);
        TS_ASSERT(n == samples_of(t, &micro) * weights_of(t, &micro, 0).n, "%lld losses of %lld rows", (long long)n,
                  (long long)micro.rows);
        if (records)
            TS_TRY(ts_tape_accumulate(f->tape, f->out.tensor[k], weights[k]));
    }
    return TS_OK;
}

static ts_status sum_of(ts_trainer *t, const ts_flight *f, int loss, double *sum)
{
    const ts_micro_batch m = ts_feed_micro(&t->feed, f->micro);
    const loss_weights w = weights_of(t, &m, loss);
    const int64_t n = samples_of(t, &m) * w.n;
    TS_TRY(ts_tape_show_made(f->tape, f->out.tensor[loss]));
    TS_TRY(ts_device_read(t->dev, t->host, ts_tensor_data(f->out.tensor[loss]), (size_t)n * sizeof *t->host));
    for (int64_t i = 0; i < n; i++)
        *sum += weight_of(&w, i) * (double)t->host[i];
    return TS_OK;
}

ts_status ts_flight_keep(ts_trainer *t, const ts_flight *f)
{
    const ts_look *look = &t->objective->look[t->look - 1];
    const ts_micro_batch m = ts_feed_micro(&t->feed, f->micro);
    if (!look->field)
        return t->dev->computes ? t->objective->found(t->objective, t->dev, &m, &f->out) : TS_OK;
    const ts_tensor *found = f->out.tensor[0];
    const int64_t every = look->every ? look->every : 1, n = ts_tensor_count(found);
    double *to = ts_batch_doubles(m.batch, look->field, m.row);
    if (!to || !ts_objective_ends(t->objective, part_of(t, f)))
        return TS_OK;
    TS_ASSERT(n * every == m.rows, "%lld values of a look at %lld rows", (long long)n, (long long)m.rows);
    double *v;
    TS_TRY(ts_alloc(&v, (size_t)n, sizeof *v));
    const ts_status st = ts_device_read(t->dev, v, ts_tensor_data(found), (size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        to[i * every + look->from] = v[i];
    ts_free(&v);
    return st;
}

ts_status ts_flight_sum(ts_trainer *t, const ts_flight *f, double *sum, int64_t stride)
{
    if (!t->dev->computes || !ts_objective_ends(t->objective, part_of(t, f)))
        return TS_OK;
    for (int k = 0; k < f->out.n; k++)
        TS_TRY(sum_of(t, f, k, &sum[k * stride]));
    return TS_OK;
}
