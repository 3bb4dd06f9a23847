/* What plan and tune begin with: the options of pretrain, those of plan, and the command's own. */
#ifndef TS_CLI_PLANNING_H
#define TS_CLI_PLANNING_H
#include "cli/command.h"
#include "plan/simulate.h"

typedef struct ts_planning {
    ts_job_options job;
    ts_plan_options plan;
    ts_option_set *set; /* owns the options' texts: released last, by ts_option_set_destroy */
} ts_planning;

/* As ts_command_options; own: rows of the command alone, NULL: none. Starts the log too. */
ts_status ts_planning_options(const ts_command *cmd, const char *usage, const ts_option_table *own, int argc,
                              char *const *argv, ts_planning *out, bool *helped) TS_NODISCARD;
#endif
