#include "train/levels.h"

static ts_status refuse(const char *name, int level)
{
    return ts_error(TS_ERR_USER,
                    "--%s is of --optimization-level 2 (work and messages side by side, other schedules), but the run "
                    "has level %d: leave one of the two out",
                    name, level == TS_RUNTIME_LEVEL_VECTORS ? 1 : 0);
}

ts_status ts_job_check_level(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const flags[] = { "overlap-grad-reduce", "overlap-param-gather", "use-ascend-coc",
                                         "use-ascend-mc2", "use-mc2", "tp-comm-overlap",
                                         "enable-overlap-ag-with-matmul", "enable-overlap-matmul-with-rs",
                                         "enable-backward-overlap-ag-with-matmul",
                                         "num-layers-per-virtual-pipeline-stage",
                                         "num-virtual-stages-per-pipeline-rank", "use-nanopipe",
                                         "recompute-in-advance", "recompute-in-bubble" };
    const int level = o->runtime.optimization_level;
    if (level == TS_RUNTIME_LEVEL_ALL)
        return TS_OK;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (ts_option_is_on(set, flags[i]))
            return refuse(flags[i], level);
    if (o->parallel.schedule != TS_SCHEDULE_1F1B && o->parallel.schedule != TS_SCHEDULE_GPIPE)
        return refuse("pipeline-schedule", level);
    return o->parallel.method != TS_METHOD_NONE ? refuse("schedules-method", level) : TS_OK;
}
