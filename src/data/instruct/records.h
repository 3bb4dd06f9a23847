/* The records of JSON files (a list, or an object a line), and of a Parquet file, by number. What stands in a file as
 * it is, is left there and read when it is asked for; what had to be unpacked, came through a pipe or is Parquet is
 * kept in memory. */
#ifndef TS_DATA_INSTRUCT_RECORDS_H
#define TS_DATA_INSTRUCT_RECORDS_H
#include "base/json.h"

typedef struct ts_records ts_records;
/* path: a file, a folder of them or a pattern, as ts_text_files_find has them. Files that cannot be read or cut into
 * records, and those without one, are TS_ERR_USER; what stands in a record is not looked at. */
ts_status ts_records_open(const char *path, ts_records **out) TS_NODISCARD;
void ts_records_close(ts_records **r);
int64_t ts_records_count(const ts_records *r);
/* Record i (json_decref); what is no JSON object is TS_ERR_USER. Any number of threads may read. */
ts_status ts_records_read(const ts_records *r, int64_t i, json_t **out) TS_NODISCARD;
/* Puts record i's FILE:LINE before this thread's message; returns st. */
ts_status ts_records_error(const ts_records *r, int64_t i, ts_status st);
#endif
