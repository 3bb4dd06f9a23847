#include "data/batch.h"

#include "base/mem.h"

#include <string.h>

ts_status ts_batch_create(const ts_field *field, int n, int64_t rows, bool with_values,
                          ts_batch *out)
{
    ts_batch b = { .rows = rows, .n = n };
    TS_ASSERT(n <= TS_BATCH_FIELDS, "a batch of %d fields", n);
    for (int i = 0; i < n; i++) {
        b.field[i] = field[i];
        const ts_status st = with_values
                                 ? ts_alloc(&b.data[i], (size_t)rows,
                                            (size_t)field[i].width * ts_dtype_size(field[i].dtype))
                                 : TS_OK;
        if (st != TS_OK) {
            ts_batch_deinit(&b);
            return st;
        }
    }
    *out = b;
    return TS_OK;
}

void ts_batch_deinit(ts_batch *b)
{
    for (int i = 0; i < b->n; i++)
        ts_free(&b->data[i]);
    *b = (ts_batch){ 0 };
}

int64_t ts_batch_bytes(const ts_batch *b)
{
    int64_t bytes = 0;
    for (int i = 0; i < b->n; i++)
        bytes += b->rows * b->field[i].width * (int64_t)ts_dtype_size(b->field[i].dtype);
    return bytes;
}

int ts_batch_find(const ts_batch *b, const char *name)
{
    for (int i = 0; i < b->n; i++)
        if (!strcmp(b->field[i].name, name))
            return i;
    return -1;
}

static void *find_row(const ts_batch *b, const char *name, ts_dtype dtype, int64_t row)
{
    const int i = ts_batch_find(b, name);
    if (i < 0 || !b->data[i])
        return NULL;
    TS_ASSERT(b->field[i].dtype == dtype, "field %s is of another type", name);
    return (char *)b->data[i] + (size_t)(row * b->field[i].width) * ts_dtype_size(dtype);
}

int32_t *ts_batch_ints(const ts_batch *b, const char *name, int64_t row)
{
    return find_row(b, name, TS_DTYPE_I32, row);
}

float *ts_batch_floats(const ts_batch *b, const char *name, int64_t row)
{
    return find_row(b, name, TS_DTYPE_F32, row);
}

double *ts_batch_doubles(const ts_batch *b, const char *name, int64_t row)
{
    return find_row(b, name, TS_DTYPE_F64, row);
}
