/* What every command begins with: its options. */
#ifndef TS_CLI_COMMAND_H
#define TS_CLI_COMMAND_H
#include "base/option.h"
#include "cli/commands.h"

/* How many words stand before the first option. */
int ts_command_words(int argc, char *const *argv);
/* Fills the values of the joined tables from the environment, --config FILE and argv. When argv
 * asks for --help, prints the command's help to stdout and sets *helped: the command is done.
 * --help=man prints its manual page, --help=bash|zsh|fish its part of a completion script. With --print-config
 * all options as they now are go to stdout (ts_option_yaml), and *helped is set too. The set owns texts in the values: destroy it last. */
ts_status ts_command_options(const ts_command *cmd, const char *usage,
                             const ts_option_table *tables, size_t n, int argc, char *const *argv,
                             ts_option_set **set, bool *helped) TS_NODISCARD;
#endif
