/* How a job is laid out over processes, in Megatron-LM's words. Data parallelism is what the
 * processes give; the other sizes are understood and must be 1. */
#ifndef TS_PARALLEL_OPTIONS_H
#define TS_PARALLEL_OPTIONS_H
#include "base/option.h"

extern const ts_option ts_parallel_option_rows[]; /* without values */
extern const size_t ts_parallel_option_count;
#endif
