#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

typedef struct code_range {
    uint32_t lo, hi;
} code_range;
typedef struct category_range {
    uint32_t lo, hi;
    int category;
} category_range;

/* What Unicode 16.0 assigns and 15.0 does not. */
static const category_range newer[] = {
    { 0x897, 0x897, UTF8PROC_CATEGORY_MN }, { 0x1B4E, 0x1B4F, UTF8PROC_CATEGORY_PO },
    { 0x1B7F, 0x1B7F, UTF8PROC_CATEGORY_PO }, { 0x1C89, 0x1C89, UTF8PROC_CATEGORY_LU },
    { 0x1C8A, 0x1C8A, UTF8PROC_CATEGORY_LL }, { 0x2427, 0x2429, UTF8PROC_CATEGORY_SO },
    { 0x2FFC, 0x2FFF, UTF8PROC_CATEGORY_SO }, { 0x31E4, 0x31E5, UTF8PROC_CATEGORY_SO },
    { 0x31EF, 0x31EF, UTF8PROC_CATEGORY_SO }, { 0xA7CB, 0xA7CC, UTF8PROC_CATEGORY_LU },
    { 0xA7CD, 0xA7CD, UTF8PROC_CATEGORY_LL }, { 0xA7DA, 0xA7DA, UTF8PROC_CATEGORY_LU },
    { 0xA7DB, 0xA7DB, UTF8PROC_CATEGORY_LL }, { 0xA7DC, 0xA7DC, UTF8PROC_CATEGORY_LU },
    { 0x105C0, 0x105F3, UTF8PROC_CATEGORY_LO }, { 0x10D40, 0x10D49, UTF8PROC_CATEGORY_ND },
    { 0x10D4A, 0x10D4D, UTF8PROC_CATEGORY_LO }, { 0x10D4E, 0x10D4E, UTF8PROC_CATEGORY_LM },
    { 0x10D4F, 0x10D4F, UTF8PROC_CATEGORY_LO }, { 0x10D50, 0x10D65, UTF8PROC_CATEGORY_LU },
    { 0x10D69, 0x10D6D, UTF8PROC_CATEGORY_MN }, { 0x10D6E, 0x10D6E, UTF8PROC_CATEGORY_PD },
    { 0x10D6F, 0x10D6F, UTF8PROC_CATEGORY_LM }, { 0x10D70, 0x10D85, UTF8PROC_CATEGORY_LL },
    { 0x10D8E, 0x10D8F, UTF8PROC_CATEGORY_SM }, { 0x10EC2, 0x10EC4, UTF8PROC_CATEGORY_LO },
    { 0x10EFC, 0x10EFC, UTF8PROC_CATEGORY_MN }, { 0x11380, 0x11389, UTF8PROC_CATEGORY_LO },
    { 0x1138B, 0x1138B, UTF8PROC_CATEGORY_LO }, { 0x1138E, 0x1138E, UTF8PROC_CATEGORY_LO },
    { 0x11390, 0x113B5, UTF8PROC_CATEGORY_LO }, { 0x113B7, 0x113B7, UTF8PROC_CATEGORY_LO },
    { 0x113B8, 0x113BA, UTF8PROC_CATEGORY_MC }, { 0x113BB, 0x113C0, UTF8PROC_CATEGORY_MN },
    { 0x113C2, 0x113C2, UTF8PROC_CATEGORY_MC }, { 0x113C5, 0x113C5, UTF8PROC_CATEGORY_MC },
    { 0x113C7, 0x113CA, UTF8PROC_CATEGORY_MC }, { 0x113CC, 0x113CD, UTF8PROC_CATEGORY_MC },
    { 0x113CE, 0x113CE, UTF8PROC_CATEGORY_MN }, { 0x113CF, 0x113CF, UTF8PROC_CATEGORY_MC },
    { 0x113D0, 0x113D0, UTF8PROC_CATEGORY_MN }, { 0x113D1, 0x113D1, UTF8PROC_CATEGORY_LO },
    { 0x113D2, 0x113D2, UTF8PROC_CATEGORY_MN }, { 0x113D3, 0x113D3, UTF8PROC_CATEGORY_LO },
    { 0x113D4, 0x113D5, UTF8PROC_CATEGORY_PO }, { 0x113D7, 0x113D8, UTF8PROC_CATEGORY_PO },
    { 0x113E1, 0x113E2, UTF8PROC_CATEGORY_MN }, { 0x116D0, 0x116E3, UTF8PROC_CATEGORY_ND },
    { 0x1171E, 0x1171E, UTF8PROC_CATEGORY_MC }, { 0x11BC0, 0x11BE0, UTF8PROC_CATEGORY_LO },
    { 0x11BE1, 0x11BE1, UTF8PROC_CATEGORY_PO }, { 0x11BF0, 0x11BF9, UTF8PROC_CATEGORY_ND },
    { 0x11F5A, 0x11F5A, UTF8PROC_CATEGORY_MN }, { 0x13460, 0x143FA, UTF8PROC_CATEGORY_LO },
    { 0x16100, 0x1611D, UTF8PROC_CATEGORY_LO }, { 0x1611E, 0x16129, UTF8PROC_CATEGORY_MN },
    { 0x1612A, 0x1612C, UTF8PROC_CATEGORY_MC }, { 0x1612D, 0x1612F, UTF8PROC_CATEGORY_MN },
    { 0x16130, 0x16139, UTF8PROC_CATEGORY_ND }, { 0x16D40, 0x16D42, UTF8PROC_CATEGORY_LM },
    { 0x16D43, 0x16D6A, UTF8PROC_CATEGORY_LO }, { 0x16D6B, 0x16D6C, UTF8PROC_CATEGORY_LM },
    { 0x16D6D, 0x16D6F, UTF8PROC_CATEGORY_PO }, { 0x16D70, 0x16D79, UTF8PROC_CATEGORY_ND },
    { 0x18CFF, 0x18CFF, UTF8PROC_CATEGORY_LO }, { 0x1CC00, 0x1CCEF, UTF8PROC_CATEGORY_SO },
    { 0x1CCF0, 0x1CCF9, UTF8PROC_CATEGORY_ND }, { 0x1CD00, 0x1CEB3, UTF8PROC_CATEGORY_SO },
    { 0x1E5D0, 0x1E5ED, UTF8PROC_CATEGORY_LO }, { 0x1E5EE, 0x1E5EF, UTF8PROC_CATEGORY_MN },
    { 0x1E5F0, 0x1E5F0, UTF8PROC_CATEGORY_LO }, { 0x1E5F1, 0x1E5FA, UTF8PROC_CATEGORY_ND },
    { 0x1E5FF, 0x1E5FF, UTF8PROC_CATEGORY_PO }, { 0x1F8B2, 0x1F8BB, UTF8PROC_CATEGORY_SO },
    { 0x1F8C0, 0x1F8C1, UTF8PROC_CATEGORY_SO }, { 0x1FA89, 0x1FA89, UTF8PROC_CATEGORY_SO },
    { 0x1FA8F, 0x1FA8F, UTF8PROC_CATEGORY_SO }, { 0x1FABE, 0x1FABE, UTF8PROC_CATEGORY_SO },
    { 0x1FAC6, 0x1FAC6, UTF8PROC_CATEGORY_SO }, { 0x1FADC, 0x1FADC, UTF8PROC_CATEGORY_SO },
    { 0x1FADF, 0x1FADF, UTF8PROC_CATEGORY_SO }, { 0x1FAE9, 0x1FAE9, UTF8PROC_CATEGORY_SO },
    { 0x1FBCB, 0x1FBEF, UTF8PROC_CATEGORY_SO }, { 0x2EBF0, 0x2EE5D, UTF8PROC_CATEGORY_LO },
};

/* Punctuation today, but not yet in Unicode 8.0. */
static const code_range no_punctuation[] = {
    { 0x61D, 0x61D }, { 0x9FD, 0x9FD }, { 0xA76, 0xA76 }, { 0xC77, 0xC77 }, { 0xC84, 0xC84 },
    { 0x1B4E, 0x1B4F }, { 0x1B7D, 0x1B7F }, { 0x2E43, 0x2E4F }, { 0x2E52, 0x2E5D },
    { 0x10D6E, 0x10D6E }, { 0x10EAD, 0x10EAD }, { 0x10F55, 0x10F59 }, { 0x10F86, 0x10F89 },
    { 0x113D4, 0x113D5 }, { 0x113D7, 0x113D8 }, { 0x1144B, 0x1144F }, { 0x1145A, 0x1145B },
    { 0x1145D, 0x1145D }, { 0x11660, 0x1166C }, { 0x116B9, 0x116B9 }, { 0x1183B, 0x1183B },
    { 0x11944, 0x11946 }, { 0x119E2, 0x119E2 }, { 0x11A3F, 0x11A46 }, { 0x11A9A, 0x11A9C },
    { 0x11A9E, 0x11AA2 }, { 0x11B00, 0x11B09 }, { 0x11BE1, 0x11BE1 }, { 0x11C41, 0x11C45 },
    { 0x11C70, 0x11C71 }, { 0x11EF7, 0x11EF8 }, { 0x11F43, 0x11F4F }, { 0x11FFF, 0x11FFF },
    { 0x12FF1, 0x12FF2 }, { 0x16D6D, 0x16D6F }, { 0x16E97, 0x16E9A }, { 0x16FE2, 0x16FE2 },
    { 0x1E5FF, 0x1E5FF }, { 0x1E95E, 0x1E95F },
};

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
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

static bool is_p(int cat) { return cat >= UTF8PROC_CATEGORY_PC && cat <= UTF8PROC_CATEGORY_PO; }

bool ts_char_is_punctuation(uint32_t c)
{
    if (c < 128)
        return c > 32 && c < 127 && !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z');
    if (c == 0x166D || c == 0x111C9) /* symbols and marks since */
        return true;
    for (size_t i = 0; i < sizeof no_punctuation / sizeof *no_punctuation; i++)
        if (c >= no_punctuation[i].lo && c <= no_punctuation[i].hi)
            return false;
    return is_p(ts_char_category(c));
}

bool ts_char_is_word(uint32_t c)
{
    if (c < 128)
        return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
    const int cat = ts_char_category(c);
    return (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_NL) ||
           cat == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) ||
           (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
           (c >= 0x1F170 && c <= 0x1F189);
}

bool ts_char_is_removed_control(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    const int cat = ts_char_category(c);
    return c == 0 || c == 0xFFFD || cat == UTF8PROC_CATEGORY_CC || cat == UTF8PROC_CATEGORY_CF ||
           cat == UTF8PROC_CATEGORY_CO;
}

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

ts_status ts_unicode_create(ts_unicode **out)
{
    ts_unicode *u = NULL;
    size_t cap = 0, n = 0;
    TS_TRY(ts_alloc(&u, 1, sizeof *u));
    uint16_t empty = UINT16_MAX;
    for (uint32_t b = 0; b < 0x1100; b++) {
        uint8_t f[256] = { 0 };
        /* Planes 4 to 13 and the private planes hold no letter, number, mark or sign. */
        const bool blank = b >= 0x400 && b != 0xE01;
        if (blank && empty != UINT16_MAX) {
            u->block[b] = empty;
            continue;
        }
        for (uint32_t i = 0; !blank && i < 256; i++)
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
        if (blank)
            empty = (uint16_t)k;
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
