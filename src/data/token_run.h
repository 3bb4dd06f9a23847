/* The documents of one key, as ids one after another. */
#ifndef TS_DATA_TOKEN_RUN_H
#define TS_DATA_TOKEN_RUN_H
#include "text/ids.h"

/* Zero-initialise; the memory is kept from batch to batch. */
typedef struct ts_token_run {
    ts_ids ids;
    int64_t *lengths; /* [n] */
    size_t n, cap;
    size_t mark, mark_ids; /* n and ids.n before the record under work */
} ts_token_run;

/* What was added to the ids since the last call is a document, also of no ids. */
ts_status ts_token_run_end(ts_token_run *r) TS_NODISCARD;
/* Remembers where a record begins, and forgets what came of it. */
void ts_token_run_mark(ts_token_run *r);
void ts_token_run_back(ts_token_run *r);
void ts_token_run_deinit(ts_token_run *r);
#endif
