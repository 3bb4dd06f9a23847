/* Gradients where they are shared out (tensor/shards.h): summed over the processes so that each gets the
 * sums of its own shares. At level STATE every process has memory for all gradients, micro-batches add up
 * there, and in which order all is added is as without shares (train/grads.h). From level GRADS on there is
 * memory for units that are being made only: in each micro-batch a unit that is complete is summed over the
 * processes at once, and the sums of micro-batches add up in the own shares. So it is where sums are kept in few
 * bits (train/main_grads.h), even if nothing is shared out and one process's share is all. */
#ifndef TS_TRAIN_SCATTER_H
#define TS_TRAIN_SCATTER_H
#include "ops/group.h"
#include "train/main_grads.h"
#include "train/sharers.h"

typedef struct ts_scatter_options {
    bool overlap;       /* a unit goes as soon as it is complete, while backward goes on */
    bool deterministic; /* added in the order of the global batch (dist/ordered.h) */
    bool in_bf16;       /* rounded to bf16 on the way, as dist/bf16_sum.h says */
    const ts_train_options *train; /* what the sums are kept in; NULL: fp32 */
    bool uses_now;      /* there is one micro-batch, and no sums are kept: see ts_scatter.use */
} ts_scatter_options;

typedef struct ts_scatter_unit {
    int64_t params, missing; /* that lie in it; of these, not yet complete */
    bool is_sent;
    ts_group_call call;
    ts_storage *grads; /* level GRADS, while it is being made */
    bool has_sum;      /* and the own share has sums of this step */
} ts_scatter_unit;

typedef struct ts_scatter {
    ts_param_set *params; /* NULL: nothing is shared out */
    const ts_sharers *sharers;
    ts_scatter_options o;
    ts_scatter_unit *unit;
    int64_t *counts;        /* [2 * larger size] of every rank's share, and where it begins in the unit */
    ts_storage *own;        /* level GRADS, or deterministic: the sums so far */
    ts_main_grads main;     /* or these, in few bits */
    int64_t pending;        /* level GRADS: the unit that is on its way; -1: none */
    ts_storage *room;       /* deterministic: what is received (where the device's memory is the host's); in bf16:
                               what is sent, then received */
    int64_t n_room;
    /* With uses_now, the caller's to set: what is done with a unit's gradients, of all processes, when they are
     * complete. */
    ts_status (*use)(void *ctx, int64_t unit, const ts_step_grads *grads);
    void *use_ctx;
} ts_scatter;

/* Borrows the set and the sharers; the set has its gradients. */
ts_status ts_scatter_init(ts_scatter *s, const ts_scatter_options *o, ts_param_set *params,
                          const ts_sharers *sharers) TS_NODISCARD;
void ts_scatter_deinit(ts_scatter *s);
/* As ts_grads_*, which calls. */
ts_status ts_scatter_begin(ts_scatter *s) TS_NODISCARD;
/* Parameters are to be told of: at level GRADS those of the next piece of a micro-batch, else of the last
 * micro-batch, once a step. */
void ts_scatter_enter(ts_scatter *s);
static inline bool ts_scatter_hears_all(const ts_scatter *s)
{
    return s->params && ts_shards_grads(&s->params->shards);
}
ts_status ts_scatter_param_done(ts_scatter *s, const ts_param *p) TS_NODISCARD;
ts_status ts_scatter_progress(ts_scatter *s) TS_NODISCARD;
ts_status ts_scatter_leave(ts_scatter *s) TS_NODISCARD;
/* The sums: an array of the own shares (is_own), or in their places in the set's flat array; NULL: in main. */
ts_status ts_scatter_finish(ts_scatter *s, float **sums) TS_NODISCARD;
static inline bool ts_scatter_is_own(const ts_scatter *s) { return s->own || s->main.sum; }
#endif
