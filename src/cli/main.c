#include "base/json_memory.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/pages.h"
#include "tessera/version.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ts_command *find_command(const char *name)
{
    for (const ts_command *const *c = ts_commands; *c; c++)
        if (!strcmp((*c)->name, name))
            return *c;
    return NULL;
}

static void print_commands(FILE *to)
{
    fprintf(to, "usage: tessera COMMAND [options]\n\ncommands:\n");
    for (const ts_command *const *c = ts_commands; *c; c++)
        fprintf(to, "  %-12s %s\n", (*c)->name, (*c)->summary);
    fprintf(to, "\n`tessera help COMMAND` explains a command and its options; "
                "`tessera --version` says which this is.\n");
}

/* What other programs call these commands, and what stands in front of a command in scripts. */
static const struct {
    const char *name, *here;
} elsewhere[] = {
    { "train", "pretrain" },
    { "training", "pretrain" },
    { "finetune", "posttrain" },
    { "sft", "posttrain --stage sft" },
    { "posttrain_gpt", "posttrain" },
    { "posttrain_gpt.py", "posttrain" },
    { "pretrain_gpt", "pretrain" },
    { "pretrain_gpt.py", "pretrain" },
    { "train_fsdp2.py", "pretrain" },
    { "preprocess_data", "preprocess" },
    { "preprocess_data.py", "preprocess" },
    { "prepare", "preprocess" },
    { "generate", "infer" },
    { "generation", "infer" },
    { "inference", "infer" },
    { "inference.py", "infer" },
    { "predict", "infer" },
    { "run", "infer" },
    { "sample", "infer" },
    { "eval", "score" },
    { "evaluate", "score" },
    { "logprobs", "score" },
    { "perplexity", "score" },
    { "encode", "tokenize" },
    { "decode", "tokenize --decode" },
    { "tokenizer", "train-tokenizer, or tokenize" },
    { "estimate", "plan" },
    { "simulate", "plan" },
    { "verify", "checkpoint verify" },
    { "env", "info" },
    { "torchrun", "mpirun -n N tessera pretrain ... (processes are started by MPI)" },
    { "msrun", "mpirun -n N tessera pretrain ... (processes are started by MPI)" },
    { "accelerate", "mpirun -n N tessera pretrain ... (processes are started by MPI)" },
    { "deepspeed", "mpirun -n N tessera pretrain ... (processes are started by MPI)" },
    { "mpirun", "mpirun -n N tessera pretrain ..., the launcher in front" },
    { "python", "tessera pretrain ..., without an interpreter" },
    { "python3", "tessera pretrain ..., without an interpreter" },
};

static ts_status unknown_command(const char *name)
{
    const char *best = "";
    int least = 99;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere && least; i++)
        if (!strcmp(name, elsewhere[i].name))
            least = 0, best = elsewhere[i].here;
    for (const ts_command *const *c = ts_commands; *c && least; c++) {
        const int d = ts_edit_distance(name, (*c)->name);
        if (d < least)
            least = d, best = (*c)->name;
    }
    return ts_error(TS_ERR_USER,
                    "there is no command %s. Did you mean %s? (tessera help lists all)", name,
                    best);
}

static ts_status print_manual(void)
{
    ts_str text = { 0 };
    const ts_status st = ts_page_man_program(&text);
    if (st == TS_OK)
        fputs(ts_str_text(&text), stdout);
    ts_str_deinit(&text);
    return st;
}

/* Words that ask for something in place of a command. */
static bool is_one_of(const char *word, const char *words)
{
    return ts_option_choice(words, word) >= 0;
}

static ts_status run(int argc, char **argv)
{
    static char help_word[] = "--help";
    if (argc > 1 && is_one_of(argv[1], "--version|-V|version")) {
        printf("tessera %s\n", ts_version());
        return TS_OK;
    }
    if (argc < 2 || is_one_of(argv[1], "--help|-h") || (!strcmp(argv[1], "help") && argc == 2)) {
        print_commands(argc < 2 ? stderr : stdout);
        return argc < 2 ? ts_error(TS_ERR_USER, "a command is missing") : TS_OK;
    }
    if (!strcmp(argv[1], "--help=man"))
        return print_manual();
    const bool help = !strcmp(argv[1], "help");
    const char *name = argv[help ? 2 : 1];
    const ts_command *c = find_command(name);
    if (!c)
        return unknown_command(name);
    char *words[] = { help_word, NULL };
    return help ? c->run(1, words) : c->run(argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    /* A file that reaches the limit of its size (ulimit -f) is a write that failed, not the end. */
    signal(SIGXFSZ, SIG_IGN);
    ts_json_guard_memory(malloc);
    const ts_status st = run(argc, argv);
    if (st != TS_OK && ts_error_message()[0])
        ts_log(TS_LOG_ERROR, "%s", ts_error_message());
    if (st == TS_OK && fflush(stdout) != 0) {
        ts_log(TS_LOG_ERROR, "the standard output could not be written");
        return 1;
    }
    return ts_status_exit_code(st);
}
