/* Records that cannot be read, in every command that reads records: the first one stops the
 * command, or they are left out, named and counted (--on-bad-record). */
#ifndef TS_IO_BAD_RECORDS_H
#define TS_IO_BAD_RECORDS_H
#include "base/option.h"

#define TS_ON_BAD_RECORD(W) W(TS_BAD_RECORD_STOP, "stop") W(TS_BAD_RECORD_SKIP, "skip")
typedef enum ts_on_bad_record { TS_ON_BAD_RECORD(TS_CHOICE_VALUE) } ts_on_bad_record;

/* The option's row: the field is an int. */
#define TS_BAD_RECORD_ROW(struct_, field_, group_)                                                 \
    TS_ROW(CHOICE, struct_, field_, "on-bad-record", "stop", 0, 0, TS_CHOICES(TS_ON_BAD_RECORD),   \
           group_,                                                                                 \
           "a record that cannot be read: stop, or leave it out, name it and count it")

/* Zero-initialise. */
typedef struct ts_bad_records {
    int64_t n;
} ts_bad_records;

/* One that is left out. why: FILE:LINE and the reason; it is a warning in the log (of very many the
 * first thousand). */
void ts_bad_records_add(ts_bad_records *b, const char *why);
/* At the end: how many there were, of how many; nothing where there were none. */
void ts_bad_records_say(const ts_bad_records *b, int64_t good);
#endif
