#include "train/flight.h"
#include "train/indexer.h"
#include "train/narrow_state.h"

#include "base/thread.h"
#include "train/qk_clip.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

/* What every rank tells the others beside its micro-batches' losses. STOP: the sum of what it was asked for. */
enum { EXTRA_STOP, EXTRA_MEMORY, EXTRA_RSS, EXTRAS };
enum { ASKED_TO_STOP = 1, ASKED_TO_CAPTURE = 2 };
_Static_assert((int)EXTRAS <= (int)TS_STEP_EXTRAS, "ts_trainer.gathered is too small");

static double rss_peak(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss * 1024;
}

/* Tokens with a label in this process's samples, each counted by one process. */
static int64_t labels_here(const ts_trainer *t)
{
    const ts_batch *b = &t->feed.batch;
    const int field = ts_batch_find(b, "loss_mask");
    int64_t n = 0;
    for (int64_t row = 0; t->mesh->at[TS_MESH_CP] == 0 && row < ts_feed_row(&t->feed, t->feed.n_micro); row++) {
        const float *mask = ts_batch_floats(b, "loss_mask", row);
        for (int64_t i = 0; mask && i < b->field[field].width; i++)
            n += mask[i] > 0;
    }
    return n;
}

/* Of all losses: what their weights sum up to on all ranks; and how many tokens are trained on. */
static ts_status count_tokens(ts_trainer *t, ts_step_result *r)
{
    const int n = 2 + t->objective->n_side;
    double sum[1 + TS_PASSED];
    for (int k = 0; k < n - 1; k++)
        sum[k] = ts_flight_counts(t, k);
    sum[n - 1] = ts_batch_find(&t->feed.batch, "loss_mask") < 0 || !t->dev->computes ? sum[0] : (double)labels_here(t);
    TS_TRY(ts_comm_run(t->mesh->comm[TS_MESH_DP_CP],
                       ts_all_reduce(sum, n, TS_COMM_F64, TS_COMM_SUM)));
    TS_TRY(ts_line_tell(t->mesh, sum, n, TS_COMM_F64));
    if (sum[0] <= 0 && ts_batch_find(&t->feed.batch, "labels") < 0) /* those may all be none */
        return ts_error(TS_ERR_USER, "the global batch of iteration %lld has no token to train on",
                        (long long)t->iteration + 1);
    r->counted = sum[0];
    r->tokens = (int64_t)sum[n - 1];
    for (int k = 1; k < n - 1; k++)
        r->side_weights[k - 1] = sum[k];
    return TS_OK;
}

/* What the sum of all losses is divided by. */
static double divisor(const ts_trainer *t, const ts_step_result *r)
{
    return t->objective->is_sum ? 1 : ts_flight_divisor(t, r->counted);
}

/* *grads: of all micro-batches, summed over all ranks. */
static ts_status all_micro_batches(ts_trainer *t, double weight, double *sums, const float **grads)
{
    ts_qk_clip_begin(t->objective->params);
    ts_expert_report_begin(t->objective->load);
    ts_index_begin(t->dev, t->objective->index);
    if (ts_train_steps_layerwise(t->o))
        ts_optimizer_begin(&t->optim);
    TS_TRY(ts_grads_begin(&t->grads));
    TS_TRY(ts_pipeline_train(t, weight, sums));
    const double began = ts_timeline_begin(t->dev->timeline);
    TS_TRY(ts_trainer_narrow_step(t));
    ts_trainer_enter(t, "reduction");
    TS_TRY(ts_grads_finish(&t->grads, grads));
    ts_timeline_span(t->dev->timeline, TS_TRACK_STEP, "reduction", began);
    return TS_OK;
}

/* Who knows the losses of rank d of those that share out samples and sequences: the first of the
 * tensor-parallel group of the stage that has the last part. */
static int teller(const ts_trainer *t, int d)
{
    int first;
    const ts_mesh *m = ts_line_end(t->mesh, &first);
    return first + ts_mesh_rank(m, TS_MESH_DP_CP, ts_mesh_rank(m, TS_MESH_PP, 0, ts_pipeline_end(&t->pipeline, t->mesh)), d);
}

static int tellers(const ts_trainer *t)
{
    int first;
    return ts_line_end(t->mesh, &first)->size[TS_MESH_DP_CP];
}

/* What every rank tells: sums of losses, and the rest. */
static int64_t told(const ts_trainer *t) { return (1 + t->objective->n_side) * t->feed.n_micro + EXTRAS; }

/* All micro-batches' sums of a loss, in the order of the global batch. */
static double sum_of_all(const ts_trainer *t, int loss)
{
    double sum = 0;
    for (int64_t m = loss * t->feed.n_micro; m < (loss + 1) * t->feed.n_micro; m++)
        for (int d = 0; d < tellers(t); d++)
            sum += t->gathered[teller(t, d) * told(t) + m];
    return sum;
}

/* Every rank gets all micro-batches' sums. */
static ts_status share_results(ts_trainer *t, double *mine, bool stop, ts_step_result *r)
{
    const int64_t n = told(t);
    double *x = mine + n - EXTRAS;
    x[EXTRA_STOP] = (stop ? ASKED_TO_STOP : 0) + (t->asks_capture ? ASKED_TO_CAPTURE : 0);
    x[EXTRA_MEMORY] = (double)t->dev->mem.peak;
    x[EXTRA_RSS] = rss_peak();
    TS_TRY(ts_comm_run(t->comm, ts_all_gather(mine, t->gathered, n, TS_COMM_F64)));
    r->memory_peak = t->dev->mem.peak;
    if (!t->dev->computes)
        return TS_OK;
    r->loss = sum_of_all(t, 0) / divisor(t, r);
    for (int k = 0; k < t->objective->n_side; k++)
        r->side[k] = r->side_weights[k] > 0 ? sum_of_all(t, 1 + k) / ts_flight_divisor(t, r->side_weights[k]) : 0;
    for (int rank = 0; rank < t->comm->size; rank++) {
        const double *e = t->gathered + (rank + 1) * n - EXTRAS;
        const int asked = (int)e[EXTRA_STOP];
        r->stop = r->stop || asked & ASKED_TO_STOP;
        r->captures = r->captures || asked & ASKED_TO_CAPTURE;
        r->memory_peak = (int64_t)fmax((double)r->memory_peak, e[EXTRA_MEMORY]);
        r->rss_peak = (int64_t)fmax((double)r->rss_peak, e[EXTRA_RSS]);
    }
    return TS_OK;
}

static ts_status not_a_number(const ts_trainer *t, const ts_step_result *r)
{
    const int64_t n = told(t);
    char where[96] = "";
    for (int rank = 0; rank < t->comm->size && !where[0]; rank++)
        for (int64_t m = 0; m < t->feed.n_micro && !where[0]; m++)
            if (!isfinite(t->gathered[rank * n + m]))
                snprintf(where, sizeof where, " (first in micro-batch %lld of rank %d)",
                         (long long)m, rank);
    return ts_error(
        TS_ERR_RUN,
        "iteration %lld: the %s is not a number%s. Nothing was updated; the checkpoint before is "
        "untouched. Try a lower --lr, --clip-grad, --bf16 instead of --fp16, or look at samples %lld "
        "to %lld of the data (--no-check-for-nan-in-loss-and-grad goes on regardless)",
        (long long)t->iteration + 1, isfinite(r->loss) ? "gradient's norm" : "loss", where,
        (long long)t->consumed, (long long)(t->consumed + t->feed.global - 1));
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
        (long long)(t->consumed - (TS_LOSS_SCALER_STUCK - 1) * t->feed.global),
        (long long)(t->consumed + t->feed.global - 1));
}

/* Layers have been stepped. */
static ts_status end_layers(ts_trainer *t, ts_step_result *r)
{
    double sumsq;
    TS_TRY(ts_optimizer_end(&t->optim, &sumsq, &r->zeros));
    r->loss_scale = t->scaler.scale;
    r->grad_norm = sqrt(sumsq);
    TS_TRY(ts_qk_clip_apply(t->objective->params, t->o));
    TS_TRY(ts_dump_weights(t->dump, &t->optim));
    return ts_gather_update(&t->gather);
}

static ts_status update(ts_trainer *t, const float *grads, ts_step_result *r)
{
    double sumsq;
    ts_trainer_enter(t, "optimizer");
    if (ts_train_keeps_tops(t->o))
        TS_TRY(ts_qk_clip_share(t->objective->params, t->mesh, &r->max_logit));
    if (ts_train_steps_layerwise(t->o))
        return end_layers(t, r);
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
    TS_TRY(ts_dump_gradients(t->dump, &t->optim, grads));
    if (r->tokens > 0)
        TS_TRY(ts_idle_step(&t->idle, &t->optim, grads));
    if (t->o->clip_grad > 0 && t->o->clip_grad / (r->grad_norm + 1e-6) < 1)
        scale *= t->o->clip_grad / (r->grad_norm + 1e-6);
    TS_TRY(ts_optimizer_step(&t->optim, grads, r->lr, scale));
    TS_TRY(ts_qk_clip_apply(t->objective->params, t->o));
    ts_loss_scaler_update(&t->scaler, false);
    TS_TRY(ts_dump_weights(t->dump, &t->optim));
    return ts_gather_update(&t->gather);
}

/* This rank's samples; how many tokens of all are trained. */
static ts_status read_batch(ts_trainer *t, ts_step_result *r)
{
    const double began = ts_timeline_begin(t->dev->timeline);
    ts_watch_phase(t->comm->watch, "reading data");
    TS_TRY(ts_comm_agree(t->comm, ts_trainer_read(t, TS_DATA_TRAIN, t->consumed)));
    ts_timeline_span(t->dev->timeline, TS_TRACK_STEP, "reading data", began);
    TS_TRY(ts_trainer_look(t));
    return count_tokens(t, r);
}

/* Each loss beside the first is a mean over its own tokens. */
static void weigh_sides(ts_trainer *t, const ts_step_result *r)
{
    for (int k = 0; k < t->objective->n_side; k++)
        t->side_weight[k] =
            r->side_weights[k] > 0 ? t->scaler.scale * t->objective->side[k].weight / ts_flight_divisor(t, r->side_weights[k])
                              : 0;
}

/* Where their loads say, from now and then. */
static ts_status move_experts(ts_trainer *t, const ts_step_result *r)
{
    if (r->skipped)
        return TS_OK;
    if (ts_expert_places_looks(&t->places))
        TS_TRY(ts_gather_finish(&t->gather));
    return ts_expert_places_step(&t->places, &t->experts);
}

static ts_status step(ts_trainer *t, bool stop, ts_step_result *r)
{
    const double began = ts_now();
    const ts_traffic before = ts_sharers_traffic(t->sharers, t->mesh);
    const float *grads;
    double *sums;
    *r = (ts_step_result){ .lr = ts_lr_at(&t->schedule, t->scheduled),
                           .decoupled_lr = ts_lr_at(&t->decoupled, t->scheduled) };
    t->optim.decoupled_lr = r->decoupled_lr;
    ts_dump_begin(t->dump, t->iteration + 1, t->feed.global, t->scaler.scale);
    ts_watch_iteration(t->comm->watch, t->iteration + 1);
    TS_TRY(read_batch(t, r));
    weigh_sides(t, r);
    TS_TRY(ts_alloc(&sums, (size_t)told(t), sizeof *sums));
    ts_status st = all_micro_batches(t, t->scaler.scale / divisor(t, r), sums, &grads);
    if (st == TS_OK)
        st = ts_expert_report_finish(&t->experts, t->objective->load, t->objective->rules, t->mesh, t->feed.n_micro);
    if (st == TS_OK)
        st = ts_index_finish(t->dev, t->objective->index, t->mesh, (double)(t->feed.global * t->feed.each * t->o->seq_length), &r->index_loss);
    if (st == TS_OK)
        st = share_results(t, sums, stop, r);
    ts_free(&sums);
    TS_TRY(st);
    const double updated = ts_timeline_begin(t->dev->timeline);
    TS_TRY(update(t, grads, r));
    ts_timeline_span(t->dev->timeline, TS_TRACK_STEP, "optimizer", updated);
    TS_TRY(move_experts(t, r));
    TS_TRY(ts_dump_end(t->dump));
    if (t->o->log_params_norm)
        TS_TRY(ts_optimizer_params_norm(&t->optim, &r->params_norm));
    t->iteration++;
    t->consumed += t->feed.global;
    if (r->skipped)
        t->skipped++;
    else
        t->scheduled += t->feed.global;
    ts_trainer_enter(t, NULL);
    r->seconds = ts_now() - began;
    r->traffic = ts_sharers_traffic(t->sharers, t->mesh);
    ts_mesh_traffic_add(&r->traffic, -1, &before);
    return TS_OK;
}

/* Steps are alike, so within one a rank that does not come is missed sooner than elsewhere. */
ts_status ts_trainer_step(ts_trainer *t, bool stop, ts_step_result *r)
{
    if (t->patience > 0)
        ts_watch_limit(t->comm->watch, ts_pace_limit(&t->pace, t->patience));
    ts_timeline *timeline = t->dev->timeline;
    const ts_timeline_piece whole = ts_timeline_open(timeline);
    if (timeline)
        timeline->step = t->iteration + 1;
    const ts_status st = step(t, stop, r);
    ts_timeline_close(timeline, TS_TRACK_STEP, "step", &whole);
    if (timeline)
        timeline->step = 0;
    ts_watch_limit(t->comm->watch, 0);
    if (st == TS_OK)
        ts_pace_add(&t->pace, r->seconds);
    return st;
}
