/* What an installed program brings along and what is made from the rows of its options: manual
 * pages (roff, man(7)) and the completion scripts of shells. */
#ifndef TS_CLI_PAGES_H
#define TS_CLI_PAGES_H
#include "base/option.h"
#include "cli/commands.h"

/* Adds the manual page tessera-COMMAND(1). usage: the command's own text, as its help shows it. */
ts_status ts_page_man(const ts_command *cmd, const char *usage, const ts_option_set *set,
                      ts_str *out) TS_NODISCARD;
/* The manual page tessera(1): the commands. */
ts_status ts_page_man_program(ts_str *out) TS_NODISCARD;

/* Adds one command's part of a completion script; shell: bash, zsh or fish. */
ts_status ts_page_complete(const char *shell, const ts_command *cmd, const ts_option_set *set,
                           ts_str *out) TS_NODISCARD;
#endif
