/* Errors. A function that the world can make fail returns ts_status; the sentence for the reader is
 * written where the failure is seen, into a preallocated record of the calling thread. */
#ifndef TS_BASE_STATUS_H
#define TS_BASE_STATUS_H

typedef enum ts_status {
    TS_OK = 0,
    TS_ERR_USER = -1,        /* option, configuration, input file: exit 2, nothing was changed */
    TS_ERR_NOMEM = -2,       /* memory could not be had */
    TS_ERR_IO = -3,          /* reading or writing failed while running */
    TS_ERR_RUN = -4,         /* anything else that failed while running (lost rank, NaN, ...) */
    TS_ERR_INTERRUPTED = -5, /* a signal asked to stop */
} ts_status;

#define TS_NODISCARD __attribute__((warn_unused_result))
#define TS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Sets the message of this thread and returns st. */
ts_status ts_error(ts_status st, const char *fmt, ...) TS_PRINTF(2, 3);

/* Adds one line of context behind the message ("while loading layer 7"); returns st. */
ts_status ts_error_context(ts_status st, const char *fmt, ...) TS_PRINTF(2, 3);

/* The message of this thread's last error, "" if there is none. Valid until the next ts_error. */
const char *ts_error_message(void);

/* The exit code that belongs to a status: 0, 1 (while running) or 2 (user). */
int ts_status_exit_code(ts_status st);

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
