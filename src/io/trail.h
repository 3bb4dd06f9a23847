/* A file that grows record by record beside a long piece of work, which must not end for its sake.
 * A record that cannot be written (the disk is full, the reader of a pipe has gone) waits in memory
 * and is tried again with each one that follows; a warning says so, and says so when the file is
 * whole again. The file never keeps part of a record where that can be helped: it is cut off, or
 * the rest comes before all else. */
#ifndef TS_IO_TRAIL_H
#define TS_IO_TRAIL_H
#include "base/output.h"

enum { TS_TRAIL_MOST = 64 << 20 }; /* bytes that wait; what comes then is dropped and counted */

typedef struct ts_trail {
    ts_output out;
    const char *unit;  /* of the records, for messages: "lines" */
    ts_str waiting;
    size_t *sizes;     /* of the records that wait */
    size_t n, cap, done; /* done: bytes of the first one that are in the file */
    size_t most;
    int64_t lost;
    bool is_failing;
    int why;           /* errno of the last failure */
} ts_trail;

/* Takes the open file over and leaves *out closed. */
void ts_trail_init(ts_trail *t, ts_output *out, const char *unit);
/* The file of --OPTION, for lines of JSON: one that a run before left torn is ended. */
ts_status ts_trail_open_lines(ts_trail *t, const char *option, const char *path) TS_NODISCARD;
bool ts_trail_is_open(const ts_trail *t);
void ts_trail_add(ts_trail *t, const void *record, size_t n);
/* Tries a last time. TS_ERR_IO: how many records are missing, and why. */
ts_status ts_trail_close(ts_trail *t) TS_NODISCARD;
#endif
