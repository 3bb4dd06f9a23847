/* Weights that files hold in FP8, FP4 or MXFP4 with scales (model/weights_scaled.h, weights_packed.h) as the values that
 * they stand for, tensor by tensor. */
#ifndef TS_CONVERT_SCALED_H
#define TS_CONVERT_SCALED_H
#include "convert/convert.h"
#include "io/st_write.h"

/* Whether config.json says that its weights are in such a form. */
bool ts_convert_is_scaled(const ts_convert_model *m);
/* What becomes of a tensor of such a folder. */
typedef enum ts_scaled_way {
    TS_SCALED_SAME,   /* no such weight: it stays */
    TS_SCALED_SIDE_OF, /* scales of another: it goes */
    TS_SCALED_CODES,  /* codes of a matrix */
    TS_SCALED_STACK,  /* blocks of MXFP4, of a stack of matrices */
} ts_scaled_way;
ts_scaled_way ts_convert_scaled_way(const ts_convert_model *m, const ts_st_tensor *t);
/* Of the last two kinds: names the tensor of values to the writer; puts its values, which are tensor i there. TS_ERR_USER
 * where scales are missing or of another shape. */
ts_status ts_convert_scaled_add(const ts_convert_model *m, const ts_st_tensor *t, ts_st_dtype type, ts_st_dir_writer *w) TS_NODISCARD;
ts_status ts_convert_scaled_put(const ts_convert_model *m, const ts_st_tensor *t, ts_st_dtype type, ts_st_dir_writer *w,
                                int64_t i) TS_NODISCARD;
#endif
