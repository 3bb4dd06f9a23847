/* TensorBoard event files: records of length, checksum, protobuf message, checksum. */
#ifndef TS_IO_EVENTS_H
#define TS_IO_EVENTS_H
#include "base/str.h"

typedef struct ts_event_scalar {
    const char *tag;
    double value; /* stored as float */
} ts_event_scalar;

typedef struct ts_events ts_events;
/* Makes the folder where needed and a new file events.out.tfevents.SECONDS.HOST.PID.0 in it. A run
 * that goes on says with which step, first_step > 0: what readers know from other files of the
 * folder about this step and later ones, they drop. */
ts_status ts_events_create(const char *dir, int64_t first_step, ts_events **out) TS_NODISCARD;
/* TS_ERR_IO: records are missing. */
ts_status ts_events_close(ts_events **e) TS_NODISCARD;
void ts_events_destroy(ts_events **e); /* the same for who has failed already */
const char *ts_events_path(const ts_events *e);
/* One record with all values of a step, written at once: a crash leaves whole records. A record that
 * cannot be written is kept and tried again (io/trail.h). */
ts_status ts_events_scalars(ts_events *e, int64_t step, const ts_event_scalar *v,
                            size_t n) TS_NODISCARD;
/* A text for TensorBoard's text page (Markdown), such as the options of a run at step 0. */
ts_status ts_events_text(ts_events *e, int64_t step, const char *tag,
                         const char *text) TS_NODISCARD;

/* What an event file says, in its order: a value of a step, or that what is known of `step` and later
 * ones is to be forgotten (tag NULL). Texts live during the call. */
typedef struct ts_event {
    double time; /* seconds since 1970 */
    int64_t step;
    const char *tag;
    double value;
} ts_event;
typedef ts_status ts_event_visit(void *ctx, const ts_event *e);
/* Until fn fails. A file that ends within a record is read to there, and *is_whole false; one whose
 * checksums are wrong is TS_ERR_USER with the place. Kinds of values that are not written here are
 * passed over. */
ts_status ts_events_read(const char *path, ts_event_visit *fn, void *ctx, bool *is_whole) TS_NODISCARD;

/* The bytes of single records, appended to out; for tests. time is seconds since 1970. */
ts_status ts_event_record_version(double time, ts_str *out) TS_NODISCARD;
ts_status ts_event_record_start(double time, int64_t step, ts_str *out) TS_NODISCARD;
ts_status ts_event_record_scalars(double time, int64_t step, const ts_event_scalar *v, size_t n,
                                  ts_str *out) TS_NODISCARD;
ts_status ts_event_record_text(double time, int64_t step, const char *tag, const char *text,
                               ts_str *out) TS_NODISCARD;
#endif
