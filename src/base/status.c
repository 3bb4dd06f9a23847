#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the thread's own storage from its start, so that "out of memory" can always be said. */
static _Thread_local char message[8192];

ts_status ts_error(ts_status st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char text[sizeof message]; /* an argument may be the old message */
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(message, text, sizeof message);
    return st;
}

ts_status ts_error_context(ts_status st, const char *fmt, ...)
{
    const size_t n = strlen(message);
    va_list ap;
    va_start(ap, fmt);
    if (n + 4 < sizeof message) {
        memcpy(message + n, "\n  ", 4);
        vsnprintf(message + n + 3, sizeof message - n - 3, fmt, ap);
    }
    va_end(ap);
    return st;
}

const char *ts_error_message(void) { return message; }

int ts_status_exit_code(ts_status st)
{
    return st == TS_OK ? 0 : st == TS_ERR_USER ? 2 : 1;
}

_Noreturn void ts_assert_fail(const char *file, int line, const char *cond, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "tessera: internal error at %s:%d: %s: ", file, line, cond);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}
