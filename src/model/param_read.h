/* What is here of a parameter, out of the whole tensor in a file: any layout reads any file. */
#ifndef TS_MODEL_PARAM_READ_H
#define TS_MODEL_PARAM_READ_H
#include "io/safetensors.h"
#include "tensor/param.h"

/* Row r of the whole, of a stack of all its matrices, of several vectors of all their elements, in the share; -1:
 * elsewhere. */
int64_t ts_param_row_here(const ts_param *p, int64_t r);
/* A tensor of another shape than the parameter's whole is TS_ERR_USER that names file, tensor and both
 * shapes. Values count as changed when ts_param_set_changed says so. */
ts_status ts_param_read_values(ts_param *p, const ts_st_tensor *t) TS_NODISCARD;
/* The same into its place in another array of the set's own shares (tensor/shards.h), on the set's device,
 * such as moments, or of what of them is not stepped whole (rest); type: F32, BF16 or F16. What is wider in
 * the file is rounded to nearest. */
ts_status ts_param_read(ts_param *p, const ts_st_tensor *t, void *own, bool rest, ts_dtype type) TS_NODISCARD;
/* The same of each of its own pieces whole, to who puts it away; v [piece's n] is the reader's. */
ts_status ts_param_read_pieces(ts_param *p, const ts_st_tensor *t,
                               ts_status (*put)(void *ctx, const ts_shard_piece *x, const float *v),
                               void *ctx) TS_NODISCARD;
#endif
