/* The tensors of a GGUF file as a Hugging Face folder has them: under its names, rows in its order, norms without what
 * was added to them, each expert for itself. Nothing is copied: values are made as they are read. */
#ifndef TS_IO_GGUF_TENSORS_H
#define TS_IO_GGUF_TENSORS_H
#include "io/gguf/gguf.h"

typedef struct ts_gguf_tensors ts_gguf_tensors;
/* TS_ERR_USER also for an architecture or a tensor that is not known, or a type that no weights have. */
ts_status ts_gguf_tensors_open(const char *path, ts_gguf_tensors **out) TS_NODISCARD;
void ts_gguf_tensors_close(ts_gguf_tensors **g);
void ts_gguf_tensors_is_done(const ts_gguf_tensors *g, const ts_st_tensor *t); /* see ts_gguf_is_done */
int64_t ts_gguf_tensors_count(const ts_gguf_tensors *g);
const ts_st_tensor *ts_gguf_tensors_at(const ts_gguf_tensors *g, int64_t i);
#endif
