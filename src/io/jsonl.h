/* Files of JSON lines: reading one by one with good errors, and writing so that a failed command
 * leaves nothing half-written. A line ends at the byte 0x0A and nowhere else. */
#ifndef TS_IO_JSONL_H
#define TS_IO_JSONL_H
#include "base/json.h"
#include "base/output.h"

typedef struct ts_jsonl {
    char name[512];      /* of the file */
    ts_str text;         /* the whole file */
    size_t at;
    int64_t line;        /* number of the line that was read last */
} ts_jsonl;
ts_status ts_jsonl_open(const char *path, ts_jsonl *out) TS_NODISCARD;
void ts_jsonl_close(ts_jsonl *j);
/* The next object (json_decref), NULL at the end. Empty lines are passed over. */
ts_status ts_jsonl_next(ts_jsonl *j, json_t **out) TS_NODISCARD;
/* TS_ERR_USER that begins with FILE:LINE of the line read last. */
ts_status ts_jsonl_error(const ts_jsonl *j, const char *fmt, ...) TS_PRINTF(2, 3);
/* "ids": [...] of a line as int32 in [0, vocab); free *ids. */
ts_status ts_jsonl_ids(const ts_jsonl *j, const json_t *line, int64_t vocab, int32_t **ids,
                       int64_t *n) TS_NODISCARD;

/* The file of --output ("-" or NULL: standard output); ts_output_finish publishes it. */
ts_status ts_jsonl_out_open(const char *path, ts_output *out) TS_NODISCARD;
/* Writes the line, which has no newline yet and has one afterwards, at once. */
ts_status ts_jsonl_out_line(ts_output *o, ts_str *line) TS_NODISCARD;
#endif
