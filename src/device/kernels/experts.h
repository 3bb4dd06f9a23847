/* Mixtures of experts: which experts a row goes to, rows in the order of experts, and back.
 *
 * A row t has k slots; slot j of it is pair t * k + j. */
#ifndef TS_DEVICE_KERNELS_EXPERTS_H
#define TS_DEVICE_KERNELS_EXPERTS_H
#include "base/dtype.h"
#include "base/rng.h"

#include <stdbool.h>

/* How logits z of a row become scores s, by which experts are chosen and weighed. */
typedef enum ts_route_score {
    TS_ROUTE_SOFTMAX,       /* softmax over all experts */
    TS_ROUTE_CHOSEN,        /* z itself; weights are a softmax over those that were chosen */
    TS_ROUTE_SIGMOID,
    TS_ROUTE_SQRT_SOFTPLUS, /* root of log(1 + e^z) */
    TS_ROUTE_SPARSEMIXER,   /* Liu et al. 2023, arXiv 2310.00811: two experts, each weighed by a softmax over
                               those that are within TS_ROUTE_SPARSE of it */
} ts_route_score;
enum { TS_ROUTE_MAX = 1024 }; /* experts */
#define TS_ROUTE_SPARSE 0.02f /* (best - z) / max(|z|, best): what is farther off does not count */

/* route_fwd: per row
 *   1. groups > 1: experts stand in groups, one after another; a group's score is the sum of its
 *      group_best best values of s + bias, and experts of all but the group_topk best groups are out
 *   2. ids: the k best of s + bias, best first, of equals the lower number
 *   3. weights: s of these (CHOSEN: softmax over their z); with `norms` divided by their sum + 1e-20;
 *      times scale
 * given: step 1 and 2 were done elsewhere, ids are there; one of -1 has weight 0 and no part in the sum. fixed:
 * pair p goes to expert (first + p) modulo their number. n = rows.
 *
 * route_bwd: from dweights to dlogits, with what auxiliary losses add to it:
 *   pull  d(loss)/d(p[e]) of the shares p = s / sum(s) (softmax: s) that all of pull_rows rows have alike,
 *         [rows / pull_rows, experts]; NULL: nothing
 *   z     of z * sum over rows of log(sum(e^z))^2 the gradient; z 0: nothing (ST-MoE, Zoph et al. 2022)
 *
 * sinkhorn: ids [rows, k] of the balanced assignment, by Megatron-LM's iteration over all rows at once (n is
 * ignored; work [rows * experts]). */
typedef struct ts_route_args {
    ts_route_score score;
    int64_t rows, experts, k, groups, group_topk, group_best;
    bool norms, given, fixed;
    int64_t first;
    float scale;
    const float *logits; /* [rows, experts] */
    const float *bias;   /* [experts] or NULL: for choosing alone */
    int32_t *ids;        /* [rows, k] */
    float *weights;      /* [rows, k] */
    const float *dweights;
    const float *pull;
    int64_t pull_rows;
    float z;
    float *dlogits;
    float *work;
} ts_route_args;

/* look_up_ids: ids[t] = the numbers in row tokens[t] of the table. n = rows. */
typedef struct ts_look_up_ids_args {
    int64_t k;
    const float *table;    /* [tokens, k]: whole numbers */
    const int32_t *tokens; /* [rows] */
    int32_t *ids;          /* [rows, k] */
} ts_look_up_ids_args;

/* balance: of each block of block_rows rows and each expert e, n = experts:
 *   c  pairs that chose e;  P  sum over rows of the shares p[e] (see route_bwd)
 *   pull[e] = factor * (c + before[e]);  losses[e] += factor * (c + before[e]) * P;  load[e] += c
 * each may be NULL. With counts c itself is written there, [blocks, experts]. of_first: c, but for load, is of the pairs of
 * slot 0 alone. */
typedef struct ts_balance_args {
    ts_route_score score;
    int64_t rows, block_rows, experts, k;
    const float *logits;
    const int32_t *ids;
    const float *counted; /* [blocks, experts]: takes the place of c where it was summed over processes; NULL */
    const float *before;  /* [experts] */
    float factor;
    bool of_first;
    float *pull, *losses, *load, *counts;
    float *z_loss;        /* += z * sum over rows of log(sum(e^z))^2; by the share that has expert 0 */
    float z;
} ts_balance_args;

/* sort_rows: pairs in the order of experts, of one expert in their own order (n is ignored). Expert e of the
 * `experts` that are here, ids less `first`, has rows [offsets[e], offsets[e + 1]):
 *   from[r]  the pair of row r, divided by k: the row of the tokens; -1: none
 *   at[p]    the row of pair p; -1: it was dropped, or its expert is not here
 * With a capacity an expert takes so many pairs: the first ones, (weights given) those of the largest
 * weight, of equals the first, or (by_slot) all first choices, then second ones. pads: each has `capacity` rows.
 *   kept[p]  ids[p], or -1: pair p has no row; NULL: not wanted */
typedef struct ts_sort_rows_args {
    int64_t pairs, k, rows, experts, first, capacity;
    bool pads, by_slot;
    const float *weights;
    const int32_t *ids;
    int32_t *from, *at, *offsets; /* [rows], [pairs], [experts + 1] */
    int32_t *kept;                /* [pairs] */
} ts_sort_rows_args;

/* combine_fwd: y[t] = sum over j, in order, of weights[t k + j] * x[at[t k + j]], in fp32, rounded once.
 * combine_bwd: dx[at[p]] = weights[p] * dy[t], dweights[p] = x[at[p]] . dy[t].
 * at NULL: row t (k 1). weights NULL: 1. Pairs with at -1 give nothing (dweights 0). n = rows of y. */
typedef struct ts_combine_args {
    int64_t k, cols;
    ts_dtype dtype;
    const void *x;
    const int32_t *at;
    const float *weights;
    void *y;
    const void *dy;
    void *dx;        /* NULL: not wanted */
    float *dweights; /* NULL: not wanted */
} ts_combine_args;

/* jitter: y = x * u (x NULL: u), u uniform in [1 - eps, 1 + eps) by the element's number first + i in the stream; gumbel: y = x -
 * log(-log(u)), u in (0, 1), so that the largest of a row is drawn by the softmax. n = elements, y may be x. */
typedef struct ts_jitter_args {
    const float *x;
    float *y;
    float eps;
    bool gumbel;
    ts_rng rng;
    int64_t first;
} ts_jitter_args;
#endif
