/* Operators of mixtures of experts. A row of T goes to k experts; the sums of products, and what comes
 * back to a row, are in the order of its slots, so that nothing depends on how rows are shared out.
 *
 *   x -> router -> logits -> route -> ids, weights        [T, experts], [T, k]
 *   ids -> sort -> which row is whose                     (no gradient)
 *   x -> gather -> rows in the order of experts           [rows, width]
 *   rows -> linear_groups -> act -> linear_groups -> combine with weights -> y [T, width] */
#ifndef TS_OPS_EXPERTS_H
#define TS_OPS_EXPERTS_H
#include "dist/comm.h"
#include "ops/groups.h"

/* logits [T, experts] = x w^T + b in fp32, whatever x is. w [experts, width], b [experts] or NULL. */
ts_status ts_op_router(ts_tape *tape, ts_tensor *x, ts_param *w, ts_param *b, ts_tensor **logits) TS_NODISCARD;

/* What keeps experts evenly loaded: added to the gradient of the logits, not to the loss. With n rows, E
 * experts, c[e] the pairs that chose e and P[e] the sum of the rows' shares (device/kernels/experts.h):
 *
 *   loss = aux E / (k n^2) sum over e of c[e] P[e]     of all rows; or (by_sequence) of each block of
 *                                                      block_rows rows by itself, the mean over blocks
 *        + z / n sum over rows of log(sum(e^logits))^2
 *
 * (Switch Transformers, Fedus et al. 2022, as Megatron-LM counts; ST-MoE, Zoph et al. 2022.) */
typedef struct ts_balance_slices ts_balance_slices;
typedef struct ts_balance {
    float aux, z;       /* coefficients; 0: none */
    float weight;       /* of these losses in the step's; 0: nobody asks */
    bool by_sequence;
    bool of_first;      /* c is of each row's first choice, k one (GShard, arXiv 2006.16668) */
    int64_t block_rows; /* rows of a sequence */
    /* [E] on the device, or NULL: pairs are added to `load`, the losses to losses[e] and z_loss[0] */
    float *load, *losses, *z_loss;
    /* [E] on the device: pairs of the step's earlier passes join c, and c joins them (global_aux_loss: f is
     * of all that the step has seen so far, `passes` of them with this one); NULL: of this pass alone */
    float *before;
    int64_t passes;
    ts_comm *group;     /* over which c is summed; NULL: what is here */
    int64_t shares;     /* processes that have a part of each block each; 0 and 1: blocks are here whole */
    /* Rows are the slice-th of so many parts of each sequence, of which each is routed by itself, one after another: with
     * the last one all are balanced together. block_rows is then of a part. NULL: rows are all there are */
    ts_balance_slices *slices;
    int64_t slice;
} ts_balance;
/* For n parts of each of B sequences. It lasts as long as the tape's records. */
ts_status ts_balance_slices_make(ts_tape *tape, int64_t n, int64_t B, ts_balance_slices **out) TS_NODISCARD;

/* BY_RECORD: ids are there already. */
typedef enum ts_route_by { TS_ROUTE_BY_SCORE, TS_ROUTE_BY_SINKHORN, TS_ROUTE_BY_TURN, TS_ROUTE_BY_RECORD } ts_route_by;

typedef struct ts_route_op {
    ts_route_score score;
    int64_t k, groups, group_topk, group_best; /* groups 1: none */
    bool norms;
    float scale;
    const ts_param *bias; /* for choosing; NULL: none */
    ts_route_by by;
    int64_t first;        /* BY_TURN: of the first pair */
    /* An expert takes so many pairs; 0: all. Of others, those of the smallest `order` (fp32 [T, k]; NULL: the last choices of
     * all rows, of these the last), ids become -1 and weights 0 before weights are divided by their sum. */
    int64_t capacity;
    const ts_tensor *order;
    ts_balance balance;
} ts_route_op;
/* *weights fp32 [T, k], *ids int32 [T, k]; BY_RECORD *ids is given. */
ts_status ts_op_route(ts_tape *tape, const ts_route_op *o, ts_tensor *logits, ts_tensor **weights,
                      ts_tensor **ids) TS_NODISCARD;

/* *ids int32 [T, k]: row tokens[t] of a table [tokens, k] of whole numbers. */
ts_status ts_look_up_ids(ts_tape *tape, const ts_param *table, const ts_tensor *tokens, ts_tensor **ids) TS_NODISCARD;

typedef struct ts_sort_op {
    int64_t experts, first; /* those that are here */
    int64_t capacity;       /* pairs that an expert takes; 0: all */
    bool pads, by_weight;   /* to the capacity; the largest weights stay, else the first pairs */
    bool by_slot;           /* of the first choices, then of the second ones, ... */
    bool keeps;             /* asks for kept */
    bool misses;            /* ids may be of none of them: such pairs have no row */
} ts_sort_op;
ts_status ts_sort_rows(ts_tape *tape, const ts_sort_op *o, const ts_tensor *ids, const ts_tensor *weights,
                       ts_sorted_rows *out) TS_NODISCARD;

/* y[r] = x[from[r]], zeros where there is none. */
ts_status ts_op_gather_rows(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
/* The same, each row times its pair's weight: y[at[p]] = weights[p] * x[t]; rows of nobody are zeros. */
ts_status ts_op_scale_rows(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_tensor *weights,
                           ts_tensor **y) TS_NODISCARD;
/* y's rows of an expert = x's rows of it times its matrix of w, transposed, + its row of b; w [experts, out, in], a
 * stack, b [experts, out], vectors, or NULL; s's experts are those from `first` on. To the bit a linear layer of each
 * expert's rows alone. elsewhere: another process adds b to the sum that y is a part of; its gradient is made here
 * too. */
typedef struct ts_groups_op {
    ts_param *w, *b;
    int64_t first;
    bool elsewhere;
} ts_groups_op;
ts_status ts_op_linear_groups_of(ts_tape *tape, const ts_sorted_rows *s, const ts_groups_op *o, ts_tensor *x,
                                 ts_tensor **y) TS_NODISCARD;
ts_status ts_op_linear_groups(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_param *w,
                              ts_tensor **y) TS_NODISCARD;
/* y[t] = sum over slots of weights[t, j] * x[at[t, j]], in x's type. With s NULL (one slot): weights [T, 1] of x
 * [T, width]. weights NULL: 1. */
ts_status ts_op_combine(ts_tape *tape, const ts_sorted_rows *s, ts_tensor *x, ts_tensor *weights,
                        ts_tensor **y) TS_NODISCARD;
#endif
