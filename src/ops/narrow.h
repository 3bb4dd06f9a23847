/* The products of a weight whose operands are rounded to few bits (tensor/narrow.h): what ops/gemm.h calls
 * for such a weight, with the same arguments and results. Operands' codes and values are the tape's, and
 * go when the product is done. */
#ifndef TS_OPS_NARROW_H
#define TS_OPS_NARROW_H
#include "ops/tape.h"

ts_status ts_narrow_forward(ts_tape *tape, ts_param *w, ts_gemm_args *a) TS_NODISCARD;
ts_status ts_narrow_input_grad(ts_tape *tape, ts_param *w, ts_gemm_args *a) TS_NODISCARD;
ts_status ts_narrow_weight_grad(ts_tape *tape, ts_param *w, ts_gemm_args *a) TS_NODISCARD;
#endif
