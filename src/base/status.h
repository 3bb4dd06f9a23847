/* Errors. A function that the world can make fail returns ts_status; the sentence for the reader is
 * written where the failure is seen, into a preallocated record of the calling thread. */
#ifndef TS_BASE_STATUS_H
#define TS_BASE_STATUS_H
#include "tessera/status.h" /* the codes, ts_error_message, ts_status_exit_code */

#define TS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Sets the message of this thread and returns st. */
ts_status ts_error(ts_status st, const char *fmt, ...) TS_PRINTF(2, 3);

/* Adds one line of context behind the message ("while loading layer 7"); returns st. */
ts_status ts_error_context(ts_status st, const char *fmt, ...) TS_PRINTF(2, 3);

/* Return on failure; go to the one cleanup label on failure. */
#define TS_TRY(call)                                                                               \
    do {                                                                                           \
        const ts_status ts_try_st_ = (call);                                                       \
        if (ts_try_st_ != TS_OK)                                                                   \
            return ts_try_st_;                                                                     \
    } while (0)
#define TS_TRY_TO(label, st, call)                                                                 \
    do {                                                                                           \
        if (((st) = (call)) != TS_OK)                                                              \
            goto label;                                                                            \
    } while (0)

/* A programmer's mistake: prints place and text, then aborts. Always on. */
__attribute__((noreturn)) void ts_assert_fail(const char *file, int line, const char *cond,
                                              const char *fmt, ...) TS_PRINTF(4, 5);
#define TS_ASSERT(cond, ...)                                                                       \
    ((cond) ? (void)0 : ts_assert_fail(__FILE__, __LINE__, #cond, __VA_ARGS__))
#ifdef TS_DEBUG
#define TS_DEBUG_ASSERT(cond, ...) TS_ASSERT(cond, __VA_ARGS__)
#else
#define TS_DEBUG_ASSERT(cond, ...) ((void)0)
#endif
#endif
