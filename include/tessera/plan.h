/* What a training job will need, without running it (docs/plan.md says what is exact and what is
 * estimated). */
#ifndef TESSERA_PLAN_H
#define TESSERA_PLAN_H
#include "tessera/options.h"

TS_API_BEGIN

typedef struct ts_forecast ts_forecast;

/* The figures of the ranks that need most. Fields may be added at the end. */
typedef struct ts_forecast_figures {
    int world_size;
    int64_t parameters, layers, vocab_size;
    int64_t global_batch, micro_batch, seq_length;
    /* bytes of one rank, at the moment of the peak */
    int64_t peak_bytes, weight_bytes, gradient_bytes, optimizer_bytes, activation_bytes,
        buffer_bytes;
    double flops;                           /* of one step on one rank */
    double traffic_bytes;                   /* that one rank sends in a step */
    double step_seconds, tokens_per_second; /* estimates */
    double bubble;                          /* part of the step that pipeline stages wait, 0 to 1 */
    bool fits;                              /* --memory-limit-gb and the host's memory are enough */
    int64_t swapped_bytes;                  /* at that moment: activations that wait on the host */
} ts_forecast_figures;

/* options: those of `tessera plan` (subject "plan"): training's, --world-size, --hardware. Any
 * thread. */
TS_API ts_status ts_forecast_make(const char *const *options, size_t n,
                                  ts_forecast **out) TS_NODISCARD;
TS_API void ts_forecast_free(ts_forecast **f); /* clears *f; fine with NULL */

/* Borrowed from f; NULL with NULL. */
TS_API const ts_forecast_figures *ts_forecast_get(const ts_forecast *f);
TS_API const char *ts_forecast_json(const ts_forecast *f);  /* all figures, as `plan --json` */
TS_API const char *ts_forecast_table(const ts_forecast *f); /* for people */

TS_API_END
#endif
