#include "cli/planning.h"

#include "api/words.h"
#include "base/log.h"

ts_status ts_planning_options(const ts_command *cmd, const char *usage, const ts_option_table *own, int argc,
                              char *const *argv, ts_planning *out, bool *helped)
{
    ts_option_table tables[TS_JOB_TABLES + 2];
    size_t n = TS_JOB_TABLES;
    *out = (ts_planning){ 0 };
    ts_job_tables(&out->job, tables);
    tables[n++] = (ts_option_table){ ts_plan_option_rows, ts_plan_option_count, &out->plan };
    if (own)
        tables[n++] = *own;
    TS_TRY(ts_command_options(cmd, usage, tables, n, argc, argv, &out->set, helped));
    if (*helped)
        return TS_OK;
    ts_log_init((ts_log_level)out->job.runtime.log_level, "");
    ts_words_log_notes(out->set);
    return TS_OK;
}
