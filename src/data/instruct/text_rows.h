/* Texts, and what is to be told of them or of how they belong together, as samples for tuning (data/rows.h). */
#ifndef TS_DATA_INSTRUCT_TEXT_ROWS_H
#define TS_DATA_INSTRUCT_TEXT_ROWS_H
#include "data/instruct/text_record.h"

typedef struct ts_text_need {
    const char *path; /* as ts_records_open has it */
    ts_texts texts;
    int64_t seq_length; /* of rows, to which texts are cut */
    int64_t vocab_size; /* ids must be below */
    const ts_text_options *text; /* names the tokenizer; none: records have ids */
    int64_t max_samples; /* 0: all */
    bool skips;          /* bad records are named and left out; else the first is TS_ERR_USER */
    bool speaks;         /* names them in the log; another process does else */
} ts_text_need;

/* Rows of kind texts: ids with what the tokenizer puts around each text. Two texts in a row are what tokenizers of
 * decoders make of a pair, one encoded behind the other; the longer one is cut first. */
ts_status ts_text_rows_open(const ts_text_need *need, ts_rows **out) TS_NODISCARD;
#endif
