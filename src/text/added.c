#include "text/added.h"

#include "base/log.h"

#include <string.h>

ts_status ts_added_add(ts_added *a, const char *s, size_t n, ts_added_token token)
{
    const int32_t known = ts_vocab_find(&a->by_text, s, n);
    if (n == 0)
        return TS_OK;
    TS_TRY(ts_vocab_add(&a->by_id, s, n, token.id));
    if (known >= 0) {
        token.special |= a->token[known].special;
        a->token[known] = token;
        return TS_OK;
    }
    TS_TRY(ts_vocab_add(&a->by_text, s, n, (int64_t)a->n));
    TS_TRY(ts_grow(&a->token, &a->cap, a->n + 1, sizeof *a->token));
    a->token[a->n++] = token;
    return TS_OK;
}

/* Keeps the form of a normalized token where it is another text. */
static ts_status keep_form(ts_added *a, ts_added_token *t, const char *text, size_t len,
                           const char *form, size_t form_len)
{
    t->has_form = form_len != len || (len && memcmp(form, text, len) != 0);
    t->form_off = a->forms.len;
    t->form_len = form_len;
    return t->has_form ? ts_str_add(&a->forms, form, form_len) : TS_OK;
}

/* Adds a text to the search unless an earlier token has it. */
static ts_status add_search(const ts_added *a, ts_trie *trie, const char *s, size_t n, size_t i,
                            const char *file)
{
    size_t len;
    const int32_t other = trie->n ? ts_trie_prefix(trie, 0, s, n, &len) : -1;
    if (other < 0 || len < n)
        return n ? ts_trie_add(trie, s, n, (int32_t)i) : TS_OK;
    ts_log(TS_LOG_WARN,
           "%s: the added tokens '%s' (id %d) and '%s' (id %d) are the same text, '%.*s', when "
           "normalized: id %d is taken for it, always",
           file, ts_vocab_text(&a->by_text, other, NULL), (int)a->token[other].id,
           ts_vocab_text(&a->by_text, (int32_t)i, NULL), (int)a->token[i].id, (int)n, s,
           (int)a->token[other].id);
    return TS_OK;
}

ts_status ts_added_finish(ts_added *a, const ts_normalizer *nm, const char *file)
{
    ts_str buf[2] = { { 0 }, { 0 } };
    ts_status st = TS_OK;
    ts_trie_deinit(&a->raw);
    ts_trie_deinit(&a->normal);
    ts_str_reset(&a->forms);
    for (size_t i = 0; i < a->n; i++) {
        ts_added_token *t = &a->token[i];
        size_t len, form_len;
        bool moved;
        const char *text = ts_vocab_text(&a->by_text, (int32_t)i, &len), *form = text;
        form_len = len;
        if (t->normalized) {
            TS_TRY_TO(done, st, ts_normalize(nm, text, len, buf, &form, &form_len, &moved));
            TS_TRY_TO(done, st, keep_form(a, t, text, len, form, form_len));
        }
        TS_TRY_TO(done, st,
                  add_search(a, t->normalized ? &a->normal : &a->raw, form, form_len, i, file));
    }
    TS_TRY_TO(done, st, ts_trie_link(&a->raw));
    st = ts_trie_link(&a->normal);
done:
    ts_str_deinit(&buf[0]);
    ts_str_deinit(&buf[1]);
    return st;
}

const char *ts_added_text(const ts_added *a, int32_t id, size_t *len)
{
    return ts_vocab_text(&a->by_id, id, len);
}

const char *ts_added_form(const ts_added *a, int32_t id, size_t *len)
{
    const char *s = ts_added_text(a, id, len);
    const int32_t i = s ? ts_vocab_find(&a->by_text, s, *len) : -1;
    if (i < 0 || !a->token[i].has_form)
        return s;
    *len = a->token[i].form_len;
    return ts_str_text(&a->forms) + a->token[i].form_off;
}

int32_t ts_added_find(const ts_added *a, const char *s, size_t n)
{
    return ts_vocab_find(&a->by_id, s, n);
}

bool ts_added_is_special(const ts_added *a, const char *s, size_t n)
{
    const int32_t i = ts_vocab_find(&a->by_text, s, n);
    return i >= 0 && a->token[i].special;
}

/* Begin of the last character of s[0..n), n > 0. */
static size_t last_char(const char *s, size_t n)
{
    do
        n--;
    while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80);
    return n;
}

static uint32_t char_at(const char *s, size_t at)
{
    size_t len;
    return ts_utf8_next((const unsigned char *)s + at, &len);
}

static bool stands_alone(const ts_added_scan *sc, size_t start, size_t end)
{
    if (start > 0 && ts_char_is_word(char_at(sc->text, last_char(sc->text, start))))
        return false;
    return end >= sc->n || !ts_char_is_word(char_at(sc->text, end));
}

void ts_added_next(ts_added_scan *sc, ts_added_hit *hit)
{
    size_t start, end;
    while (sc->at < sc->n) {
        const int32_t i = ts_trie_search(sc->trie, sc->text, sc->at, sc->n, &start, &end);
        if (i < 0)
            break;
        const ts_added_token *t = &sc->a->token[i];
        sc->at = end;
        if (t->single_word && !stands_alone(sc, start, end))
            continue;
        while (t->lstrip && start > 0) {
            const size_t before = last_char(sc->text, start);
            if (!ts_char_is_space(char_at(sc->text, before)))
                break;
            start = before;
        }
        if (t->lstrip && start < sc->done)
            start = sc->done;
        while (t->rstrip && end < sc->n && ts_char_is_space(char_at(sc->text, end)))
            end += ts_utf8_width((unsigned char)sc->text[end]);
        *hit = (ts_added_hit){ .gap = sc->done,
                               .gap_end = start > sc->done ? start : sc->done,
                               .token = t };
        sc->done = end;
        return;
    }
    *hit = (ts_added_hit){ .gap = sc->done, .gap_end = sc->n > sc->done ? sc->n : sc->done };
    sc->done = sc->at = sc->n;
}

void ts_added_deinit(ts_added *a)
{
    ts_free(&a->token);
    ts_vocab_deinit(&a->by_id);
    ts_vocab_deinit(&a->by_text);
    ts_trie_deinit(&a->raw);
    ts_trie_deinit(&a->normal);
    ts_str_deinit(&a->forms);
}
