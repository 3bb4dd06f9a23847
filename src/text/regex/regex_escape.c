/* Escapes that stand for one character. */
#include "text/regex/regex_parser.h"
#include "text/unicode.h"

#include <string.h>

uint32_t ts_rx_char(ts_rx *x)
{
    size_t len;
    const uint32_t c = ts_utf8_next((const unsigned char *)x->p, &len);
    x->p += len;
    return c;
}

bool ts_rx_at(const ts_rx *x, const char *what)
{
    const size_t n = strlen(what);
    return (size_t)(x->end - x->p) >= n && !memcmp(x->p, what, n);
}

bool ts_rx_take(ts_rx *x, const char *what)
{
    const bool is = ts_rx_at(x, what);
    x->p += is ? strlen(what) : 0;
    return is;
}

bool ts_rx_digits(const char **p, const char *end, uint32_t *out)
{
    const char *from = *p;
    *out = 0;
    for (; *p < end && **p >= '0' && **p <= '9' && *out < 1000000; ++*p)
        *out = *out * 10 + (uint32_t)(**p - '0');
    return *p > from;
}

static int digit_of(char c, int base)
{
    const int v = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : 99;
    return v < base ? v : -1;
}

/* At most `most` digits; how many there were. */
static int number(ts_rx *x, int base, int most, uint32_t *out)
{
    int n = 0;
    *out = 0;
    for (; n < most && x->p < x->end && digit_of(*x->p, base) >= 0; n++)
        *out = *out * (uint32_t)base + (uint32_t)digit_of(*x->p++, base);
    return n;
}

static ts_status check(const ts_rx *x, const char *at, uint32_t c)
{
    if (c > TS_CHAR_MAX || (c >= 0xD800 && c < 0xE000))
        return ts_rx_refuse(x, at, "the number of no character");
    return TS_OK;
}

ts_status ts_rx_code_of_sequence(ts_rx *x, bool *is_code, uint32_t *c)
{
    const char *const at = x->p;
    while (x->p < x->end && (*x->p == ' ' || *x->p == '\n'))
        x->p++;
    *is_code = false;
    if (x->p < x->end && *x->p == '}') {
        x->p++;
        x->sequence = 0;
        return TS_OK;
    }
    if (number(x, x->sequence, x->sequence == 16 ? 8 : 11, c) == 0 || x->p == x->end ||
        !strchr(" \n-}", *x->p))
        return ts_rx_refuse(x, at, "something that is no number in a row of numbers");
    *is_code = true;
    return check(x, at, *c);
}

/* The bytes of a character beyond ASCII, each by number: \xE3\x81\x82. */
static ts_status bytes(ts_rx *x, const char *at, uint32_t first, int base, uint32_t *c)
{
    char s[4] = { (char)first };
    size_t n = 1;
    const size_t need = ts_utf8_width((unsigned char)first);
    for (; n < need && x->end - x->p >= 2 && x->p[0] == '\\'; n++) {
        uint32_t b;
        const bool hex = x->p[1] == 'x';
        if (hex != (base == 16) || (!hex && digit_of(x->p[1], 8) < 0))
            break;
        x->p += hex ? 2 : 1;
        number(x, base, hex ? 2 : 3, &b);
        s[n] = (char)b;
    }
    const int len = ts_utf8_len(s, n);
    if (len == 0 || (size_t)len != n)
        return ts_rx_refuse(x, at, "bytes by number that make no character");
    *c = ts_utf8_decode(s, len);
    return TS_OK;
}

/* \x{..}, \o{..}, Rust's \u{..}: behind the brace. */
static ts_status braced(ts_rx *x, const char *at, int base, uint32_t *c)
{
    const bool many = x->dialect == TS_DIALECT_ONIGURUMA;
    if (number(x, base, base == 16 ? 8 : 11, c) == 0 || x->p == x->end)
        return ts_rx_refuse(x, at, "a number in braces that is none");
    if (*x->p == '}')
        x->p++;
    else if (many && strchr(" \n-", *x->p))
        x->sequence = base;
    else
        return ts_rx_refuse(x, at, "a number in braces that does not end");
    return check(x, at, *c);
}

/* \cX, \C-X, \M-X and what may follow them. p is behind the backslash. */
static ts_status control(ts_rx *x, const char *at, uint32_t *c)
{
    const char kind = *x->p++;
    if (kind != 'c' && (x->p == x->end || *x->p++ != '-'))
        return ts_rx_refuse(x, at, "a control or meta escape without its hyphen");
    if (x->p == x->end)
        return ts_rx_refuse(x, at, "a control or meta escape without a character");
    *c = ts_rx_char(x);
    if (*c == '?' && kind != 'M') {
        *c = 0x7F;
        return TS_OK;
    }
    if (*c == '\\') {
        bool is_code = false;
        if (x->p < x->end && strchr("cCM", *x->p))
            TS_TRY(control(x, at, c));
        else if (x->p < x->end && strchr("tnrfabev", *x->p))
            TS_TRY(ts_rx_code(x, true, &is_code, c));
        else if (x->p < x->end)
            *c = ts_rx_char(x);
    }
    *c = kind == 'M' ? (*c & 0xFF) | 0x80 : *c & 0x9F;
    return TS_OK;
}

static ts_status hex_of(ts_rx *x, const char *at, uint32_t *c)
{
    const char kind = *x->p++;
    const bool rust = x->dialect == TS_DIALECT_RUST;
    if (x->p < x->end && *x->p == '{' && (kind == 'x' || rust)) {
        x->p++;
        return braced(x, at, 16, c);
    }
    const int want = kind == 'x' ? 2 : kind == 'u' ? 4 : 8, n = number(x, 16, want, c);
    if (n < want && (kind != 'x' || rust))
        return ts_rx_refuse(x, at, "too few digits behind \\x, \\u or \\U");
    if (!rust && kind == 'x' && *c >= 0x80)
        return bytes(x, at, *c, 16, c);
    return check(x, at, *c);
}

ts_status ts_rx_code(ts_rx *x, bool in_class, bool *is_code, uint32_t *c)
{
    static const char letters[] = "tnrfaev", controls[] = "\t\n\r\f\a\x1b\v";
    const char *const at = x->p - 1, k = *x->p;
    const char *letter = k ? strchr(letters, k) : NULL;
    const bool rust = x->dialect == TS_DIALECT_RUST;
    *is_code = true;
    if (letter || (k == 'b' && in_class && !rust)) {
        x->p++;
        *c = letter ? (uint32_t)controls[letter - letters] : 8;
        return TS_OK;
    }
    if (!rust && k == 'x' && x->p + 1 == x->end) { /* at the very end it is the letter */
        *is_code = false;
        return TS_OK;
    }
    if (k == 'x' || k == 'u' || (rust && k == 'U'))
        return hex_of(x, at, c);
    if (!rust && strchr("cCM", k) && k)
        return control(x, at, c);
    if (!rust && k == 'o' && x->end - x->p > 1 && x->p[1] == '{') {
        x->p += 2;
        return braced(x, at, 8, c);
    }
    const bool octal = k >= '0' && k <= '7' && (in_class || k == '0');
    if (!rust && octal) {
        number(x, 8, 3, c); /* outside a class \0 is followed by two more at most, too */
        if (*c > 255)
            return ts_rx_refuse(x, at, "an octal number above 255");
        return *c < 0x80 ? TS_OK : bytes(x, at, *c, 8, c);
    }
    *is_code = false;
    return TS_OK;
}
