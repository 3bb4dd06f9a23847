/* SentencePiece's way from text to normalised text, and from pieces back to text. */
#include "text/tok.h"

#include <string.h>

static const char meta[] = "\xE2\x96\x81";

/* The next stretch of the input and what it becomes. */
static void next_part(const ts_tokenizer *tok, const char *s, size_t n, size_t *used,
                      const char **to, size_t *to_len)
{
    size_t len;
    if (ts_trie_prefix(&tok->model.user, 0, s, n, &len) >=
        0) { /* user-defined symbols stay as they are */
        *used = *to_len = len;
        *to = s;
        return;
    }
    const char *r = ts_charsmap_find(&tok->sp.map, s, n, false, &len);
    if (r) {
        *used = len;
        *to = r;
        *to_len = strlen(r);
        return;
    }
    *used = *to_len = ts_utf8_width((unsigned char)*s);
    *to = s;
}

static ts_status add_blank(const ts_tokenizer *tok, ts_str *out)
{
    return tok->sp.escape_blanks ? ts_str_add(out, meta, 3) : ts_str_add(out, " ", 1);
}

static ts_status add_part(const ts_tokenizer *tok, const char *s, size_t n, ts_str *out)
{
    for (size_t i = 0; i < n;) {
        const char *blank = tok->sp.escape_blanks ? memchr(s + i, ' ', n - i) : NULL;
        const size_t end = blank ? (size_t)(blank - s) : n;
        TS_TRY(ts_str_add(out, s + i, end - i));
        if (blank)
            TS_TRY(ts_str_add(out, meta, 3));
        i = end + (blank != NULL);
    }
    return TS_OK;
}

ts_status ts_sp_normalize(const ts_tokenizer *tok, const char *s, size_t n, bool goes_on,
                          ts_str *out)
{
    const ts_sp_norm *sp = &tok->sp;
    size_t i = 0, used, len;
    const char *to;
    if (sp->squeeze_blanks)
        for (; i < n; i += used) {
            next_part(tok, s + i, n - i, &used, &to, &len);
            if (len != 1 || *to != ' ')
                break;
        }
    if (i == n)
        return TS_OK;
    /* blanks that were dropped in the middle of a text are one */
    if (goes_on ? i > 0 : sp->dummy_prefix && !sp->suffix_blanks)
        TS_TRY(add_blank(tok, out));
    bool after_blank = sp->squeeze_blanks;
    for (; i < n; i += used) {
        next_part(tok, s + i, n - i, &used, &to, &len);
        for (; after_blank && len > 0 && *to == ' '; len--)
            to++;
        if (len > 0) {
            TS_TRY(add_part(tok, to, len, out));
            after_blank = sp->squeeze_blanks && to[len - 1] == ' ';
        }
    }
    const size_t blank_len = sp->escape_blanks ? 3 : 1;
    const char *blank = sp->escape_blanks ? meta : " ";
    while (sp->squeeze_blanks && out->len >= blank_len &&
           !memcmp(out->s + out->len - blank_len, blank, blank_len))
        out->len -= blank_len;
    if (sp->dummy_prefix && sp->suffix_blanks)
        TS_TRY(add_blank(tok, out));
    return TS_OK;
}

/* A run of byte pieces: what is UTF-8 as it is, every other byte as U+FFFD. */
static ts_status flush(ts_str *bytes, ts_str *out)
{
    for (size_t i = 0, len; i < bytes->len; i += len) {
        const int ok = ts_utf8_len(bytes->s + i, bytes->len - i);
        len = ok ? (size_t)ok : 1;
        TS_TRY(ok ? ts_str_add(out, bytes->s + i, len) : ts_str_add(out, "\xEF\xBF\xBD", 3));
    }
    ts_str_reset(bytes);
    return TS_OK;
}

/* One piece that is not a byte. *blank_seen: it took the blank that stands before every text. */
static ts_status put_piece(const ts_tokenizer *tok, int32_t id, bool at_begin, bool *blank_seen,
                           ts_str *out)
{
    size_t n;
    const char *s = ts_vocab_text(&tok->model.vocab, id, &n);
    const int type = tok->model.type[id];
    *blank_seen = false;
    if (type == TS_SP_CONTROL)
        return TS_OK;
    if (type == TS_SP_UNKNOWN)
        return ts_str_puts(out, tok->sp.unk_surface);
    if (at_begin && (tok->sp.dummy_prefix || tok->sp.squeeze_blanks) && n >= 3 &&
        !memcmp(s, meta, 3)) {
        s += 3;
        n -= 3;
        *blank_seen = !tok->sp.squeeze_blanks;
    }
    for (size_t i = 0; i < n;) {
        const char *hit = memmem(s + i, n - i, meta, 3);
        const size_t end = hit ? (size_t)(hit - s) : n;
        TS_TRY(ts_str_add(out, s + i, end - i));
        if (hit)
            TS_TRY(ts_str_add(out, " ", 1));
        i = end + (hit ? 3 : 0);
    }
    return TS_OK;
}

/* The byte that a piece <0xHH> stands for. */
static char byte_of(const ts_token_model *m, int32_t id)
{
    int b = 0;
    while (b < 255 && m->byte_token[b] != id)
        b++;
    return (char)b;
}

ts_status ts_sp_decode(const ts_tokenizer *tok, const int32_t *ids, size_t n, ts_str *out)
{
    ts_str bytes = { 0 };
    ts_status st = TS_OK;
    const size_t from = out->len;
    bool at_begin = true, blank_seen = false;
    for (size_t i = 0; i < n && st == TS_OK; i++) {
        if (tok->model.type[ids[i]] == TS_SP_BYTE) {
            const char b = byte_of(&tok->model, ids[i]);
            st = ts_str_add(&bytes, &b, 1);
            continue;
        }
        st = flush(&bytes, out);
        if (blank_seen || out->len > from)
            at_begin = false;
        if (st == TS_OK)
            st = put_piece(tok, ids[i], at_begin, &blank_seen, out);
    }
    if (st == TS_OK)
        st = flush(&bytes, out);
    ts_str_deinit(&bytes);
    return st;
}
