/* A column of a row group, all of its pages. */
#ifndef TS_IO_PARQUET_COLUMN_H
#define TS_IO_PARQUET_COLUMN_H
#include "io/parquet/values.h"

typedef struct ts_parquet_column {
    const ts_parquet_node *node;
    ts_parquet_values values, dictionary;
    int32_t *def, *rep; /* [n] NULL where all are there, none is repeated */
    int64_t n;
    size_t cap_def, cap_rep;
    ts_str page;       /* unpacked */
    int64_t at, value; /* where a reader is, in [0, n] and in the values */
} ts_parquet_column;
void ts_parquet_column_deinit(ts_parquet_column *c);

/* Written anew; data [size] is the file. Errors are TS_ERR_USER without the file's name. */
ts_status ts_parquet_column_read(ts_parquet_column *c, const ts_parquet_node *node, const ts_parquet_chunk *chunk,
                                 const unsigned char *data) TS_NODISCARD;

/* At the end: more than a level there can be. */
static inline int ts_parquet_def(const ts_parquet_column *c)
{
    return c->at >= c->n ? -1 : c->node->def ? c->def[c->at] : 0;
}
static inline int ts_parquet_rep(const ts_parquet_column *c)
{
    return c->at >= c->n ? -1 : c->node->rep ? c->rep[c->at] : 0;
}
#endif
