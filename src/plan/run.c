#include "plan/run.h"

#include "plan/adapt.h"
#include "plan/fastest.h"
#include "plan/level.h"

bool ts_plan_chooses(const ts_job_options *o)
{
    if (o->train.skip_train) /* there is no step to choose for */
        return false;
    return (o->train.by_time && !o->train.chosen_order) || (ts_adapts(&o->train) && !o->train.chosen) || (o->train.levels && !o->parallel.stage_layers);
}

ts_status ts_plan_choose(const ts_job_options *o, const ts_option_set *set, ts_plan *p)
{
    return o->train.by_time  ? ts_fastest(o, set, p)
           : o->train.levels ? ts_level(o, set, p) : ts_adapt(o, set, p);
}

ts_status ts_plan_choice_text(const ts_plan *p, ts_str *out)
{
    return p->order ? ts_fastest_text(p, out) : p->stage_layers ? ts_level_text(p, out) : p->chosen ? ts_adapt_text(p, out) : TS_OK;
}

void ts_plan_apply(const ts_plan *p, ts_job_options *o)
{
    o->train.chosen = p->chosen;
    o->train.chosen_order = p->order;
    if (p->order)
        ts_plan_order(p->order, o);
    o->train.stage_again = p->stage_again;
    o->parallel.stage_layers = p->stage_layers;
}

ts_status ts_plan_run(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p, ts_plan *out)
{
    ts_job_options here = *o;
    TS_TRY(ts_plan_begin(o, p, out));
    if (ts_plan_chooses(o)) {
        TS_TRY(ts_plan_choose(o, set, out));
        ts_plan_apply(out, &here);
    }
    return ts_plan_simulate(&here, set, out);
}
