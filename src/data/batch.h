/* Batches on the host: named fields, each with one row a sample. A data set declares which fields its
 * samples have; who trains on them finds them by name. */
#ifndef TS_DATA_BATCH_H
#define TS_DATA_BATCH_H
#include "base/dtype.h"
#include "base/status.h"

typedef struct ts_field {
    const char *name; /* a literal */
    ts_dtype dtype;   /* I32, F32 or F64 */
    int64_t width;    /* values of a row */
} ts_field;

enum { TS_BATCH_FIELDS = 12 };

/* Zero is a valid empty value. */
typedef struct ts_batch {
    int64_t rows;
    int n;
    ts_field field[TS_BATCH_FIELDS];
    void *data[TS_BATCH_FIELDS]; /* [rows, width], owned; all NULL where nothing is computed */
} ts_batch;

/* with_values false: the batch has its shape and no memory (planning). */
ts_status ts_batch_create(const ts_field *field, int n, int64_t rows, bool with_values,
                          ts_batch *out) TS_NODISCARD;
void ts_batch_deinit(ts_batch *b);
/* Of all fields, whether there is memory or not. */
int64_t ts_batch_bytes(const ts_batch *b);

/* The number of the field of this name, or -1. */
int ts_batch_find(const ts_batch *b, const char *name);
/* A row of a field; NULL: the batch has no such field, or no memory. */
int32_t *ts_batch_ints(const ts_batch *b, const char *name, int64_t row);
float *ts_batch_floats(const ts_batch *b, const char *name, int64_t row);
double *ts_batch_doubles(const ts_batch *b, const char *name, int64_t row);
/* The place `ahead` behind s in a sample of `width` values, of the same document where segments [width] tell them
 * apart (NULL: they do not); -1: there is none. */
static inline int64_t ts_batch_ahead(const int32_t *segments, int64_t width, int64_t s, int64_t ahead)
{
    const int64_t to = s + ahead;
    return to < width && (!segments || segments[to] == segments[s]) ? to : -1;
}
#endif
