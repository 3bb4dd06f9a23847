/* Files of JSON lines: reading one by one with good errors, and writing so that a failed command
 * leaves nothing half-written. A line ends at the byte 0x0A and nowhere else. */
#ifndef TS_IO_JSONL_H
#define TS_IO_JSONL_H
#include "base/output.h"
#include "io/bad_records.h"
#include "io/input.h"
#include "io/json_fields.h"

typedef struct ts_jsonl {
    ts_input *in;
    const char *const *keys; /* what is read of a record */
    size_t n_keys;
    ts_json_fields fields;
    ts_str text; /* read but not yet used from `at` on */
    size_t at;
    bool at_end;
    int64_t line;    /* number of the line that was read last */
    int64_t records; /* that were given out and not passed over */
    bool skip;       /* --on-bad-record skip */
    bool is_bad;     /* the last error was about the record read last */
    ts_bad_records bad;
} ts_jsonl;
/* path: as ts_input_open has it. keys [n_keys]: the fields that records are read for, borrowed; what
 * stands in others does not matter, and where there is the first, in none of the rest either. */
ts_status ts_jsonl_open(const char *path, const char *const *keys, size_t n_keys,
                        ts_on_bad_record on_bad, ts_jsonl *out) TS_NODISCARD;
void ts_jsonl_close(ts_jsonl *j);
/* The next record (json_decref): an object with those of the keys that it has; NULL at the end.
 * Empty lines are passed over, and with --on-bad-record skip lines that are no record. */
ts_status ts_jsonl_next(ts_jsonl *j, json_t **out) TS_NODISCARD;
/* A line as it is, without its end. */
typedef struct ts_jsonl_line {
    const char *s; /* [n] until the next one is read; NULL: there is none */
    size_t n;
    int64_t number; /* from 1 */
    bool is_ended;  /* false: the file ends within it */
} ts_jsonl_line;
/* The next line that is not blank, whatever stands in it. */
ts_status ts_jsonl_read_line(ts_jsonl *j, ts_jsonl_line *out) TS_NODISCARD;
/* TS_ERR_USER that begins with FILE:LINE of the line read last: its record is bad. */
ts_status ts_jsonl_error(ts_jsonl *j, const char *fmt, ...) TS_PRINTF(2, 3);
/* What became of a record: a failure that is the record's own, and to be skipped, is named, counted
 * and TS_OK. */
ts_status ts_jsonl_done(ts_jsonl *j, ts_status st) TS_NODISCARD;
/* "ids": [...] of a line as int32 in [0, vocab); free *ids. */
ts_status ts_jsonl_ids(ts_jsonl *j, const json_t *line, int64_t vocab, int32_t **ids,
                       int64_t *n) TS_NODISCARD;

/* Whether a line has nothing in it: such lines are passed over. */
bool ts_jsonl_is_blank(const char *line, size_t n);

/* The file of --output ("-" or NULL: standard output); ts_output_finish publishes it. */
ts_status ts_jsonl_out_open(const char *path, ts_output *out) TS_NODISCARD;
/* Writes the line, which has no newline yet and has one afterwards, at once. */
ts_status ts_jsonl_out_line(ts_output *o, ts_str *line) TS_NODISCARD;
#endif
