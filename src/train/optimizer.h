/* Optimizers over a parameter set: moments as flat arrays beside the gradients. Muon or APOLLO steps the
 * matrices of a set that says so (ts_param_set_step_whole), another optimizer the rest. */
#ifndef TS_TRAIN_OPTIMIZER_H
#define TS_TRAIN_OPTIMIZER_H
#include "dist/line.h"
#include "tensor/param.h"
#include "train/apollo.h"
#include "train/galore.h"
#include "train/main_grads.h"
#include "train/muon.h"
#include "train/options.h"
#include "tensor/state_code.h"
#include "train/state_swap.h"

typedef struct ts_optimizer {
    const ts_train_options *o;
    ts_param_set *params;
    ts_comm *group; /* tensor-parallel: its processes have shares of what is cut, and the rest alike */
    ts_comm *stages; /* pipeline-parallel: each has parameters of its own. NULL: one has all.
                         The caller's to set, as the next */
    const ts_line *line; /* NULL: no other network has parameters of its own */
    /* What the set shares out (tensor/shards.h): who has the other shares; NULL: nobody. The gradients are
     * flat like the set's, or own_grads: arrays of the own shares. The moments are always those. */
    ts_comm *sharers;
    /* Who adds up norms, each what it counts: the sharers; or all that hold the same weights, where experts are the
     * same on others (expert_sharers; NULL: on the same). NULL: each has all. */
    ts_comm *counters, *expert_sharers;
    bool own_grads;
    const ts_main_grads *main; /* where the gradients are in few bits; NULL: they are fp32. The caller's to set */
    ts_storage *grads;         /* fp32: what a launch reads of those */
    /* v: Adam only, and not of what is stepped whole, nor with APOLLO m; m: NULL for SGD without momentum. In
     * fp32, or in bf16 with stochastic rounding, whose numbers hang on seed, step, parameter and element. */
    ts_storage *m, *v;
    bool m_of_rest, v_of_rest; /* they have only what is not stepped whole (ts_shard_piece.rest) */
    ts_muon muon;
    ts_lowrank lowrank; /* state NULL: it steps nothing */
    size_t room; /* bytes that a step takes for what is stepped whole */
    int64_t grads_room; /* behind these, elements: for a gradient that is in few bits */
    ts_dtype m_dtype, v_dtype;
    ts_state_code m_code, v_code; /* how they are written in few bits; the types are F32 then */
    ts_storage *ema; /* fp32: the exponential average of the own masters, which it begins as; NULL: none */
    ts_state_swap swap; /* of those, and of masters kept apart, that wait in the host's memory */
    ts_storage *joined; /* where masters are in halves or in 8 bits: fp32, some of them */
    ts_storage *sums;   /* doubles: one for each block of sumsq */
    ts_storage *zeros;  /* int64, when they are counted */
    int64_t steps;      /* taken so far: Adam's t */
    double unit_sums;   /* of squares, of the units of a step so far */
    int64_t unit_zeros;
    bool has_decoupled; /* the next step's rate of decoupled parameters is decoupled_lr */
    double decoupled_lr;
} ts_optimizer;

/* group: borrowed; NULL: one process. */
ts_status ts_optimizer_init(ts_optimizer *z, const ts_train_options *o, ts_param_set *params,
                            ts_comm *group) TS_NODISCARD;
/* At most so many bytes of both moments, as large a share of each, count as the host's memory from now on. Where
 * that is the device's (on_host), or nothing is computed. */
void ts_optimizer_lend(ts_optimizer *z, double bytes);
void ts_optimizer_deinit(ts_optimizer *z);

/* Sum of squares of gradients, in double, in a fixed order; *zero_count (may be NULL) counts their zeros
 * without the padding between parameters. With a group, stages or sharers, collective, as the next: of the
 * whole model, the same on all. In deterministic mode parameter by parameter, in their order in the model,
 * whatever the stages. */
ts_status ts_optimizer_sumsq(ts_optimizer *z, const float *flat, double *sum,
                             int64_t *zero_count) TS_NODISCARD;
/* The same of single parameters, those whose wanted [next_id] is set: of [next_id], zero before, by their ids in the
 * whole model. */
ts_status ts_optimizer_squares(const ts_optimizer *z, const float *grads, const bool *wanted, double *of) TS_NODISCARD;
/* The Euclidean norm of all values, whatever their types. */
ts_status ts_optimizer_params_norm(ts_optimizer *z, double *norm) TS_NODISCARD;
/* A piece's first element in an array of own shares of that type (m or v), or of the rest of them. */
static inline void *ts_optimizer_at(const ts_storage *own, ts_dtype t, const ts_shard_piece *x, bool rest)
{
    return (char *)own->data + (size_t)(rest ? x->rest : x->own) * ts_dtype_size(t);
}
/* The gradients of a step as it reads them. */
static inline ts_step_grads ts_optimizer_grads(const ts_optimizer *z, const float *grads)
{
    return (ts_step_grads){ .all = grads, .is_own = z->own_grads, .main = z->main,
                            .room = z->grads ? z->grads->data : NULL };
}
/* One step with gradients `grads` (NULL: those in few bits) times grad_scale; the values count as changed
 * afterwards. Collective over the group with --muon-tp-mode duplicated and distributed. */
ts_status ts_optimizer_step(ts_optimizer *z, const float *grads, double lr, double grad_scale) TS_NODISCARD;

/* A step unit by unit, each as soon as its gradients are complete (train/scatter.h): begin, each unit once, end.
 * The sum of squares of a unit's gradients is looked at first: one that is not finite, if it may not be, is
 * TS_ERR_RUN and steps nothing. */
void ts_optimizer_begin(ts_optimizer *z);
ts_status ts_optimizer_step_unit(ts_optimizer *z, int64_t unit, const ts_step_grads *grads, double lr) TS_NODISCARD;
/* What ts_optimizer_sumsq would have been. Collective. */
ts_status ts_optimizer_end(ts_optimizer *z, double *sumsq, int64_t *zero_count) TS_NODISCARD;
/* Whether this process counts p: it has shares of its own of it, or is the first that has it. */
bool ts_optimizer_counts(const ts_optimizer *z, const ts_param *p);
/* Adds what norms count of a piece's gradient here: its squares, and its zeros where these are wanted. */
ts_status ts_optimizer_add_grads(const ts_optimizer *z, const ts_shard_piece *x, const ts_step_grads *g, double *sum,
                                 int64_t *zeros) TS_NODISCARD;
/* The sums of those over all processes. */
ts_status ts_optimizer_add_up(const ts_optimizer *z, double *sum, int64_t *zeros) TS_NODISCARD;
#endif
