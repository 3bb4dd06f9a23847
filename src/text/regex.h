/* Regular expressions as tokenizer files have them (Oniguruma's Ruby syntax), run by PCRE2. */
#ifndef TS_TEXT_REGEX_H
#define TS_TEXT_REGEX_H
#include "base/str.h"

typedef struct ts_regex ts_regex;

/* `where` stands in messages. A pattern that cannot be compiled is TS_ERR_USER. */
ts_status ts_regex_create(const char *pattern, const char *where, ts_regex **out) TS_NODISCARD;
void ts_regex_destroy(ts_regex **re);
/* The next match in s[from..n), valid UTF-8; *found says whether there is one. A match that
 * needs too many steps is TS_ERR_USER. Any number of threads may search with one expression. */
ts_status ts_regex_find(const ts_regex *re, const char *s, size_t from, size_t n, bool *found,
                        size_t *start, size_t *end) TS_NODISCARD;

/* The pattern in PCRE2's syntax; what the two spell alike stays as it is. */
ts_status ts_regex_translate(const char *pattern, ts_str *out) TS_NODISCARD;
#endif
