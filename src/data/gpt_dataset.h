/* Samples of S + 1 tokens cut from the sequences of an indexed file, in Megatron's order. */
#ifndef TS_DATA_GPT_DATASET_H
#define TS_DATA_GPT_DATASET_H
#include "data/indexed.h"

typedef struct ts_gpt_dataset ts_gpt_dataset;

typedef struct ts_gpt_args {
    const ts_indexed *data;  /* borrowed for the data set's life */
    int64_t first, count;    /* its sequences [first, first + count) */
    int64_t seq_length;      /* S */
    int64_t n_samples;       /* wanted: as many passes as that takes; -1: one pass */
    uint32_t seed;
    bool keep_last_partial;  /* count a last sample that is not full */
} ts_gpt_args;

/* No tokens to draw from, or an order too long to hold, is TS_ERR_USER. */
ts_status ts_gpt_dataset_create(const ts_gpt_args *args, ts_gpt_dataset **out) TS_NODISCARD;
void ts_gpt_dataset_destroy(ts_gpt_dataset **ds);
int64_t ts_gpt_dataset_count(const ts_gpt_dataset *ds);
/* Tokens of sample i into out [S + 1]; *n tells how many there are (less only in a partial last
 * sample). Ids outside [0, vocab) are refused as ts_indexed_read does. */
ts_status ts_gpt_dataset_get(const ts_gpt_dataset *ds, int64_t i, int64_t vocab, int32_t *out,
                             int64_t *n) TS_NODISCARD;

/* The order itself, for tests and `data show`. */
typedef struct ts_gpt_order {
    int64_t epochs, n_documents;
    bool is_last_separate;
    const uint32_t *documents; /* [n_documents] sequence numbers */
    const uint32_t *position;  /* [count + 1] where in documents a sample begins */
    const int32_t *offset;     /* [count + 1] at which token of that sequence */
    const uint32_t *shuffle;   /* [count] */
} ts_gpt_order;
ts_gpt_order ts_gpt_dataset_order(const ts_gpt_dataset *ds);
#endif
