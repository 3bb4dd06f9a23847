/* What every call returns, and what the library and its caller hand to each other.
 *
 * A function that can fail returns a ts_status; results come last and are untouched on failure. An
 * argument that must not be NULL and is, an option or a file that does not fit: TS_ERR_USER, and
 * ts_error_message() has a sentence that says what was found and what was expected. */
#ifndef TESSERA_STATUS_H
#define TESSERA_STATUS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TS_API __attribute__((visibility("default")))
#define TS_NODISCARD __attribute__((warn_unused_result))
#else
#define TS_API
#define TS_NODISCARD
#endif
#ifdef __cplusplus
#define TS_API_BEGIN extern "C" {
#define TS_API_END }
#else
#define TS_API_BEGIN
#define TS_API_END
#endif

TS_API_BEGIN

typedef enum ts_status {
    TS_OK = 0,
    TS_ERR_USER = -1,        /* argument, option, configuration, input file; nothing was changed */
    TS_ERR_NOMEM = -2,       /* memory could not be had */
    TS_ERR_IO = -3,          /* reading or writing failed while running */
    TS_ERR_RUN = -4,         /* anything else that failed while running (lost rank, NaN, ...) */
    TS_ERR_INTERRUPTED = -5, /* a signal or the caller asked to stop */
} ts_status;

/* The message of this thread's last failure, "" if there is none. Valid until this thread's next
 * failure. */
TS_API const char *ts_error_message(void);

/* The exit code that belongs to a status: 0, 1 (while running) or 2 (user). */
TS_API int ts_status_exit_code(ts_status st);

/* Frees what a function of this library allocated for the caller (texts, ids; each function says
 * so). NULL is fine. */
TS_API void ts_memory_free(void *p);

TS_API_END
#endif
