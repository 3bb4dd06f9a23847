/* What one record of texts says (text_rows.h). */
#ifndef TS_DATA_INSTRUCT_TEXT_RECORD_H
#define TS_DATA_INSTRUCT_TEXT_RECORD_H
#include "base/json.h"
#include "data/instruct/text_rows.h"

typedef struct ts_text_reader {
    ts_texts texts;
    int64_t seq_length, vocab_size;
    ts_text_tokenizer tok;
    bool has_tok;
} ts_text_reader;

/* Fills in a row; TS_ERR_USER names the field. Any number of threads may read. */
ts_status ts_text_record_read(const ts_text_reader *r, const json_t *record, ts_row *out) TS_NODISCARD;
#endif
