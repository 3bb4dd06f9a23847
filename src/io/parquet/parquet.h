/* Records of Parquet files: flat columns, structures and lists of them, in the encodings and packings (plain, Snappy,
 * gzip, Zstandard) that Apache Arrow, polars and DuckDB write. Debian 12 has no Arrow. */
#ifndef TS_IO_PARQUET_PARQUET_H
#define TS_IO_PARQUET_PARQUET_H
#include "base/str.h"

typedef struct ts_parquet ts_parquet;

/* Whether the file is one: by how it begins. */
bool ts_parquet_is(const char *path);
/* What is no such file, damaged, encrypted or packed otherwise is TS_ERR_USER that begins with the path. */
ts_status ts_parquet_open(const char *path, ts_parquet **out) TS_NODISCARD;
void ts_parquet_close(ts_parquet **p);
/* Appends the next record as a JSON object: texts, numbers, true and false, lists, objects; null where there is none,
 * and for bytes that are no text, times of 96 bits and decimals. *found false: there are no more. A row group is in
 * memory at a time. */
ts_status ts_parquet_next(ts_parquet *p, ts_str *out, bool *found) TS_NODISCARD;
#endif
