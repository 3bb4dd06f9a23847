/* An objective's looks at a batch before it is trained or evaluated on. */
#include "train/flight.h"

static ts_status look_once(ts_trainer *t, int k)
{
    ts_objective *o = t->objective;
    double none[TS_PASSED] = { 0 };
    int told;
    if (o->begin_look)
        o->begin_look(o, k, false);
    t->look = k + 1;
    const ts_status st = ts_pipeline_evaluate(t, none, &told);
    t->look = 0;
    if (o->begin_look)
        o->begin_look(o, k, true);
    return st;
}

ts_status ts_trainer_look(ts_trainer *t)
{
    ts_objective *o = t->objective;
    const double began = ts_timeline_begin(t->dev->timeline);
    if (!o->n_looks && !o->looked)
        return TS_OK;
    for (int k = 0; k < o->n_looks; k++)
        TS_TRY(look_once(t, k));
    ts_narrow_set_forget(o->params->narrow); /* scales are training's */
    for (int64_t m = 0; o->looked && m < t->feed.n_micro; m++) {
        const ts_micro_batch micro = ts_feed_micro(&t->feed, m);
        TS_TRY(o->looked(o, &micro, t->mesh->comm[TS_MESH_DP]));
    }
    ts_timeline_span(t->dev->timeline, TS_TRACK_STEP, "look ahead", began);
    return TS_OK;
}
