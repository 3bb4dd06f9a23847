/* Benchmarks of a model: `tessera evaluate`. */
#ifndef TESSERA_EVALUATE_H
#define TESSERA_EVALUATE_H
#include "tessera/options.h"

#include <stddef.h>

TS_API_BEGIN

/* `tessera evaluate` of a model's folder (or GGUF file, or checkpoint) with these options (--task and --task-data-path
 * among them), in this process. *report: the results as JSON, {"tasks": {TASK: {"count", METRIC, METRIC_stderr, ...}}},
 * to be freed with free(); n_report, its bytes, may be NULL. */
TS_API ts_status ts_evaluate(const char *folder, const char *const *options, size_t n, char **report,
                             size_t *n_report) TS_NODISCARD;

TS_API_END
#endif
