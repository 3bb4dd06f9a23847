/* The commands. Each is one file cmd_<name>.c: it parses its options, calls a recipe, prints. */
#ifndef TS_CLI_COMMANDS_H
#define TS_CLI_COMMANDS_H
#include "base/status.h"

typedef struct ts_command {
    const char *name, *summary;
    /* argv: the words after the command's name. Results go to stdout; errors are returned. */
    ts_status (*run)(int argc, char *const *argv);
} ts_command;

/* All commands, ending with a NULL name. */
extern const ts_command *const ts_commands[];
#endif
