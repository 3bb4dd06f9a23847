/* Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon; decay and scales of Liu et al., arXiv
 * 2502.16982): a weight's step is the nearest orthogonal matrix to its momentum.
 *
 *   M = beta M + (1-beta) G;  N = M, with nesterov beta M + (1-beta) G;  W = W (1 - lr wd) - lr s orthogonal(N)
 *
 * A weight may hold several matrices (ts_param_bands), each made orthogonal alone. */
#ifndef TS_TRAIN_MUON_H
#define TS_TRAIN_MUON_H
#include "tensor/param.h"
#include "train/orthogonal.h"

typedef struct ts_muon {
    const ts_matrix_options *o; /* borrowed, as all */
    ts_device *dev;
    ts_comm *group;   /* tensor-parallel; NULL: one process has all */
    ts_storage *room; /* while a step goes on */
} ts_muon;

/* What steps, all of it: values, momentum and gradient of the share, of the device. */
typedef struct ts_muon_step_args {
    ts_param *p;
    float *value, *m;
    const float *grad;
    double lr, weight_decay, grad_scale;
} ts_muon_step_args;

/* Bytes of room that p's step takes. */
size_t ts_muon_bytes(const ts_muon *m, const ts_param *p);
/* With a group collective over it, parameters in the same order. Room is there. */
ts_status ts_muon_step(const ts_muon *m, const ts_muon_step_args *a) TS_NODISCARD;
#endif
