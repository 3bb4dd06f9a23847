#include "cli/command.h"

#include "api/words.h"

#include <stdio.h>
#include <string.h>

extern char **environ;

static ts_status print_help(const ts_command *cmd, const char *usage, const ts_option_set *set)
{
    ts_str text = { 0 };
    ts_status st = ts_str_printf(&text, "tessera %s: %s\n\n%s\n", cmd->name, cmd->summary, usage);
    if (st == TS_OK)
        st = ts_option_help(set, &text);
    if (st == TS_OK)
        st = ts_str_printf(&text, "\nAny command: --config FILE takes options from YAML or JSON; "
                                  "TESSERA_<OPTION> in the environment sets an option.\n");
    if (st == TS_OK)
        fputs(text.s, stdout);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_command_options(const ts_command *cmd, const char *usage,
                             const ts_option_table *tables, size_t n, int argc, char *const *argv,
                             ts_option_set **set, bool *helped)
{
    ts_option_set *s;
    ts_status st;
    *helped = false;
    TS_TRY(ts_option_set_create(tables, n, &s));
    for (int i = 0; i < argc; i++)
        *helped = *helped || !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
    if (*helped)
        st = print_help(cmd, usage, s);
    else if ((st = ts_option_read_env(s, environ)) == TS_OK)
        st = ts_words_take(s, argc, argv);
    if (st != TS_OK || *helped)
        ts_option_set_destroy(&s);
    else
        *set = s;
    return st;
}
