/* Documents of one batch to ids: what a worker of preprocess does. */
#ifndef TS_DATA_PREPROCESS_BATCH_H
#define TS_DATA_PREPROCESS_BATCH_H
#include "data/preprocess_options.h"
#include "data/textfeed.h"
#include "io/json_fields.h"
#include "text/text_options.h"

/* Ids of one key: documents one after another. A document without ids is left out. */
typedef struct ts_token_run {
    ts_ids ids;
    int64_t *lengths;
    size_t n, cap;
    size_t mark, mark_ids; /* n and ids.n before the record under work */
} ts_token_run;

typedef struct ts_token_batch {
    ts_token_run *runs; /* [n_keys] */
    int64_t documents;  /* read, with or without ids */
    ts_str bad;         /* why records were left out, each with FILE:LINE and a NUL behind */
    size_t n_bad;
    ts_json_fields fields;
} ts_token_batch;

/* runs [json_keys.n] are emptied and filled. Errors name FILE:LINE; with --on-bad-record skip those
 * of single records go to `bad`. */
ts_status ts_preprocess_batch(const ts_preprocess_options *o, const ts_text_tokenizer *tok,
                              ts_tokenizer_scratch *scratch, const ts_text_batch *in,
                              ts_token_batch *out) TS_NODISCARD;
#endif
