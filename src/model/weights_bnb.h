/* Matrices that files hold as bitsandbytes has them, of weights X.weight [out, in]:
 *
 *   4 bits   X.weight U8 [out in / 2, 1]: two codes in a byte, the first in its upper half (or those bytes as another type)
 *            X.weight.absmax             U8 or F32 [blocks]       what each block of `blocksize` values, row after row, has at most
 *            X.weight.quant_map          F32 [16]                 value = quant_map[code] * absmax, rounded to `dtype`
 *            X.weight.nested_absmax      F32, .nested_quant_map F32 [256]: where absmax is in U8 (base/nf4.h)
 *            X.weight.quant_state.bitsandbytes__nf4 or __fp4      JSON: blocksize, dtype, shape, nested_blocksize, nested_offset
 *   8 bits   X.weight I8 [out, in], X.SCB F32 [out], X.weight_format U8 (0: row-major): value = code * SCB / 127 */
#ifndef TS_MODEL_WEIGHTS_BNB_H
#define TS_MODEL_WEIGHTS_BNB_H
#include "base/nf4.h"
#include "io/safetensors.h"
#include "model/family.h"

typedef struct ts_bnb {
    const ts_st_tensor *codes; /* NULL: it is none */
    const ts_st_tensor *most;  /* of blocks; of 8 bits of rows */
    const ts_st_tensor *nested;/* NULL: most is as it is */
    int64_t rows, cols;
    int64_t block, nested_block;
    float level[TS_NF4_LEVELS], nested_level[TS_NF4_NESTED_LEVELS], offset;
    ts_dtype type;             /* that values are rounded to */
    bool is_nf4;               /* its levels, blocks and nested levels are those of base/nf4.h */
} ts_bnb;

/* Whether a tensor is such a matrix, by what stands beside it. */
bool ts_bnb_is(const ts_st_dir *dir, const ts_st_tensor *t);
/* Whether a tensor's name is that of a part of another; *to: its name. */
bool ts_bnb_stem(const char *tensor, char to[TS_FAMILY_NAME]);
/* The shape of the matrix, as it says itself. */
ts_status ts_bnb_shape(const ts_st_dir *dir, const ts_st_tensor *t, int64_t *rows, int64_t *cols) TS_NODISCARD;
/* All parts must be there and fit each other and a matrix [rows, cols]; TS_ERR_USER names file, tensor, what was found and
 * what was expected. */
ts_status ts_bnb_find(const ts_st_dir *dir, const ts_st_tensor *t, int64_t rows, int64_t cols, ts_bnb *out) TS_NODISCARD;
/* The codes of n values of one in 4 bits from number `first` of all on, one a byte. */
void ts_bnb_codes(const ts_bnb *b, int64_t first, int64_t n, uint8_t *to);
/* Row `row` in values. */
void ts_bnb_row(const ts_bnb *b, int64_t row, float *to);

/* ---- NF4 made of values ---- */

/* The type that values of a tensor in F32, BF16 or F16 are rounded to once they are NF4; another is TS_ERR_USER. */
ts_status ts_nf4_type(const ts_st_tensor *t, ts_dtype *out) TS_NODISCARD;

/* What blocks of a tensor have at most, in both ways: base/nf4.h. */
typedef struct ts_nf4_scales {
    int64_t blocks;
    float *most;   /* [blocks] */
    uint8_t *code; /* [blocks] */
    float *nested; /* [blocks / 256, rounded up] */
    float offset;
} ts_nf4_scales;
/* Reads the tensor once, a few MiB at a time; a value that is not finite is TS_ERR_USER that names it. */
ts_status ts_nf4_scales_make(const ts_st_tensor *t, ts_nf4_scales *out) TS_NODISCARD;
void ts_nf4_scales_deinit(ts_nf4_scales *s);
/* Codes of n values from number `first` on, the first and the last of blocks unless the tensor ends there; `values` has
 * room for n. */
ts_status ts_nf4_codes(const ts_st_tensor *t, const ts_nf4_scales *s, int64_t first, int64_t n, float *values,
                       uint8_t *to) TS_NODISCARD;
#endif
