#include "train/step.h"

static const ts_dataset *part_of(const ts_trainer *t, ts_data_part part)
{
    return t->source ? ts_data_source_part(t->source, part) : NULL;
}

ts_status ts_batch_read(ts_trainer *t, ts_data_part part, int64_t first)
{
    const ts_dataset *ds = part_of(t, part);
    const int64_t S = t->o->seq_length;
    TS_ASSERT(ds || !t->dev->computes, "part %d has no data", (int)part);
    if (!ds) /* planning does not even hold the batch */
        return TS_OK;
    for (int64_t m = 0; m < t->n_micro; m++) {
        TS_TRY(ts_picker_take(&t->picker[part], first, m, t->picked));
        for (int64_t b = 0; b < t->micro; b++) {
            const int64_t row = m * t->micro + b;
            const ts_sample s = { .tokens = t->tokens + row * (S + 1),
                                  .loss_mask = t->mask + row * S,
                                  .positions = t->positions ? t->positions + row * S : NULL,
                                  .segments = t->segments ? t->segments + row * S : NULL };
            TS_TRY(ts_dataset_get(ds, t->picked[b], &s));
        }
    }
    return TS_OK;
}

int64_t ts_batch_tokens(const ts_trainer *t)
{
    const int64_t n = t->n_micro * t->micro * t->o->seq_length;
    double sum = 0;
    if (!t->dev->computes)
        return n;
    for (int64_t i = 0; i < n; i++)
        sum += (double)t->mask[i];
    return (int64_t)sum;
}

typedef struct batch_tensors {
    ts_tensor *ids, *pos, *labels, *weight, *first_key;
    ts_chosen_rows chosen;
    bool some; /* not all rows are chosen */
} batch_tensors;

/* A tensor of 4-byte values filled from a host array that is made for the purpose. */
static ts_status upload(ts_trainer *t, ts_dtype dtype, const void *host, int64_t n, ts_tensor **out)
{
    TS_TRY(ts_tape_new_kind(t->tape, TS_MEM_DATA, dtype, n, 0, out));
    if (t->dev->computes)
        t->dev->to_device(t->dev, ts_tensor_data(*out), host, (size_t)n * 4);
    return TS_OK;
}

/* The first key that a row may see: where its document begins. */
static void first_keys(const ts_trainer *t, int64_t row0, int32_t *out)
{
    const int64_t S = t->o->seq_length;
    for (int64_t b = 0; b < t->micro; b++) {
        const int32_t *seg = t->segments + (row0 + b) * S;
        int32_t first = 0;
        for (int64_t s = 0; s < S; s++) {
            if (s > 0 && seg[s] != seg[s - 1])
                first = (int32_t)s;
            out[b * S + s] = first;
        }
    }
}

/* labels: [n], and room for three times as much behind them. */
static ts_status upload_labels(ts_trainer *t, int32_t *labels, int64_t n, batch_tensors *b)
{
    TS_TRY(upload(t, TS_DTYPE_I32, labels, n, &b->labels));
    if (!labels) /* sim: none to look at */
        return TS_OK;
    int32_t *at = labels + n, *back = at + n, *few = back + n;
    b->chosen.n = ts_choose_rows(labels, n, at, back, few);
    b->some = b->chosen.n < n;
    if (!b->some || b->chosen.n == 0)
        return TS_OK;
    ts_tensor *on_device[3];
    TS_TRY(upload(t, TS_DTYPE_I32, at, b->chosen.n, &on_device[0]));
    TS_TRY(upload(t, TS_DTYPE_I32, back, n, &on_device[1]));
    TS_TRY(upload(t, TS_DTYPE_I32, few, b->chosen.n, &on_device[2]));
    b->chosen.at = on_device[0], b->chosen.back = on_device[1], b->chosen.labels = on_device[2];
    return TS_OK;
}

enum { BUFFERS = 4 }; /* arrays of a micro-batch's size that upload_all needs on the host */

/* On sim there is nothing to copy from: the tensors are made, the loops have no turns. */
static ts_status upload_all(ts_trainer *t, int64_t m, double weight, int32_t *buffer,
                            batch_tensors *b)
{
    const int64_t S = t->o->seq_length, row0 = m * t->micro, rows = t->micro * S,
                  n = buffer ? rows : 0;
    float *const w = (float *)(void *)buffer;
    *b = (batch_tensors){ 0 };
    for (int64_t i = 0; i < n; i++)
        buffer[i] = t->tokens[(row0 + i / S) * (S + 1) + i % S];
    TS_TRY(upload(t, TS_DTYPE_I32, buffer, rows, &b->ids));
    for (int64_t i = 0; i < n; i++)
        buffer[i] = t->positions ? t->positions[row0 * S + i] : (int32_t)(i % S);
    TS_TRY(upload(t, TS_DTYPE_I32, buffer, rows, &b->pos));
    for (int64_t i = 0; i < n; i++)
        buffer[i] =
            t->mask[row0 * S + i] > 0 ? t->tokens[(row0 + i / S) * (S + 1) + i % S + 1] : -1;
    TS_TRY(upload_labels(t, buffer, rows, b));
    for (int64_t i = 0; i < n; i++)
        w[i] = (float)((double)t->mask[row0 * S + i] * weight);
    TS_TRY(upload(t, TS_DTYPE_F32, w, rows, &b->weight));
    if (t->with_segments) {
        if (buffer)
            first_keys(t, row0, buffer);
        TS_TRY(upload(t, TS_DTYPE_I32, buffer, rows, &b->first_key));
    }
    return TS_OK;
}

static ts_status forward(ts_trainer *t, int64_t m, const batch_tensors *b, ts_tensor **loss)
{
    ts_decoder *d = t->model->decoder;
    const bool train = t->tape->recording;
    const ts_run run = { .B = t->micro,
                         .S = t->o->seq_length,
                         .pos = b->pos,
                         .first_key = b->first_key,
                         .hidden_dropout = train ? (float)t->o->hidden_dropout : 0,
                         .attention_dropout = train ? (float)t->o->attention_dropout : 0,
                         .seed = (uint64_t)t->o->seed,
                         .step = t->iteration,
                         .sample0 =
                             ts_sampler_first(0, m, t->micro, t->comm->rank, t->comm->size) };
    /* Recomputation runs the layers again during the backward pass: what they read must outlive
     * this call. */
    ts_run *kept;
    ts_tensor *hidden;
    TS_TRY(ts_arena_alloc(&t->tape->arena, sizeof *kept, &kept));
    *kept = run;
    TS_TRY(ts_decoder_forward(d, t->tape, kept, &t->recompute, b->ids, &hidden));
    ts_device_part(t->dev, "output layer and loss", -1);
    ts_xent_op o = ts_decoder_head(d);
    o.labels = b->labels;
    o.chosen = b->some ? &b->chosen : NULL;
    o.late = true;
    TS_TRY(ts_op_linear_xent(t->tape, &o, hidden, loss, NULL));
    return ts_tape_accumulate(t->tape, *loss, b->weight);
}

ts_status ts_batch_forward(ts_trainer *t, int64_t m, double weight, ts_tensor **loss)
{
    const int64_t n = BUFFERS * t->micro * t->o->seq_length;
    batch_tensors b;
    int32_t *buffer = NULL;
    if (t->dev->computes)
        TS_TRY(ts_alloc(&buffer, (size_t)n, sizeof *buffer));
    ts_device_book(t->dev, TS_MEM_DATA, n * (int64_t)sizeof *buffer);
    ts_status st = upload_all(t, m, weight, buffer, &b);
    ts_device_book(t->dev, TS_MEM_DATA, -n * (int64_t)sizeof *buffer);
    ts_free(&buffer);
    TS_TRY(st);
    return forward(t, m, &b, loss);
}

double ts_batch_loss(ts_trainer *t, int64_t m, const ts_tensor *loss)
{
    const int64_t n = t->micro * t->o->seq_length;
    double sum = 0;
    if (!t->dev->computes)
        return 0;
    t->dev->to_host(t->dev, t->losses, ts_tensor_data(loss), (size_t)n * sizeof *t->losses);
    const float *mask = t->mask + m * n;
    for (int64_t i = 0; i < n; i++)
        sum += (double)mask[i] * (double)t->losses[i];
    return sum;
}
