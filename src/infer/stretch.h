/* Tokens that are to go through a model. */
#ifndef TS_INFER_STRETCH_H
#define TS_INFER_STRETCH_H
#include <stdint.h>

typedef struct ts_prompt {
    const int32_t *ids;
    int64_t n;          /* 1 or more */
    const struct ts_pictures *pictures; /* what stands at its placeholders (model/tower.h); NULL: none. Whole prompts alone have some */
    int64_t shift;      /* of positions behind it: by how much they are further on than tokens are (M-RoPE) */
} ts_prompt;

/* What is asked of tokens as they go through: the natural logarithm of the probability of `id` behind token `at`, from
 * 0, of row `row`. */
typedef struct ts_ask {
    int64_t row, at;
    int32_t id;
} ts_ask;

/* Of a sequence in pages (infer/engine.h). */
typedef struct ts_engine_stretch {
    const int32_t *ids;   /* [n] that join now, 1 or more */
    int64_t begin, n;     /* begin: tokens that are there already */
    const int32_t *pages; /* [n_pages] of the sequence, with room for both */
    int64_t n_pages;
} ts_engine_stretch;
#endif
