/* A linear layer whose weight is cut both ways over a mesh of x times y processes (two-dimensional
 * tensor parallelism, as MindSpeed's --tp-2d). Process (ix, iy), number iy * X + ix of all, has a block
 * of W. The stream has rows of their own on each process, at their whole width H; between two products
 * each process has its columns of all T rows:
 *
 *                  stream [T / XY, H]       product                     within [T, w / XY]
 *   column    in -> spread [T, H / Y]   x W [w / X, H / Y]^T   -> narrow over y -> out
 *   row       out <- collect over x       [T, H / Y] <- W [H / Y, w / X] x widen [T, w / X] <- in
 *
 * spread: everyone gets its columns of everyone's rows. collect: the sum over x, back to rows. widen:
 * the columns of all y. narrow: the sum over y, of its own columns. The gradients go the same ways
 * backwards. */
#ifndef TS_OPS_LINEAR_2D_H
#define TS_OPS_LINEAR_2D_H
#include "ops/group.h"

typedef struct ts_linear_2d_op {
    ts_param *w, *b;          /* the block; b: of the rows of w that are here, or NULL */
    ts_comm *all, *x, *y;
    bool column;              /* the first of a pair of products; else the second */
    int stretches;            /* column: the result consists of so many, each cut alike (gate and up) */
    bool elsewhere;           /* another process of the sum adds b */
    /* Parts of rows that travel beside the product (ops/parts.h): of what it reads, or else of its sums;
     * and of the gradient that the backward product reads. 0 and 1: one after the other */
    int enter_parts, leave_parts, back_parts;
} ts_linear_2d_op;
/* x and y's shapes as above, of one type. Its sums over y and x are made in rank order and rounded to
 * the type once each. */
ts_status ts_op_linear_2d(ts_tape *tape, const ts_linear_2d_op *o, ts_tensor *x,
                          ts_tensor **y) TS_NODISCARD;
#endif
