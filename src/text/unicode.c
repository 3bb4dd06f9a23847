#include "text/unicode.h"

#include "text/unicode_diff.h"

#include <string.h>
#include <utf8proc.h>

int ts_char_category(uint32_t c)
{
    size_t lo = 0, hi = sizeof newer / sizeof *newer;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (c > newer[mid].hi)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < sizeof newer / sizeof *newer && c >= newer[lo].lo)
        return newer[lo].category;
    return (int)utf8proc_category((utf8proc_int32_t)c);
}

bool ts_char_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static bool is_p(int cat) { return cat >= UTF8PROC_CATEGORY_PC && cat <= UTF8PROC_CATEGORY_PO; }

static bool is_in(uint32_t c, const code_range *r, size_t n)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (c > r[mid].hi)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && c >= r[lo].lo;
}

#define IS_IN(c, table) is_in(c, table, sizeof table / sizeof *table)

bool ts_char_is_punctuation(uint32_t c)
{
    if (c < 128)
        return c > 32 && c < 127 && !(c >= '0' && c <= '9') &&
               !((c | 32) >= 'a' && (c | 32) <= 'z');
    if (c == 0x166D || c == 0x111C9) /* symbols and marks since */
        return true;
    return !IS_IN(c, no_punctuation) && is_p(ts_char_category(c));
}

bool ts_char_is_word(uint32_t c)
{
    if (c < 128)
        return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
    const int cat = ts_char_category(c);
    return (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_NL) ||
           cat == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
           (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

bool ts_char_is_removed_control(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    const int cat = ts_char_category(c);
    if (c == 0 || c == 0xFFFD)
        return true;
    return (cat == UTF8PROC_CATEGORY_CC || cat == UTF8PROC_CATEGORY_CF ||
            cat == UTF8PROC_CATEGORY_CO) &&
           !IS_IN(c, kept_controls);
}

bool ts_char_is_mark(uint32_t c)
{
    const int cat = ts_char_category(c);
    if (c == 0x1CF2 || c == 0x1CF3) /* letters since */
        return true;
    return cat >= UTF8PROC_CATEGORY_MN && cat <= UTF8PROC_CATEGORY_ME && !IS_IN(c, kept_marks);
}

bool ts_char_is_accent(uint32_t c)
{
    if (c == 0x1734 || c == 0x1171E) /* spacing marks since */
        return true;
    return ts_char_category(c) == UTF8PROC_CATEGORY_MN && !IS_IN(c, kept_accents);
}

bool ts_char_has_fixed_form(uint32_t c) { return IS_IN(c, fixed_forms); }

size_t ts_char_lower(uint32_t c, uint32_t out[3])
{
    if (c < 128) {
        out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return 1;
    }
    if (c == 0x130) {
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    for (size_t i = 0; c >= newer_lower[0].lo && i < sizeof newer_lower / sizeof *newer_lower; i++)
        if (c >= newer_lower[i].lo && c <= newer_lower[i].hi)
            out[0] = (uint32_t)((int32_t)c + newer_lower[i].delta);
    return 1;
}

uint32_t ts_byte_to_char(unsigned char b)
{
    if ((b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD))
        return b;
    if (b <= 0x20)
        return 0x100u + b;
    return b == 0xAD ? 0x143u : 0x121u + (b - 0x7Fu);
}

int ts_char_to_byte(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xFF && c != 0xAD))
        return (int)c;
    if (c >= 0x100 && c <= 0x120)
        return (int)c - 0x100;
    if (c >= 0x121 && c <= 0x142)
        return (int)c - 0x121 + 0x7F;
    return c == 0x143 ? 0xAD : -1;
}

static unsigned flags_of(uint32_t c)
{
    const int cat = ts_char_category(c);
    unsigned f = ts_char_is_space(c) ? TS_UC_WS : 0;
    if (cat == UTF8PROC_CATEGORY_LU || cat == UTF8PROC_CATEGORY_LT)
        f |= TS_UC_L | TS_UC_UPPER;
    else if (cat == UTF8PROC_CATEGORY_LL)
        f |= TS_UC_L | TS_UC_LOWER;
    else if (cat == UTF8PROC_CATEGORY_LM || cat == UTF8PROC_CATEGORY_LO)
        f |= TS_UC_L;
    else if (cat >= UTF8PROC_CATEGORY_MN && cat <= UTF8PROC_CATEGORY_ME)
        f |= TS_UC_M;
    else if (cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO)
        f |= TS_UC_N;
    else if (is_p(cat))
        f |= TS_UC_P;
    else if (cat >= UTF8PROC_CATEGORY_SM && cat <= UTF8PROC_CATEGORY_SO)
        f |= TS_UC_S;
    return f;
}

bool ts_char_block_is_uniform(uint32_t block)
{
    static const struct { uint16_t lo, hi;
    } r[] = {
        { 0x35, 0x4C },   { 0x4F, 0x9E },   { 0xAD, 0xD6 },   { 0xE0, 0xF8 },
        { 0x171, 0x186 }, { 0x201, 0x2A5 }, { 0x2A8, 0x2B6 }, { 0x2B9, 0x2CD },
        { 0x2CF, 0x2EA }, { 0x301, 0x312 }, { 0x314, 0x322 }, { 0x324, 0x10FF },
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++)
        if (block >= r[i].lo && block <= r[i].hi)
            return block != 0xE00 && block != 0xE01 && /* tags and variation selectors */
                   (block & 0xFF) != 0xFF;             /* no characters at the end */
    return false;
}

size_t ts_char_fold(uint32_t c, uint32_t out[3])
{
    utf8proc_int32_t to[4];
    int boundary = 0;
    out[1] = out[2] = 0;
    for (size_t i = 0; c >= newer_lower[0].lo && i < sizeof newer_lower / sizeof *newer_lower; i++)
        if (c >= newer_lower[i].lo && c <= newer_lower[i].hi &&
            ts_char_category(c) == UTF8PROC_CATEGORY_LU) {
            out[0] = (uint32_t)((int32_t)c + newer_lower[i].delta);
            return 1;
        }
    const utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, to, 4, UTF8PROC_CASEFOLD, &boundary);
    if (n < 1 || n > 3) {
        out[0] = c;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++)
        out[i] = (uint32_t)to[i];
    return (size_t)n;
}

ts_status ts_unicode_create(ts_unicode **out)
{
    ts_unicode *u = NULL;
    size_t cap = 0, n = 0;
    TS_TRY(ts_alloc(&u, 1, sizeof *u));
    for (uint32_t b = 0; b < 0x1100; b++) {
        uint8_t f[256];
        if (ts_char_block_is_uniform(b) && b > 0 && ts_char_block_is_uniform(b - 1) && b != 0x324) {
            u->block[b] = u->block[b - 1]; /* of one range, or both without any flag */
            continue;
        }
        memset(f, (int)flags_of(b << 8), sizeof f);
        for (uint32_t i = 1; !ts_char_block_is_uniform(b) && i < 256; i++)
            f[i] = (uint8_t)flags_of(b << 8 | i);
        size_t k = 0;
        while (k < n && memcmp(u->flags + 256 * k, f, 256) != 0)
            k++;
        if (k == n) {
            const ts_status st = ts_grow(&u->flags, &cap, 256 * (n + 1), 1);
            if (st != TS_OK) {
                ts_unicode_destroy(&u);
                return st;
            }
            memcpy(u->flags + 256 * n++, f, 256);
        }
        u->block[b] = (uint16_t)k;
    }
    *out = u;
    return TS_OK;
}

void ts_unicode_destroy(ts_unicode **u)
{
    if (*u)
        ts_free(&(*u)->flags);
    ts_free(u);
}

/* Bytes of the ill-formed part at s: as much as could have begun a character, at least one. */
static size_t bad_part(const unsigned char *s, size_t n)
{
    static const struct { unsigned char lo, hi, need, second_lo, second_hi; } form[] = {
        { 0xC2, 0xDF, 2, 0x80, 0xBF }, { 0xE0, 0xE0, 3, 0xA0, 0xBF }, { 0xE1, 0xEC, 3, 0x80, 0xBF },
        { 0xED, 0xED, 3, 0x80, 0x9F }, { 0xEE, 0xEF, 3, 0x80, 0xBF }, { 0xF0, 0xF0, 4, 0x90, 0xBF },
        { 0xF1, 0xF3, 4, 0x80, 0xBF }, { 0xF4, 0xF4, 4, 0x80, 0x8F },
    };
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        if (s[0] < form[i].lo || s[0] > form[i].hi)
            continue;
        if (n < 2 || s[1] < form[i].second_lo || s[1] > form[i].second_hi)
            return 1;
        return form[i].need == 4 && n > 2 && (s[2] & 0xC0) == 0x80 ? 3 : 2;
    }
    return 1;
}

ts_status ts_utf8_lossy(ts_str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const size_t good = ts_utf8_check(s + i, n - i);
        TS_TRY(ts_str_add(out, s + i, good));
        i += good;
        if (i < n) {
            TS_TRY(ts_str_add(out, "\xEF\xBF\xBD", 3));
            i += bad_part((const unsigned char *)s + i, n - i);
        }
    }
    return TS_OK;
}
