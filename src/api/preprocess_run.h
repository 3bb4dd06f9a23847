/* Text to data, and to a tokenizer: what the commands of these names do. */
#ifndef TS_API_PREPROCESS_RUN_H
#define TS_API_PREPROCESS_RUN_H
#include "data/preprocess.h"

/* Preprocesses or merges, as the options say. */
ts_status ts_preprocess_run(const ts_preprocess_options *o, const ts_text_options *t,
                            ts_preprocess_totals *totals) TS_NODISCARD;

typedef struct ts_tokenizer_train_options {
    ts_feed_options feed;
    ts_option_list special;
    const char *output;
    int64_t vocab_size, min_frequency;
} ts_tokenizer_train_options;
extern const ts_option ts_tokenizer_train_rows[];
extern const size_t ts_tokenizer_train_count;
ts_status ts_tokenizer_train_run(const ts_tokenizer_train_options *o) TS_NODISCARD;
#endif
