/* GEMMs against a parameter, with their cost: what linear and the output layer share. */
#ifndef TS_OPS_GEMM_H
#define TS_OPS_GEMM_H
#include "ops/tape.h"

ts_cost ts_gemm_cost(int64_t m, int64_t n, int64_t k, ts_dtype dtype, ts_dtype c_dtype);
/* c [rows, out], ldc = x [rows, in] W^T + bias */
ts_status ts_gemm_forward(ts_tape *tape, ts_param *w, const float *bias, ts_dtype dtype,
                          const void *x, int64_t rows, ts_dtype c_dtype, void *c,
                          int64_t ldc) TS_NODISCARD;
/* dx [rows, in] = dy [rows, out] W; ld elements from row to row of dy, here and below. */
ts_status ts_gemm_input_grad(ts_tape *tape, ts_param *w, ts_dtype dtype, const void *dy, int64_t ld,
                             int64_t rows, void *dx) TS_NODISCARD;
/* W's gradient += dy^T x */
ts_status ts_gemm_weight_grad(ts_tape *tape, ts_param *w, ts_dtype dtype, const void *dy, int64_t ld,
                              const void *x, int64_t rows) TS_NODISCARD;
/* b's gradient += column sums of dy [rows, cols] */
void ts_bias_grad(ts_tape *tape, const ts_param *b, ts_dtype dtype, const void *dy, int64_t ld,
                  int64_t rows);
#endif
