/* Inside a mixture of experts (nn/experts.h): the MLPs that experts are. */
#ifndef TS_NN_EXPERTS_PRODUCTS_H
#define TS_NN_EXPERTS_PRODUCTS_H
#include "nn/experts.h"

/* Rows in the order of experts -> what these make of them; with columns cut a part of a sum. */
ts_status ts_experts_products(ts_tape *tape, const ts_experts_layer *l, const ts_sorted_rows *s, ts_tensor *rows,
                              ts_tensor **out) TS_NODISCARD;
#endif
