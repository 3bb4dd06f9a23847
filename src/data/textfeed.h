/* Documents from text files: .txt (a line each, or parted by a separator), .jsonl (a line each),
 * .json (a list, or a line each). Read from front to back in pieces; a document is never cut. */
#ifndef TS_DATA_TEXTFEED_H
#define TS_DATA_TEXTFEED_H
#include "base/str.h"

typedef struct ts_span {
    size_t at, n; /* bytes in the batch's text */
    int64_t line; /* where it begins in the file, from 1 */
} ts_span;

/* Documents of one file, in order; zero-initialise. */
typedef struct ts_text_batch {
    const char *file; /* borrowed from the feed */
    bool is_json;     /* spans are JSON values, else plain text (not yet checked to be UTF-8) */
    ts_str text;
    ts_span *spans;
    size_t n, cap;
    size_t bytes; /* of the file used up by this batch */
} ts_text_batch;
void ts_text_batch_deinit(ts_text_batch *b);

typedef struct ts_textfeed ts_textfeed;
/* input: a file, or a folder, of which the files of the commonest of these kinds are read, by name.
 * separator NULL: lines. piece: bytes read at a time, 0 for a megabyte. Missing or other kinds of
 * input are TS_ERR_USER. */
ts_status ts_textfeed_create(const char *input, const char *separator, size_t piece,
                             ts_textfeed **out) TS_NODISCARD;
void ts_textfeed_destroy(ts_textfeed **f);
/* Size of all files. */
double ts_textfeed_bytes(const ts_textfeed *f);
bool ts_textfeed_is_json(const ts_textfeed *f);
/* The next documents (at least one) into b; at the end b->n is 0. */
ts_status ts_textfeed_next(ts_textfeed *f, ts_text_batch *b) TS_NODISCARD;
#endif
