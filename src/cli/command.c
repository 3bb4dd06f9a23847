#include "cli/command.h"

#include "api/words.h"
#include "cli/pages.h"

#include <stdio.h>
#include <string.h>

extern char **environ;

static ts_status help_text(const ts_command *cmd, const char *usage, const ts_option_set *set,
                           ts_str *out)
{
    TS_TRY(ts_str_printf(out, "tessera %s: %s\n\n%s\n", cmd->name, cmd->summary, usage));
    TS_TRY(ts_option_help(set, out));
    return ts_str_printf(out, "\nAny command: --config FILE takes options from YAML or JSON, --print-config writes "
                              "all of them as YAML and ends; TESSERA_<OPTION> in the environment sets an option.\n");
}

/* form: NULL for the text that people read, man, or a shell whose completion script is being made. */
static ts_status print_help(const ts_command *cmd, const char *usage, const ts_option_set *set,
                            const char *form)
{
    ts_str text = { 0 };
    const ts_status st = !form                 ? help_text(cmd, usage, set, &text)
                         : !strcmp(form, "man") ? ts_page_man(cmd, usage, set, &text)
                                                : ts_page_complete(form, cmd, set, &text);
    if (st == TS_OK)
        fputs(ts_str_text(&text), stdout);
    ts_str_deinit(&text);
    return st;
}

/* Whether a word asks for help, and in which form. */
static bool asks_help(const char *word, const char **form)
{
    static const char *const forms[] = { "man", "bash", "zsh", "fish" };
    if (!strcmp(word, "--help") || !strcmp(word, "-h"))
        return true;
    for (size_t i = 0; i < sizeof forms / sizeof *forms && !strncmp(word, "--help=", 7); i++)
        if (!strcmp(word + 7, forms[i])) {
            *form = forms[i];
            return true;
        }
    return false;
}

static bool asks_config(const char *word)
{
    return !strcmp(word, "--print-config") || !strcmp(word, "--print_config");
}

static ts_status print_config(const ts_command *cmd, const ts_option_set *set)
{
    ts_str text = { 0 };
    char title[64];
    snprintf(title, sizeof title, "tessera %s", cmd->name);
    const ts_status st = ts_option_yaml(set, title, &text);
    if (st == TS_OK) {
        ts_words_log_notes(set);
        fputs(ts_str_text(&text), stdout);
    }
    ts_str_deinit(&text);
    return st;
}

/* From the environment, files and words; *printed: they were to be shown. */
static ts_status take_options(const ts_command *cmd, ts_option_set *set, int argc, char *const *argv, bool *printed)
{
    char **words;
    int n = 0;
    TS_TRY(ts_alloc(&words, (size_t)argc + 1, sizeof *words));
    for (int i = 0; i < argc; i++)
        if (!asks_config(argv[i]))
            words[n++] = argv[i];
    *printed = n < argc;
    ts_status st = ts_option_read_env(set, environ);
    if (st == TS_OK)
        st = ts_words_take(set, n, words);
    if (st == TS_OK && *printed)
        st = print_config(cmd, set);
    ts_free(&words);
    return st;
}

int ts_command_words(int argc, char *const *argv)
{
    int n = 0;
    while (n < argc && argv[n][0] != '-')
        n++;
    return n;
}

ts_status ts_command_options(const ts_command *cmd, const char *usage,
                             const ts_option_table *tables, size_t n, int argc, char *const *argv,
                             ts_option_set **set, bool *helped)
{
    ts_option_set *s;
    ts_status st;
    const char *form = NULL;
    *helped = false;
    TS_TRY(ts_option_set_create(tables, n, &s));
    for (int i = 0; i < argc; i++)
        *helped = asks_help(argv[i], &form) || *helped;
    if (*helped)
        st = print_help(cmd, usage, s, form);
    else
        st = take_options(cmd, s, argc, argv, helped);
    if (st != TS_OK || *helped)
        ts_option_set_destroy(&s);
    else
        *set = s;
    return st;
}
