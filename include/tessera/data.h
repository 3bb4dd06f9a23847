/* Training data: text files to Megatron's indexed token files, and those files themselves.
 *
 * PREFIX.bin holds the tokens of all sequences one after another; PREFIX.idx says their type,
 * lengths, places and where documents begin. */
#ifndef TESSERA_DATA_H
#define TESSERA_DATA_H
#include "tessera/options.h"

TS_API_BEGIN

typedef struct ts_preprocess_totals {
    int64_t documents, tokens; /* of all keys */
    double bytes, seconds; /* bytes of text */
    int64_t bad_records;   /* left out with --on-bad-record skip */
} ts_preprocess_totals;

/* `tessera preprocess` with these options: writes PREFIX_KEY_document.bin and .idx. A bad document
 * is TS_ERR_USER naming FILE:LINE (or left out, as --on-bad-record says), and so are files without a
 * document; then nothing is left at the destination. totals may be NULL. */
TS_API ts_status ts_data_preprocess(const char *const *options, size_t n,
                                    ts_preprocess_totals *totals) TS_NODISCARD;

/* ---- reading: any number of threads ---- */

typedef struct ts_token_file ts_token_file;

/* prefix: the path without .bin and .idx. What the index says is checked against itself and the
 * size of the .bin. */
TS_API ts_status ts_token_file_open(const char *prefix, ts_token_file **out) TS_NODISCARD;
TS_API void ts_token_file_close(ts_token_file **f); /* clears *f; fine with NULL */

/* All 0 with NULL. */
TS_API int64_t ts_token_file_sequences(const ts_token_file *f);
TS_API int64_t ts_token_file_documents(const ts_token_file *f);
TS_API int64_t ts_token_file_tokens(const ts_token_file *f); /* in all sequences */
/* Tokens of a sequence; -1: there is no such. */
TS_API int64_t ts_token_file_length(const ts_token_file *f, int64_t sequence);
/* First sequence of document k, 0 <= k <= documents (there: the number of sequences); else -1. */
TS_API int64_t ts_token_file_first(const ts_token_file *f, int64_t document);
/* Copies tokens [first, first + n) of a sequence to ids [n]. */
TS_API ts_status ts_token_file_read(const ts_token_file *f, int64_t sequence, int64_t first,
                                    int64_t n, int32_t *ids) TS_NODISCARD;

/* ---- writing: one thread ---- */

typedef struct ts_token_writer ts_token_writer;

/* Writes beside PREFIX.bin and PREFIX.idx and renames both in finish. bytes_per_token: 4, or 2 for
 * ids below 65536. */
TS_API ts_status ts_token_writer_open(const char *prefix, int bytes_per_token,
                                      ts_token_writer **out) TS_NODISCARD;
/* Adds one document of one sequence, ids [n]; n may be 0. */
TS_API ts_status ts_token_writer_add(ts_token_writer *w, const int32_t *ids,
                                     int64_t n) TS_NODISCARD;
TS_API ts_status ts_token_writer_finish(ts_token_writer *w) TS_NODISCARD;
/* Without finish before, PREFIX is as it was. Clears *w; fine with NULL. */
TS_API void ts_token_writer_close(ts_token_writer **w);

TS_API_END
#endif
