/* Weights that files hold in MXFP4 (OCP Microscaling Formats 1.0, as transformers' gpt-oss has them): instead of a stack
 * NAME [matrices, in, out]
 *
 *   NAME_blocks  U8 [matrices, out, in / 32, 16]  32 values along `in` in each 16 bytes, the first of two in the lower half
 *   NAME_scales  U8 [matrices, out, in / 32]      value = e2m1 * 2^(scale - 127)
 *
 * Every such value is exact in fp32; a scale of 255 makes it NaN. */
#ifndef TS_MODEL_WEIGHTS_PACKED_H
#define TS_MODEL_WEIGHTS_PACKED_H
#include "io/safetensors.h"
#include "model/family.h"

enum { TS_PACKED_BLOCK = 32, TS_PACKED_NAME = 256 };

typedef struct ts_packed {
    const ts_st_tensor *blocks, *scales; /* NULL: not there */
} ts_packed;

/* Whether the files have NAME (or what files of the base model alone call it) in this form, at least a part of it. */
bool ts_packed_find(const ts_family *f, const ts_st_dir *dir, const char *name, ts_packed *out);
/* Whether a tensor's name is NAME_blocks or NAME_scales; *to: NAME. */
bool ts_packed_stem(const char *tensor, char to[TS_PACKED_NAME]);
/* Both must be there, in the shapes that the stack has; TS_ERR_USER names file, tensor and what was expected. */
ts_status ts_packed_check(const ts_packed *p, const char *folder, const ts_name_tensor *want) TS_NODISCARD;
/* Row `row` of the stack's rows [matrices * out], in values. Of a checked one. */
void ts_packed_row(const ts_packed *p, int64_t row, float *to);
#endif
