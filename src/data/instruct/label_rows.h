/* Texts with their classes as samples for tuning (data/rows.h). */
#ifndef TS_DATA_INSTRUCT_LABEL_ROWS_H
#define TS_DATA_INSTRUCT_LABEL_ROWS_H
#include "data/rows.h"
#include "text/text_options.h"

typedef struct ts_label_need {
    const char *path;    /* as ts_records_open has it */
    int64_t labels;      /* classes: a record's "label" is one of 0 to labels - 1 */
    int64_t seq_length;  /* of rows: texts are cut so that one fits with the place that its class stands at */
    int64_t vocab_size;  /* ids must be below */
    const ts_text_options *text; /* names the tokenizer; none: records have ids */
    int64_t max_samples; /* 0: all */
    bool skips;          /* bad records are named and left out; else the first is TS_ERR_USER */
    bool speaks;         /* names them in the log; another process does else */
} ts_label_need;

/* Records {"text" or "ids", "label"}. A row of kind sft: the ids of the text, with what the tokenizer puts around it, and
 * one more, on which nothing depends: the label behind a text's last token is its class, and no other token has one. So a
 * network whose output layer has a row for each class learns to tell it from that token, as transformers' heads do. */
ts_status ts_label_rows_open(const ts_label_need *need, ts_rows **out) TS_NODISCARD;
#endif
