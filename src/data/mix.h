/* Several data sets as one, in the ways of LLaMA-Factory (mix_strategy): the orders of Hugging Face's
 * interleave_datasets. */
#ifndef TS_DATA_MIX_H
#define TS_DATA_MIX_H
#include "base/choice.h"
#include "base/mem.h"

#define TS_MIXES(W)                                                                                \
    W(TS_MIX_CONCAT, "concat")           /* one behind another */                                  \
    W(TS_MIX_UNDER, "interleave_under")  /* in turns, until the first has nothing more */          \
    W(TS_MIX_OVER, "interleave_over")    /* until each was gone through; others begin again */     \
    W(TS_MIX_ONCE, "interleave_once")    /* until each was gone through; others are left out */
typedef enum ts_mix { TS_MIXES(TS_CHOICE_VALUE) } ts_mix;

/* What is interleaved: data sets of n samples each. */
typedef struct ts_mix_sets {
    const int64_t *n;  /* [count] at least 1 */
    const double *p;   /* [count] by chance, with these probabilities, which sum to 1; NULL: in turns */
    int64_t count;
    ts_mix mix; /* not TS_MIX_CONCAT */
    uint32_t seed;
} ts_mix_sets;

/* *order [*length], owned: numbers in the data sets as they stand one behind another. TS_ERR_USER: none would ever end,
 * or more samples than can be ordered. */
ts_status ts_mix_make(const ts_mix_sets *s, uint32_t **order, int64_t *length) TS_NODISCARD;
#endif
