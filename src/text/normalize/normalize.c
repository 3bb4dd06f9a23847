#include "text/normalize/normalize.h"

#include <string.h>
#include <utf8proc.h>

static ts_status put(ts_str *out, uint32_t c)
{
    char b[4];
    const size_t n = (size_t)ts_utf8_encode(c, b);
    return ts_str_add(out, b, n);
}

static bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* What the library's Nmt drops, and what it makes a space. */
static bool nmt_drops(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
           c == 0x9F;
}

static bool nmt_space(uint32_t c)
{
    return c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

/* The operations that look at one character at a time. */
static ts_status map_char(const ts_norm_op *op, uint32_t c, ts_str *out)
{
    uint32_t low[3];
    switch (op->kind) {
    case TS_NORM_BERT_CLEAN:
        if (ts_char_is_removed_control(c))
            return TS_OK;
        return put(out, ts_char_is_space(c) ? ' ' : c);
    case TS_NORM_BERT_CHINESE:
        if (!is_chinese(c))
            return put(out, c);
        TS_TRY(put(out, ' '));
        TS_TRY(put(out, c));
        return put(out, ' ');
    case TS_NORM_BERT_ACCENTS:
        return ts_char_is_accent(c) ? TS_OK : put(out, c);
    case TS_NORM_ACCENTS:
        return ts_char_is_mark(c) ? TS_OK : put(out, c);
    case TS_NORM_LOWER: {
        const size_t n = ts_char_lower(c, low);
        for (size_t i = 0; i < n; i++)
            TS_TRY(put(out, low[i]));
        return TS_OK;
    }
    case TS_NORM_NMT:
        return nmt_drops(c) ? TS_OK : put(out, nmt_space(c) ? ' ' : c);
    default: /* TS_NORM_BYTES gets bytes */
        return put(out, ts_byte_to_char((unsigned char)c));
    }
}

static ts_status strip(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    size_t from = 0, to = n, len;
    while (op->left && from < to &&
           ts_char_is_space(ts_utf8_next((const unsigned char *)s + from, &len)))
        from += len;
    while (op->right && to > from) {
        size_t at = to - 1;
        while (at > from && ((unsigned char)s[at] & 0xC0) == 0x80)
            at--;
        if (!ts_char_is_space(ts_utf8_next((const unsigned char *)s + at, &len)))
            break;
        to = at;
    }
    return ts_str_add(out, s + from, to - from);
}

/* A file of replacements by longer texts could double the text again and again. */
static ts_status check_growth(size_t n, size_t now)
{
    if (now <= ((size_t)64 << 20) + 256 * n)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "the tokenizer's replacements make a text of %zu bytes longer than %zu bytes",
                    n, now);
}

static ts_status replace(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    const char *end = s + n;
    while (s < end) {
        const char *hit = memmem(s, (size_t)(end - s), op->a, op->a_len);
        if (!hit)
            break;
        TS_TRY(ts_str_add(out, s, (size_t)(hit - s)));
        TS_TRY(ts_str_add(out, op->b, op->b_len));
        TS_TRY(check_growth(n, out->len));
        s = hit + op->a_len;
    }
    return ts_str_add(out, s, (size_t)(end - s));
}

static ts_status replace_regex(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    ts_regex_walk walk = { 0 };
    size_t from = 0, start, end;
    bool found = n > 0;
    while (found) {
        TS_TRY(ts_regex_next(op->regex, &walk, s, n, &found, &start, &end));
        if (!found)
            break;
        TS_TRY(ts_str_add(out, s + from, start - from));
        TS_TRY(ts_str_add(out, op->b, op->b_len));
        TS_TRY(check_growth(n, out->len));
        from = end;
    }
    return ts_str_add(out, s + from, n - from);
}

/* Grapheme clusters of less than 6 bytes as a whole, else characters; what the map finds first, its
 * shortest, replaces all of what was asked for. Odd, but so it is done. */
static ts_status precompiled(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    size_t len, used;
    for (size_t i = 0, end; i < n; i = end) {
        utf8proc_int32_t state = 0;
        const unsigned char b = (unsigned char)s[i];
        if (b > 0x20 && b < 0x7F && (i + 1 == n || (unsigned char)s[i + 1] < 0x80)) {
            end = i + 1; /* nothing in ASCII joins a letter or sign */
            TS_TRY(op->map.ascii[b] ? ts_str_puts(out, op->map.ascii[b])
                                    : ts_str_add(out, s + i, 1));
            continue;
        }
        uint32_t c = ts_utf8_next((const unsigned char *)s + i, &len);
        for (end = i + len; end < n; end += len) {
            const uint32_t next = ts_utf8_next((const unsigned char *)s + end, &len);
            if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next,
                                                 &state))
                break;
            c = next;
        }
        const char *to =
            end - i < 6 ? ts_charsmap_find(&op->map, s + i, end - i, true, &used) : NULL;
        if (to) {
            TS_TRY(ts_str_puts(out, to));
            continue;
        }
        for (size_t k = i; k < end; k += len) {
            len = ts_utf8_width((unsigned char)s[k]);
            to = ts_charsmap_find(&op->map, s + k, len, true, &used);
            TS_TRY(to ? ts_str_puts(out, to) : ts_str_add(out, s + k, len));
        }
    }
    return TS_OK;
}

/* What a character-wise operation does to an ASCII byte; -1: ask map_char. */
static inline int map_ascii(ts_norm_kind kind, unsigned char c)
{
    switch (kind) {
    case TS_NORM_BERT_CLEAN:
    case TS_NORM_NMT:
        return c >= 0x20 && c < 0x7F ? c : -1;
    case TS_NORM_LOWER:
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    default:
        return c;
    }
}

static ts_status map_chars(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    for (size_t i = 0, len; i < n;) {
        /* A run of ASCII goes straight into the buffer. */
        TS_TRY(ts_grow(&out->s, &out->cap, out->len + (n - i) + 1, 1));
        char *to = out->s + out->len;
        size_t k = 0;
        for (int c; i + k < n && (unsigned char)s[i + k] < 0x80; k++) {
            c = map_ascii(op->kind, (unsigned char)s[i + k]);
            if (c < 0)
                break;
            to[k] = (char)c;
        }
        out->len += k;
        out->s[out->len] = 0;
        i += k;
        if (i < n) {
            TS_TRY(map_char(op, ts_utf8_next((const unsigned char *)s + i, &len), out));
            i += len;
        }
    }
    return TS_OK;
}

ts_status ts_norm_apply(const ts_norm_op *op, const char *s, size_t n, ts_str *out)
{
    switch (op->kind) {
    case TS_NORM_FORM:
        return ts_norm_form(op, s, n, out);
    case TS_NORM_STRIP:
        return strip(op, s, n, out);
    case TS_NORM_PRECOMPILED:
        return precompiled(op, s, n, out);
    case TS_NORM_REPLACE:
        return replace(op, s, n, out);
    case TS_NORM_REPLACE_REGEX:
        return replace_regex(op, s, n, out);
    case TS_NORM_PREPEND:
        TS_TRY(ts_str_add(out, op->b, n ? op->b_len : 0));
        return ts_str_add(out, s, n);
    case TS_NORM_BYTES:
        for (size_t i = 0; i < n; i++)
            TS_TRY(map_char(op, (unsigned char)s[i], out));
        return TS_OK;
    default:
        return map_chars(op, s, n, out);
    }
}

/* Character-wise: idle on text that is ASCII and stays as it is. */
static bool is_plain_ascii(ts_norm_kind kind, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0x80 || map_ascii(kind, (unsigned char)s[i]) != s[i])
            return false;
    return true;
}

bool ts_norm_is_idle(const ts_norm_op *op, const char *s, size_t n)
{
    if (op->kind == TS_NORM_FORM)
        return ts_norm_form_is_idle(op, s, n);
    if (op->kind <= TS_NORM_LOWER || op->kind == TS_NORM_ACCENTS || op->kind == TS_NORM_NMT)
        return is_plain_ascii(op->kind, s, n);
    return op->kind == TS_NORM_REPLACE && memmem(s, n, op->a, op->a_len) == NULL;
}

static ts_status normalize(const ts_normalizer *nm, const char *s, size_t n, bool goes_on,
                           ts_str buf[2], const char **text, size_t *len, bool *moved)
{
    int which = 0;
    const size_t before = n;
    *moved = false;
    for (size_t i = 0; i < nm->n; i++) {
        if (ts_norm_is_idle(&nm->op[i], s, n))
            continue;
        if (nm->op[i].kind == TS_NORM_PREPEND && goes_on && !*moved)
            continue;
        ts_str *out = &buf[which];
        which = !which;
        ts_str_reset(out);
        TS_TRY(ts_norm_apply(&nm->op[i], s, n, out));
        if (nm->op[i].kind == TS_NORM_STRIP && out->len && n && out->s[0] != s[0])
            *moved = true;
        TS_TRY(check_growth(before, out->len));
        s = ts_str_text(out);
        n = out->len;
    }
    *text = s;
    *len = n;
    return TS_OK;
}

ts_status ts_normalize(const ts_normalizer *nm, const char *s, size_t n, ts_str buf[2],
                       const char **text, size_t *len, bool *moved)
{
    return normalize(nm, s, n, false, buf, text, len, moved);
}

ts_status ts_normalize_rest(const ts_normalizer *nm, const char *s, size_t n, ts_str buf[2],
                            const char **text, size_t *len, bool *moved)
{
    return normalize(nm, s, n, true, buf, text, len, moved);
}

void ts_normalizer_deinit(ts_normalizer *nm)
{
    for (size_t i = 0; i < nm->n; i++) {
        ts_free(&nm->op[i].a);
        ts_free(&nm->op[i].b);
        ts_free(&nm->op[i].stable);
        ts_regex_destroy(&nm->op[i].regex);
        ts_charsmap_deinit(&nm->op[i].map);
    }
    ts_free(&nm->op);
    nm->n = nm->cap = 0;
}
