/* Activation functions, plain and gated, and a sigmoid as a gate.
 *
 *   plain: y = f(x)                  dx = dy * f'(x)
 *   gated: y = f(gate) * up          dgate = dy * up * f'(gate),  dup = dy * f(gate)
 *          x rows are [gate (cols) | up (cols)], y rows are [cols]
 *   with a clamp (0: none) and an offset, as gpt-oss has them:
 *          y = f(min(gate, clamp)) * (max(-clamp, min(up, clamp)) + offset); what is beyond a clamp has no
 *          gradient, what is at it has; where the clamp is of values (Step 3.5):
 *          y = min(f(gate), clamp) * (max(-clamp, min(up, clamp)) + offset) */
#ifndef TS_DEVICE_KERNELS_ACT_H
#define TS_DEVICE_KERNELS_ACT_H
#include "base/dtype.h"

#include <stdbool.h>

typedef enum ts_act {
    TS_ACT_SILU,       /* x sigmoid(x) */
    TS_ACT_GELU,       /* x Phi(x), by erf */
    TS_ACT_GELU_TANH,  /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    TS_ACT_GELU_QUICK, /* x sigmoid(1.702 x) */
    TS_ACT_RELU,
    TS_ACT_RELU2,      /* relu(x)^2 */
    TS_ACT_TANH,
    TS_ACTS,
} ts_act;

typedef struct ts_act_args {
    ts_act act;
    int64_t cols;     /* of y */
    float clamp, offset; /* gated alone */
    bool of_value;       /* the clamp is of f(gate), not of the gate */
    ts_dtype dtype;
    const void *x;    /* [rows, cols], gated [rows, 2 cols] */
    void *y;          /* [rows, cols] */
    const void *dy;   /* [rows, cols] */
    void *dx;         /* like x; may be x itself (backward overwrites its input) */
} ts_act_args;
/* act_fwd, act_bwd, glu_fwd, glu_bwd: n = rows. */
#endif
