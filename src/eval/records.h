/* The records of a benchmark's file: JSON objects, whatever the file's form. */
#ifndef TS_EVAL_RECORDS_H
#define TS_EVAL_RECORDS_H
#include "base/json.h"

typedef struct ts_eval_records {
    ts_str path;
    json_t **v;    /* [n] */
    int64_t *line; /* [n] where each begins; of Parquet its number, from 1 */
    size_t n, cap_v, cap_line;
} ts_eval_records;

/* A file of this stem: as it is, else with one of the known endings (.jsonl, .json, .csv, .parquet, also packed), or as
 * the Hugging Face hub names a split's first and only part. found false: there is none. */
ts_status ts_eval_find_file(const char *folder, const char *stem, ts_str *path, bool *found) TS_NODISCARD;
/* columns: names of the cells of a CSV file without a header, or NULL: its first record has them. rows: the key under
 * which a JSON object has the records; NULL: the file is an array or lines. Errors are TS_ERR_USER with file and line. */
ts_status ts_eval_records_read(const char *path, const json_t *columns, const char *rows,
                               ts_eval_records *out) TS_NODISCARD;
void ts_eval_records_deinit(ts_eval_records *r);
/* "FILE:LINE" of a record, for messages. */
ts_status ts_eval_place(const ts_eval_records *r, size_t i, ts_str *out) TS_NODISCARD;
/* Each record has these fields; else TS_ERR_USER that names the record, what is missing and what there is. */
ts_status ts_eval_records_need(const ts_eval_records *r, const json_t *names) TS_NODISCARD;
#endif
