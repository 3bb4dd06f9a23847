/* Samples of any length by number, as tuning reads them: arrays of whole numbers under the names of MindSpeed LLM's
 * packed files (PREFIX_packed_KEY_document). Whether they come from such files or from conversations that are
 * encoded as they are asked for, who trains on them sees no difference. Labels stand unshifted, -100 is none. */
#ifndef TS_DATA_ROWS_H
#define TS_DATA_ROWS_H
#include "base/status.h"

enum { TS_ROW_KEYS = 32, TS_ROW_NO_LABEL = -100 };

/* One sample: the arrays of its keys, in the order of ts_rows.key. Zero is a valid empty one; who reads many keeps
 * one, whose arrays grow as needed. */
typedef struct ts_row {
    int32_t *v[TS_ROW_KEYS]; /* [n] owned */
    int64_t n[TS_ROW_KEYS];
    size_t cap[TS_ROW_KEYS];
    float *number; /* [n_numbers] of texts: what is told of them; owned */
    int64_t n_numbers;
    size_t cap_numbers;
    float *weight;     /* [n_weights] of sft: how much each label counts, beside `labels`; n_weights 0: each 1 */
    int64_t n_weights;
    size_t cap_weights;
} ts_row;

/* Room for n numbers of a key, whose count this becomes. */
ts_status ts_row_room(ts_row *r, int key, int64_t n) TS_NODISCARD;
ts_status ts_row_room_numbers(ts_row *r, int64_t n) TS_NODISCARD;
/* The labels from `at` on count so: n weights, or NULL: 1 each. What nobody told of before counts 1. */
ts_status ts_row_weigh(ts_row *r, int64_t at, const float *weight, int64_t n) TS_NODISCARD;
void ts_row_deinit(ts_row *r);

/* What a sample holds. Keys stand in this order:
 *   sft    input_ids, labels, and attention_mask where there are ordinals of documents (1, 2, ...)
 *   pairs  chosen_input_ids, chosen_labels, rejected_input_ids, rejected_labels
 *   kto    input_ids, labels, kl_input_ids, kl_labels, kto_tags (one number: 1 desirable, 0 not)
 *   texts  the ids of one text after another, and numbers (instruct/text_rows.h) */
typedef enum ts_rows_kind { TS_ROWS_SFT, TS_ROWS_PAIRS, TS_ROWS_KTO, TS_ROWS_TEXTS, TS_ROWS_KINDS } ts_rows_kind;
enum { TS_KTO_TAGS = 4 };
/* Sequences that are trained on together, but of texts: a sample's ids are at keys 2 k, their labels at 2 k + 1. */
static inline int64_t ts_rows_each(ts_rows_kind kind) { return kind == TS_ROWS_SFT ? 1 : 2; }

typedef struct ts_rows ts_rows;
struct ts_rows {
    int64_t n; /* samples */
    const char *const *key; /* [n_keys] as above */
    int n_keys;
    /* Sample i of [0, n). Read-only: any number of threads may read, each into a row of its own. TS_ERR_USER names
     * file, record and field. */
    ts_status (*read)(const ts_rows *r, int64_t i, ts_row *out);
    void (*destroy)(ts_rows *r); /* what it was made of; the caller clears his pointer */
};

/* Files of MindSpeed LLM, read in parallel by document number. Ids at or above vocab_size are refused, at once in small
 * files, else as they are read; so are files that do not fit each other. attention_mask is read where with_ordinals. */
ts_status ts_packed_rows_open(const char *prefix, ts_rows_kind kind, bool with_ordinals, int64_t vocab_size,
                              ts_rows **out) TS_NODISCARD;
#endif
