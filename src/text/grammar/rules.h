/* Pieces of GBNF text: for the files of this folder. */
#ifndef TS_TEXT_GRAMMAR_RULES_H
#define TS_TEXT_GRAMMAR_RULES_H
#include "text/grammar/grammar.h"

enum { TS_GBNF_MOST_DEPTH = 100 };

/* A text in quotes. */
ts_status ts_gbnf_text(const char *s, size_t n, ts_str *out) TS_NODISCARD;
/* What a regular expression matches, in parentheses; in_json: as it stands inside the quotes of a JSON text. */
ts_status ts_gbnf_regex(const char *regex, bool in_json, ts_str *out) TS_NODISCARD;
/* Whole numbers from lo to hi in digits, in parentheses; INT64_MIN and INT64_MAX: without that bound (16 digits then). */
ts_status ts_gbnf_whole(int64_t lo, int64_t hi, ts_str *out) TS_NODISCARD;
#endif
