/* Samples of any length by number, as tuning reads them: arrays of whole numbers under the names of MindSpeed LLM's
 * packed files (PREFIX_packed_KEY_document). Whether they come from such files or from conversations that are
 * encoded as they are asked for, who trains on them sees no difference. Labels stand unshifted, -100 is none. */
#ifndef TS_DATA_ROWS_H
#define TS_DATA_ROWS_H
#include "base/status.h"

enum { TS_ROW_KEYS = 6, TS_ROW_NO_LABEL = -100 };

/* One sample: the arrays of its keys, in the order of ts_rows.key. Zero is a valid empty one; who reads many keeps
 * one, whose arrays grow as needed. */
typedef struct ts_row {
    int32_t *v[TS_ROW_KEYS]; /* [n] owned */
    int64_t n[TS_ROW_KEYS];
    size_t cap[TS_ROW_KEYS];
} ts_row;

typedef struct ts_rows ts_rows;
struct ts_rows {
    int64_t n; /* samples */
    /* sft: input_ids, labels, and attention_mask where there are ordinals of documents (1, 2, ...);
     * pairs: chosen_input_ids, chosen_labels, rejected_input_ids, rejected_labels;
     * kto: input_ids, labels, kl_input_ids, kl_labels, kto_tags (one number: 1 desirable, 0 not) */
    const char *const *key; /* [n_keys] */
    int n_keys;
    /* Sample i of [0, n). Read-only: any number of threads may read, each into a row of its own. TS_ERR_USER names
     * file, record and field. */
    ts_status (*read)(const ts_rows *r, int64_t i, ts_row *out);
    void (*destroy)(ts_rows *r); /* what it was made of; the caller clears his pointer */
};
#endif
