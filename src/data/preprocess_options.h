/* The options of preprocess, in the words of Megatron's preprocess_data.py. */
#ifndef TS_DATA_PREPROCESS_OPTIONS_H
#define TS_DATA_PREPROCESS_OPTIONS_H
#include "data/handlers/handler.h"
#include "data/textfeed.h"

typedef struct ts_preprocess_options {
    ts_feed_options feed;
    ts_handler_options handler;
    const char *output_prefix;
    ts_option_list merge_group_keys;
    bool append_eod, split_sentences;
    int64_t workers, log_interval, pad_to_multiple_of;
} ts_preprocess_options;
extern const ts_option ts_preprocess_option_rows[];
extern const size_t ts_preprocess_option_count;
#endif
