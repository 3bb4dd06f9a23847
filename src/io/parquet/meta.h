/* What a Parquet file says of itself: its columns, and where their pages are. */
#ifndef TS_IO_PARQUET_META_H
#define TS_IO_PARQUET_META_H
#include "base/mem.h"

typedef enum ts_parquet_type {
    TS_PARQUET_BOOLEAN,
    TS_PARQUET_INT32,
    TS_PARQUET_INT64,
    TS_PARQUET_INT96,
    TS_PARQUET_FLOAT,
    TS_PARQUET_DOUBLE,
    TS_PARQUET_BYTES,
    TS_PARQUET_FIXED,
    TS_PARQUET_GROUP, /* ours: no leaf */
} ts_parquet_type;

enum { TS_PARQUET_REQUIRED, TS_PARQUET_OPTIONAL, TS_PARQUET_REPEATED };

/* A node of the schema; the file's nodes stand in depth-first order, the first is the record. */
typedef struct ts_parquet_node {
    char *name;
    ts_parquet_type type;
    int repetition;
    int64_t n_children, end;  /* end: behind the last node below it */
    int64_t first_leaf, leaf; /* number of the first leaf below it; of a leaf its own */
    int def, rep;             /* levels at which it is there, and at which it is repeated */
    bool is_text, is_list;    /* a list: a group around one repeated node */
    int64_t length;           /* of FIXED */
} ts_parquet_node;

typedef struct ts_parquet_chunk {
    int64_t codec, n_values, offset, size; /* of all its pages, from the file's beginning */
} ts_parquet_chunk;

typedef struct ts_parquet_meta {
    ts_parquet_node *node; /* [n_nodes] */
    int64_t n_nodes, n_leaves;
    int64_t *leaf; /* [n_leaves] its node */
    int64_t n_groups;
    int64_t *rows;           /* [n_groups] */
    ts_parquet_chunk *chunk; /* [n_groups, n_leaves] */
} ts_parquet_meta;

/* data [size]: the file. TS_ERR_USER that begins with `name` where it is no such file, damaged or encrypted. */
ts_status ts_parquet_meta_read(const unsigned char *data, size_t size, const char *name,
                               ts_parquet_meta *out) TS_NODISCARD;
void ts_parquet_meta_deinit(ts_parquet_meta *m);
#endif
