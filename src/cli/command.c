#include "cli/command.h"

#include <stdio.h>
#include <string.h>

extern char **environ;

/* --config is taken out of the words first, so that the file ranks below the command line. */
static ts_status read_config(ts_option_set *set, int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--config"))
            continue;
        if (i + 1 >= *argc)
            return ts_error(TS_ERR_USER, "--config: the name of a YAML or JSON file is missing");
        TS_TRY(ts_option_read_file(set, argv[i + 1]));
        memmove(argv + i, argv + i + 2, (size_t)(*argc - i - 2) * sizeof *argv);
        *argc -= 2;
        i--;
    }
    return TS_OK;
}

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
    char **words;
    *helped = false;
    TS_TRY(ts_option_set_create(tables, n, &s));
    ts_status st = ts_alloc(&words, (size_t)argc + 1, sizeof *words);
    if (st != TS_OK) {
        ts_option_set_destroy(&s);
        return st;
    }
    memcpy(words, argv, (size_t)argc * sizeof *words);
    for (int i = 0; i < argc; i++)
        *helped = *helped || !strcmp(words[i], "--help") || !strcmp(words[i], "-h");
    if (*helped)
        st = print_help(cmd, usage, s);
    else if ((st = ts_option_read_env(s, environ)) == TS_OK &&
             (st = read_config(s, &argc, words)) == TS_OK)
        st = ts_option_parse(s, argc, words);
    ts_free(&words);
    if (st != TS_OK || *helped)
        ts_option_set_destroy(&s);
    else
        *set = s;
    return st;
}
