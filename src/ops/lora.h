/* Products of two small matrices beside a large one (LoRA: Hu et al., arXiv 2106.09685):
 *
 *   h = x (scale A)^T          of all parts side by side: [T, sum of ranks]
 *   y = y + h B^T              of each part for its own columns of y
 *
 * DoRA (Liu et al., arXiv 2402.09353) then makes each row of the weight as long as its magnitude m:
 *
 *   y_i = f_i y_i + bias_i,  f_i = m_i / |W_i + scale B_i A|, whose denominator has no gradient (PEFT's way)
 *
 * A weight that holds several matrices (queries, keys and values; gate and up) has a part for each of them, or one for
 * all. Both operators multiply with the parts' matrices in one product: those of A one below the other, those of B in
 * the columns of their ranks and the rows of their results, zeros elsewhere. Between the two h may travel. */
#ifndef TS_OPS_LORA_H
#define TS_OPS_LORA_H
#include "ops/groups.h"
#include "ops/ops.h"

/* Rows [from, from + n) of B make columns [to, to + n) of y. */
typedef struct ts_lora_run {
    int64_t from, to, n;
} ts_lora_run;

typedef struct ts_lora_part {
    ts_param *a, *b; /* [rank, in], [rows, rank] */
    ts_param *m; /* [rows] what rows of W + scale B A are made as long as (DoRA); NULL: nothing */
    float scale;
    const ts_lora_run *run; /* [n_runs], all rows of b; borrowed, longer than the tape's pass */
    int64_t n_runs;
} ts_lora_part;

enum { TS_LORA_PARTS = TS_RECORD_PARAMS };
typedef struct ts_lora_op {
    ts_lora_part part[TS_LORA_PARTS];
    int n;
} ts_lora_op;
int64_t ts_lora_rank(const ts_lora_op *o); /* of all parts together */

/* x [T, in]; *h [T, rank], of x's type. */
ts_status ts_op_lora_down(ts_tape *tape, const ts_lora_op *o, ts_tensor *x, ts_tensor **h) TS_NODISCARD;
/* y [T, out], of the same type, whose bytes become the result's: it must not be read any more. */
ts_status ts_op_lora_up(ts_tape *tape, const ts_lora_op *o, ts_tensor *h, ts_tensor *y, ts_tensor **out) TS_NODISCARD;
/* The last step of DoRA: y [T, out], what both gave without the bias (NULL: there is none); w: the weight, whose values are
 * there as rows. sums: over whom the weight's columns are cut; NULL: they are all here. */
ts_status ts_op_lora_lengthen(ts_tape *tape, const ts_lora_op *o, const ts_param *w, const ts_param *bias, ts_comm *sums,
                              ts_tensor *y, ts_tensor **out) TS_NODISCARD;

/* Of a stack of matrices (experts): y = y + scale (x A^T) B^T, each row with its expert's; a [experts, rank, in], b
 * [experts, out, rank], s's experts are those from `first` on. shares: processes that have some of each expert's columns
 * (is_row: of those that are multiplied, so that y is a part of a sum); NULL: they are here. y's bytes become the result's. */
typedef struct ts_lora_groups_op {
    ts_param *a, *b;
    float scale;
    int64_t first;
    bool is_row;
    ts_comm *shares;
} ts_lora_groups_op;
ts_status ts_op_lora_groups(ts_tape *tape, const ts_sorted_rows *s, const ts_lora_groups_op *o, ts_tensor *x, ts_tensor *y,
                            ts_tensor **out) TS_NODISCARD;
#endif
