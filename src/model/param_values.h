/* Values of parameters that stand in tensors of files, in pieces: of a Hugging Face folder's, of other programs'
 * checkpoints. Nothing is copied; a rectangle of a parameter is made when it is asked for. */
#ifndef TS_MODEL_PARAM_VALUES_H
#define TS_MODEL_PARAM_VALUES_H
#include "model/param_list.h"
#include "model/weights.h"

/* A rectangle of a parameter (rows of a stack: of all matrices; a vector has one column), and where it stands: value
 * (row + i, col + j) is element at + i row_step + j col_step of the tensor. */
typedef struct ts_param_block {
    size_t param; /* its number in the list */
    int64_t row, rows, col, cols;
    const ts_st_tensor *t;
    int64_t at, row_step, col_step;
} ts_param_block;

typedef struct ts_param_values {
    ts_param_list params;
    ts_param_block *block; /* by parameter, row, column */
    size_t n, cap;
    size_t *first; /* [parameters + 1] */
} ts_param_values;

ts_status ts_param_values_init(const ts_arch *a, ts_param_values *out) TS_NODISCARD;
void ts_param_values_deinit(ts_param_values *v);
/* The block must lie inside of parameter and tensor (asserted). */
ts_status ts_param_values_add(ts_param_values *v, const ts_param_block *b) TS_NODISCARD;
/* When all are there: every value must be, once. TS_ERR_USER names `from` and the first that is not. */
ts_status ts_param_values_finish(ts_param_values *v, const char *from) TS_NODISCARD;
/* The type that a parameter's values have in files. */
ts_st_dtype ts_param_values_dtype(const ts_param_values *v, size_t param);

/* Where values go: value (i, j) of the rectangle to element i row_step + j col_step. */
typedef struct ts_param_target {
    ts_st_dtype dtype; /* the files' own, or F32, BF16, F16 */
    char *to;
    int64_t row_step, col_step;
} ts_param_target;
ts_status ts_param_values_put(const ts_param_values *v, size_t param, int64_t row, int64_t rows, int64_t col, int64_t cols,
                              const ts_param_target *to) TS_NODISCARD;
/* Where rows from `row` on stand in a file as they are, one behind the other and in this type: the first of them, and in *n how many,
 * at most `rows`. NULL: the first does not stand so. */
const char *ts_param_values_run(const ts_param_values *v, size_t param, int64_t row, int64_t rows, ts_st_dtype dtype, int64_t *n);
/* As ts_weights_source has it; ctx: a ts_param_values. */
ts_status ts_param_values_read(void *ctx, const char *param, int64_t at, int64_t n, float *to) TS_NODISCARD;

ts_st_dtype ts_param_values_dtype_of(const void *values, const char *param);

/* Those of a Hugging Face folder, in the shapes that the description says (as settled, ts_weights_settle_*). Tensors that
 * are quantised are TS_ERR_USER. */
ts_status ts_param_values_of_folder(const ts_family *family, const ts_arch *a, const ts_st_dir *dir, const char *folder,
                                    ts_param_values *out) TS_NODISCARD;
#endif
