/* The order of a data set's samples, as Megatron's GPTDataset makes it. */
#ifndef TS_DATA_GPT_ORDER_H
#define TS_DATA_GPT_ORDER_H
#include "data/gpt_dataset.h"

/* Fills p's sizes: how often the sequences are gone through, and how the last pass is treated. */
ts_status ts_gpt_order_plan(const ts_gpt_args *a, ts_gpt_order *p) TS_NODISCARD;
/* Fills the arrays: documents [n_documents], places [n_samples + 1], shuffle [n_samples]. */
void ts_gpt_order_fill(const ts_gpt_args *a, const ts_gpt_order *p, uint32_t *documents,
                       ts_gpt_place *places, uint32_t *shuffle);
/* Of them the places alone, for documents in any order. */
void ts_gpt_order_places(const ts_gpt_args *a, const ts_gpt_order *p, const uint32_t *documents,
                         ts_gpt_place *places);
/* As ts_alloc, in large pages. */
ts_status ts_gpt_order_allocate(void *out, int64_t n, size_t size) TS_NODISCARD;
#endif
