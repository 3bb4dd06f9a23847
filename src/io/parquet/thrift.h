/* Thrift's compact protocol, as far as Parquet's headers need it: read field by field, what is not wanted skipped. What
 * is damaged makes `bad` true and everything after it zero. */
#ifndef TS_IO_PARQUET_THRIFT_H
#define TS_IO_PARQUET_THRIFT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ts_thrift {
    const unsigned char *p, *end;
    int depth; /* of what is skipped */
    bool bad;
} ts_thrift;

enum { TS_THRIFT_TRUE = 1, TS_THRIFT_FALSE, TS_THRIFT_BINARY = 8, TS_THRIFT_LIST = 9, TS_THRIFT_STRUCT = 12 };

typedef struct ts_thrift_field {
    int id, type;
} ts_thrift_field;

/* The struct's next field (of the one before in *f; begin with zeros); false at its end. */
bool ts_thrift_next(ts_thrift *t, ts_thrift_field *f);
int64_t ts_thrift_int(ts_thrift *t); /* of any width */
const char *ts_thrift_bytes(ts_thrift *t, size_t *n);
/* A list's length; *type: of its elements. */
int64_t ts_thrift_list(ts_thrift *t, int *type);
void ts_thrift_skip(ts_thrift *t, int type);
uint64_t ts_thrift_varint(ts_thrift *t);
#endif
