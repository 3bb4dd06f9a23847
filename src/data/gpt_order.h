/* The order of a data set's samples, as Megatron's GPTDataset makes it. */
#ifndef TS_DATA_GPT_ORDER_H
#define TS_DATA_GPT_ORDER_H
#include "data/indexed.h"

typedef struct ts_gpt_args {
    const ts_indexed *data;  /* borrowed for the data set's life */
    int64_t first, count;    /* its sequences [first, first + count) */
    int64_t seq_length;      /* S */
    int64_t n_samples;       /* wanted: as many passes as that takes; -1: one pass */
    uint32_t seed;
    bool keep_last_partial;  /* count a last sample that is not full */
    /* Orders on disk. A folder: looked for there, and left there by who makes it. NULL: in
     * cache/GPTDataset_indices beside the files when the order is long (TS_GPT_LONG). */
    const char *cache_folder;
    const char *part; /* "train": of the files' names; NULL: no files at all */
    bool reads_only;  /* this process leaves writing to another */
} ts_gpt_args;

/* Where a sample begins: at which token of documents[position]. A row of .npy files. */
typedef struct ts_gpt_place {
    uint32_t position;
    int32_t offset;
} ts_gpt_place;

/* The order itself. */
typedef struct ts_gpt_order {
    int64_t tokens; /* of the sequences, once through */
    int64_t epochs, n_documents, n_samples;
    int64_t n_before; /* samples that belong to all passes but a separate last one */
    bool is_last_separate;
    const uint32_t *documents;  /* [n_documents] sequence numbers */
    const ts_gpt_place *places; /* [n_samples + 1] */
    const uint32_t *shuffle;    /* [n_samples] */
} ts_gpt_order;

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
