/* Texts, and what is to be told of them or of how they belong together, as samples for tuning (data/rows.h). */
#ifndef TS_DATA_INSTRUCT_TEXT_ROWS_H
#define TS_DATA_INSTRUCT_TEXT_ROWS_H
#include "data/rows.h"
#include "text/text_options.h"

/* Which records there are, and what becomes of one. A text stands in its field as a text, or as a list of ids.
 *   class      "text" (or "ids"), "label": a number of 0 to labels - 1
 *   numbers    "text" (or "ids"), "label" or "labels": as many numbers as labels (one: the number or a list of it);
 *              with `shares` each from 0 to 1
 *   match      "query" and "positive" under any name that they have in the field, and negatives: the query's row, the
 *              positive's, and those of the first negatives, texts - 2 of them
 *   rank       the same; each row is the query and behind it the positive, or one of texts - 1 negatives. Of one text
 *              there is "label" or "score", from 0 to 1, and whose it is may be called "document" too */
typedef enum ts_texts_kind { TS_TEXTS_NONE, TS_TEXTS_CLASS, TS_TEXTS_NUMBERS, TS_TEXTS_MATCH, TS_TEXTS_RANK } ts_texts_kind;

typedef struct ts_texts {
    ts_texts_kind kind;
    int64_t labels; /* of class and numbers */
    bool shares;
    int64_t each; /* texts of a sample */
} ts_texts;
/* Numbers that a sample has beside its texts: its class counts as one. */
int64_t ts_texts_numbers(const ts_texts *t);

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
