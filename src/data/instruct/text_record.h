/* What one record of texts says (text_rows.h). */
#ifndef TS_DATA_INSTRUCT_TEXT_RECORD_H
#define TS_DATA_INSTRUCT_TEXT_RECORD_H
#include "base/json.h"
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

typedef struct ts_text_reader {
    ts_texts texts;
    int64_t seq_length, vocab_size;
    ts_text_tokenizer tok;
    bool has_tok;
} ts_text_reader;

/* Fills in a row; TS_ERR_USER names the field. Any number of threads may read. */
ts_status ts_text_record_read(const ts_text_reader *r, const json_t *record, ts_row *out) TS_NODISCARD;
#endif
