/* A timeline added up: what calls and modules took in its steps. What happened between steps is left out, so that
 * bytes are those that the metrics count. */
#ifndef TS_BASE_TIMELINE_SUM_H
#define TS_BASE_TIMELINE_SUM_H
#include "base/str.h"
#include "base/timeline.h"

/* Calls of one kind in one group. A call's time that did not block was hidden behind other work. */
typedef struct ts_call_sum {
    const char *group, *name;
    int64_t calls, messages;
    double bytes, seconds, blocked;
} ts_call_sum;

/* Kernels of one part of the model in one phase, all layers together. */
typedef struct ts_module_sum {
    const char *part, *phase; /* NULL: none */
    bool again;
    int64_t kernels;
    double busy, flops, bytes;
} ts_module_sum;

typedef struct ts_timeline_sum {
    int64_t steps;
    double seconds, blocked, busy; /* of the steps: all, waiting, in kernels */
    ts_call_sum *call;
    size_t n_calls, cap_calls;
    ts_module_sum *module;
    size_t n_modules, cap_modules;
    size_t lost;
} ts_timeline_sum;

/* Released by ts_timeline_sum_deinit, after a failure too (TS_ERR_NOMEM). */
ts_status ts_timeline_add_up(const ts_timeline *t, ts_timeline_sum *out) TS_NODISCARD;
void ts_timeline_sum_deinit(ts_timeline_sum *s);
/* Rows for a log: calls, then modules by their time. */
ts_status ts_timeline_sum_table(const ts_timeline_sum *s, ts_str *out) TS_NODISCARD;
/* {"steps": .., "seconds": .., "blocked_seconds": .., "kernel_seconds": .., "collectives": [..], "modules": [..]}
 * without the closing brace: the caller adds what is its own. */
ts_status ts_timeline_sum_json(const ts_timeline_sum *s, ts_str *out) TS_NODISCARD;
#endif
