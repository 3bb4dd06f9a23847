#include "train/step.h"

enum { STAGING = 8 << 20 };

void ts_loss_scaler_init(ts_loss_scaler *s, const ts_train_options *o, bool fp16)
{
    *s = (ts_loss_scaler){ .dynamic = fp16 && o->loss_scale <= 0, .scale = 1,
                           .min = o->min_loss_scale, .window = o->loss_scale_window,
                           .hysteresis = o->hysteresis,
                           .tolerance = o->hysteresis };
    if (fp16)
        s->scale = o->loss_scale > 0 ? o->loss_scale : o->initial_loss_scale;
}

void ts_loss_scaler_update(ts_loss_scaler *s, bool overflow)
{
    if (!s->dynamic)
        return;
    s->stuck = overflow && s->scale <= s->min ? s->stuck + 1 : 0;
    if (overflow) {
        s->good = 0;
        if (--s->tolerance <= 0) {
            s->scale = s->scale / 2 > s->min ? s->scale / 2 : s->min;
        }
        return;
    }
    if (++s->good >= s->window) { /* above it: continued with a smaller one */
        s->good = 0;
        s->tolerance = s->hysteresis;
        s->scale *= 2;
    }
}

/* Hooks cannot fail: the first failure is kept for the end of the pass. */
static void keep_failure(ts_trainer *t, ts_status st)
{
    if (t->hook_status == TS_OK)
        t->hook_status = st;
}

static void on_progress(void *ctx)
{
    ts_trainer *t = ctx;
    keep_failure(t, ts_reducer_progress(t->reducer));
}

static void on_param_done(void *ctx, ts_param *p)
{
    ts_trainer *t = ctx;
    keep_failure(t, ts_reducer_param_done(t->reducer, p->index));
}

/* Hooks are on during the last micro-batch's backward only: before that a gradient is not
 * complete. */
void ts_trainer_hooks(ts_trainer *t, bool on)
{
    t->tape->hooks = on ? (ts_tape_hooks){ on_progress, on_param_done, t } : (ts_tape_hooks){ 0 };
}

static ts_status make_reducer(ts_trainer *t, bool overlap, int64_t bucket)
{
    const ts_param_set *p = &t->model->decoder->params;
    int64_t *offset = NULL, *count = NULL;
    ts_status st = ts_alloc(&offset, p->n, sizeof *offset);
    if (st == TS_OK)
        st = ts_alloc(&count, p->n, sizeof *count);
    for (size_t i = 0; st == TS_OK && i < p->n; i++) {
        if (!ts_param_is_trained(p->p[i])) /* empty: never reported done */
            continue;
        offset[i] = p->p[i]->offset;
        count[i] = ts_param_count(p->p[i]);
    }
    if (st == TS_OK)
        st = ts_reducer_create(t->comm, p->grads->data, p->total, offset, count, (int64_t)p->n,
                               bucket, overlap, &t->reducer);
    ts_free(&offset);
    ts_free(&count);
    return st;
}

static ts_status make_gradients(ts_trainer *t, bool overlap, int64_t bucket)
{
    const size_t bytes = (size_t)t->model->decoder->params.total * sizeof(float);
    if (!t->deterministic && t->comm->size > 1) {
        TS_TRY(make_reducer(t, overlap, bucket));
        if (t->o->grad_reduce_in_bf16)
            TS_TRY(ts_reducer_use_bf16(t->reducer, t->dev->computes));
        t->reducer_bytes = ts_reducer_bytes(t->reducer);
        ts_device_book(t->dev, TS_MEM_COMM, t->reducer_bytes);
        return TS_OK;
    }
    if (!t->deterministic)
        return TS_OK;
    TS_TRY(ts_storage_create(t->dev, TS_MEM_GRAD, bytes, &t->acc));
    if (t->comm->size == 1)
        return TS_OK;
    /* At least a block of every rank. */
    const size_t least = (size_t)t->comm->size * 64 * sizeof(float);
    t->staging_bytes = bytes < STAGING ? bytes : STAGING;
    t->staging_bytes = t->staging_bytes > least ? t->staging_bytes : least;
    return ts_storage_create(t->dev, TS_MEM_COMM, t->staging_bytes, &t->staging);
}

/* What only training needs. */
static ts_status make_training(ts_trainer *t, bool overlap, int64_t bucket)
{
    TS_TRY(ts_lr_schedule_init(&t->schedule, t->o, t->global));
    t->decoupled = t->schedule;
    ts_lr_schedule_decoupled(&t->decoupled, t->o);
    TS_TRY(make_gradients(t, overlap, bucket));
    TS_TRY(ts_optimizer_init(&t->optim, t->o, &t->model->decoder->params));
    t->optim.has_decoupled = t->o->decoupled_lr >= 0;
    return TS_OK;
}

/* The host's side of a step's batch, booked like all that grows with it; sim only books it. */
static ts_status make_batch(ts_trainer *t)
{
    const size_t rows = (size_t)(t->n_micro * t->micro), S = (size_t)t->o->seq_length;
    t->batch_bytes =
        (int64_t)(4 * (rows * (S + 1) + rows * S * (1u + t->with_positions + t->with_segments) +
                       (size_t)t->micro * S));
    ts_device_book(t->dev, TS_MEM_DATA, t->batch_bytes);
    if (!t->dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&t->tokens, rows, (S + 1) * sizeof *t->tokens));
    TS_TRY(ts_alloc(&t->mask, rows, S * sizeof *t->mask));
    if (t->with_positions)
        TS_TRY(ts_alloc(&t->positions, rows, S * sizeof *t->positions));
    if (t->with_segments)
        TS_TRY(ts_alloc(&t->segments, rows, S * sizeof *t->segments));
    TS_TRY(ts_alloc(&t->losses, (size_t)t->micro, S * sizeof *t->losses));
    TS_TRY(ts_alloc(&t->picked, (size_t)t->micro, sizeof *t->picked));
    return ts_alloc(&t->gathered, (size_t)t->comm->size * (size_t)(t->n_micro + 8),
                    sizeof *t->gathered);
}

static ts_status make_pickers(ts_trainer *t, const ts_data_options *data)
{
    for (int p = 0; t->source && p < TS_DATA_PARTS; p++) {
        const ts_dataset *part = ts_data_source_part(t->source, (ts_data_part)p);
        if (part)
            TS_TRY(
                ts_picker_init(&t->picker[p], data, part, t->micro, t->comm->rank, t->comm->size));
    }
    return TS_OK;
}

static ts_recompute_plan plan_recompute(const ts_train_options *o)
{
    if (o->recompute_granularity != TS_GRANULARITY_FULL)
        return (ts_recompute_plan){ TS_RECOMPUTE_NONE, 0 };
    const bool block = o->recompute_method == TS_RECOMPUTE_METHOD_BLOCK;
    return (ts_recompute_plan){ block ? TS_RECOMPUTE_BLOCK : TS_RECOMPUTE_UNIFORM,
                                o->recompute_num_layers };
}

static ts_status check_model(const ts_trainer *t)
{
    const ts_arch *a = &t->model->decoder->arch;
    if (a->position == TS_POSITION_LEARNED && t->o->seq_length > a->max_positions)
        return ts_error(TS_ERR_USER,
                        "--seq-length %lld is longer than the model's %lld positions "
                        "(--max-position-embeddings)",
                        (long long)t->o->seq_length, (long long)a->max_positions);
    return TS_OK;
}

static void set_batch(ts_trainer *t, int64_t global)
{
    t->global = global;
    t->n_micro = global / (t->micro * t->comm->size);
}

void ts_trainer_size_batch(ts_trainer *t) { set_batch(t, ts_batch_ramp_at(&t->ramp, t->consumed)); }

/* Making packed weights for each product costs one part in some hundred rows of it. */
static bool shares_forms(const ts_trainer *t)
{
    enum { FEW_ROWS = 512 };
    if (t->o->packed_weights != TS_PACKED_AUTO)
        return t->o->packed_weights == TS_PACKED_SHARED;
    return t->n_micro == 1 && t->micro * t->o->seq_length > FEW_ROWS;
}

ts_status ts_trainer_create(const ts_train_options *o, ts_device *dev, ts_comm *comm,
                            ts_model *model, const ts_data_source *source,
                            const ts_data_options *data, ts_dtype compute, bool overlap,
                            int64_t bucket, ts_trainer **out)
{
    ts_trainer *t;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    *t = (ts_trainer){ .o = o, .dev = dev, .comm = comm, .model = model, .source = source,
                       .compute = compute, .micro = o->micro_batch_size,
                       .deterministic = o->deterministic,
                       .recompute = plan_recompute(o),
                       .with_segments = data->reset_attention_mask,
                       .with_positions = data->reset_position_ids };
    ts_loss_scaler_init(&t->scaler, o, compute == TS_DTYPE_F16);
    const ts_tape_options tape = { .replay = o->replay };
    ts_status st;
    TS_TRY_TO(fail, st, ts_batch_ramp_init(&t->ramp, o, comm->size));
    set_batch(t, t->ramp.full); /* everything is made for the largest */
    if (shares_forms(t))
        ts_param_set_share_forms(&model->decoder->params);
    TS_TRY_TO(fail, st, check_model(t));
    if (!o->skip_train)
        TS_TRY_TO(fail, st, make_training(t, overlap, bucket));
    TS_TRY_TO(fail, st, ts_tape_create(dev, &tape, &t->tape));
    TS_TRY_TO(fail, st, make_batch(t));
    TS_TRY_TO(fail, st, make_pickers(t, data));
    TS_TRY_TO(fail, st, ts_decoder_prepare(model->decoder, o->seq_length, o->seq_length));
    *out = t;
    return TS_OK;
fail:
    ts_trainer_destroy(&t);
    return st;
}

void ts_trainer_destroy(ts_trainer **trainer)
{
    ts_trainer *t = *trainer;
    if (!t)
        return;
    ts_tape_destroy(&t->tape);
    ts_optimizer_deinit(&t->optim);
    ts_storage_release(&t->acc);
    ts_storage_release(&t->staging);
    ts_reducer_destroy(&t->reducer);
    ts_device_book(t->dev, TS_MEM_DATA, -t->batch_bytes);
    ts_device_book(t->dev, TS_MEM_COMM, -t->reducer_bytes);
    ts_device_book(t->dev, TS_MEM_OTHER, -t->copies);
    ts_free(&t->tokens);
    ts_free(&t->positions);
    ts_free(&t->segments);
    ts_free(&t->mask);
    ts_free(&t->losses);
    ts_free(&t->picked);
    for (int p = 0; p < TS_DATA_PARTS; p++)
        ts_picker_deinit(&t->picker[p]);
    ts_free(&t->gathered);
    ts_free(trainer);
}

double ts_trainer_step_flops(const ts_trainer *t)
{
    const double S = (double)t->o->seq_length;
    return S * (double)t->global * ts_decoder_training_flops(t->model->decoder, S);
}
