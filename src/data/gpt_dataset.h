/* Samples of S + 1 tokens cut from the sequences of an indexed file, in Megatron's order. */
#ifndef TS_DATA_GPT_DATASET_H
#define TS_DATA_GPT_DATASET_H
#include "data/gpt_order.h"

typedef struct ts_gpt_dataset ts_gpt_dataset;

/* Entries of an order that is worth a file without being asked: about a second's work. */
enum { TS_GPT_LONG = 32 << 20 };

/* Damaged files are made again, and a folder that cannot be written to does not matter but for a
 * warning. No tokens to draw from, or an order too long to hold, is TS_ERR_USER. */
ts_status ts_gpt_dataset_create(const ts_gpt_args *args, ts_gpt_dataset **out) TS_NODISCARD;
void ts_gpt_dataset_destroy(ts_gpt_dataset **ds);
int64_t ts_gpt_dataset_count(const ts_gpt_dataset *ds);

/* What a reader would want to know of the sequences before it draws from them. */
typedef struct ts_gpt_facts {
    const char *prefix;
    int64_t sequences, tokens;
    int32_t last; /* token that ends each of the first sequences; -1: they end in several ways */
} ts_gpt_facts;
ts_status ts_gpt_dataset_facts(const ts_gpt_dataset *ds, ts_gpt_facts *out) TS_NODISCARD;
/* Tokens of sample i into out [S + 1]; *n tells how many there are (less only in a partial last
 * sample). Ids outside [0, vocab) are refused as ts_indexed_read does. */
ts_status ts_gpt_dataset_get(const ts_gpt_dataset *ds, int64_t i, int64_t vocab, int32_t *out,
                             int64_t *n) TS_NODISCARD;

/* For tests. */
ts_gpt_order ts_gpt_dataset_order(const ts_gpt_dataset *ds);
bool ts_gpt_dataset_is_mapped(const ts_gpt_dataset *ds); /* its order was found on disk */
#endif
