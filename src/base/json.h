/* JSON (jansson) with errors that name the file, the line and the key. */
#ifndef TS_BASE_JSON_H
#define TS_BASE_JSON_H
#include "base/str.h"
#include <jansson.h>

/* Parses a whole text; duplicate keys and trailing text are refused. `name` (a file, "FILE:LINE")
 * stands in the message. The result belongs to the caller (json_decref). Errors are TS_ERR_USER, or
 * TS_ERR_NOMEM. */
ts_status ts_json_parse(const char *text, size_t n, const char *name, json_t **out) TS_NODISCARD;
/* The same with the library's flags of one's own. */
ts_status ts_json_load(const char *text, size_t n, size_t flags, const char *name,
                       json_t **out) TS_NODISCARD;
/* ts_json_parse of a file; a byte order mark of UTF-8 is passed over. */
ts_status ts_json_read(const char *path, json_t **out) TS_NODISCARD;
/* A YAML file (mappings with text keys, lists, scalars; no aliases) as the JSON value it stands for.
 * lines, where not NULL: an object {KEY: {"line": N, "in": the same for a mapping under the key}}. */
ts_status ts_yaml_read(const char *path, json_t **out, json_t **lines) TS_NODISCARD;

/* Appends v as text; flags are the library's (JSON_INDENT(2), ...). v NULL, or no memory on the way:
 * TS_ERR_NOMEM that names what was to be written, and out is to be thrown away. */
ts_status ts_json_write(const json_t *v, size_t flags, const char *what, ts_str *out) TS_NODISCARD;

/* New values for objects to be written: null where the number is not finite; text that is not UTF-8
 * with U+FFFD for what is not; NULL (text): null. NULL: no memory. */
json_t *ts_json_number(double v);
json_t *ts_json_string(const char *text);

/* Typed look-ups in an object. A missing key or null gives the default; a wrong type or a value
 * outside [lo, hi] is TS_ERR_USER that names file and key. Strings are borrowed from the object. */
ts_status ts_json_int(const json_t *o, const char *file, const char *key, int64_t def, int64_t lo,
                      int64_t hi, int64_t *out) TS_NODISCARD;
ts_status ts_json_real(const json_t *o, const char *file, const char *key, double def, double *out)
    TS_NODISCARD;
ts_status ts_json_bool(const json_t *o, const char *file, const char *key, bool def, bool *out)
    TS_NODISCARD;
ts_status ts_json_text(const json_t *o, const char *file, const char *key, const char *def,
                       const char **out) TS_NODISCARD;
#endif
