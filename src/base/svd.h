/* Factors of a matrix in double: its largest singular values, and the first columns of its QR. Small problems are LAPACK's. */
#ifndef TS_BASE_SVD_H
#define TS_BASE_SVD_H
#include "base/mem.h"

/* The r largest singular values of w [m, n], falling, with their vectors: w is nearest to u diag(s) v among matrices of
 * rank r. r at most min(m, n); u [m, r], s [r], v [r, n], the caller's. Of each pair of vectors the entry of v that is
 * largest in magnitude is positive; of a singular value that is zero both vectors are zero.
 *
 * passes 0: until nothing changes any more (block Krylov spaces of w w^T with a Rayleigh-Ritz step: Golub and Van Loan,
 * Matrix Computations, 10.3). Else so many products with w and its transpose behind the first, from random vectors, which
 * are fixed: as near as torch.svd_lowrank comes with niter = passes, or nearer. Values that are no numbers are TS_ERR_RUN. */
ts_status ts_svd_largest(const float *w, int64_t m, int64_t n, int64_t r, int64_t passes, float *u, float *s, float *v) TS_NODISCARD;

/* The first r columns of q [m, r] and rows of the upper triangle t [r, n] of w = q t, with LAPACK's signs.
 * r at most min(m, n). */
ts_status ts_qr_first(const float *w, int64_t m, int64_t n, int64_t r, float *q, float *t) TS_NODISCARD;
#endif
