/* Writing files as torch.save does: first the pickle is built, in which each tensor is named with its type and shape, then
 * the bytes of the tensors are put, in the order in which they were named. Failures are TS_ERR_IO with the path. */
#ifndef TS_IO_TORCH_TORCH_WRITE_H
#define TS_IO_TORCH_TORCH_WRITE_H
#include "io/safetensors.h"
#include "io/torch/pickle_write.h"

typedef struct ts_torch_writer ts_torch_writer;
/* Makes no file yet. */
ts_status ts_torch_writer_create(const char *path, ts_torch_writer **out) TS_NODISCARD;
/* The pickle, to which values are added; it is begun. */
ts_str *ts_torch_writer_pickle(ts_torch_writer *w);
/* Adds a tensor to the pickle, with a storage of its own. Only of types that torch has. */
ts_status ts_torch_writer_add(ts_torch_writer *w, ts_st_dtype dtype, int rank, const int64_t *shape) TS_NODISCARD;
/* Ends the pickle, makes the file and books its whole size. */
ts_status ts_torch_writer_begin(ts_torch_writer *w) TS_NODISCARD;
/* The next n bytes of the tensors, one behind the other. */
ts_status ts_torch_writer_put(ts_torch_writer *w, const void *data, size_t n) TS_NODISCARD;
/* All bytes must be there (asserted); flushes to disk. */
ts_status ts_torch_writer_finish(ts_torch_writer *w) TS_NODISCARD;
/* Without _finish before, the half-written file is removed. */
void ts_torch_writer_destroy(ts_torch_writer **w);
#endif
