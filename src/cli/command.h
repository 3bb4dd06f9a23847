/* The commands. Each is one file cmd_<name>.c: it parses its options, calls a recipe, prints. */
#ifndef TS_CLI_COMMAND_H
#define TS_CLI_COMMAND_H
#include "base/option.h"

typedef struct ts_command {
    const char *name, *summary;
    /* argv: the words after the command's name. Results go to stdout; errors are returned. */
    ts_status (*run)(int argc, char *const *argv);
} ts_command;

/* All commands, ending with a NULL name. */
extern const ts_command *const ts_commands[];

/* Fills the values of the joined tables from the environment, --config FILE and argv. When argv
 * asks for --help, prints the command's help to stdout and sets *helped: the command is done.
 * --help=man prints its manual page, --help=bash|zsh|fish its part of a completion script. The
 * set owns texts in the values: destroy it last. */
ts_status ts_command_options(const ts_command *cmd, const char *usage,
                             const ts_option_table *tables, size_t n, int argc, char *const *argv,
                             ts_option_set **set, bool *helped) TS_NODISCARD;
#endif
