#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* The log sink: with the thread's error record the only writable global of the program. */
static struct {
    ts_log_level level;
    char prefix[128];
} sink = { TS_LOG_INFO, "" };

void ts_log_init(ts_log_level level, const char *prefix)
{
    sink.level = level;
    snprintf(sink.prefix, sizeof sink.prefix, "%s", prefix);
}

void ts_log(ts_log_level level, const char *fmt, ...)
{
    static const char *const name[] = { "debug: ", "", "warning: ", "error: " };
    if (level < sink.level)
        return;
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s%s%s\n", sink.prefix, name[level], text); /* one call: lines stay whole */
}

void ts_log_raw(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fflush(stderr);
}

int ts_log_is_terminal(void) { return isatty(STDERR_FILENO); }
