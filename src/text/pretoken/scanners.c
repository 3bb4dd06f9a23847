#include "text/pretoken/scanners.h"

#include <string.h>

typedef const unsigned char *cursor;

/* ---- eight ASCII bytes at a time ---- */

static const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

/* The high bit of each byte of w (as it stands in memory) that is no ASCII letter from lo to hi. */
static inline uint64_t outside(uint64_t w, unsigned char lo, unsigned char hi)
{
    const uint64_t low = w & ~highs;
    const uint64_t from = low + ones * (0x80u - lo), past = low + ones * (0x7Fu - hi);
    return (~from | past | w) & highs;
}

static inline uint64_t load8(cursor p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* p past the bytes from lo to hi, or stopping early where fewer than eight bytes are left; with
 * fold, letters of either case (lo and hi are lower case). */
static inline cursor ascii_run(cursor p, cursor end, unsigned char lo, unsigned char hi, bool fold)
{
    for (; end - p >= 8; p += 8) {
        const uint64_t w = load8(p), stop = outside(fold ? w | ones * 0x20 : w, lo, hi);
        if (stop)
            return p + (__builtin_ctzll(stop) >> 3);
    }
    return p;
}

/* The end of ` ?[A-Za-z]+` at p, when an ASCII character that is none of them follows: then every
 * pattern here cuts just so (o200k looks at the case too). NULL: look closer. */
static inline cursor ascii_word(cursor p, cursor end)
{
    const cursor from = p + (*p == ' '), q = ascii_run(from, end, 'a', 'z', true);
    return q > from && end - q >= 8 && *q < 0x80 ? q : NULL;
}

/* ---- characters ---- */

static inline unsigned flags_at(const ts_unicode *u, cursor p, size_t *len)
{
    if (*p < 0x80)
        return *len = 1, u->flags[((size_t)u->block[0] << 8) + *p];
    const uint32_t c = ts_utf8_next(p, len);
    return ts_unicode_flags(u, c);
}

/* p past all characters that have one of `flags`. */
static inline cursor run_of(const ts_unicode *u, cursor p, cursor end, unsigned flags)
{
    size_t len;
    while (p < end && (flags_at(u, p, &len) & flags))
        p += len;
    return p;
}

/* p past all characters that have none of `flags`. */
static inline cursor run_without(const ts_unicode *u, cursor p, cursor end, unsigned flags)
{
    size_t len;
    while (p < end && !(flags_at(u, p, &len) & flags))
        p += len;
    return p;
}

static inline bool is_newline(unsigned char b) { return b == '\n' || b == '\r'; }

/* \s+(?!\S)|\s+ at white space: all of it at the end of the text, else all but its last
 * character. */
static size_t blanks(const ts_unicode *u, cursor p, cursor end)
{
    size_t len, last = 0;
    cursor q = p;
    while (q < end && (flags_at(u, q, &len) & TS_UC_WS)) {
        q += len;
        last = len;
    }
    const size_t n = (size_t)(q - p);
    return q == end || n == last ? n : n - last;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at white space. */
static size_t blanks_or_lines(const ts_unicode *u, cursor p, cursor end)
{
    size_t len, last = 0;
    cursor q = p, after_newline = NULL;
    while (q < end && (flags_at(u, q, &len) & TS_UC_WS)) {
        if (is_newline(*q))
            after_newline = q + 1;
        q += len;
        last = len;
    }
    if (after_newline)
        return (size_t)(after_newline - p);
    const size_t n = (size_t)(q - p);
    return q == end || n == last ? n : n - last;
}

size_t ts_scan_contraction(cursor p, cursor end, bool fold)
{
    if (end - p < 2 || *p != '\'')
        return 0;
    const unsigned char bit = fold ? 0x20 : 0;
    const unsigned a = p[1] | (p[1] < 0x80 ? bit : 0);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    if (end - p < 3)
        return 0;
    if (fold && p[1] == 0xC5 && p[2] == 0xBF)
        return 3;
    const unsigned b = p[2] | (p[2] < 0x80 ? bit : 0);
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

size_t ts_scan_gpt2(const ts_unicode *u, cursor p, cursor end)
{
    size_t len;
    const cursor word = ascii_word(p, end);
    if (word)
        return (size_t)(word - p);
    const size_t c = ts_scan_contraction(p, end, false);
    if (c)
        return c;
    cursor q = p + (*p == ' ');
    if (q == end)
        return 1;
    const unsigned f = flags_at(u, q, &len);
    if (f & TS_UC_WS)
        return blanks(u, p, end);
    if (f & (TS_UC_L | TS_UC_N))
        return (size_t)(run_of(u, q + len, end, f & (TS_UC_L | TS_UC_N)) - p);
    return (size_t)(run_without(u, q + len, end, TS_UC_WS | TS_UC_L | TS_UC_N) - p);
}

static inline size_t numbers(const ts_unicode *u, cursor p, cursor end, int most)
{
    size_t len;
    cursor q = p;
    for (int i = 0; i < most && q < end && (flags_at(u, q, &len) & TS_UC_N); i++)
        q += len;
    return (size_t)(q - p);
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*` at p, where the first of the class stands at q; tail: '/' too. */
static inline size_t signs(const ts_unicode *u, cursor p, cursor q, cursor end, bool slash)
{
    q = run_without(u, q, end, TS_UC_WS | TS_UC_L | TS_UC_N);
    while (q < end && (is_newline(*q) || (slash && *q == '/')))
        q++;
    return (size_t)(q - p);
}

/* Llama 3 (most = 3) and Qwen (most = 1). */
static inline size_t scan_cl100k(const ts_unicode *u, cursor p, cursor end, int most)
{
    size_t len, len2;
    const cursor word = ascii_word(p, end);
    if (word)
        return (size_t)(word - p);
    const unsigned f = flags_at(u, p, &len);
    if (f & TS_UC_L)
        return (size_t)(run_of(u, p + len, end, TS_UC_L) - p);
    const size_t c = ts_scan_contraction(p, end, true);
    if (c)
        return c;
    if (f & TS_UC_N)
        return numbers(u, p, end, most);
    cursor q = p + len;
    const unsigned f2 = q < end ? flags_at(u, q, &len2) : 0;
    if ((f2 & TS_UC_L) && !is_newline(*p))
        return (size_t)(run_of(u, q + len2, end, TS_UC_L) - p);
    if (!(f & TS_UC_WS))
        return signs(u, p, q, end, false);
    if (*p == ' ' && q < end && !(f2 & (TS_UC_WS | TS_UC_N)))
        return signs(u, p, q, end, false);
    return blanks_or_lines(u, p, end);
}

size_t ts_scan_llama3(const ts_unicode *u, cursor p, cursor end)
{
    return scan_cl100k(u, p, end, 3);
}
size_t ts_scan_qwen(const ts_unicode *u, cursor p, cursor end)
{
    return scan_cl100k(u, p, end, 1);
}

/* The classes of the o200k pattern overlap in Lm, Lo and M. */
static inline bool is_upper(unsigned f)
{
    return (f & TS_UC_M) || ((f & TS_UC_L) && !(f & TS_UC_LOWER));
}
static inline bool is_lower(unsigned f)
{
    return (f & TS_UC_M) || ((f & TS_UC_L) && !(f & TS_UC_UPPER));
}

/* [upper]*[lower]+ at q, as backtracking finds it; NULL: no match. */
static cursor upper_lower(const ts_unicode *u, cursor q, cursor end)
{
    size_t len;
    cursor both = NULL; /* behind the last character that is of both classes */
    unsigned f = 0;
    while (q < end && is_upper(f = flags_at(u, q, &len))) {
        q += len;
        if (is_lower(f))
            both = q;
    }
    cursor r = q;
    while (r < end && is_lower(flags_at(u, r, &len)))
        r += len;
    return r > q ? r : both;
}

/* [upper]+[lower]* at q; NULL: no match. */
static cursor upper_any(const ts_unicode *u, cursor q, cursor end)
{
    size_t len;
    cursor r = q;
    while (r < end && is_upper(flags_at(u, r, &len)))
        r += len;
    if (r == q)
        return NULL;
    while (r < end && is_lower(flags_at(u, r, &len)))
        r += len;
    return r;
}

/* ` ?[A-Z]*[a-z]*` at p with at least a letter, when an ASCII character follows that neither goes
 * on nor begins a contraction. */
static inline cursor ascii_cased(cursor p, cursor end)
{
    const cursor from = p + (*p == ' ');
    const cursor q = ascii_run(ascii_run(from, end, 'A', 'Z', false), end, 'a', 'z', false);
    return q > from && end - q >= 8 && *q < 0x80 && *q != '\'' ? q : NULL;
}

size_t ts_scan_o200k(const ts_unicode *u, cursor p, cursor end)
{
    size_t len;
    const cursor word = ascii_cased(p, end);
    if (word)
        return (size_t)(word - p);
    const unsigned f = flags_at(u, p, &len);
    /* [^\r\n\p{L}\p{N}]? may be taken or not; taking it is tried first. */
    const bool may_prefix = !(f & (TS_UC_L | TS_UC_N)) && !is_newline(*p);
    cursor m = may_prefix ? upper_lower(u, p + len, end) : NULL;
    if (!m)
        m = upper_lower(u, p, end);
    if (!m && may_prefix)
        m = upper_any(u, p + len, end);
    if (!m)
        m = upper_any(u, p, end);
    if (m)
        return (size_t)(m - p) + (m < end ? ts_scan_contraction(m, end, true) : 0);
    if (f & TS_UC_N)
        return numbers(u, p, end, 3);
    cursor q = p + len;
    if (!(f & TS_UC_WS))
        return signs(u, p, q, end, true);
    if (*p == ' ' && q < end && !(flags_at(u, q, &len) & (TS_UC_WS | TS_UC_L | TS_UC_N)))
        return signs(u, p, q, end, true);
    return blanks_or_lines(u, p, end);
}

static inline bool is_ascii_sign(unsigned char b)
{
    return b > 32 && b < 127 && !(b >= '0' && b <= '9') && !((b | 32) >= 'a' && (b | 32) <= 'z');
}

static inline bool is_ascii_letter(unsigned char b) { return (b | 32) >= 'a' && (b | 32) <= 'z'; }

/* The third DeepSeek pattern at p; 0: it does not match here. */
static size_t match_deepseek(const ts_unicode *u, cursor p, cursor end)
{
    size_t len, len2;
    const unsigned f = flags_at(u, p, &len), word = TS_UC_L | TS_UC_M, sign = TS_UC_P | TS_UC_S;
    cursor q = p + len;
    if (is_ascii_sign(*p) && q < end && is_ascii_letter(*q)) {
        while (q < end && is_ascii_letter(*q))
            q++;
        return (size_t)(q - p);
    }
    if (!(f & (TS_UC_L | sign)) && !is_newline(*p) && q < end && (flags_at(u, q, &len2) & word))
        return (size_t)(run_of(u, q + len2, end, word) - p);
    if (f & word)
        return (size_t)(run_of(u, q, end, word) - p);
    cursor s = *p == ' ' ? q : p;
    if (s < end && (flags_at(u, s, &len2) & sign)) {
        s = run_of(u, s, end, sign);
        while (s < end && is_newline(*s))
            s++;
        return (size_t)(s - p);
    }
    return f & TS_UC_WS ? blanks_or_lines(u, p, end) : 0;
}

static size_t scan_deepseek3(const ts_unicode *u, cursor p, cursor end)
{
    size_t n = match_deepseek(u, p, end);
    cursor q = p;
    while (n == 0) { /* what matches nowhere is a piece up to the next match */
        q += ts_utf8_width(*q);
        if (q == end || match_deepseek(u, q, end))
            n = (size_t)(q - p);
    }
    return n;
}

/* [一-龥぀-ゟ゠-ヿ] */
static inline bool is_cjk(cursor p)
{
    if (*p < 0xE3 || *p > 0xE9)
        return false;
    size_t len;
    const uint32_t c = ts_utf8_next(p, &len);
    return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF);
}

size_t ts_scan_deepseek(const ts_unicode *u, cursor p, cursor end)
{
    size_t len;
    const cursor word = ascii_word(p, end);
    if (word)
        return (size_t)(word - p);
    if (flags_at(u, p, &len) & TS_UC_N)
        return numbers(u, p, end, 3);
    cursor q = p;
    if (is_cjk(p)) {
        while (q < end && is_cjk(q))
            q += 3;
        return (size_t)(q - p);
    }
    /* The third pattern must not look past what the first two cut off. It looks as far as the
     * piece reaches, over white space behind it, and at two characters more (a text that matches
     * nothing ends where a match begins, which may be with a character before a letter). */
    const size_t n = scan_deepseek3(u, p, end);
    int more = 2;
    for (q = p; q < end; q += len) {
        const unsigned f = flags_at(u, q, &len);
        if ((f & TS_UC_N) || is_cjk(q))
            return scan_deepseek3(u, p, q);
        if (q >= p + n && !(f & TS_UC_WS) && --more < 0)
            break;
    }
    return n;
}
