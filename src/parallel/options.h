/* How a job is laid out over processes, in Megatron-LM's words. Data parallelism is what the processes
 * leave; the sizes that have no field are understood and must be 1. */
#ifndef TS_PARALLEL_OPTIONS_H
#define TS_PARALLEL_OPTIONS_H
#include "base/option.h"

typedef struct ts_parallel_options {
    int64_t tensor; /* processes that share out each layer's matrices */
    bool sequence;  /* and, where they do not, the rows of the stream */
    bool unaligned; /* heads and widths need not divide */
} ts_parallel_options;
extern const ts_option ts_parallel_option_rows[];
extern const size_t ts_parallel_option_count;
#endif
