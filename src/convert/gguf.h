/* What a GGUF file is made of: which tensors, of what, in which type; which keys. */
#ifndef TS_CONVERT_GGUF_H
#define TS_CONVERT_GGUF_H
#include "convert/convert.h"
#include "io/gguf/models.h"
#include "io/gguf/write.h"

/* File types: their words, which of ggml's types of files each is, the type of their matrices. */
typedef struct ts_gguf_type {
    const char *matrices; /* NULL: as the source's first matrix is */
    uint32_t number;      /* llama.cpp's LLAMA_FTYPE */
    bool mixes;           /* some tensors are of other types, as llama.cpp's quantiser chooses */
} ts_gguf_type;
const ts_gguf_type *ts_gguf_type_at(int outtype); /* TS_GGUF_TYPE_* */

/* Rows of a source's tensor, which are an output's from row `at` on. */
typedef struct ts_gguf_rows {
    const ts_st_tensor *t;
    int64_t first, rows, at;
} ts_gguf_rows;

typedef struct ts_gguf_out {
    char name[TS_GGUF_MAX_NAME + 1];
    const ts_block_type *type;
    int rank;
    int64_t shape[TS_GGUF_MAX_RANK];
    int64_t width, rows;   /* elements of a row, rows of all matrices */
    size_t part, n_parts;  /* of the plan's; together they are the rows, one behind the other */
    ts_gguf_order order;
    bool turned;           /* its rows are columns of the source's */
    float added;           /* to every value */
} ts_gguf_out;

typedef struct ts_gguf_plan {
    const ts_convert_model *m;
    const ts_arch *a;
    const ts_gguf_model *model;
    const ts_gguf_type *type;
    ts_gguf_out *v;
    size_t n, cap;
    ts_gguf_rows *part;
    size_t n_parts, cap_parts;
    ts_gguf_keys keys;
    ts_st_tensor made[2]; /* tensors that no folder has; their values */
    float *values[2];
    int n_made;
} ts_gguf_plan;

/* The steps, in this order. gguf_tensors.c: the tensors, each of the model's once. TS_ERR_USER: one is missing, of another
 * shape, or there is no place for it. */
ts_status ts_gguf_plan_tensors(ts_gguf_plan *p) TS_NODISCARD;
/* gguf_types.c */
ts_status ts_gguf_plan_types(ts_gguf_plan *p, int outtype) TS_NODISCARD;
/* gguf_keys.c */
ts_status ts_gguf_plan_keys(ts_gguf_plan *p) TS_NODISCARD;
/* A tensor with these n values, which are taken over. */
ts_status ts_gguf_plan_add(ts_gguf_plan *p, const char *name, float **values, int64_t n) TS_NODISCARD;
void ts_gguf_plan_deinit(ts_gguf_plan *p);

/* gguf_rows.c: rows [r0, r1) of an output in its own type. `values`: room for them as fp32. False: a value that is not a
 * finite number, which blocks do not hold. */
bool ts_gguf_rows_make(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r0, int64_t r1, float *values, unsigned char *to);
/* Where the source has just these bytes; NULL: nowhere. */
const void *ts_gguf_rows_as_is(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r0, int64_t r1);
/* Pages of the source's mapping that rows [r0, r1) came from need not be this process's any more. */
void ts_gguf_rows_done(const ts_gguf_plan *p, const ts_gguf_out *out, int64_t r0, int64_t r1);
#endif
