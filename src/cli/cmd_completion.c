#include "cli/command.h"
#include "cli/pages.h"

#include <stdio.h>
#include <string.h>

extern const ts_command ts_cmd_completion;

static const char usage[] =
    "usage: tessera completion bash|zsh|fish\n\n"
    "Prints a script with which the shell completes commands, options and their values. An installed\n"
    "program has them where the shells look.\n"
    "example: source <(tessera completion bash)\n"
    "         tessera completion zsh >~/.zfunc/_tessera        (a folder of $fpath)\n"
    "         tessera completion fish >~/.config/fish/completions/tessera.fish";

/* Every command adds its own part: its rows are known to it alone. */
static ts_status each_command(const char *word)
{
    char copy[16];
    char *words[] = { copy, NULL };
    snprintf(copy, sizeof copy, "%s", word);
    for (const ts_command *const *c = ts_commands; *c; c++)
        TS_TRY((*c)->run(1, words));
    return TS_OK;
}

static void print_names(void)
{
    for (const ts_command *const *c = ts_commands; *c; c++)
        printf(" %s", (*c)->name);
}

static ts_status bash(void)
{
    printf("# Completion of tessera in bash, made by `tessera completion bash`.\n"
           "_tessera() {\n"
           "    local words= cur=${COMP_WORDS[COMP_CWORD]} word=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local command=${COMP_WORDS[1]}\n"
           "    [ \"$COMP_CWORD\" = 1 ] && command=\n"
           "    case $cur in -*) word=-- ;; esac\n"
           "    case $command:$word in\n"
           "        :* | help:*) words='help");
    print_names();
    printf("' ;;\n");
    TS_TRY(each_command("--help=bash"));
    printf("    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "}\n"
           "complete -o default -F _tessera tessera\n");
    return TS_OK;
}

static ts_status zsh(void)
{
    printf("#compdef tessera\n"
           "# Completion of tessera in zsh, made by `tessera completion zsh`.\n"
           "local -a tessera_commands specs\n"
           "tessera_commands=(\n    'help:explain a command'\n");
    for (const ts_command *const *c = ts_commands; *c; c++)
        printf("    '%s:%s'\n", (*c)->name, (*c)->summary);
    printf(")\n"
           "if (( CURRENT == 2 )) || [[ $words[2] == help ]]; then\n"
           "    _describe command tessera_commands\n"
           "    return\n"
           "fi\n"
           "case $words[2] in\n");
    TS_TRY(each_command("--help=zsh"));
    printf("esac\n"
           "shift words\n"
           "(( CURRENT-- ))\n"
           "_arguments $specs '*:file:_files'\n");
    return TS_OK;
}

static ts_status fish(void)
{
    printf("# Completion of tessera in fish, made by `tessera completion fish`.\n"
           "complete -c tessera -n __fish_use_subcommand -f -a help -d 'explain a command'\n");
    for (const ts_command *const *c = ts_commands; *c; c++)
        printf("complete -c tessera -n __fish_use_subcommand -f -a %s -d '%s'\n", (*c)->name,
               (*c)->summary);
    printf("complete -c tessera -n '__fish_seen_subcommand_from help' -f -a '");
    print_names();
    printf("'\n");
    return each_command("--help=fish");
}

static ts_status run(int argc, char *const *argv)
{
    static const struct {
        const char *name;
        ts_status (*print)(void);
    } shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
    for (size_t i = 0; argc == 1 && i < sizeof shells / sizeof *shells; i++)
        if (!strcmp(argv[0], shells[i].name))
            return shells[i].print();
    if (argc && argv[0][0] == '-') {
        ts_option_set *set;
        bool helped;
        TS_TRY(ts_command_options(&ts_cmd_completion, usage, NULL, 0, argc, argv, &set, &helped));
        if (helped)
            return TS_OK;
        ts_option_set_destroy(&set);
    }
    return ts_error(TS_ERR_USER, "tessera completion: %s; expected bash, zsh or fish",
                    argc ? argc > 1 ? "one shell at a time" : argv[0] : "the shell is missing");
}

const ts_command ts_cmd_completion = { "completion", "print a completion script for a shell", run };
