/* Samples put together to packs of one length. */
#ifndef TS_DATA_PACK_H
#define TS_DATA_PACK_H
#include "data/indexed.h"
#include "data/token_run.h"

/* MindSpeed LLM's knapsacks: [0, n) in the order in which they are packed, order[start[k]] to order[start[k
 * + 1]] being pack k. lengths [n] in [0, room]; each pack takes the longest that still fits, of equally
 * long ones the last. order [n], start [n + 1]; *packs: how many. */
ts_status ts_pack_order(const int64_t *lengths, size_t n, int64_t room, size_t *order, size_t *start,
                        size_t *packs) TS_NODISCARD;

/* Collects samples and writes packs of them. keys: input_ids, attention_mask, labels. */
typedef struct ts_packer {
    int64_t seq_length;
    bool is_neat; /* samples are cut to seq_length - 1, not left out, and numbered by attention_mask from 1 */
    int32_t pad;
    ts_ids ids, labels; /* of all samples */
    int64_t *lengths;   /* [n] */
    size_t n, cap;
    int64_t left_out, cut, packs;
} ts_packer;
void ts_packer_deinit(ts_packer *p);
/* The samples of a batch. */
ts_status ts_packer_add(ts_packer *p, const ts_token_run *ids, const ts_token_run *labels) TS_NODISCARD;
/* Writes one document of seq_length tokens for each pack and key. */
ts_status ts_packer_write(ts_packer *p, ts_indexed_builder *const builders[3]) TS_NODISCARD;
#endif
