/* A norm as a module. */
#ifndef TS_NN_NORM_H
#define TS_NN_NORM_H
#include "nn/declare.h"
#include "ops/ops.h"

typedef struct ts_norm_layer {
    bool present; /* else there is nothing here */
    bool has_bias;
    bool is_bare; /* without a weight */
    bool sees_all; /* every process norms all rows, though its group shares out those of the stream */
    int64_t width;
    ts_norm_op op;
} ts_norm_layer;

/* NAME.weight, which starts neutral, unless it is bare, and NAME.bias; nothing for one that is not present. */
ts_status ts_norm_declare(const ts_declarer *d, const char *name, ts_norm_layer *n) TS_NODISCARD;
#endif
