/* What the commands that train have in common. */
#ifndef TS_CLI_TRAINING_H
#define TS_CLI_TRAINING_H
#include "api/training.h"
#include "cli/command.h"

/* Parses the options of the joined tables, whose values are t's, and runs what they say to its end. tunes: they must
 * name a stage. t is zero before and holds nothing afterwards. */
ts_status ts_train_command(const ts_command *cmd, const char *usage, const ts_option_table tables[TS_JOB_TABLES], bool tunes,
                           int argc, char *const *argv, ts_training *t) TS_NODISCARD;
#endif
