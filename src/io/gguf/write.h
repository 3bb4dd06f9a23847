/* Writing GGUF files, version 3. First keys and tensors are named, then bytes of tensors are put, in any order, in pieces
 * and by several threads. The file takes its name when it is whole (base/output.h). */
#ifndef TS_IO_GGUF_WRITE_H
#define TS_IO_GGUF_WRITE_H
#include "io/gguf/gguf.h"

/* Keys with values, in the order of adding. Zero-initialise to begin. A key given twice is a programmer's mistake, which
 * readers find. */
typedef struct ts_gguf_keys {
    ts_str bytes;
    int64_t n;
} ts_gguf_keys;
void ts_gguf_keys_deinit(ts_gguf_keys *k);
ts_status ts_gguf_add_u32(ts_gguf_keys *k, const char *key, uint32_t v) TS_NODISCARD;
ts_status ts_gguf_add_f32(ts_gguf_keys *k, const char *key, float v) TS_NODISCARD;
ts_status ts_gguf_add_bool(ts_gguf_keys *k, const char *key, bool v) TS_NODISCARD;
ts_status ts_gguf_add_text(ts_gguf_keys *k, const char *key, const char *s, size_t n) TS_NODISCARD;
/* Lists: of numbers in one call; of texts the head, then n texts. */
ts_status ts_gguf_add_list(ts_gguf_keys *k, const char *key, ts_gguf_kind of, const void *v, int64_t n) TS_NODISCARD;
ts_status ts_gguf_add_texts(ts_gguf_keys *k, const char *key, int64_t n) TS_NODISCARD;
ts_status ts_gguf_add_element(ts_gguf_keys *k, const char *s, size_t n) TS_NODISCARD;

typedef struct ts_gguf_writer ts_gguf_writer;
/* Makes no file yet. option: as for ts_output_open. */
ts_status ts_gguf_writer_create(const char *option, const char *path, ts_gguf_writer **out) TS_NODISCARD;
/* Tensors are numbered 0, 1, ... in the order of adding, and stand so in the file. Rows are of whole blocks (asserted). A
 * name that is too long is TS_ERR_USER. */
ts_status ts_gguf_writer_add(ts_gguf_writer *w, const char *name, const ts_block_type *type, int rank,
                             const int64_t *shape) TS_NODISCARD;
/* Makes the file, books its size on disk where the file system can, writes everything before the data. */
ts_status ts_gguf_writer_begin(ts_gguf_writer *w, const ts_gguf_keys *keys) TS_NODISCARD;
/* Puts n bytes at `offset` bytes into tensor i. Any thread; false: errno says why. */
bool ts_gguf_writer_put(const ts_gguf_writer *w, int64_t i, size_t offset, const void *data, size_t n);
/* TS_ERR_IO for errno, with the path. */
ts_status ts_gguf_writer_error(const ts_gguf_writer *w, const char *doing);
size_t ts_gguf_writer_bytes(const ts_gguf_writer *w); /* of the file, after begin */
/* Flushes to disk and gives the file its name. */
ts_status ts_gguf_writer_finish(ts_gguf_writer *w) TS_NODISCARD;
/* Without finish before, nothing is left. */
void ts_gguf_writer_destroy(ts_gguf_writer **w);
#endif
