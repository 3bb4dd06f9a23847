/* Upper and lower case, and what kind of character one is, as Python has them. */
#include "text/jinja/letters.h"
#include "text/unicode.h"

#include <utf8proc.h>

static ts_status add_char(ts_str *s, uint32_t c)
{
    char buf[4];
    return ts_str_add(s, buf, (size_t)ts_utf8_encode(c, buf));
}

static bool is_cased(uint32_t c)
{
    const int k = ts_char_category(c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

/* Upper case, or the first letter of a word. Small letters that fold to several characters, as the sharp
 * s and ligatures do, have those in upper case; where a title letter is one character it is that. */
static ts_status add_upper(ts_str *s, uint32_t c, bool is_title)
{
    uint32_t folded[3];
    const int k = ts_char_category(c);
    const uint32_t title = (uint32_t)utf8proc_totitle((int32_t)c);
    const bool is_sharp_s = c == 0xDF, is_small = k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
    const size_t n = is_small && !(is_title && title != c && !is_sharp_s) ? ts_char_fold(c, folded) : 1;
    if (n == 1)
        return add_char(s, is_title ? title : (uint32_t)utf8proc_toupper((int32_t)c));
    bool up = true;
    for (size_t i = 0; i < n; i++) {
        TS_TRY(add_char(s, up ? (uint32_t)utf8proc_toupper((int32_t)folded[i]) : folded[i]));
        up &= !is_title || !is_cased(folded[i]);
    }
    return TS_OK;
}

ts_status ts_jstr_change_case(ts_jx *x, ts_jv self, ts_jcase how, ts_jv *out)
{
    ts_str s = { 0 };
    ts_status st = TS_OK;
    size_t len;
    bool in_word = false;
    for (size_t i = 0; i < self.n && st == TS_OK; i += len) {
        const uint32_t c = ts_utf8_next((const unsigned char *)self.s + i, &len);
        uint32_t low[3] = { 0 };
        const bool up = how == TS_JCASE_UPPER || (how == TS_JCASE_TITLE && !in_word) ||
                        (how == TS_JCASE_CAPITAL && !i) ||
                        (how == TS_JCASE_SWAP && ts_char_category(c) == UTF8PROC_CATEGORY_LL);
        const size_t n = how == TS_JCASE_FOLD ? ts_char_fold(c, low) : up ? 0 : ts_char_lower(c, low);
        if (up)
            st = add_upper(&s, c, how != TS_JCASE_UPPER && how != TS_JCASE_SWAP);
        for (size_t k = 0; k < n && st == TS_OK; k++)
            st = how == TS_JCASE_SWAP && ts_char_category(c) != UTF8PROC_CATEGORY_LU ? add_char(&s, c)
                                                                           : add_char(&s, low[k]);
        in_word = is_cased(c);
    }
    st = ts_jx_finish(x, &s, st, out);
    out->is_safe = self.is_safe;
    return st;
}

bool ts_jchar_is_alpha(uint32_t c)
{
    const int k = ts_char_category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool ts_jchar_is_decimal(uint32_t c) { return ts_char_category(c) == UTF8PROC_CATEGORY_ND; }

bool ts_jchar_is_numeric(uint32_t c)
{
    const int k = ts_char_category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool ts_jchar_is_digit(uint32_t c) /* superscripts and digits in circles too */
{
    return ts_jchar_is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468);
}

bool ts_jchar_is_alnum(uint32_t c) { return ts_jchar_is_alpha(c) || ts_jchar_is_numeric(c); }

ts_status ts_jstr_all_are(ts_jv self, ts_jchar_test is, ts_jv *out)
{
    bool all = self.n != 0;
    size_t len;
    for (size_t i = 0; all && i < self.n; i += len)
        all = is(ts_utf8_next((const unsigned char *)self.s + i, &len));
    *out = ts_jv_bool(all);
    return TS_OK;
}

/* Whether all letters with a case have that one, and there is one. */
ts_status ts_jstr_one_case(ts_jv self, int wanted, int other, ts_jv *out)
{
    bool has = false, all = true;
    size_t len;
    for (size_t i = 0; i < self.n; i += len) {
        const int k = ts_char_category(ts_utf8_next((const unsigned char *)self.s + i, &len));
        has |= k == wanted;
        all &= k != other && k != UTF8PROC_CATEGORY_LT;
    }
    *out = ts_jv_bool(has && all);
    return TS_OK;
}
