/* Generation over the scheduler (infer/scheduler.h): lines in, new tokens out, as ts_generate gives them, with guesses of how
 * they go on. */
#ifndef TS_INFER_SCHEDULED_H
#define TS_INFER_SCHEDULED_H
#include "infer/generate.h"
#include "infer/scheduler.h"

/* `batch` lines side by side. What becomes of a line is what becomes of it without guesses, to the bit; whether it is what
 * ts_generate gives, whose prompts go in otherwise, hangs on rounding. f, where not NULL: what there was. */
ts_status ts_generate_scheduled(ts_decoder *d, const ts_gen_config *c, int64_t batch, const ts_gen_line *lines, int64_t n,
                                const ts_gen_hooks *hooks, ts_scheduler_figures *f) TS_NODISCARD;
#endif
