/* The tokenizer of a job that trains, and the tokens that it gets beside its own. */
#ifndef TS_TRAIN_JOB_TOKENS_H
#define TS_TRAIN_JOB_TOKENS_H
#include "model/weights.h"
#include "train/job_options.h"

typedef struct ts_job_tokens {
    int64_t vocab;         /* 0: no tokenizer */
    ts_text_tokenizer tok; /* where has_tok */
    bool has_tok;
    int32_t eod, pad;
} ts_job_tokens;

/* Opens what the options name; of new tokens the loaded folder's. *text: its options; *rows: what the model needs for it,
 * ids 0: what it has. Both are the caller's (ts_new_rows_want_deinit). */
ts_status ts_job_read_tokenizer(const ts_job_options *o, ts_job_tokens *k, ts_text_options *text,
                                ts_new_rows_want *rows) TS_NODISCARD;
void ts_job_close_tokenizer(ts_job_tokens *k);
/* Once the model is there: tokens that are asked for of a checkpoint are its tokenizer's. TS_ERR_USER names one that is not. */
ts_status ts_job_check_tokens(const ts_text_options *text, const ts_model *m) TS_NODISCARD;
#endif
