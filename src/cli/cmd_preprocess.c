#include "api/preprocess_run.h"
#include "api/words.h"
#include "base/log.h"
#include "cli/command.h"

extern const ts_command ts_cmd_preprocess;

static const char usage[] =
    "usage: tessera preprocess --input FILE_OR_FOLDER... --output-prefix PREFIX --tokenizer-type TYPE ... "
    "[--json-keys KEY...] [--append-eod] [--workers N]\n\n"
    "Files are .txt, .jsonl, .ndjson or .json, plain or packed (.gz, .zst); - is the standard input.\n"
    "example: zcat corpus.jsonl.gz | tessera preprocess --input - --output-prefix corpus --append-eod\n"
    "    --tokenizer-type PretrainedFromHF --tokenizer-name-or-path models/my-model";

static ts_status convert(const ts_preprocess_options *o, const ts_text_options *t)
{
    ts_preprocess_totals totals = { 0 };
    TS_TRY(ts_preprocess_run(o, t, &totals));
    ts_log(TS_LOG_INFO, "%s: %lld documents, %lld tokens", o->output_prefix,
           (long long)totals.documents, (long long)totals.tokens);
    return TS_OK;
}

static ts_status run(int argc, char *const *argv)
{
    ts_preprocess_options o = { 0 };
    ts_text_options t = { 0 };
    const ts_option_table tables[] = { { ts_preprocess_option_rows, ts_preprocess_option_count,
                                         &o },
                                       { ts_text_option_rows, ts_text_option_count, &t } };
    ts_option_set *set = NULL;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_preprocess, usage, tables, 2, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_words_log_notes(set);
    const ts_status st = convert(&o, &t);
    ts_option_set_destroy(&set);
    return st;
}

const ts_command ts_cmd_preprocess = { "preprocess", "text to token files (.bin/.idx) for training",
                                       run };
