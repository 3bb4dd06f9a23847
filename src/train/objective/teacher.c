#include "train/objective/teacher.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* ---- labels of a micro-batch ---- */

/* A row of a micro-batch, and whose labels those are. */
typedef struct row {
    const float *mask;
    int64_t sample;
} row;

static ts_status open_row(const ts_lm_teacher *t, const ts_micro_batch *m, int64_t b, bool whole, row *out)
{
    const ts_batch *batch = m->batch;
    const int64_t at = m->row + b, width = batch->field[ts_batch_find(batch, "labels")].width;
    ts_kept_sample s;
    *out = (row){ ts_batch_floats(batch, "loss_mask", at), ts_batch_ints(batch, "sample", at)[0] };
    ts_kept_measure(ts_batch_ints(batch, "tokens", at), ts_batch_ints(batch, "labels", at), width, &s);
    TS_TRY(ts_kept_check(t->kept, out->sample, &s));
    return !whole || ts_kept_has(t->kept, out->sample)
               ? TS_OK
               : ts_error(TS_ERR_USER, "--kd-logits: nothing is kept of sample %lld yet: give --load-teacher, which adds what is "
                                       "missing", (long long)out->sample);
}

static int64_t labels_before(const float *mask, int64_t s)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s; i++)
        n += mask[i] > 0;
    return n;
}

typedef ts_status visit_fn(void *ctx, const row *r, int64_t label, int64_t at);

/* Calls fn of each label that is here: its number in its sample, and which of the operator's rows it has. */
static ts_status visit(const ts_lm_teacher *t, const ts_micro_batch *m, const ts_stretches *here, bool some, bool whole,
                       visit_fn *fn, void *ctx)
{
    int64_t at = 0;
    for (int64_t b = 0; b < m->rows; b++) {
        row r;
        TS_TRY(open_row(t, m, b, whole, &r));
        for (int i = 0; i < here->n; i++) {
            int64_t label = labels_before(r.mask, here->piece[i].begin);
            for (int64_t s = here->piece[i].begin; s < here->piece[i].begin + here->piece[i].n; s++) {
                const bool counts = r.mask[s] > 0;
                if (counts)
                    TS_TRY(fn(ctx, &r, label++, at));
                at += counts || !some;
            }
        }
    }
    return TS_OK;
}

/* ---- to the device ---- */

typedef struct reading {
    const ts_kept_file *file;
    int64_t k;
    int32_t *id; /* [n, k] */
    float *logq; /* [n, k + 1] */
} reading;

static ts_status read_label(void *ctx, const row *r, int64_t label, int64_t at)
{
    const reading *v = ctx;
    const int64_t k = v->k;
    memcpy(v->id + at * k, ts_kept_ids(v->file, r->sample, label), (size_t)k * sizeof *v->id);
    memcpy(v->logq + at * (k + 1), ts_kept_logq(v->file, r->sample, label), (size_t)(k + 1) * sizeof *v->logq);
    return TS_OK;
}

static ts_status read_labels(const ts_lm_teacher *t, ts_tape *tape, const ts_micro_batch *m, const ts_stretches *here,
                             bool some, int64_t n, const ts_kept_tops *to)
{
    reading v = { .file = t->kept, .k = t->k };
    ts_status st;
    TS_TRY_TO(done, st, ts_alloc(&v.id, (size_t)(n * t->k), sizeof *v.id));
    TS_TRY_TO(done, st, ts_alloc(&v.logq, (size_t)(n * (t->k + 1)), sizeof *v.logq));
    TS_TRY_TO(done, st, visit(t, m, here, some, true, read_label, &v));
    tape->dev->to_device(tape->dev, ts_tensor_data(to->id), v.id, ts_tensor_bytes(to->id));
    tape->dev->to_device(tape->dev, ts_tensor_data(to->logq), v.logq, ts_tensor_bytes(to->logq));
    st = tape->dev->sync(tape->dev);
done:
    ts_free(&v.id);
    ts_free(&v.logq);
    return st;
}

ts_status ts_lm_teacher_upload(const ts_lm_teacher *t, ts_tape *tape, const ts_micro_batch *m, const ts_stretches *here,
                               bool some, int64_t n, ts_kept_tops *out)
{
    *out = (ts_kept_tops){ .k = t->k };
    TS_TRY(ts_tape_new_kind(tape, TS_MEM_DATA, TS_DTYPE_I32, n ? n : 1, t->k, &out->id));
    TS_TRY(ts_tape_new_kind(tape, TS_MEM_DATA, TS_DTYPE_F32, n ? n : 1, t->k + 1, &out->logq));
    return tape->dev->computes && n ? read_labels(t, tape, m, here, some, n, out) : TS_OK;
}

/* ---- to the file ---- */

typedef struct writing {
    ts_kept_file *file;
    int64_t k;
    const int32_t *id;
    const float *logq;
} writing;

static ts_status write_label(void *ctx, const row *r, int64_t label, int64_t at)
{
    const writing *w = ctx;
    const float *logq = w->logq + at * (w->k + 1);
    for (int64_t i = 0; i < w->k; i++)
        if (!isfinite(logq[i]))
            return ts_error(TS_ERR_RUN, "the teacher's logits of sample %lld are not numbers", (long long)r->sample);
    return ts_kept_write(w->file, r->sample, label, w->id + at * w->k, logq);
}

ts_status ts_lm_teacher_write(const ts_lm_teacher *t, ts_device *dev, const ts_micro_batch *m, const ts_stretches *here,
                              bool some, const ts_passed *out)
{
    const size_t bytes[2] = { ts_tensor_bytes(out->tensor[0]), ts_tensor_bytes(out->tensor[1]) };
    int32_t *id = NULL;
    float *logq = NULL;
    ts_status st;
    if (!t->writes)
        return TS_OK;
    TS_TRY_TO(done, st, ts_alloc(&id, bytes[0], 1));
    TS_TRY_TO(done, st, ts_alloc(&logq, bytes[1], 1));
    TS_TRY_TO(done, st, ts_device_read(dev, id, ts_tensor_data(out->tensor[0]), bytes[0]));
    TS_TRY_TO(done, st, ts_device_read(dev, logq, ts_tensor_data(out->tensor[1]), bytes[1]));
    st = visit(t, m, here, some, false, write_label, &(writing){ t->kept, t->k, id, logq });
done:
    ts_free(&id);
    ts_free(&logq);
    return st;
}
