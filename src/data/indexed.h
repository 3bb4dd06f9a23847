/* Megatron's indexed data sets: PREFIX.bin holds the tokens of all sequences one after another,
 * PREFIX.idx says their type, lengths, places and document boundaries. Little-endian. */
#ifndef TS_DATA_INDEXED_H
#define TS_DATA_INDEXED_H
#include "base/mem.h"

/* The file's own codes. */
typedef enum ts_indexed_dtype {
    TS_INDEXED_U8 = 1,
    TS_INDEXED_I8,
    TS_INDEXED_I16,
    TS_INDEXED_I32,
    TS_INDEXED_I64,
    TS_INDEXED_F64,
    TS_INDEXED_F32,
    TS_INDEXED_U16,
} ts_indexed_dtype;

int ts_indexed_dtype_size(ts_indexed_dtype t); /* bytes of an item; 0: no such code */

/* A pair of files, mapped. Read-only: any number of threads may read. */
typedef struct ts_indexed ts_indexed;
/* Everything that the index says is checked against itself and the size of the .bin: TS_ERR_USER
 * with the file, what was found and what was expected. */
ts_status ts_indexed_open(const char *prefix, ts_indexed **out) TS_NODISCARD;
void ts_indexed_destroy(ts_indexed **d);

const char *ts_indexed_prefix(const ts_indexed *d);
ts_indexed_dtype ts_indexed_type(const ts_indexed *d);
int64_t ts_indexed_count(const ts_indexed *d);     /* sequences */
int64_t ts_indexed_documents(const ts_indexed *d);
int64_t ts_indexed_tokens(const ts_indexed *d);    /* in all sequences */
int32_t ts_indexed_length(const ts_indexed *d, int64_t seq);
/* All lengths, as they lie in the file: little-endian int32 at any address. */
const unsigned char *ts_indexed_lengths(const ts_indexed *d);
/* First sequence of document k, 0 <= k <= documents. */
int64_t ts_indexed_boundary(const ts_indexed *d, int64_t k);
int64_t ts_indexed_document_of(const ts_indexed *d, int64_t seq);

/* Copies items [first, first + n) of a sequence as int32. An item outside [lo, hi) (or not whole)
 * is TS_ERR_USER naming file, document and value. The range must lie inside the sequence
 * (asserted). */
ts_status ts_indexed_read(const ts_indexed *d, int64_t seq, int64_t first, int64_t n, int64_t lo,
                          int64_t hi, int32_t *out) TS_NODISCARD;
/* Checks every item of the file so. */
ts_status ts_indexed_check_ids(const ts_indexed *d, int64_t lo, int64_t hi) TS_NODISCARD;

/* Writes PREFIX.bin and PREFIX.idx by the rules of base/output.h: both are there at the end, or
 * what was there before. */
typedef struct ts_indexed_builder ts_indexed_builder;
ts_status ts_indexed_builder_create(const char *prefix, ts_indexed_dtype dtype,
                                    ts_indexed_builder **out) TS_NODISCARD;
/* Adds a sequence; ids must fit the type (asserted). */
ts_status ts_indexed_builder_add(ts_indexed_builder *b, const int32_t *ids, int64_t n) TS_NODISCARD;
/* The sequences since the last call are one document. */
ts_status ts_indexed_builder_end_document(ts_indexed_builder *b) TS_NODISCARD;
/* Adds all of another data set of the same type (else TS_ERR_USER), documents kept. */
ts_status ts_indexed_builder_merge(ts_indexed_builder *b, const ts_indexed *other) TS_NODISCARD;
ts_status ts_indexed_builder_finish(ts_indexed_builder *b) TS_NODISCARD;
/* Without _finish before, the temporary files are removed and PREFIX is as it was. */
void ts_indexed_builder_destroy(ts_indexed_builder **b);
int64_t ts_indexed_builder_count(const ts_indexed_builder *b);  /* sequences so far */
int64_t ts_indexed_builder_tokens(const ts_indexed_builder *b); /* items so far */
#endif
