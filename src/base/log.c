#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* The log sink: with the thread's error record the only writable global of the program. */
static struct {
    ts_log_level level;
    char prefix[128];
    ts_log_sink *to; /* NULL: the standard error */
    void *ctx;
    int no_raw;      /* texts without a level are not wanted either */
} sink = { .level = TS_LOG_INFO };

void ts_log_init(ts_log_level level, const char *prefix)
{
    sink.level = level;
    snprintf(sink.prefix, sizeof sink.prefix, "%s", prefix);
}

void ts_log_to(ts_log_level level, ts_log_sink *to, void *ctx)
{
    sink.level = level;
    sink.to = to;
    sink.ctx = ctx;
    sink.no_raw = level > TS_LOG_INFO;
}

/* Messages quote names and values out of files: what would move the cursor, colour or ring does not
 * reach a terminal. Also the controls that stand in UTF-8 as C2 80 to C2 9F. */
static void make_plain(char *text)
{
    for (unsigned char *s = (unsigned char *)text; *s; s++) {
        if ((*s < ' ' && *s != '\n' && *s != '\t') || *s == 0x7f)
            *s = '?';
        if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)
            s[0] = s[1] = '?';
    }
}

void ts_log(ts_log_level level, const char *fmt, ...)
{
    static const char *const name[] = { "debug: ", "", "warning: ", "error: " };
    if (level < sink.level)
        return;
    char text[8704]; /* a whole error message fits */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    make_plain(text);
    if (sink.to)
        sink.to(sink.ctx, level, text);
    else
        /* in one call: lines stay whole */
        fprintf(stderr, "%s%s%s\n", sink.prefix, name[level], text);
}

void ts_log_raw(const char *fmt, ...)
{
    va_list ap;
    if (sink.no_raw)
        return;
    va_start(ap, fmt);
    if (sink.to) {
        char text[2048];
        vsnprintf(text, sizeof text, fmt, ap);
        sink.to(sink.ctx, TS_LOG_INFO, text);
    } else {
        vfprintf(stderr, fmt, ap);
        fflush(stderr);
    }
    va_end(ap);
}

int ts_log_is_terminal(void) { return isatty(STDERR_FILENO); }
