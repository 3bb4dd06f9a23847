/* Several samples in one row. */
#ifndef TS_DATA_INSTRUCT_PACKS_H
#define TS_DATA_INSTRUCT_PACKS_H
#include "data/rows.h"

/* Best fit, longest first: each sample goes into the pack with the least room that it fits, or begins one; of equal
 * lengths the first comes first. Packs stand in the order in which they were begun. */
typedef struct ts_packs {
    int64_t *sample; /* [n samples] pack after pack */
    int64_t *begin;  /* [n + 1] of each pack in it */
    int64_t n;
} ts_packs;
/* length [n]; one above capacity counts as capacity. */
ts_status ts_packs_make(const int64_t *length, int64_t n, int64_t capacity, ts_packs *out) TS_NODISCARD;
void ts_packs_deinit(ts_packs *p);

/* Rows of packs of samples for sft: ids and labels one after another, none of them split, cut to capacity; their
 * numbers 1, 2, ... are attention_mask. The first token of a sample has no label. Takes *rows over when it succeeds. */
ts_status ts_pack_rows_open(ts_rows **rows, const int64_t *length, int64_t capacity, ts_rows **out) TS_NODISCARD;
#endif
