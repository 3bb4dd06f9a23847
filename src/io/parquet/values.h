/* Values of a Parquet column, and the encodings that they stand in. */
#ifndef TS_IO_PARQUET_VALUES_H
#define TS_IO_PARQUET_VALUES_H
#include "base/str.h"
#include "io/parquet/meta.h"

/* What is read and is not to be read past. */
typedef struct ts_parquet_bytes {
    const unsigned char *p, *end;
} ts_parquet_bytes;

/* Whole numbers and booleans in i, others in d, texts in bytes with their ends. Zero is empty. */
typedef struct ts_parquet_values {
    ts_parquet_type type;
    int64_t n, length; /* length: of FIXED */
    int64_t *i;
    double *d;
    size_t *end;
    size_t cap_i, cap_d, cap_end;
    ts_str bytes;
} ts_parquet_values;
void ts_parquet_values_deinit(ts_parquet_values *v);
static inline const char *ts_parquet_text(const ts_parquet_values *v, int64_t k, size_t *n)
{
    const size_t from = k ? v->end[k - 1] : 0;
    *n = v->end[k] - from;
    return ts_str_text(&v->bytes) + from;
}

/* Numbers of so many bits, in runs and packed, count of them. False: damaged. */
bool ts_parquet_runs(ts_parquet_bytes *from, int bits, int64_t count, int32_t *out);

/* Appends count values. TS_ERR_USER, without the file's name: damaged, or an encoding that is not read. dictionary: of
 * the column, empty where there is none. */
ts_status ts_parquet_values_add(ts_parquet_values *v, int64_t encoding, ts_parquet_bytes from, int64_t count,
                                const ts_parquet_values *dictionary) TS_NODISCARD;
#endif
