/* Regular expressions as tokenizers have them (Oniguruma's in tokenizer.json, Rust's in tiktoken),
 * run by PCRE2. */
#ifndef TS_TEXT_REGEX_REGEX_H
#define TS_TEXT_REGEX_REGEX_H
#include "base/str.h"
#include "text/regex/charset.h"

typedef struct ts_regex ts_regex;

/* `where` stands in messages. A pattern that is wrong, or has what PCRE2 cannot do in the same
 * way, is TS_ERR_USER. */
ts_status ts_regex_create(const char *pattern, size_t n, ts_dialect dialect, const char *where,
                          ts_regex **out) TS_NODISCARD;
void ts_regex_destroy(ts_regex **re);
/* The next match in s[from..n), valid UTF-8; *found says whether there is one. A match that
 * needs too many steps is TS_ERR_USER. Any number of threads may search with one expression. */
ts_status ts_regex_find(const ts_regex *re, const char *s, size_t from, size_t n, bool *found,
                        size_t *start, size_t *end) TS_NODISCARD;

/* All matches of a text, one after another; begin with zeros. An empty one right behind another
 * match does not count. */
typedef struct ts_regex_walk {
    size_t at;        /* where to look next */
    size_t last_end;  /* of the last match, with `any` */
    bool any;
} ts_regex_walk;
ts_status ts_regex_next(const ts_regex *re, ts_regex_walk *walk, const char *s, size_t n,
                        bool *found, size_t *start, size_t *end) TS_NODISCARD;

/* The pattern in PCRE2's words. */
ts_status ts_regex_translate(const char *pattern, size_t n, ts_dialect dialect, const char *where,
                             ts_str *out) TS_NODISCARD;
#endif
