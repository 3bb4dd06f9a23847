/* Blending data sets in Megatron's order: no randomness, the one furthest behind its weight comes
 * next. */
#ifndef TS_DATA_BLEND_H
#define TS_DATA_BLEND_H
#include "base/mem.h"

typedef struct ts_blend ts_blend;

enum { TS_BLEND_MAX = 32767 };

/* An order of n samples from `count` data sets by weight (which sum to 1). */
ts_status ts_blend_create(const double *weights, int64_t count, int64_t n,
                          ts_blend **out) TS_NODISCARD;
/* The exhaustive order: every sample of every data set once, in proportion to the sizes. */
ts_status ts_blend_create_exhaustive(const int64_t *sizes, int64_t count,
                                     ts_blend **out) TS_NODISCARD;
void ts_blend_destroy(ts_blend **b);
int64_t ts_blend_count(const ts_blend *b);
/* Sample i: which data set, and which of its samples. */
void ts_blend_at(const ts_blend *b, int64_t i, int64_t *dataset, int64_t *sample);

/* Divides by the sum, with the rounding of NumPy's sum. */
void ts_blend_normalize(double *weights, int64_t n);
#endif
