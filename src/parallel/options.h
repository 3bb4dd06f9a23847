/* How a job is laid out over processes, in Megatron-LM's words. Data parallelism is what the
 * processes give; the other sizes are understood and must be 1. */
#ifndef TS_PARALLEL_OPTIONS_H
#define TS_PARALLEL_OPTIONS_H
#include "base/option.h"

typedef struct ts_parallel_options {
    int64_t tensor, pipeline, context, expert, expert_tensor;
} ts_parallel_options;
extern const ts_option ts_parallel_option_rows[];
extern const size_t ts_parallel_option_count;

/* Refuses a layout that is not there (TS_ERR_USER naming the option). */
ts_status ts_parallel_options_check(const ts_parallel_options *o) TS_NODISCARD;
#endif
