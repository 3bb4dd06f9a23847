/* Documents of one batch to ids: what a worker of preprocess does. */
#ifndef TS_DATA_PREPROCESS_BATCH_H
#define TS_DATA_PREPROCESS_BATCH_H
#include "data/preprocess_options.h"
#include "data/token_run.h"
#include "data/textfeed.h"
#include "io/json_fields.h"
#include "text/text_options.h"

typedef struct ts_token_batch {
    ts_token_run *runs; /* [n_keys]; of plain text, a document without ids is left out */
    int64_t documents;  /* read, with or without ids */
    ts_str bad;         /* why records were left out, each with FILE:LINE and a NUL behind */
    size_t n_bad;
    ts_json_fields fields;
} ts_token_batch;

/* What a worker has of its own; only plain text (GeneralPretrainHandler) uses the scratch. */
typedef struct ts_batch_work {
    ts_tokenizer_scratch *scratch; /* NULL with NullTokenizer */
    ts_handler_work *handler;      /* NULL: plain text */
} ts_batch_work;

/* h: NULL for plain text. runs, one for each key, are emptied and filled. Errors name FILE:LINE; with --on-
 * bad-record skip those of single records go to `bad`. */
ts_status ts_preprocess_batch(const ts_preprocess_options *o, const ts_handler *h, const ts_text_tokenizer *tok,
                              ts_batch_work *work, const ts_text_batch *in, ts_token_batch *out) TS_NODISCARD;
#endif
