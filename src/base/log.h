/* Messages for the person who watches, to stderr. Results never go here. */
#ifndef TS_BASE_LOG_H
#define TS_BASE_LOG_H
#include "base/status.h"
#include "tessera/log.h" /* the levels, and sending messages elsewhere */

/* Lines below `level` are dropped. `prefix` stands before each line ("" on rank 0, "rank 3 on host:
 * " elsewhere; copied). Call once, before threads start. */
void ts_log_init(ts_log_level level, const char *prefix);
void ts_log(ts_log_level level, const char *fmt, ...) TS_PRINTF(2, 3);
/* Writes text as it is (progress lines, the training log), without level or newline added. */
void ts_log_raw(const char *fmt, ...) TS_PRINTF(1, 2);
/* Whether stderr is a terminal: progress bars there, plain lines elsewhere. */
int ts_log_is_terminal(void);
#endif
