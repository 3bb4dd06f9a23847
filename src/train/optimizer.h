/* Optimizers over a parameter set: moments as flat arrays beside the gradients. */
#ifndef TS_TRAIN_OPTIMIZER_H
#define TS_TRAIN_OPTIMIZER_H
#include "dist/comm.h"
#include "tensor/param.h"
#include "train/options.h"

typedef struct ts_optimizer {
    const ts_train_options *o;
    ts_param_set *params;
    ts_comm *group; /* tensor-parallel: its processes have shares of what is cut, and the rest alike */
    ts_comm *stages; /* pipeline-parallel: each has parameters of its own. NULL: one has all.
                         The caller's to set */
    /* Flat like the set's arrays; v: Adam only, m: NULL for SGD without momentum. In fp32, or in
     * bf16 with stochastic rounding, whose numbers hang on seed, step, parameter and element. */
    ts_storage *m, *v;
    ts_dtype m_dtype, v_dtype;
    ts_storage *sums;   /* doubles: one for each block of sumsq */
    ts_storage *zeros;  /* int64, when they are counted */
    int64_t steps;      /* taken so far: Adam's t */
    bool has_decoupled; /* the next step's rate of decoupled parameters is decoupled_lr */
    double decoupled_lr;
} ts_optimizer;

/* group: borrowed; NULL: one process. */
ts_status ts_optimizer_init(ts_optimizer *z, const ts_train_options *o, ts_param_set *params,
                            ts_comm *group) TS_NODISCARD;
void ts_optimizer_deinit(ts_optimizer *z);

/* Sum of squares of a flat array of the set's size, in double, in a fixed order; *zero_count (may
 * be NULL) counts its zeros without the padding between parameters. With a group or stages, collective,
 * as the next: of the whole model, the same on all. In deterministic mode parameter by parameter, in
 * their order in the model, whatever the stages. */
ts_status ts_optimizer_sumsq(ts_optimizer *z, const float *flat, double *sum,
                             int64_t *zero_count) TS_NODISCARD;
/* The Euclidean norm of all values, whatever their types. */
ts_status ts_optimizer_params_norm(ts_optimizer *z, double *norm) TS_NODISCARD;
/* A trained parameter's first element in a flat array of that type (m or v). */
static inline void *ts_optimizer_at(const ts_storage *flat, ts_dtype t, const ts_param *p)
{
    return (char *)flat->data + (size_t)p->offset * ts_dtype_size(t);
}
/* One step with gradients `grads` (flat) times grad_scale; the values count as changed
 * afterwards. */
void ts_optimizer_step(ts_optimizer *z, const float *grads, double lr, double grad_scale);
#endif
