/* Losses without training, and whether to stop. */
#include "train/flight.h"

/* Of all losses: their sums, and their weights'. */
typedef struct totals {
    double sum[TS_PASSED], weight[TS_PASSED];
} totals;
enum { TOTALS = sizeof(totals) / sizeof(double) };

/* By micro-batches those who share out a sequence have a part of each. */
static ts_status evaluate_batch(ts_trainer *t, totals *x)
{
    int told;
    TS_TRY(ts_pipeline_evaluate(t, x->sum, &told));
    for (int k = 0; k <= t->objective->n_side; k++) {
        const double counts = ts_flight_counts(t, k);
        if (k == 0 || (k < told && counts > 0))
            x->weight[k] += t->objective->by_micro ? (double)t->feed.n_micro / t->mesh->size[TS_MESH_CP] : counts;
    }
    return TS_OK;
}

/* Over the samples' groups, then from the stage that has the losses to the others. */
static ts_status add_up(ts_trainer *t, totals *x)
{
    TS_TRY(ts_comm_run(t->mesh->comm[TS_MESH_DP_CP],
                       ts_all_reduce(x, TOTALS, TS_COMM_F64, TS_COMM_SUM)));
    if (ts_line_is_end(t->mesh))
        TS_TRY(ts_comm_run(t->mesh->comm[TS_MESH_PP],
                           ts_broadcast(x, TOTALS, TS_COMM_F64, ts_pipeline_end(&t->pipeline, t->mesh))));
    return ts_line_tell(t->mesh, x, TOTALS, TS_COMM_F64);
}

/* What one rank brings the others: that it failed, or that it was asked to stop. */
enum { GO_ON, STOP, FAILED };

static ts_status agree(ts_trainer *t, ts_status st, bool *stop)
{
    int64_t wish = st != TS_OK ? FAILED : t->asked && t->asked(t->asked_ctx) ? STOP : GO_ON;
    TS_TRY(ts_comm_run(t->comm, ts_all_reduce(&wish, 1, TS_COMM_I64, TS_COMM_MAX)));
    *stop = wish == STOP;
    return wish == FAILED ? ts_comm_agree(t->comm, st) : TS_OK;
}

ts_status ts_trainer_agree_to_stop(ts_trainer *t, bool *stop) { return agree(t, TS_OK, stop); }

static ts_status evaluate_batches(ts_trainer *t, ts_data_part part, int64_t first, int64_t n,
                                  ts_evaluation *e, totals *x)
{
    int64_t done = 0;
    TS_TRY(agree(t, TS_OK, &e->stop));
    while (done < n && !e->stop) {
        ts_status st = ts_trainer_read(t, part, first + done * t->feed.global);
        if (st == TS_OK)
            st = ts_trainer_look(t);
        if (st == TS_OK)
            st = evaluate_batch(t, x);
        TS_TRY(agree(t, st, &e->stop));
        done++;
    }
    e->is_whole = done == n;
    return TS_OK;
}

ts_status ts_trainer_evaluate(ts_trainer *t, ts_data_part part, int64_t first, int64_t n,
                              ts_evaluation *out)
{
    totals x = { 0 };
    const int64_t global = t->feed.global;
    *out = (ts_evaluation){ 0 };
    const double began = ts_timeline_begin(t->dev->timeline);
    ts_trainer_enter(t, "evaluation");
    ts_feed_size(&t->feed, t->feed.ramp.full); /* however large the batch of training is just now */
    ts_status st = evaluate_batches(t, part, first, n, out, &x);
    ts_feed_size(&t->feed, global);
    ts_narrow_set_forget(t->objective->params->narrow); /* scales are training's */
    if (st == TS_OK)
        st = add_up(t, &x);
    out->loss = x.weight[0] > 0 ? x.sum[0] / x.weight[0] : 0;
    for (int k = 0; k < t->objective->n_side; k++) {
        out->side_weights[k] = x.weight[1 + k];
        out->side[k] = x.weight[1 + k] > 0 ? x.sum[1 + k] / x.weight[1 + k] : 0;
    }
    ts_trainer_enter(t, NULL);
    ts_timeline_span(t->dev->timeline, TS_TRACK_STEP, "evaluation", began);
    return st;
}
