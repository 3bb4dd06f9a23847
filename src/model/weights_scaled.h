/* Matrices that files hold in few bits, with scales of blocks in a tensor beside them (DeepSeek-V3 and V4 as they are
 * published, transformers' fine-grained FP8): NAME.weight is one of
 *
 *   F8_E4M3 [out, in]      scales F32, BF16 or F8_E8M0 [out / 128, in / 128], rounded up: one for each 128 x 128 values
 *   I8      [out, in / 2]  two values of e2m1 in a byte, the first in its lower half; scales F8_E8M0 [out, in / 32]
 *
 * and a value is its code's times its block's scale. Scales are called NAME.scale or NAME.weight_scale_inv. Or it is in
 * one of the forms of bitsandbytes (model/weights_bnb.h). */
#ifndef TS_MODEL_WEIGHTS_SCALED_H
#define TS_MODEL_WEIGHTS_SCALED_H
#include "io/safetensors.h"
#include "model/family.h"
#include "model/weights_bnb.h"

enum { TS_SCALED_SIDE = 128, TS_SCALED_RUN = 32 };

typedef struct ts_scaled {
    const ts_st_tensor *codes, *scales;
    ts_bnb bnb; /* instead of scales, where it is one of these */
} ts_scaled;

/* Whether a tensor of the folder is in such a form, by its type or what stands beside it. */
static inline bool ts_scaled_is(const ts_st_dir *dir, const ts_st_tensor *t)
{
    return t->dtype == TS_ST_F8_E4M3 || t->dtype == TS_ST_I8 || ts_bnb_is(dir, t);
}
/* Whether a tensor may be the scales of another, or a part of them; *to: its name. */
bool ts_scaled_stem(const char *tensor, char to[TS_FAMILY_NAME]);
/* The scales must be there, and both in the shapes that the model's tensor has; TS_ERR_USER names file, tensor and what
 * was expected. */
ts_status ts_scaled_find(const ts_st_dir *dir, const ts_st_tensor *codes, const ts_name_tensor *want,
                         ts_scaled *out) TS_NODISCARD;
/* Row `row` in values; a code or a scale that is no number makes them NaN. */
void ts_scaled_row(const ts_scaled *s, int64_t row, float *to);
/* n bytes of two values of e2m1 each, times a scale; what comes behind the 2 n values. */
float *ts_scaled_four(const unsigned char *code, int64_t n, float by, float *to);
#endif
