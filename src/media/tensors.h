/* Named arrays: what is written of media, and what towers read of a sample. */
#ifndef TS_MEDIA_TENSORS_H
#define TS_MEDIA_TENSORS_H
#include "io/st_write.h"

enum { TS_MEDIA_RANK = 4 };

typedef struct ts_media_tensor {
    char *name;
    ts_st_dtype dtype; /* U8, F32 or I64 */
    int rank;
    int64_t shape[TS_MEDIA_RANK];
    void *data; /* [shape], owned; NULL of an empty one */
    size_t cap; /* bytes of data */
} ts_media_tensor;

typedef struct ts_media_tensors {
    ts_media_tensor *v;
    size_t n, cap;
} ts_media_tensors;
void ts_media_tensors_deinit(ts_media_tensors *t);
/* The tensor of that name, made empty ([0, inner...]) where there is none; inner [rank - 1]. One that is there with another
 * type or inner shape is TS_ERR_USER: two pictures whose arrays do not fit together. Lent until the next call. */
ts_status ts_media_tensors_of(ts_media_tensors *t, const char *name, ts_st_dtype dtype, int rank, const int64_t *inner,
                              ts_media_tensor **out) TS_NODISCARD;
/* Room for n more rows of the first dimension: *rows is the first of them, zeroed. */
ts_status ts_media_tensor_rows(ts_media_tensor *t, int64_t n, void *rows) TS_NODISCARD;
const ts_media_tensor *ts_media_tensors_find(const ts_media_tensors *t, const char *name); /* NULL: not there */
int64_t ts_media_tensor_elements(const ts_media_tensor *t);
/* All of t[0..n) into a safetensors file; numbered: with "K." before the names of t[K]. */
ts_status ts_media_tensors_write(const ts_media_tensors *t, size_t n, bool numbered, const char *path) TS_NODISCARD;
#endif
