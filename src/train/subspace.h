/* A matrix's largest singular vectors by randomised subspace iteration (Halko, Martinsson and Tropp, arXiv
 * 0909.4061, algorithm 4.4): from n = rank + 8 random vectors, or as many as its shorter side has, TS_SUBSPACE_ROUNDS
 * times both products with an orthonormal basis behind each, and the singular vectors of what is left (Rayleigh and
 * Ritz). Exact where n is the shorter side; else vector i is off by (s_{n+1} / s_i)^(2 rounds + 1) or so. Of each pair
 * the right one's element of largest size is above 0 (of two as large the first one's).
 *
 * What is here works on the host, in double, on few vectors; products with the matrix are the caller's. */
#ifndef TS_TRAIN_SUBSPACE_H
#define TS_TRAIN_SUBSPACE_H
#include "base/status.h"

#include <stdint.h>

enum { TS_SUBSPACE_ROUNDS = 4, TS_SUBSPACE_MORE = 8 };

/* The n rows of v [n, len] become orthonormal, one after the other; what depends on those before it becomes 0. */
void ts_subspace_orthonormal(float *v, int64_t n, int64_t len);
/* to [cols, rows] = x [rows, cols]^T */
void ts_subspace_transpose(const float *x, int64_t rows, int64_t cols, float *to);
/* q [n, side]: orthonormal rows; b [n, other]: row i is the matrix's product with q's row i. Both are turned so that
 * the rows of q are the singular vectors of that side, those of largest values first, and those of b the other side's
 * of length 1 (0 where the value is). Signs go by q. */
ts_status ts_subspace_turn(float *q, int64_t n, int64_t side, float *b, int64_t other) TS_NODISCARD;
#endif
