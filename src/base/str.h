/* A byte string that grows. Always NUL-terminated; may hold NUL bytes. Zero-initialise to begin. */
#ifndef TS_BASE_STR_H
#define TS_BASE_STR_H
#include "base/mem.h"

typedef struct ts_str {
    char *s; /* NULL while nothing was ever added */
    size_t len, cap;
} ts_str;

void ts_str_deinit(ts_str *b);
void ts_str_reset(ts_str *b); /* empty, memory kept */
ts_status ts_str_add(ts_str *b, const char *s, size_t n) TS_NODISCARD;
ts_status ts_str_puts(ts_str *b, const char *s) TS_NODISCARD;
ts_status ts_str_printf(ts_str *b, const char *fmt, ...) TS_PRINTF(2, 3) TS_NODISCARD;
/* Adds s as a JSON string with its quotes (valid UTF-8 is kept, control bytes are escaped, other
 * bytes are U+FFFD). */
ts_status ts_str_json(ts_str *b, const char *s, size_t n) TS_NODISCARD;
/* Adds s as text of XML or HTML, between tags or in a quoted value: & < > " ' are escaped, what such
 * a text cannot hold (control bytes, bytes that are not UTF-8) is U+FFFD. */
ts_status ts_str_xml(ts_str *b, const char *s) TS_NODISCARD;
/* Adds a number as JSON, of so many digits: null where it is not finite. */
ts_status ts_str_json_real(ts_str *b, double v, int digits) TS_NODISCARD;

/* Adds a finite number with the digits that it needs, no more. */
ts_status ts_str_real(ts_str *b, double v) TS_NODISCARD;

static inline const char *ts_str_text(const ts_str *b) { return b->s ? b->s : ""; }

/* Length of the valid UTF-8 sequence at s (1..4), or 0: overlong forms, surrogates and values past
 * U+10FFFF are not valid. */
int ts_utf8_len(const char *s, size_t n);
/* Offset of the first byte that is not valid UTF-8, or n. */
size_t ts_utf8_check(const char *s, size_t n);
/* Decodes the sequence of `len` bytes (as ts_utf8_len gave it). */
uint32_t ts_utf8_decode(const char *s, int len);
/* Writes up to 4 bytes, returns how many. */
int ts_utf8_encode(uint32_t c, char *out);

/* A hash of n bytes: all of its bits are good ones. Not for what is kept in files. */
uint64_t ts_hash_bytes(const char *s, size_t n);

/* Edit distance (Damerau-Levenshtein, restricted) of two short names; for "did you mean". */
int ts_edit_distance(const char *a, const char *b);

/* "1.5 GB", "640.0 MB": decimal units, into buf (at least 32 bytes). Returns buf. */
const char *ts_human_bytes(double bytes, char *buf);
#endif
