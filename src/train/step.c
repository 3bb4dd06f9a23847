#include "train/step.h"

#include "base/thread.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

/* What every rank tells the others beside its micro-batches' losses. */
enum { EXTRA_STOP, EXTRA_MEMORY, EXTRA_RSS, EXTRAS };
_Static_assert(EXTRAS <= 8, "make_batch leaves room for 8");

static double rss_peak(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss * 1024;
}

/* For the kernels' account and for the watchdog. */
static void enter(ts_trainer *t, const char *phase)
{
    ts_device_phase(t->dev, phase);
    ts_watch_phase(t->comm->watch, phase ? phase : "between steps");
}

static ts_status count_tokens(ts_trainer *t, int64_t *tokens)
{
    *tokens = ts_batch_tokens(t);
    TS_TRY(t->comm->all_reduce(t->comm, tokens, 1, TS_COMM_I64, TS_COMM_SUM));
    if (*tokens <= 0)
        return ts_error(TS_ERR_USER, "the global batch of iteration %lld has no token to train on",
                        (long long)t->iteration + 1);
    return TS_OK;
}

static ts_status micro_batch(ts_trainer *t, int64_t m, double weight, double *sum)
{
    const bool last = m + 1 == t->n_micro;
    ts_tensor *loss;
    ts_tape_reset(t->tape);
    enter(t, "forward");
    TS_TRY(ts_batch_forward(t, m, weight, &loss));
    if (t->reducer && last) {
        ts_reducer_begin(t->reducer);
        ts_trainer_hooks(t, true);
    }
    enter(t, "backward");
    t->hook_status = TS_OK;
    const ts_status st = ts_tape_backward(t->tape);
    ts_trainer_hooks(t, false);
    TS_TRY(st);
    *sum = ts_batch_loss(t, m, loss);
    return t->hook_status;
}

/* Gradients of all micro-batches, summed over all ranks: *grads is where they are. */
static ts_status all_micro_batches(ts_trainer *t, double weight, double *sums, const float **grads)
{
    ts_param_set *p = &t->model->decoder->params;
    *grads = p->grads->data;
    if (t->deterministic) {
        t->dev->zero(t->dev, t->acc->data, t->acc->bytes);
        *grads = t->acc->data;
    }
    for (int64_t m = 0; m < t->n_micro; m++) {
        if (m == 0 || t->deterministic)
            ts_param_set_clear_grads(p);
        TS_TRY(micro_batch(t, m, weight, &sums[m]));
        if (m + 1 == t->n_micro || t->deterministic)
            ts_param_set_settle_grads(p);
        if (t->deterministic)
            TS_TRY(ts_ordered_add(t->comm, p->grads->data, t->dev->computes ? t->acc->data : NULL,
                                  p->total, t->staging ? t->staging->data : NULL,
                                  (int64_t)(t->staging_bytes / sizeof(float))));
    }
    ts_tape_reset(t->tape);
    enter(t, "reduction");
    if (t->reducer)
        return ts_reducer_finish(t->reducer);
    if (!t->deterministic)
        return TS_OK;
    return ts_ordered_finish(t->comm, t->dev->computes ? t->acc->data : NULL, p->total);
}

/* Every rank gets all micro-batches' sums and adds them in the order of the global batch. */
static ts_status share_results(ts_trainer *t, double *mine, bool stop, ts_step_result *r)
{
    const int64_t n = t->n_micro + EXTRAS;
    double *x = mine + t->n_micro;
    x[EXTRA_STOP] = stop;
    x[EXTRA_MEMORY] = (double)t->dev->mem.peak;
    x[EXTRA_RSS] = rss_peak();
    TS_TRY(t->comm->all_gather(t->comm, mine, t->gathered, n, TS_COMM_F64));
    r->memory_peak = t->dev->mem.peak;
    if (!t->dev->computes)
        return TS_OK;
    double sum = 0;
    for (int64_t m = 0; m < t->n_micro; m++)
        for (int rank = 0; rank < t->comm->size; rank++)
            sum += t->gathered[rank * n + m];
    r->loss = sum / (double)r->tokens;
    for (int rank = 0; rank < t->comm->size; rank++) {
        const double *e = t->gathered + rank * n + t->n_micro;
        r->stop = r->stop || e[EXTRA_STOP] > 0;
        r->memory_peak = (int64_t)fmax((double)r->memory_peak, e[EXTRA_MEMORY]);
        r->rss_peak = (int64_t)fmax((double)r->rss_peak, e[EXTRA_RSS]);
    }
    return TS_OK;
}

static ts_status not_a_number(const ts_trainer *t, const ts_step_result *r)
{
    const int64_t n = t->n_micro + EXTRAS;
    char where[96] = "";
    for (int rank = 0; rank < t->comm->size && !where[0]; rank++)
        for (int64_t m = 0; m < t->n_micro && !where[0]; m++)
            if (!isfinite(t->gathered[rank * n + m]))
                snprintf(where, sizeof where, " (first in micro-batch %lld of rank %d)",
                         (long long)m, rank);
    return ts_error(
        TS_ERR_RUN,
        "iteration %lld: the %s is not a number%s. Nothing was updated; the checkpoint before is "
        "untouched. Try a lower --lr, --clip-grad, --bf16 instead of --fp16, or look at samples %lld "
        "to %lld of the data (--no-check-for-nan-in-loss-and-grad goes on regardless)",
        (long long)t->iteration + 1, isfinite(r->loss) ? "gradient's norm" : "loss", where,
        (long long)t->consumed, (long long)(t->consumed + t->global - 1));
}

static ts_status stuck(ts_trainer *t)
{
    double norm;
    TS_TRY(ts_optimizer_params_norm(&t->optim, &norm));
    return ts_error(
        TS_ERR_RUN,
        "iteration %lld: %d steps in a row have overflowed with the lowest loss scale, %g "
        "(--min-loss-scale), so nothing is learned any more. %sNothing was updated; the checkpoint "
        "before is untouched. Try --bf16 instead of --fp16, a lower --lr or --clip-grad, or look at "
        "samples %lld to %lld of the data (--no-check-for-nan-in-loss-and-grad goes on regardless)",
        (long long)t->iteration + 1, TS_LOSS_SCALER_STUCK, t->scaler.min,
        isfinite(norm) ? "" : "The weights themselves hold values that are not finite. ",
        (long long)(t->consumed - (TS_LOSS_SCALER_STUCK - 1) * t->global),
        (long long)(t->consumed + t->global - 1));
}

static ts_status update(ts_trainer *t, const float *grads, ts_step_result *r)
{
    double sumsq;
    enter(t, "optimizer");
    TS_TRY(ts_optimizer_sumsq(&t->optim, grads, &sumsq, &r->zeros));
    r->loss_scale = t->scaler.scale;
    r->grad_norm = sqrt(sumsq) / t->scaler.scale;
    const bool bad = !isfinite(r->grad_norm);
    if (bad && t->scaler.dynamic) {
        r->skipped = true;
        ts_loss_scaler_update(&t->scaler, true);
        return t->scaler.stuck < TS_LOSS_SCALER_STUCK || !t->o->check_for_nan ? TS_OK : stuck(t);
    }
    if ((bad || !isfinite(r->loss)) && t->o->check_for_nan)
        return not_a_number(t, r);
    double scale = 1 / t->scaler.scale;
    if (t->o->clip_grad > 0 && t->o->clip_grad / (r->grad_norm + 1e-6) < 1)
        scale *= t->o->clip_grad / (r->grad_norm + 1e-6);
    ts_optimizer_step(&t->optim, grads, r->lr, scale);
    ts_loss_scaler_update(&t->scaler, false);
    return TS_OK;
}

ts_status ts_trainer_step(ts_trainer *t, bool stop, ts_step_result *r)
{
    const double began = ts_now();
    const float *grads;
    double *sums;
    *r = (ts_step_result){ .lr = ts_lr_at(&t->schedule, t->scheduled),
                           .decoupled_lr = ts_lr_at(&t->decoupled, t->scheduled) };
    t->optim.decoupled_lr = r->decoupled_lr;
    ts_watch_iteration(t->comm->watch, t->iteration + 1);
    ts_watch_phase(t->comm->watch, "reading data");
    ts_status st = ts_comm_agree(t->comm, ts_batch_read(t, TS_DATA_TRAIN, t->consumed));
    if (st == TS_OK)
        st = count_tokens(t, &r->tokens);
    TS_TRY(st);
    TS_TRY(ts_alloc(&sums, (size_t)(t->n_micro + EXTRAS), sizeof *sums));
    st = all_micro_batches(t, t->scaler.scale / (double)r->tokens, sums, &grads);
    if (st == TS_OK)
        st = share_results(t, sums, stop, r);
    ts_free(&sums);
    TS_TRY(st);
    TS_TRY(update(t, grads, r));
    if (t->o->log_params_norm)
        TS_TRY(ts_optimizer_params_norm(&t->optim, &r->params_norm));
    t->iteration++;
    t->consumed += t->global;
    if (r->skipped)
        t->skipped++;
    else
        t->scheduled += t->global;
    enter(t, NULL);
    r->seconds = ts_now() - began;
    return TS_OK;
}

static ts_status evaluate_batch(ts_trainer *t, double total[2])
{
    for (int64_t m = 0; m < t->n_micro; m++) {
        ts_tensor *loss;
        ts_tape_reset(t->tape);
        t->tape->recording = false;
        TS_TRY(ts_batch_forward(t, m, 1, &loss));
        total[0] += ts_batch_loss(t, m, loss);
    }
    total[1] += (double)ts_batch_tokens(t);
    return TS_OK;
}

/* What one rank brings the others: that it failed, or that it was asked to stop. */
enum { GO_ON, STOP, FAILED };

static ts_status agree(ts_trainer *t, ts_status st, bool *stop)
{
    int64_t wish = st != TS_OK ? FAILED : t->asked && t->asked(t->asked_ctx) ? STOP : GO_ON;
    TS_TRY(t->comm->all_reduce(t->comm, &wish, 1, TS_COMM_I64, TS_COMM_MAX));
    *stop = wish == STOP;
    return wish == FAILED ? ts_comm_agree(t->comm, st) : TS_OK;
}

ts_status ts_trainer_agree_to_stop(ts_trainer *t, bool *stop) { return agree(t, TS_OK, stop); }

static ts_status evaluate_batches(ts_trainer *t, ts_data_part part, int64_t first, int64_t n,
                                  ts_evaluation *e, double total[2])
{
    int64_t done = 0;
    TS_TRY(agree(t, TS_OK, &e->stop));
    while (done < n && !e->stop) {
        ts_status st = ts_batch_read(t, part, first + done * t->global);
        if (st == TS_OK)
            st = evaluate_batch(t, total);
        TS_TRY(agree(t, st, &e->stop));
        done++;
    }
    e->is_whole = done == n;
    return TS_OK;
}

ts_status ts_trainer_evaluate(ts_trainer *t, ts_data_part part, int64_t first, int64_t n,
                              ts_evaluation *out)
{
    double total[2] = { 0, 0 }; /* loss, tokens */
    const int64_t global = t->global, n_micro = t->n_micro;
    *out = (ts_evaluation){ 0 };
    enter(t, "evaluation");
    t->global = t->ramp.full; /* however large the batch of training is just now */
    t->n_micro = t->global / (t->micro * t->comm->size);
    ts_status st = evaluate_batches(t, part, first, n, out, total);
    t->global = global;
    t->n_micro = n_micro;
    ts_tape_reset(t->tape);
    if (st == TS_OK)
        st = t->comm->all_reduce(t->comm, total, 2, TS_COMM_F64, TS_COMM_SUM);
    out->loss = total[1] > 0 ? total[0] / total[1] : 0;
    enter(t, NULL);
    return st;
}
