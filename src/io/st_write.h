/* Writing safetensors files, byte for byte as the format's own library does, and sharded folders as
 * transformers does. First all tensors are named, then their bytes are put, in any order and in
 * pieces. Nothing here chooses temporary names: the caller gives the path and renames.
 * Failures are TS_ERR_IO with the path ("no space left on device" by that name). */
#ifndef TS_IO_ST_WRITE_H
#define TS_IO_ST_WRITE_H
#include "io/safetensors.h"

typedef struct ts_st_writer ts_st_writer;
/* Makes no file yet. __metadata__ is {"format":"pt"}; more may be added. */
ts_status ts_st_writer_create(const char *path, ts_st_writer **out) TS_NODISCARD;
ts_status ts_st_writer_metadata(ts_st_writer *w, const char *key, const char *value) TS_NODISCARD;
/* Tensors are numbered 0, 1, ... in the order of adding. A name given twice is found by _begin. */
ts_status ts_st_writer_add(ts_st_writer *w, const char *name, ts_st_dtype dtype, int rank,
                           const int64_t *shape) TS_NODISCARD;
/* fn is told all bytes that are written from now on and where in the file they go, before they are:
 * for checksums. A failure of fn is the writer's. Before _begin. */
void ts_st_writer_watch(ts_st_writer *w,
                        ts_status (*fn)(void *ctx, size_t at, const void *data, size_t n),
                        void *ctx);
/* Makes the file, books its whole size on disk where the file system can, writes the header. */
ts_status ts_st_writer_begin(ts_st_writer *w) TS_NODISCARD;
/* Puts n bytes at `offset` bytes into tensor `i`. One thread at a time. */
ts_status ts_st_writer_put(ts_st_writer *w, int64_t i, size_t offset, const void *data,
                           size_t n) TS_NODISCARD;
/* Flushes to disk and closes; an incomplete tensor is a programmer's mistake (asserted). */
ts_status ts_st_writer_finish(ts_st_writer *w) TS_NODISCARD;
/* Without _finish before, the half-written file is removed. */
void ts_st_writer_destroy(ts_st_writer **w);

/* A folder (which must be there): STEM.safetensors when everything fits into max_shard_bytes (0: no
 * limit), else STEM-00001-of-0000N.safetensors ... and STEM.safetensors.index.json. Tensors go to
 * shards in the order of adding. A shard's file is made at the first put into it and closed when it
 * is complete. */
typedef struct ts_st_dir_writer ts_st_dir_writer;
ts_status ts_st_dir_writer_create(const char *dir, const char *stem, size_t max_shard_bytes,
                                  ts_st_dir_writer **out) TS_NODISCARD;
ts_status ts_st_dir_writer_add(ts_st_dir_writer *w, const char *name, ts_st_dtype dtype, int rank,
                               const int64_t *shape) TS_NODISCARD;
/* Cuts into shards. */
ts_status ts_st_dir_writer_begin(ts_st_dir_writer *w) TS_NODISCARD;
int64_t ts_st_dir_writer_shards(const ts_st_dir_writer *w);             /* after begin */
int64_t ts_st_dir_writer_shard_of(const ts_st_dir_writer *w, int64_t i); /* after begin */
ts_status ts_st_dir_writer_put(ts_st_dir_writer *w, int64_t i, size_t offset, const void *data,
                               size_t n) TS_NODISCARD;
/* All shards must be complete (asserted); writes the index where there is more than one. */
ts_status ts_st_dir_writer_finish(ts_st_dir_writer *w) TS_NODISCARD;
void ts_st_dir_writer_destroy(ts_st_dir_writer **w);
#endif
