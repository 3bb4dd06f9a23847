/* The one writer of Chrome's trace-event JSON (the "Trace Event Format" that Google published), which Perfetto
 * (ui.perfetto.dev) and chrome://tracing open. Front to back into a text:
 *
 *   ts_trace_begin(&t, &text)
 *   ts_trace_process(&t, 0, "rank 0"), ts_trace_thread(&t, 0, 1, "modules")
 *   ts_trace_span(&t, 0, 1, "mlp 3", "forward", begin, length), ts_trace_int(&t, "layer", 3), ...
 *   st = ts_trace_end(&t, NULL)
 *
 * Spans of one thread must lie beside each other or within each other. A failure (no memory) is kept until
 * ts_trace_end, which returns it; the text is then to be thrown away. */
#ifndef TS_BASE_TRACE_H
#define TS_BASE_TRACE_H
#include "base/str.h"

typedef struct ts_trace {
    ts_str *out; /* borrowed */
    ts_status st;
    bool has_event, has_args; /* one was begun; the last one's arguments were begun */
} ts_trace;

void ts_trace_begin(ts_trace *t, ts_str *out);
void ts_trace_process(ts_trace *t, int64_t pid, const char *name);
void ts_trace_thread(ts_trace *t, int64_t pid, int64_t tid, const char *name);
/* Threads and processes are shown by these numbers. */
void ts_trace_thread_place(ts_trace *t, int64_t pid, int64_t tid, int64_t place);
void ts_trace_process_place(ts_trace *t, int64_t pid, int64_t place);
/* Begin and length in microseconds. What follows up to the next event are its arguments. */
void ts_trace_span(ts_trace *t, int64_t pid, int64_t tid, const char *name, const char *category, double at_us,
                   double length_us);
/* Values that are shown as stacked areas: its arguments. */
void ts_trace_counter(ts_trace *t, int64_t pid, const char *name, double at_us);
void ts_trace_int(ts_trace *t, const char *key, int64_t v);
void ts_trace_real(ts_trace *t, const char *key, double v);
void ts_trace_text(ts_trace *t, const char *key, const char *v);
/* other: an object in JSON that is told beside the events; NULL: none. */
ts_status ts_trace_end(ts_trace *t, const char *other) TS_NODISCARD;
#endif
