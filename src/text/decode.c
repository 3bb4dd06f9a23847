#include "text/decode.h"

#include "text/unicode.h"

#include <string.h>

ts_status ts_texts_add(ts_texts *t, const char *s, size_t n)
{
    TS_TRY(ts_grow(&t->end, &t->cap, t->n + 1, sizeof *t->end));
    TS_TRY(ts_str_add(&t->text, s, n));
    t->end[t->n++] = t->text.len;
    return TS_OK;
}

void ts_texts_deinit(ts_texts *t)
{
    ts_str_deinit(&t->text);
    ts_free(&t->end);
    t->n = t->cap = 0;
}

/* Ends the token that was written to the text piece by piece. */
static ts_status end_token(ts_texts *t) { return ts_texts_add(t, "", 0); }

/* A file of replacements by longer texts could double the text again and again. */
static ts_status check_growth(size_t n, size_t now)
{
    if (now <= ((size_t)64 << 20) + 256 * n)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "the tokenizer's decoder makes a text of %zu bytes longer than %zu bytes", n,
                    now);
}

static ts_status replace_all(ts_str *out, const char *s, size_t n, const char *a, size_t a_len,
                             const char *b, size_t b_len)
{
    const char *end = s + n, *hit;
    const size_t from = out->len;
    while (a_len && s < end && (hit = memmem(s, (size_t)(end - s), a, a_len))) {
        TS_TRY(ts_str_add(out, s, (size_t)(hit - s)));
        TS_TRY(ts_str_add(out, b, b_len));
        TS_TRY(check_growth(n, out->len - from));
        s = hit + a_len;
    }
    return ts_str_add(out, s, (size_t)(end - s));
}

/* The replacements of WordPiece's clean-up, one after the other, behind out[from]. */
static ts_status clean_up(ts_str *out, size_t from)
{
    static const char *const pair[][2] = {
        { " .", "." },   { " ?", "?" },     { " !", "!" },     { " ,", "," },
        { " ' ", "'" },  { " n't", "n't" }, { " 'm", "'m" },   { " do not", " don't" },
        { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    ts_str next = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < sizeof pair / sizeof *pair && st == TS_OK; i++) {
        const char *a = pair[i][0], *b = pair[i][1];
        if (!out->s || !memmem(out->s + from, out->len - from, a, strlen(a)))
            continue;
        ts_str_reset(&next);
        st = replace_all(&next, out->s + from, out->len - from, a, strlen(a), b, strlen(b));
        out->len = from;
        if (st == TS_OK)
            st = ts_str_add(out, ts_str_text(&next), next.len);
    }
    ts_str_deinit(&next);
    return st;
}

/* One token of the byte-level alphabet as bytes; with another character in it, as it stands. */
static ts_status put_bytes(ts_str *out, const char *s, size_t n)
{
    const size_t before = out->len;
    for (size_t i = 0, len; i < n; i += len) {
        const int b = ts_char_to_byte(ts_utf8_next((const unsigned char *)s + i, &len));
        if (b < 0) {
            out->len = before;
            return ts_str_add(out, s, n);
        }
        const char c = (char)b;
        TS_TRY(ts_str_add(out, &c, 1));
    }
    return TS_OK;
}

static ts_status dec_bytes(const ts_texts *in, ts_texts *out)
{
    ts_str bytes = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0, at = 0; i < in->n && st == TS_OK; at = in->end[i++])
        st = put_bytes(&bytes, in->text.s + at, in->end[i] - at);
    if (st == TS_OK)
        st = ts_utf8_lossy(&out->text, ts_str_text(&bytes), bytes.len);
    ts_str_deinit(&bytes);
    return st == TS_OK ? end_token(out) : st;
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *d = c ? strchr(digits, c | 32) : NULL;
    if (c >= '0' && c <= '9')
        return c - '0';
    return d && (c | 32) >= 'a' ? (int)(d - digits) : -1;
}

/* The byte of <0xHH>, or -1. "<0x+A>" counts, as Rust's number reader takes a sign. */
static int byte_of(const char *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
        return -1;
    const int hi = s[3] == '+' ? 0 : hex(s[3]), lo = hex(s[4]);
    return hi < 0 || lo < 0 ? -1 : 16 * hi + lo;
}

/* The bytes gathered so far become one text, or one U+FFFD each. */
static ts_status flush_bytes(ts_str *bytes, ts_texts *out)
{
    if (bytes->len == 0)
        return TS_OK;
    if (ts_utf8_check(bytes->s, bytes->len) == bytes->len)
        TS_TRY(ts_texts_add(out, bytes->s, bytes->len));
    else
        for (size_t i = 0; i < bytes->len; i++)
            TS_TRY(ts_texts_add(out, "\xEF\xBF\xBD", 3));
    ts_str_reset(bytes);
    return TS_OK;
}

static ts_status dec_fallback(const ts_texts *in, ts_texts *out)
{
    ts_str bytes = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0, at = 0; i < in->n && st == TS_OK; at = in->end[i++]) {
        const char *s = in->text.s + at;
        const size_t n = in->end[i] - at;
        const int b = byte_of(s, n);
        if (b >= 0) {
            const char c = (char)b;
            st = ts_str_add(&bytes, &c, 1);
            continue;
        }
        st = flush_bytes(&bytes, out);
        if (st == TS_OK)
            st = ts_texts_add(out, s, n);
    }
    if (st == TS_OK)
        st = flush_bytes(&bytes, out);
    ts_str_deinit(&bytes);
    return st;
}

static ts_status dec_strip(const ts_dec_op *op, const char *s, size_t n, ts_texts *out)
{
    size_t from = 0, to = n;
    for (int64_t i = 0;
         i < op->start && n - from >= op->a_len && !memcmp(s + from, op->a, op->a_len); i++)
        from += op->a_len;
    for (int64_t i = 0;
         i < op->stop && to >= op->a_len && !memcmp(s + to - op->a_len, op->a, op->a_len); i++)
        to -= op->a_len;
    return ts_texts_add(out, s + from, to > from ? to - from : 0);
}

static ts_status dec_wordpiece(const ts_dec_op *op, const char *s, size_t n, bool first,
                               ts_texts *out)
{
    const size_t from = out->text.len;
    const bool inside = n >= op->a_len && !memcmp(s, op->a, op->a_len);
    if (!first && inside) {
        s += op->a_len;
        n -= op->a_len;
    } else if (!first) {
        TS_TRY(ts_str_add(&out->text, " ", 1));
    }
    TS_TRY(ts_str_add(&out->text, s, n));
    if (op->cleanup)
        TS_TRY(clean_up(&out->text, from));
    return end_token(out);
}

static ts_status dec_ctc(const ts_dec_op *op, const char *s, size_t n, ts_texts *out)
{
    const size_t from = out->text.len;
    TS_TRY(replace_all(&out->text, s, n, op->a, op->a_len, "", 0));
    if (op->cleanup) {
        TS_TRY(clean_up(&out->text, from));
        ts_str next = { 0 };
        ts_status st = replace_all(&next, ts_str_text(&out->text) + from, out->text.len - from,
                                   op->b, op->b_len, " ", 1);
        out->text.len = from;
        if (st == TS_OK)
            st = ts_str_add(&out->text, ts_str_text(&next), next.len);
        ts_str_deinit(&next);
        TS_TRY(st);
    }
    return out->text.len > from ? end_token(out) : TS_OK;
}

static ts_status dec_regex(const ts_dec_op *op, const char *s, size_t n, ts_texts *out)
{
    ts_regex_walk walk = { 0 };
    size_t from = 0, start, end;
    bool found = n > 0;
    while (found) {
        TS_TRY(ts_regex_next(op->regex, &walk, s, n, &found, &start, &end));
        if (!found)
            break;
        TS_TRY(ts_str_add(&out->text, s + from, start - from));
        TS_TRY(ts_str_add(&out->text, op->b, op->b_len));
        from = end;
    }
    TS_TRY(ts_str_add(&out->text, s + from, n - from));
    return end_token(out);
}

/* One token by an operation that looks at single tokens. */
static ts_status dec_token(const ts_dec_op *op, const ts_texts *in, size_t i, ts_texts *out)
{
    const size_t at = i ? in->end[i - 1] : 0, n = in->end[i] - at;
    const char *s = in->text.s + at;
    switch (op->kind) {
    case TS_DEC_META:
        TS_TRY(
            replace_all(&out->text, s, n, op->a, op->a_len, " ", i == 0 && op->drop_first ? 0 : 1));
        return end_token(out);
    case TS_DEC_WORDPIECE:
        return dec_wordpiece(op, s, n, i == 0, out);
    case TS_DEC_BPE:
        TS_TRY(replace_all(&out->text, s, n, op->a, op->a_len, " ", i + 1 == in->n ? 0 : 1));
        return end_token(out);
    case TS_DEC_STRIP:
        return dec_strip(op, s, n, out);
    case TS_DEC_REPLACE:
        TS_TRY(replace_all(&out->text, s, n, op->a, op->a_len, op->b, op->b_len));
        return end_token(out);
    case TS_DEC_REPLACE_REGEX:
        return dec_regex(op, s, n, out);
    case TS_DEC_CTC: {
        const size_t before = i > 1 ? in->end[i - 2] : 0;
        if (i > 0 && at - before == n && !memcmp(s, in->text.s + before, n))
            return TS_OK; /* a repeat */
        return dec_ctc(op, s, n, out);
    }
    default:
        return TS_OK;
    }
}

static ts_status apply(const ts_dec_op *op, const ts_texts *in, ts_texts *out)
{
    if (op->kind == TS_DEC_BYTES)
        return dec_bytes(in, out);
    if (op->kind == TS_DEC_FALLBACK)
        return dec_fallback(in, out);
    if (op->kind == TS_DEC_FUSE)
        return ts_texts_add(out, ts_str_text(&in->text), in->text.len);
    for (size_t i = 0; i < in->n; i++)
        TS_TRY(dec_token(op, in, i, out));
    return TS_OK;
}

ts_status ts_decode(const ts_decoder *d, ts_texts *in, ts_str *out)
{
    ts_status st = TS_OK;
    if (!d->is_set) {
        for (size_t i = 0, at = 0; i < in->n; at = in->end[i++]) {
            TS_TRY(ts_str_add(out, " ", i ? 1 : 0));
            TS_TRY(ts_str_add(out, in->text.s + at, in->end[i] - at));
        }
        return TS_OK;
    }
    for (size_t i = 0; i < d->n && st == TS_OK; i++) {
        ts_texts next = { 0 };
        TS_TRY(ts_str_add(&in->text, "", 0)); /* so that it is never NULL */
        st = apply(&d->op[i], in, &next);
        if (st == TS_OK)
            st = check_growth(in->text.len, next.text.len);
        ts_texts_deinit(in);
        *in = next;
    }
    return st == TS_OK ? ts_str_add(out, ts_str_text(&in->text), in->text.len) : st;
}

ts_status ts_decode_bytes(const ts_decoder *d, const char *s, size_t n, ts_str *out, bool *found)
{
    bool has_fallback = !d, has_bytes = false;
    for (size_t i = 0; d && i < d->n; i++) {
        has_bytes |= d->op[i].kind == TS_DEC_BYTES;
        has_fallback |= d->op[i].kind == TS_DEC_FALLBACK;
    }
    const int b = has_fallback ? byte_of(s, n) : -1;
    const char c = (char)b;
    *found = has_bytes || b >= 0;
    return has_bytes ? put_bytes(out, s, n) : b >= 0 ? ts_str_add(out, &c, 1) : TS_OK;
}

void ts_decoder_deinit(ts_decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        ts_free(&d->op[i].a);
        ts_free(&d->op[i].b);
        ts_regex_destroy(&d->op[i].regex);
    }
    ts_free(&d->op);
    d->n = d->cap = 0;
}
