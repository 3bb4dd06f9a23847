/* APOLLO (Zhu et al., arXiv 2412.05270): AdamW's moments of a gradient that a random matrix has projected to few
 * dimensions, which say only how much each channel of the gradient is scaled. With G [rows, cols], the longer side
 * kept, and P [rank, shorter side] of numbers from N(0, 1 / rank), made anew every so many steps:
 *
 *   R = G P^T or P G;  M, V = AdamW's moments of R;  X = M / (sqrt(V) + eps)
 *   channel c of G is scaled by |X_c| / |R_c|, or all of it by |X| / |R|, and by sqrt(scale)
 *   no step's norm grows beyond 1.01 times the last one's
 *   W = W (1 - lr wd) - lr sqrt(1 - b2^t) / (1 - b1^t) G_scaled
 *
 * P hangs on seed, parameter, element and how often it was made, and is never kept. */
#ifndef TS_TRAIN_APOLLO_H
#define TS_TRAIN_APOLLO_H
#include "tensor/param.h"
#include "train/options.h"

typedef struct ts_apollo {
    const ts_train_options *o; /* borrowed, as the next */
    ts_device *dev;
    ts_storage *state; /* fp32, of parameter i from at[i] on: M and V, as R is, and the last norm */
    int64_t *at;       /* [parameters] */
    ts_storage *room;  /* while a step goes on */
} ts_apollo;

/* How a parameter is projected: R is [rows, cols], its channels rows or columns. */
typedef struct ts_apollo_shape {
    int64_t rows, cols, rank;
    bool by_rows; /* R = G P^T */
} ts_apollo_shape;
ts_apollo_shape ts_apollo_shape_of(const ts_apollo *a, const ts_param *p);
/* First, second moment, and for 2 the one number of the norm: [shape], the device's. */
float *ts_apollo_state(const ts_apollo *a, const ts_param *p, int which);

/* State for all of the set that is stepped whole, zeroed. */
ts_status ts_apollo_init(ts_apollo *a, const ts_train_options *o, const ts_param_set *s) TS_NODISCARD;
void ts_apollo_deinit(ts_apollo *a);
/* Bytes of room that p's step takes. */
size_t ts_apollo_bytes(const ts_apollo *a, const ts_param *p);

typedef struct ts_apollo_step_args {
    ts_param *p;
    float *value;
    const float *grad;
    double lr, weight_decay, grad_scale;
    int64_t steps; /* from 1 */
} ts_apollo_step_args;
/* Room is there. */
ts_status ts_apollo_step(const ts_apollo *a, const ts_apollo_step_args *x) TS_NODISCARD;
#endif
