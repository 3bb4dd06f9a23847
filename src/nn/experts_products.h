/* Inside a mixture of experts (nn/experts.h): the MLPs that experts are. */
#ifndef TS_NN_EXPERTS_PRODUCTS_H
#define TS_NN_EXPERTS_PRODUCTS_H
#include "nn/experts.h"
#include "ops/lent.h"

/* Which experts: those that are here from `first` on, or copies of others'. */
typedef struct ts_experts_set {
    int64_t first;
    double even; /* rows of an expert, were they shared out evenly */
    ts_lent *fc1, *fc1_bias, *fc2, *fc2_bias; /* fc1 NULL: no copies */
} ts_experts_set;

/* Rows in the order of experts -> what these make of them; with columns cut a part of a sum. */
ts_status ts_experts_products(ts_tape *tape, const ts_experts_layer *l, const ts_experts_set *which,
                              const ts_sorted_rows *s, ts_tensor *rows, ts_tensor **out) TS_NODISCARD;

/* Rows in the order of experts, and what these have made of them weighed and summed: the weights count in either. */
ts_status ts_experts_rows(ts_tape *tape, const ts_experts_layer *l, const ts_sorted_rows *s, ts_tensor *x,
                          ts_tensor *weights, ts_tensor **rows) TS_NODISCARD;
ts_status ts_experts_combine(ts_tape *tape, const ts_experts_layer *l, const ts_sorted_rows *s, ts_tensor *out,
                             ts_tensor *weights, ts_tensor **y) TS_NODISCARD;
#endif
