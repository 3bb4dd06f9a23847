/* Reading JSON with jansson when memory runs out. */
#ifndef TS_BASE_JSON_MEMORY_H
#define TS_BASE_JSON_MEMORY_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* For a program, before its first use of jansson: from now on the library takes its memory from
 * `more` (malloc, or one that fails; free frees it), and reading ends where there is none.
 * Without it the library may crash then, or read another value. It holds for the whole process,
 * so a library does not call it. */
void ts_json_guard_memory(void *(*more)(size_t n));

/* json_loadb; NULL: *is_short says whether for lack of memory, else e holds the reason. */
json_t *ts_json_read_guarded(const char *text, size_t n, size_t flags, json_error_t *e,
                             bool *is_short);
#endif
