/* Text that is read once, from front to back: a file, a pipe, a FIFO, a device, or "-" for the
 * standard input. Nothing is asked of its size: it is read to its end. What begins like gzip or
 * Zstandard data is unpacked on the way, several members or frames one after another. */
#ifndef TS_IO_INPUT_H
#define TS_IO_INPUT_H
#include "base/str.h"

/* More bytes without an end of a document or line than anything that is meant to be one has: a
 * device that never ends, say. */
enum { TS_INPUT_LONGEST = 1 << 30 };

typedef struct ts_input ts_input;

/* A byte order mark of UTF-8 is passed over. A missing file, a folder, UTF-16, UTF-32 and kinds of
 * files that are no text (xz, bzip2, zip, lz4, Parquet) are TS_ERR_USER. A FIFO waits here for who
 * writes. */
ts_status ts_input_open(const char *path, ts_input **out) TS_NODISCARD;
void ts_input_close(ts_input **in);

/* n bytes to `to`; *got is less than n only at the end. Packed data that are damaged or end too
 * early are TS_ERR_USER. */
ts_status ts_input_read(ts_input *in, char *to, size_t n, size_t *got) TS_NODISCARD;

/* What has more than TS_INPUT_LONGEST bytes without an end, beginning at that line: TS_ERR_USER. */
ts_status ts_input_too_long(const char *name, int64_t line);

/* For messages: the path, or "standard input". */
const char *ts_input_name(const ts_input *in);
/* The same of a path that is not open. */
const char *ts_input_path_name(const char *path);
/* Bytes of the file that were read so far, packed as they are. */
double ts_input_used(const ts_input *in);
#endif
