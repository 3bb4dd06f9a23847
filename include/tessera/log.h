/* Where the library's words for a watching person go: to the standard error, unless sent elsewhere.
 *
 * These settings are the process's: make them before other threads use the library. */
#ifndef TESSERA_LOG_H
#define TESSERA_LOG_H
#include "tessera/status.h"

TS_API_BEGIN

typedef enum ts_log_level { TS_LOG_DEBUG, TS_LOG_INFO, TS_LOG_WARN, TS_LOG_ERROR } ts_log_level;

/* Receives one message without its line feed, or a piece of running text (progress, the line of a
 * training step) as it is, as TS_LOG_INFO. May be called from any thread; must not call the
 * library. */
typedef void ts_log_sink(void *ctx, ts_log_level level, const char *text);

/* From now on messages of `level` and above go to sink; NULL: to the standard error again. */
TS_API void ts_log_to(ts_log_level level, ts_log_sink *sink, void *ctx);

TS_API_END
#endif
