/* CSV as spreadsheets and Python's csv module write it: cells between commas, in quotes where they hold commas, line
 * ends or quotes (which are doubled there). */
#ifndef TS_IO_CSV_H
#define TS_IO_CSV_H
#include "base/json.h"

typedef struct ts_csv {
    ts_str name, text; /* the file and all of it */
    size_t at;
    int64_t line; /* where the record read last begins, from 1 */
    int64_t next_line;
} ts_csv;

/* path: as ts_input_open has it. */
ts_status ts_csv_open(const char *path, ts_csv *out) TS_NODISCARD;
void ts_csv_close(ts_csv *c);
/* The next record as a JSON array of texts (json_decref); NULL at the end. Empty lines are passed over. A quote that
 * does not end, text behind one that does, and what is not UTF-8 are TS_ERR_USER with file and line. */
ts_status ts_csv_next(ts_csv *c, json_t **out) TS_NODISCARD;
#endif
