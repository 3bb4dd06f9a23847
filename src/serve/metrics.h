/* What a server counts, in Prometheus' text format. */
#ifndef TS_SERVE_METRICS_H
#define TS_SERVE_METRICS_H
#include "base/str.h"
#include "serve/worker.h"

enum { TS_METRICS_BUCKETS = 14 };

typedef struct ts_histogram {
    uint64_t count[TS_METRICS_BUCKETS + 1]; /* the last one: above all bounds */
    double sum;
} ts_histogram;

typedef struct ts_route_count {
    const char *path; /* borrowed */
    int code;
    uint64_t n;
} ts_route_count;

typedef struct ts_metrics {
    pthread_mutex_t lock;
    ts_histogram first, whole, between; /* seconds: to the first token, of a text, from token to token */
    ts_route_count *v;                  /* [n] */
    size_t n, cap;
    uint64_t given_up;
} ts_metrics;

void ts_metrics_init(ts_metrics *m);
void ts_metrics_deinit(ts_metrics *m);
/* An answer of a path with this HTTP status. Paths are a fixed few, and stay. */
void ts_metrics_answer(ts_metrics *m, const char *path, int code);
/* A text that has ended, or that was given up. */
void ts_metrics_text(ts_metrics *m, const ts_writing *x);
ts_status ts_metrics_write(ts_metrics *m, const ts_worker_figures *f, const char *model, ts_str *out) TS_NODISCARD;
#endif
