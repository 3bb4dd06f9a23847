/* Regular expressions as Python's re module has them, as far as PCRE2 has them too: for filters of answers. */
#ifndef TS_EVAL_PYREGEX_H
#define TS_EVAL_PYREGEX_H
#include "base/str.h"

typedef struct ts_pyregex ts_pyregex;
/* where: for messages. What PCRE2 refuses is TS_ERR_USER. */
ts_status ts_pyregex_create(const char *pattern, const char *where, ts_pyregex **out) TS_NODISCARD;
void ts_pyregex_destroy(ts_pyregex **re);
/* re.findall(s)[select] (negative: from the end), of several groups the first that is not empty, without white space
 * around it. *found false: there is no match. s is UTF-8. */
ts_status ts_pyregex_pick(const ts_pyregex *re, const char *s, size_t n, int64_t select, ts_str *out,
                          bool *found) TS_NODISCARD;
/* Where that is in s: bytes [*from, *upto), without white space around it. */
ts_status ts_pyregex_find(const ts_pyregex *re, const char *s, size_t n, int64_t select, size_t *from, size_t *upto,
                          bool *found) TS_NODISCARD;
/* re.sub(by, s), by being a plain text; out is written anew. */
ts_status ts_pyregex_sub(const ts_pyregex *re, const char *by, const char *s, size_t n,
                         ts_str *out) TS_NODISCARD;
/* str.strip() of s: *s and *n become those of what is left. */
void ts_py_strip(const char **s, size_t *n);
/* str.lower(), appended. */
ts_status ts_py_lower(const char *s, size_t n, ts_str *out) TS_NODISCARD;
#endif
