/* Sets and texts in PCRE2's words. PCRE2's own tables may be of another version of Unicode: a
 * category is written by name where all that PCRE2 takes for it is in the set, and the rest of the
 * set as ranges. Case is never left to PCRE2. */
#include "text/regex/regex_parser.h"
#include "text/unicode.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { N_CATEGORIES = 30, FEW_RANGES = 8, MANY_RANGES = 100 };

static const char *const names[N_CATEGORIES] = {
    "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co",
};

/* Assigned by Unicode 16.0 and not by 14.0; late: not by 15.0 either. */
static const struct newer {
    uint32_t lo, hi;
    bool late;
} newer[] = {
    { 0x897, 0x897, 1 }, { 0xCF3, 0xCF3, 0 }, { 0xECE, 0xECE, 0 }, { 0x1B4E, 0x1B4F, 1 },
    { 0x1B7F, 0x1B7F, 1 }, { 0x1C89, 0x1C8A, 1 }, { 0x2427, 0x2429, 1 }, { 0x2FFC, 0x2FFF, 1 },
    { 0x31E4, 0x31E5, 1 }, { 0x31EF, 0x31EF, 1 }, { 0xA7CB, 0xA7CD, 1 }, { 0xA7DA, 0xA7DC, 1 },
    { 0x105C0, 0x105F3, 1 }, { 0x10D40, 0x10D65, 1 }, { 0x10D69, 0x10D85, 1 },
    { 0x10D8E, 0x10D8F, 1 }, { 0x10EC2, 0x10EC4, 1 }, { 0x10EFC, 0x10EFC, 1 },
    { 0x10EFD, 0x10EFF, 0 }, { 0x1123F, 0x11241, 0 }, { 0x11380, 0x11389, 1 },
    { 0x1138B, 0x1138B, 1 }, { 0x1138E, 0x1138E, 1 }, { 0x11390, 0x113B5, 1 },
    { 0x113B7, 0x113C0, 1 }, { 0x113C2, 0x113C2, 1 }, { 0x113C5, 0x113C5, 1 },
    { 0x113C7, 0x113CA, 1 }, { 0x113CC, 0x113D5, 1 }, { 0x113D7, 0x113D8, 1 },
    { 0x113E1, 0x113E2, 1 }, { 0x116D0, 0x116E3, 1 }, { 0x11B00, 0x11B09, 0 },
    { 0x11BC0, 0x11BE1, 1 }, { 0x11BF0, 0x11BF9, 1 }, { 0x11F00, 0x11F10, 0 },
    { 0x11F12, 0x11F3A, 0 }, { 0x11F3E, 0x11F59, 0 }, { 0x11F5A, 0x11F5A, 1 },
    { 0x1342F, 0x1342F, 0 }, { 0x13439, 0x13455, 0 }, { 0x13460, 0x143FA, 1 },
    { 0x16100, 0x16139, 1 }, { 0x16D40, 0x16D79, 1 }, { 0x18CFF, 0x18CFF, 1 },
    { 0x1B132, 0x1B132, 0 }, { 0x1B155, 0x1B155, 0 }, { 0x1CC00, 0x1CCF9, 1 },
    { 0x1CD00, 0x1CEB3, 1 }, { 0x1D2C0, 0x1D2D3, 0 }, { 0x1DF25, 0x1DF2A, 0 },
    { 0x1E030, 0x1E06D, 0 }, { 0x1E08F, 0x1E08F, 0 }, { 0x1E4D0, 0x1E4F9, 0 },
    { 0x1E5D0, 0x1E5FA, 1 }, { 0x1E5FF, 0x1E5FF, 1 }, { 0x1F6DC, 0x1F6DC, 0 },
    { 0x1F774, 0x1F776, 0 }, { 0x1F77B, 0x1F77F, 0 }, { 0x1F7D9, 0x1F7D9, 0 },
    { 0x1F8B2, 0x1F8BB, 1 }, { 0x1F8C0, 0x1F8C1, 1 }, { 0x1FA75, 0x1FA77, 0 },
    { 0x1FA87, 0x1FA88, 0 }, { 0x1FA89, 0x1FA89, 1 }, { 0x1FA8F, 0x1FA8F, 1 },
    { 0x1FAAD, 0x1FAAF, 0 }, { 0x1FABB, 0x1FABD, 0 }, { 0x1FABE, 0x1FABE, 1 },
    { 0x1FABF, 0x1FABF, 0 }, { 0x1FAC6, 0x1FAC6, 1 }, { 0x1FACE, 0x1FACF, 0 },
    { 0x1FADA, 0x1FADB, 0 }, { 0x1FADC, 0x1FADC, 1 }, { 0x1FADF, 0x1FADF, 1 },
    { 0x1FAE8, 0x1FAE8, 0 }, { 0x1FAE9, 0x1FAE9, 1 }, { 0x1FAF7, 0x1FAF8, 0 },
    { 0x1FBCB, 0x1FBEF, 1 }, { 0x2B739, 0x2B739, 0 }, { 0x2EBF0, 0x2EE5D, 1 },
    { 0x31350, 0x323AF, 0 },
};

/* PCRE2 of an older version: moves what it does not know to Cn. */
static ts_status forget_newer(ts_rx *x, int version)
{
    ts_charset unknown = { 0 }, rest = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < sizeof newer / sizeof *newer && st == TS_OK; i++)
        if (version < 15 || newer[i].late)
            st = ts_charset_add(&unknown, newer[i].lo, newer[i].hi);
    if (st == TS_OK)
        st = ts_charset_copy(&rest, &unknown);
    if (st == TS_OK) /* a nonspacing mark then, a spacing one now */
        st = ts_charset_add(&rest, 0x1171E, 0x1171E);
    ts_charset_settle(&rest);
    if (st == TS_OK)
        st = ts_charset_invert(&rest);
    for (int i = 0; i < N_CATEGORIES && st == TS_OK; i++)
        st = ts_charset_intersect(&x->category[i], &rest);
    if (st == TS_OK)
        st = ts_charset_unite(&x->category[UTF8PROC_CATEGORY_CN], &unknown);
    if (st == TS_OK)
        st = ts_charset_add(&x->category[UTF8PROC_CATEGORY_MN], 0x1171E, 0x1171E);
    ts_charset_deinit(&unknown);
    ts_charset_deinit(&rest);
    return st;
}

ts_status ts_rx_find_categories(ts_rx *x)
{
    char text[64] = "";
    if (pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, NULL) <= (int)sizeof text)
        pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, text);
    const int version = atoi(text);
    x->has_categories = version >= 14;
    for (int i = 0; x->has_categories && i < N_CATEGORIES; i++)
        if (i != UTF8PROC_CATEGORY_CS)
            TS_TRY(ts_charset_add_categories(&x->category[i], TS_CATEGORY_BIT(i)));
    return x->has_categories && version < 16 ? forget_newer(x, version) : TS_OK;
}

static bool is_surrogate(uint32_t c) { return c >= 0xD800 && c < 0xE000; }

static ts_status put_range(ts_str *out, uint32_t lo, uint32_t hi)
{
    lo = is_surrogate(lo) ? 0xE000 : lo;
    hi = is_surrogate(hi) ? 0xD7FF : hi;
    if (lo > hi)
        return TS_OK;
    return lo == hi ? ts_str_printf(out, "\\x{%x}", lo)
                    : ts_str_printf(out, "\\x{%x}-\\x{%x}", lo, hi);
}

/* The members of s, to stand in brackets; *n_items: how many names and ranges they took. */
static ts_status put_members(ts_rx *x, ts_charset *s, ts_str *out, size_t *n_items)
{
    ts_charset named = { 0 };
    ts_status st = TS_OK;
    size_t items = 0;
    ts_charset_settle(s);
    for (int i = 0; i < N_CATEGORIES && x->has_categories && s->n > FEW_RANGES; i++) {
        const size_t n = x->category[i].n;
        if (n < 2 || !ts_charset_holds(s, &x->category[i]))
            continue;
        TS_TRY_TO(done, st, ts_str_printf(out, "\\p{%s}", names[i]));
        TS_TRY_TO(done, st, ts_charset_unite(&named, &x->category[i]));
        items++;
    }
    TS_TRY_TO(done, st, ts_charset_invert(&named));
    TS_TRY_TO(done, st, ts_charset_intersect(&named, s));
    for (size_t i = 0; i < named.n; i++)
        TS_TRY_TO(done, st, put_range(out, named.r[i].lo, named.r[i].hi));
    *n_items = items + named.n;
done:
    ts_charset_deinit(&named);
    return st;
}

/* Surrogates are no characters: they must not make two ranges of one. */
static ts_status with_surrogates(ts_charset *s)
{
    TS_TRY(ts_charset_add(s, 0xD800, 0xDFFF));
    ts_charset_settle(s);
    return TS_OK;
}

/* The categories of which most ranges are in s, into `most`. */
static ts_status most_of(ts_rx *x, ts_charset *s, ts_charset *most)
{
    ts_charset part = { 0 };
    ts_status st = TS_OK;
    for (int i = 0; i < N_CATEGORIES && st == TS_OK; i++) {
        st = ts_charset_copy(&part, &x->category[i]);
        if (st == TS_OK)
            st = ts_charset_intersect(&part, s);
        if (st == TS_OK && 2 * part.n > x->category[i].n)
            st = ts_charset_unite(most, &x->category[i]);
    }
    ts_charset_deinit(&part);
    return st;
}

/* A set that is made of whole categories but for some characters: those are looked for first. *n:
 * how many names and ranges that takes. */
static ts_status put_without(ts_rx *x, ts_charset *s, ts_str *out, size_t *n)
{
    ts_charset most = { 0 }, rest = { 0 };
    ts_status st = TS_OK;
    size_t n_rest, n_most;
    TS_TRY_TO(done, st, most_of(x, s, &most));
    TS_TRY_TO(done, st, ts_charset_copy(&rest, s));
    TS_TRY_TO(done, st, ts_charset_invert(&rest));
    TS_TRY_TO(done, st, ts_charset_intersect(&rest, &most));
    TS_TRY_TO(done, st, ts_charset_unite(&most, s));
    TS_TRY_TO(done, st, ts_str_puts(out, "(?:(?!["));
    TS_TRY_TO(done, st, put_members(x, &rest, out, &n_rest));
    TS_TRY_TO(done, st, ts_str_puts(out, "])["));
    TS_TRY_TO(done, st, put_members(x, &most, out, &n_most));
    st = ts_str_puts(out, "])");
    *n = rest.n && most.n ? n_rest + n_most : SIZE_MAX;
done:
    ts_charset_deinit(&most);
    ts_charset_deinit(&rest);
    return st;
}

ts_status ts_rx_put_set(ts_rx *x, ts_charset *s, ts_str *out)
{
    ts_str text[3] = { { 0 }, { 0 }, { 0 } };
    ts_charset other = { 0 };
    ts_status st = TS_OK;
    size_t n[3] = { 0, 0, SIZE_MAX };
    TS_TRY_TO(done, st, ts_charset_copy(&other, s));
    TS_TRY_TO(done, st, with_surrogates(&other));
    TS_TRY_TO(done, st, put_members(x, &other, &text[0], &n[0]));
    if (n[0] <= FEW_RANGES && text[0].len) {
        st = ts_str_printf(out, "[%s]", ts_str_text(&text[0]));
        goto done;
    }
    TS_TRY_TO(done, st, ts_charset_copy(&other, s));
    TS_TRY_TO(done, st, ts_charset_invert(&other));
    TS_TRY_TO(done, st, with_surrogates(&other));
    TS_TRY_TO(done, st, put_members(x, &other, &text[1], &n[1]));
    if (n[0] > MANY_RANGES && n[1] > MANY_RANGES && x->has_categories)
        TS_TRY_TO(done, st, put_without(x, s, &text[2], &n[2]));
    if (text[0].len == 0) /* no character at all */
        st = ts_str_puts(out, "[^\\x{0}-\\x{10ffff}]");
    else if (text[1].len == 0)
        st = ts_str_puts(out, "(?s:.)");
    else if (n[2] < n[0] / 2 && n[2] < n[1] / 2)
        st = ts_str_add(out, text[2].s, text[2].len);
    else
        st = n[1] < n[0] ? ts_str_printf(out, "[^%s]", ts_str_text(&text[1]))
                         : ts_str_printf(out, "[%s]", ts_str_text(&text[0]));
done:
    for (int i = 0; i < 3; i++)
        ts_str_deinit(&text[i]);
    ts_charset_deinit(&other);
    return st;
}

ts_status ts_rx_put_char(ts_str *out, uint32_t c)
{
    const bool letter = (c | 32) >= 'a' && (c | 32) <= 'z', digit = c >= '0' && c <= '9';
    const bool plain = c < 0x80 && (letter || digit || c == '\'' || c == '_');
    if (plain)
        return ts_str_printf(out, "%c", (int)c);
    return ts_str_printf(out, "\\x{%x}", c);
}

ts_status ts_rx_need_folds(ts_rx *x) { return x->folds.n ? TS_OK : ts_folds_init(&x->folds); }

ts_status ts_rx_put_folded(ts_rx *x, const uint32_t key[3], ts_str *out)
{
    ts_charset s = { 0 };
    bool found;
    ts_status st = ts_folds_add(&x->folds, key, &s, &found);
    if (st == TS_OK)
        st = found ? ts_rx_put_set(x, &s, out) : ts_rx_put_char(out, key[0]);
    ts_charset_deinit(&s);
    return st;
}

/* How many characters of c[0..n) are written as one somewhere, as "ss" is by U+00DF: 3, 2 or 0. */
static size_t joined(ts_rx *x, const uint32_t *c, size_t n, uint32_t key[3], ts_charset *s,
                     ts_status *st)
{
    for (size_t len = n < 3 ? n : 3; len >= 2 && *st == TS_OK; len--) {
        uint32_t one[3], all[3] = { 0 };
        size_t i = 0;
        bool found = false;
        for (; i < len && ts_char_fold(c[i], one) == 1; i++)
            all[i] = one[0];
        if (i == len)
            *st = ts_folds_add(&x->folds, all, s, &found);
        if (found) {
            memcpy(key, all, sizeof all);
            return len;
        }
    }
    return 0;
}

/* (?:one character|each on its own) */
static ts_status put_joined(ts_rx *x, const uint32_t key[3], ts_charset *as_one, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "(?:"));
    TS_TRY(ts_rx_put_set(x, as_one, out));
    TS_TRY(ts_str_puts(out, "|"));
    for (int i = 0; i < 3 && key[i]; i++) {
        const uint32_t one[3] = { key[i] };
        TS_TRY(ts_rx_put_folded(x, one, out));
    }
    return ts_str_puts(out, ")");
}

/* One step over c[0..n) of any case; *used: how far. */
static ts_status put_any_case(ts_rx *x, const uint32_t *c, size_t n, ts_str *out, size_t *used)
{
    const bool many = x->dialect == TS_DIALECT_ONIGURUMA && !x->in_behind;
    uint32_t key[3];
    ts_charset s = { 0 };
    ts_status st = TS_OK;
    bool found = false;
    *used = many ? joined(x, c, n, key, &s, &st) : 0;
    if (st == TS_OK && *used) {
        st = put_joined(x, key, &s, out);
    } else if (st == TS_OK) {
        *used = 1;
        const bool single = ts_char_fold(c[0], key) == 1;
        if (!single)
            st = ts_folds_add(&x->folds, key, &s, &found);
        if (st == TS_OK)
            st = single ? ts_rx_put_folded(x, key, out)
                 : many ? put_joined(x, key, &s, out)
                        : ts_rx_put_set(x, &s, out);
    }
    ts_charset_deinit(&s);
    return st;
}

ts_status ts_rx_put_text(ts_rx *x, const uint32_t *c, size_t n, ts_str *out)
{
    if (!(x->options & TS_RX_FOLD)) {
        for (size_t i = 0; i < n; i++)
            TS_TRY(ts_rx_put_char(out, c[i]));
        return TS_OK;
    }
    TS_TRY(ts_rx_need_folds(x));
    for (size_t i = 0, used; i < n; i += used)
        TS_TRY(put_any_case(x, c + i, n - i, out, &used));
    return TS_OK;
}
