#include "api/preprocess_run.h"
#include "cli/command.h"

static const char usage[] =
    "usage: tessera train-tokenizer --input FILE_OR_FOLDER... --output DIR [--vocab-size N]\n\n"
    "Learns a byte-level BPE vocabulary (GPT-2's kind) and writes it as a Hugging Face tokenizer folder.\n"
    "Of JSON lines it reads the fields of --json-keys, as preprocess does.\n"
    "example: tessera train-tokenizer --input book.txt --vocab-size 4096 --output my-tokenizer";

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_train_tokenizer = { "train-tokenizer",
                                            "learn a byte-level BPE tokenizer from text", run };

static ts_status run(int argc, char *const *argv)
{
    ts_tokenizer_train_options o = { 0 };
    const ts_option_table table = { ts_tokenizer_train_rows, ts_tokenizer_train_count, &o };
    ts_option_set *set;
    bool helped;
    TS_TRY(
        ts_command_options(&ts_cmd_train_tokenizer, usage, &table, 1, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    const ts_status st = ts_tokenizer_train_run(&o);
    ts_option_set_destroy(&set);
    return st;
}
