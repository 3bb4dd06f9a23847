/* The order in which samples are tuned on: MindSpeed LLM's, from NumPy's random numbers. */
#ifndef TS_DATA_ROWS_ORDER_H
#define TS_DATA_ROWS_ORDER_H
#include "base/mem.h"

typedef struct ts_rows_order {
    int64_t n;      /* samples [0, n) */
    int64_t wanted; /* passes are made until there are so many */
    uint32_t seed;
    bool shuffles;
    int64_t multiple;  /* each pass has so many, or several times that: behind its last stand its first ones again; 0: any */
    bool shuffles_all; /* all passes together once more, as Python's random.shuffle does */
} ts_rows_order;

/* *out [*count] is the caller's (ts_free). n is above 0. */
ts_status ts_rows_order_make(const ts_rows_order *o, uint32_t **out, int64_t *count) TS_NODISCARD;
#endif
