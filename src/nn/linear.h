/* The linear layer that all modules use: a weight, a bias where there is one, and a place for an
 * adapter. */
#ifndef TS_NN_LINEAR_H
#define TS_NN_LINEAR_H
#include "nn/declare.h"
#include "ops/ops.h"

/* What is added to a linear layer's result, such as a product of two small matrices (LoRA). */
typedef struct ts_adapter ts_adapter;
struct ts_adapter {
    /* *y: the layer's result; replaced by the sum. */
    ts_status (*add)(const ts_adapter *a, ts_tape *tape, ts_tensor *x, ts_tensor **y);
};

typedef struct ts_linear {
    int64_t in, out;
    bool has_bias;
    bool tied;                 /* w is another module's, which declares it: whoever ties them sets it */
    bool decoupled;            /* see ts_param */
    ts_start start;            /* of the weight */
    ts_param *w, *b;           /* [out, in], [out] or NULL */
    const ts_adapter *adapter; /* borrowed; NULL: none */
} ts_linear;

/* NAME.weight and NAME.bias, by the sizes that l says. */
ts_status ts_linear_declare(const ts_declarer *d, const char *name, ts_linear *l) TS_NODISCARD;
ts_status ts_linear_forward(ts_tape *tape, const ts_linear *l, ts_tensor *x,
                            ts_tensor **y) TS_NODISCARD;
#endif
