#include "data/preprocess_options.h"

#define ROW(type_, field, name, def, lo, hi, group, help)                                          \
    TS_ROW(type_, ts_preprocess_options, field, name, def, lo, hi, NULL, group, help)
#define NOTE(name_, words, help_) TS_NOTE(name_, words, "accepted", help_)
#define HUBS "data of a hub or a script, and mixtures; files are read as they are"

const ts_option ts_preprocess_option_rows[] = {
    TS_FEED_ROWS(ts_preprocess_options, feed, "input"),
    TS_HANDLER_ROWS(ts_preprocess_options, handler),
    ROW(TEXT, output_prefix, "output-prefix", NULL, 0, 0, "output",
        "files are PREFIX_KEY_document.bin and .idx; of instructions, preferences and prompts "
        "PREFIX_packed_KEY_document"),
    ROW(FLAG, append_eod, "append-eod", NULL, 0, 0, "output",
        "put end-of-document behind each document"),
    ROW(INT, pad_to_multiple_of, "pad-to-multiple-of", "0", 0, 1 << 30, "output",
        "fill documents up to the next larger multiple, with the id vocabulary size"),
    ROW(LIST, merge_group_keys, "merge-group-keys", NULL, 0, 0, "output",
        "merge the pairs of the folder --input whose names contain the key into PREFIX_KEY"),
    ROW(INT, workers, "workers", "0", 0, 1024, "running",
        "tokenizing threads, 0: one for each core; the result is the same"),
    ROW(INT, log_interval, "log-interval", "1000", 1, 1e15, "running",
        "documents between lines of progress"),
    ROW(FLAG, split_sentences, "split-sentences", NULL, 0, 0, "input", "not offered"),
    NOTE("keep-newlines", 0, "goes with --split-sentences"),
    NOTE("lang", 1, "goes with --split-sentences"),
    NOTE("n-subs", 1, "parts are not written separately; the result is the same"),
    NOTE("partitions", 1, "parts are not written separately; the result is the same"),
    NOTE("keep-sequential-samples", 0, "order is always kept"),
    NOTE("make-vocab-size-divisible-by", 1, "the files do not depend on it"),
    NOTE("pad-vocab-size-to", 1, "the files do not depend on it"),
    NOTE("seed", 1, "nothing is drawn"),
    NOTE("cache-dir", 1, "there is no cache"),
    NOTE("overwrite-cache", 0, "there is no cache"),
    NOTE("streaming", 0, "files are always streamed"),
    NOTE("dataset-impl", 1, "one format"),
    NOTE("data-impl", 1, "one format"),
    TS_LATER("script-data-dir", 1, NULL, HUBS),
    TS_LATER("hf-datasets-params", 1, NULL, HUBS),
    TS_LATER("mix-strategy", 1, "concat", HUBS),
    TS_LATER("data-obfuscation", 0, NULL, HUBS),
    TS_LATER("interleave-probs", TS_OPTION_MANY, NULL, HUBS),
    TS_HINT("output", 1, "--output-prefix"),
    TS_HINT("output-dir", 1, "--output-prefix"),
    TS_HINT("json-key", 1, "--json-keys"),
    TS_HINT("text-column", 1, "--json-keys"),
    TS_HINT("num-workers", 1, "--workers"),
};
const size_t ts_preprocess_option_count =
    sizeof ts_preprocess_option_rows / sizeof *ts_preprocess_option_rows;
