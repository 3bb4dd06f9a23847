/* Products of few bits (ops/narrow.h) beside the same made another way, while a run goes on (MindSpeed's
 * --te-comparison-with-cpu and -with-bf16).
 *
 *   portable  every cast and every product once more by the portable kernels, from the same operands: codes,
 *             scales and rounded values have the same bits; a product of sums of k terms, c[i,j], is within
 *             2 (k + 8) u |a_i| |b_j| of theirs, u 2^-24, |.| Euclidean norms of a row of A and a column of B
 *             (sums in another order: Higham, Accuracy and Stability of Numerical Algorithms, ch. 3), and what
 *             rounding to c's type adds. What is not is TS_ERR_RUN that names weight, operand and element.
 *   wide      every product once more of the operands as they were, rounded to bf16 alone: tells what few bits
 *             cost. One whose error is as large as it is, or that is no number, is TS_ERR_RUN; not while an operand with
 *             delayed scaling has the scale it begins with.
 *
 * The device's memory is the host's. What is compared with is in memory of its own, which no ledger counts, and
 * only in a run that asks for it; the run's own numbers are not touched. */
#ifndef TS_OPS_JUDGE_H
#define TS_OPS_JUDGE_H
#include "base/str.h"
#include "ops/tape.h"

typedef struct ts_judge {
    ts_device *reference; /* of portable kernels */
    bool portable, wide;
    /* since the last ts_judge_tell */
    int64_t casts, products;
    double worst[2];      /* relative errors of products, portable and wide: |c - other| / |other|, Frobenius norms */
    char of[2][128];      /* whose those are */
} ts_judge;

ts_status ts_judge_create(bool portable, bool wide, ts_judge **out) TS_NODISCARD;
void ts_judge_destroy(ts_judge **j);

/* An operand: rows of a matrix. */
typedef struct ts_judged {
    const void *data;
    int64_t rows, cols, ld;
    ts_dtype dtype;
} ts_judged;

/* w: the weight; operand: "x". Behind a launch of narrow or widen with these arguments. */
ts_status ts_judge_cast(ts_judge *j, ts_device *dev, const ts_param *w, const char *operand,
                        const ts_narrow_args *a, bool widens) TS_NODISCARD;
/* Around a product with these arguments: before it, what c holds is kept where it is read; *was is given back
 * behind it. x, y: A and B before they were rounded. */
ts_status ts_judge_before(ts_judge *j, ts_device *dev, const ts_gemm_args *a, void **was) TS_NODISCARD;
ts_status ts_judge_product(ts_judge *j, ts_device *dev, const ts_param *w, const ts_gemm_args *a, const ts_judged *x,
                           const ts_judged *y, void **was) TS_NODISCARD;
/* What was compared since, as a line for the reader, and begins anew; nothing: "". */
ts_status ts_judge_tell(ts_judge *j, ts_str *out) TS_NODISCARD;
#endif
