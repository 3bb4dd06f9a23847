/* One of several ways for each of many layers, so that what they hold and what they cost is small: a knapsack of
 * multiple choice, by dynamic programming over the layers (Kellerer, Pferschy and Pisinger, Knapsack Problems,
 * chapter 11, with lists of what nothing beats in place of a table by bytes). The answer is not one choice but the
 * front of all: those of which no other holds less and costs no more. */
#ifndef TS_PLAN_CHOOSE_H
#define TS_PLAN_CHOOSE_H
#include "base/mem.h"

/* What a layer holds, and what that costs, in whole numbers (sums are exact in any order). */
typedef struct ts_layer_way {
    int64_t bytes, cost;
} ts_layer_way;
typedef struct ts_layer_ways {
    const ts_layer_way *way; /* [n] */
    int n;
} ts_layer_ways;

typedef struct ts_front_point {
    int64_t bytes, cost;
    int64_t before; /* point of the layers before the last */
    int way;        /* of the last */
} ts_front_point;

typedef struct ts_front {
    ts_front_point **at; /* [layers] of the first l + 1 layers, the least cost first: more cost, fewer bytes */
    int64_t *n;          /* [layers] */
    int64_t layers;
} ts_front;

/* At least one layer, each with a way at least. Exact, as long as no list of points is longer than some thousand;
 * of longer ones those stay whose bytes differ most, and the least of all. *out: ts_front_deinit, after a failure
 * too. */
ts_status ts_front_make(const ts_layer_ways *layer, int64_t n_layers, ts_front *out) TS_NODISCARD;
void ts_front_deinit(ts_front *f);
/* The points of all layers. */
static inline int64_t ts_front_count(const ts_front *f) { return f->n[f->layers - 1]; }
static inline const ts_front_point *ts_front_at(const ts_front *f, int64_t i) { return &f->at[f->layers - 1][i]; }
/* way [layers] of a point. */
void ts_front_take(const ts_front *f, int64_t point, int *way);
#endif
