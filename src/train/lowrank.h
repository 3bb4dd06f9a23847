/* What optimizers keep that take AdamW's moments not of a weight's gradient G [rows, cols] but of its product R with
 * few vectors (train/apollo.h, train/galore.h):
 *
 *   by_rows   R [rows, rank] = G P^T, P [rank, cols]
 *   else      R [rank, cols] = P G,   P [rank, rows]
 *   both      R [rank, rank] = P_l G P_r^T
 *
 * A weight may lie on several processes in any parts (train/patches.h): they add up their parts of products, which
 * all then have as a whole, as all have the moments. */
#ifndef TS_TRAIN_LOWRANK_H
#define TS_TRAIN_LOWRANK_H
#include "train/main_grads.h"
#include "train/patches.h"

typedef struct ts_lowrank {
    const ts_train_options *o; /* borrowed, as the next */
    ts_device *dev;
    ts_storage *state; /* fp32, of parameter i from at[i] on: M and V, as R is, and a rest of the optimizer's own */
    int64_t *at;       /* [parameters] */
    ts_storage *room;  /* while a step goes on, as the next */
    ts_storage *values; /* fp32: a patch of masters that are in 8 bits; NULL: they are not */
    int64_t n_values;   /* of its elements, whole blocks of all rows */
} ts_lowrank;

typedef struct ts_lowrank_shape {
    int64_t rows, cols;   /* of R */
    int64_t rank;
    int64_t height, width; /* of G */
    bool by_rows, both;
    int64_t rest;         /* elements: [1] APOLLO's last norm, or GaLore's P [rank, rest / rank] */
} ts_lowrank_shape;
ts_lowrank_shape ts_lowrank_shape_of(const ts_lowrank *a, const ts_param *p);
/* First, second moment, and for 2 the rest: the device's. */
float *ts_lowrank_state(const ts_lowrank *a, const ts_param *p, int which);

/* State for all of the set that is stepped whole, zeroed. */
ts_status ts_lowrank_init(ts_lowrank *a, const ts_train_options *o, const ts_param_set *s) TS_NODISCARD;
void ts_lowrank_deinit(ts_lowrank *a);

typedef struct ts_lowrank_step_args {
    ts_param *p;
    const ts_step_grads *grads;
    ts_comm *sharers, *group; /* who shares out the pieces; tensor-parallel; NULL: nobody */
    double lr, weight_decay, grad_scale;
    int64_t steps; /* from 1 */
} ts_lowrank_step_args;

/* Whether the tensor-parallel group has cut it. */
static inline bool ts_lowrank_is_cut(const ts_lowrank_step_args *x)
{
    return x->group && !ts_place_is_whole(&x->p->place);
}
/* Elements that are stepped, or read where gradients are in few bits, at a time. */
enum { TS_LOWRANK_PATCH = TS_STEP_GRADS };
/* p's patches as they are stepped: of masters in 8 bits whole blocks. */
ts_patches ts_lowrank_patches(const ts_lowrank *a, const ts_param *p);
/* A patch's gradient, ld from row to row. */
static inline const float *ts_lowrank_grad(const ts_lowrank_step_args *x, const ts_patch *t)
{
    return ts_step_grads_at(x->grads, t->piece, t->at, (t->rows - 1) * t->ld + t->cols);
}
/* r = G v^T [height, n] (by_rows) or v G [n, width], of the gradient as it is, without its scale: v [n, width] or
 * [n, height]; all of it, on all processes. Collective. */
ts_status ts_lowrank_project(const ts_lowrank *a, const ts_lowrank_step_args *x, bool by_rows, int64_t n, const float *v,
                             float *r) TS_NODISCARD;
/* Room for masters that are in 8 bits, while a step goes on. */
ts_status ts_lowrank_open(ts_lowrank *a) TS_NODISCARD;
void ts_lowrank_close(ts_lowrank *a);
/* The step of a patch's masters: k has what is applied (ts_apollo_args: factors, gradient, scale and rate), the rest
 * is filled in. */
void ts_lowrank_apply(const ts_lowrank *a, const ts_lowrank_step_args *x, const ts_patch *t, ts_apollo_args *k);
/* v becomes the random numbers of p's projection, [rank, side] from N(0, std^2), made for the `made`th time. */
ts_status ts_lowrank_random(const ts_lowrank *a, const ts_param *p, int64_t made, int64_t n, double std,
                            float *v) TS_NODISCARD;
#endif
