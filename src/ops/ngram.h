/* n-grams as rows of tables: see ts_ngram_args. */
#ifndef TS_OPS_NGRAM_H
#define TS_OPS_NGRAM_H
#include "ops/tape.h"

typedef struct ts_ngram_op {
    int64_t B, n, vocab, rows;
    const int32_t *before;      /* [B, back], the device's; NULL: nothing came before */
    int64_t back;
    const ts_tensor *first_key; /* int32 [B * S] or NULL */
    int n_ends;
    int32_t ends[TS_NGRAM_MOST_ENDS];
} ts_ngram_op;
/* *y int32 [B * S] of tokens, int32 [B * S]; no gradient. */
ts_status ts_op_ngram(ts_tape *tape, const ts_ngram_op *o, const ts_tensor *ids, ts_tensor **y) TS_NODISCARD;
#endif
