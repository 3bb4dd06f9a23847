/* What a group of processes that share out the work on tensors does with them. Every process of the
 * group calls the same in the same order, with tensors of the same type and shape. Rows are shared out
 * evenly, process after process: `size` divides them. 16-bit types are summed in fp32 in the order of
 * the ranks and rounded once (comm_call.h). */
#ifndef TS_OPS_GROUP_H
#define TS_OPS_GROUP_H
#include "dist/comm.h"
#include "ops/tape.h"

/* NULL and a group of one: everything is here, and nothing is exchanged. */
static inline bool ts_group_shares(const ts_comm *group) { return group && group->size > 1; }

/* Rows of x that are one process's. */
int64_t ts_group_share(const ts_comm *group, const ts_tensor *x);

/* ---- at once, without a record: what operators with a group are made of; they wait for the device ---- */

ts_comm_type ts_group_type(ts_dtype t);
/* Any collective between arrays of the device: n values of its send (NULL: of its recv, in place) and
 * n_to of its recv. */
ts_status ts_group_run_on(ts_device *dev, ts_comm *group, ts_comm_call call, int64_t n,
                          int64_t n_to) TS_NODISCARD;
static inline ts_status TS_NODISCARD ts_group_run(ts_tape *tape, ts_comm *group, ts_comm_call call, int64_t n,
                                                  int64_t n_to)
{
    return ts_group_run_on(tape->dev, group, call, n, n_to);
}
/* One that goes on while other things are done. All zeros: none is under way. */
typedef struct ts_group_call {
    ts_comm_request *request;
    void *to, *host, *host_to; /* where the device's memory is not the host's */
    size_t in, out;            /* bytes that are sent, and that come */
} ts_group_call;

/* As ts_group_run_on; what it names is not touched until it is waited for. Nothing may be under way in c. */
ts_status ts_group_start(ts_device *dev, ts_comm *group, ts_comm_call call, int64_t n, int64_t n_to,
                         ts_group_call *c) TS_NODISCARD;
/* Of one that is not under way: nothing. */
ts_status ts_group_wait(ts_device *dev, ts_comm *group, ts_group_call *c) TS_NODISCARD;
/* data [n] of dtype, on the device, becomes the sum over the group. */
ts_status ts_group_sum(ts_tape *tape, ts_comm *group, void *data, int64_t n,
                       ts_dtype dtype) TS_NODISCARD;
/* Into tensors that are there, [T, w] and [T / size, w]. */
ts_status ts_group_gather_into(ts_tape *tape, ts_comm *group, const ts_tensor *x,
                               ts_tensor *all) TS_NODISCARD;
ts_status ts_group_scatter_into(ts_tape *tape, ts_comm *group, const ts_tensor *all,
                                ts_tensor *y) TS_NODISCARD;
/* x consists of equal blocks, y has a block for each rank, of that size: rank r gets block
 * r / stride of x. */
ts_status ts_group_exchange_into(ts_tape *tape, ts_comm *group, const ts_tensor *x, int stride,
                                 ts_tensor *y) TS_NODISCARD;
/* Everyone's rows. */
ts_status ts_group_gather(ts_tape *tape, ts_comm *group, const ts_tensor *x,
                          ts_tensor **y) TS_NODISCARD;
/* This process's rows of the sum. */
ts_status ts_group_scatter(ts_tape *tape, ts_comm *group, const ts_tensor *x,
                           ts_tensor **y) TS_NODISCARD;

/* ---- operators; in a group of one (or NULL) *y is x ----
 *
 *                        forward                             gradient
 *   ts_op_group_sum      x summed over the group             as it is, the same on all
 *   ts_op_group_scatter  this process's rows of the sum      everyone's rows
 *   ts_op_group_gather   everyone's rows                     its rows of one that is the same on all
 *   ts_op_group_keep     its rows of x, the same on all      everyone's rows
 *   ts_op_group_copy     x, the same on all                  summed over the group
 *   ts_op_group_collect  everyone's rows                     this process's rows of the sum
 *
 * The first is g of Megatron-LM (Shoeybi et al. 2019), the others what its sequence parallelism does
 * (Korthikanti et al. 2022). Their counterparts before a product, the last two, are part of it in
 * ts_linear_op. */

/* In place: the bytes of x become y's, and x must not be read any more. */
ts_status ts_op_group_sum(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
ts_status ts_op_group_scatter(ts_tape *tape, ts_comm *group, ts_tensor *x,
                              ts_tensor **y) TS_NODISCARD;
ts_status ts_op_group_gather(ts_tape *tape, ts_comm *group, ts_tensor *x,
                             ts_tensor **y) TS_NODISCARD;
ts_status ts_op_group_keep(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
ts_status ts_op_group_copy(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
ts_status ts_op_group_collect(ts_tape *tape, ts_comm *group, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
#endif
