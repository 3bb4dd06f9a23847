/* Files to tune on: make_rows PREFIX sft|pairs|kto SAMPLES SEED: sequences of 2 to 27 numbers below 96, questions without
 * labels and answers with them; those of sft have up to three documents, which end with 95 and are numbered in
 * attention_mask. Sample 2 has no label. */
#include "base/log.h"
#include "data/indexed.h"
#include "data/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 96, END = 95 };

static const char *const keys[][TS_ROW_KEYS] = {
    { "input_ids", "labels", "attention_mask" },
    { "chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels" },
    { "input_ids", "labels", "kl_input_ids", "kl_labels", "kto_tags" },
};

static uint32_t state;
static int32_t draw(int32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int32_t)((uint64_t)state * (uint32_t)n >> 32);
}

static int64_t make(int64_t documents, bool labelled, int32_t *ids, int32_t *labels, int32_t *ordinals)
{
    int64_t n = 0;
    for (int64_t d = 0; d < documents; d++) {
        const int32_t asked = 1 + draw(4), length = asked + 1 + draw(23);
        for (int32_t i = 0; i < length; i++, n++) {
            ids[n] = i + 1 == length ? END : draw(END);
            labels[n] = labelled && i >= asked ? ids[n] : TS_ROW_NO_LABEL;
            ordinals[n] = (int32_t)d + 1;
        }
    }
    return n;
}

static ts_status write_all(const char *prefix, int kind, int64_t samples)
{
    ts_indexed_builder *b[TS_ROW_KEYS] = { 0 };
    int32_t v[TS_ROW_KEYS][LONGEST] = { { 0 } }, unused[LONGEST];
    char path[512];
    int n = 0;
    for (; n < TS_ROW_KEYS && keys[kind][n]; n++) {
        snprintf(path, sizeof path, "%s_packed_%s_document", prefix, keys[kind][n]);
        TS_TRY(ts_indexed_builder_create(path, TS_INDEXED_I32, &b[n]));
    }
    for (int64_t i = 0; i < samples; i++) {
        int64_t length[TS_ROW_KEYS] = { 0 };
        if (kind == TS_ROWS_SFT) {
            length[0] = length[1] = length[2] = make(1 + draw(3), i != 2, v[0], v[1], v[2]);
        } else {
            length[0] = length[1] = make(1, true, v[0], v[1], unused);
            length[2] = length[3] = make(1, true, v[2], v[3], unused);
            length[TS_KTO_TAGS] = 1, v[TS_KTO_TAGS][0] = draw(2);
        }
        for (int k = 0; k < n; k++) {
            TS_TRY(ts_indexed_builder_add(b[k], v[k], length[k]));
            TS_TRY(ts_indexed_builder_end_document(b[k]));
        }
    }
    for (int k = 0; k < n; k++) {
        TS_TRY(ts_indexed_builder_finish(b[k]));
        ts_indexed_builder_destroy(&b[k]);
    }
    return TS_OK;
}

int main(int argc, char **argv)
{
    const int kind = argc != 5 ? -1 : !strcmp(argv[2], "sft") ? TS_ROWS_SFT : !strcmp(argv[2], "pairs") ? TS_ROWS_PAIRS : TS_ROWS_KTO;
    if (kind < 0)
        return 2;
    state = (uint32_t)atol(argv[4]);
    if (write_all(argv[1], kind, atol(argv[3])) != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    return 0;
}
