/* Rows in the order of experts, and what operators of experts (ops/experts.h) do with them at once: the products of rows in
 * groups, whoever has their matrices. */
#ifndef TS_OPS_GROUPS_H
#define TS_OPS_GROUPS_H
#include "ops/tape.h"

/* Rows in the order of experts (ts_sort_rows_args). */
typedef struct ts_sorted_rows {
    int64_t T, k, rows, experts; /* rows: room for; experts: that are here */
    bool drops;                  /* not every pair has a row */
    ts_tensor *from, *at, *offsets; /* int32 */
    ts_tensor *kept;             /* ids of pairs that have a row, -1 of others; NULL: not asked for */
} ts_sorted_rows;

/* y = x w^T + bias (NT), or x w (NN); bias [experts, n] or NULL. */
void ts_groups_multiply(ts_tape *tape, const ts_sorted_rows *s, const ts_form *w, const float *bias, ts_gemm_form form,
                        const ts_tensor *x, const ts_tensor *y);
/* grad [experts, out, in] = dy^T x of each group, or added to; data: x's values. */
void ts_groups_weight(ts_tape *tape, const ts_sorted_rows *s, const ts_tensor *x, const void *data, const ts_tensor *dy,
                      float *grad, bool adds);
/* grad [experts, out] + the sum of each group's rows. */
void ts_groups_bias(ts_tape *tape, const ts_sorted_rows *s, const ts_tensor *dy, float *grad);
#endif
