/* The case and the kinds of letters, for the methods of str. */
#ifndef TS_TEXT_JINJA_LETTERS_H
#define TS_TEXT_JINJA_LETTERS_H
#include "text/jinja/interp.h"

typedef enum ts_jcase {
    TS_JCASE_UPPER,
    TS_JCASE_LOWER,
    TS_JCASE_TITLE,
    TS_JCASE_CAPITAL,
    TS_JCASE_SWAP,
    TS_JCASE_FOLD,
} ts_jcase;
/* A string in another case. */
ts_status ts_jstr_change_case(ts_jx *x, ts_jv self, ts_jcase how, ts_jv *out) TS_NODISCARD;

bool ts_jchar_is_alpha(uint32_t c);
bool ts_jchar_is_decimal(uint32_t c);
bool ts_jchar_is_numeric(uint32_t c);
bool ts_jchar_is_digit(uint32_t c);
bool ts_jchar_is_alnum(uint32_t c);

/* Whether there are characters and all are so. */
typedef bool (*ts_jchar_test)(uint32_t c);
ts_status ts_jstr_all_are(ts_jv self, ts_jchar_test is, ts_jv *out) TS_NODISCARD;
/* Whether all letters with a case have that one, and there is one: UTF8PROC_CATEGORY_LU and _LL. */
ts_status ts_jstr_one_case(ts_jv self, int wanted, int other, ts_jv *out) TS_NODISCARD;
#endif
