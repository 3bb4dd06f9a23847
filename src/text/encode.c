/* The way of a text through a tokenizer. */
#include "text/tok.h"

#include <string.h>

enum { WORDS_AHEAD = 32, WORDS_MOST = WORDS_AHEAD + TS_BLOCK };

ts_status ts_tokenizer_scratch_create(const ts_tokenizer *tok, ts_tokenizer_scratch **out)
{
    (void)tok;
    ts_tokenizer_scratch *sc = NULL;
    TS_TRY(ts_alloc(&sc, 1, sizeof *sc));
    const ts_status st = ts_cache_init(&sc->cache);
    if (st != TS_OK)
        ts_tokenizer_scratch_destroy(&sc);
    else
        *out = sc;
    return st;
}

void ts_tokenizer_scratch_destroy(ts_tokenizer_scratch **scratch)
{
    ts_tokenizer_scratch *sc = *scratch;
    if (sc) {
        ts_cache_deinit(&sc->cache);
        ts_token_model_work_deinit(&sc->model);
        ts_pre_work_deinit(&sc->pre);
        for (int i = 0; i < 2; i++)
            ts_str_deinit(&sc->raw[i]);
        ts_ids_deinit(&sc->word);
        ts_marks_deinit(&sc->marks);
    }
    ts_free(scratch);
}

static ts_status append(const ts_tokenizer *tok, const int32_t *ids, size_t n, ts_ids *out,
                        size_t from)
{
    /* SentencePiece: unknown pieces in a row are one, also where words meet. */
    if (n && tok->is_sp && !tok->model.byte_fallback && ids[0] == tok->model.unk && out->n > from &&
        out->v[out->n - 1] == tok->model.unk) {
        ids++;
        n--;
    }
    if (out->n + n > out->cap)
        TS_TRY(ts_grow(&out->v, &out->cap, out->n + n, sizeof *out->v));
    for (size_t i = 0; i < n; i++)
        out->v[out->n + i] = ids[i];
    out->n += n;
    return TS_OK;
}

/* One piece by way of the cache; room: bytes that may be read from s on. */
static inline ts_status encode_piece(const ts_tokenizer *tok, ts_tokenizer_scratch *sc,
                                     const char *s, size_t n, size_t room, ts_ids *out, size_t from)
{
    const ts_cache_key key = ts_cache_key_of(s, n, room);
    size_t n_ids;
    const int32_t *ids = ts_cache_find(&sc->cache, &key, s, n, &n_ids);
    if (!ids) {
        sc->word.n = 0;
        TS_TRY(ts_token_model_encode(&tok->model, &sc->model, s, n, &sc->word));
        ids = sc->word.v;
        n_ids = sc->word.n;
        ts_cache_put(&sc->cache, &key, s, n, ids, n_ids);
    }
    return append(tok, ids, n_ids, out, from);
}

/* End of the stretch at s that no merge reaches beyond. */
static size_t stretch(const ts_token_model *m, const char *s, size_t n)
{
    for (size_t i = 1; i + 3 <= n; i++) {
        const char *hit = memchr(s + i, '\xE2', n - i);
        if (!hit || (size_t)(hit - s) + 3 > n)
            return n;
        i = (size_t)(hit - s);
        if (!memcmp(hit, "\xE2\x96\x81", 3) && !m->joins[(unsigned char)hit[-1]])
            return i;
    }
    return n;
}

/* A piece for the model; where merges cannot join words, word by word. */
static ts_status encode_long(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *s,
                             size_t n, ts_ids *out, size_t from)
{
    if (!tok->model.cut_at_meta)
        return encode_piece(tok, sc, s, n, n, out, from);
    for (size_t i = 0, len; i < n; i += len) {
        len = stretch(&tok->model, s + i, n - i);
        TS_TRY(encode_piece(tok, sc, s + i, len, n - i, out, from));
    }
    return TS_OK;
}

/* Words that were cut off but not yet looked up: their entries are on the way from memory. */
typedef struct word_batch {
    const char *s[WORDS_MOST + 1]; /* begins; the last is the end */
    ts_cache_key key[WORDS_MOST];
    size_t n;
} word_batch;

/* The next word. One of 16 bytes or more, and one at the very end of the text, has no key (bucket
 * SIZE_MAX). */
static inline void add_word(const ts_cache *c, word_batch *w, const unsigned char *p, size_t len,
                            size_t room)
{
    ts_cache_key *k = &w->key[w->n];
    w->s[w->n++] = (const char *)p;
    if (len >= 16 || room < 16) {
        k->bucket = SIZE_MAX;
        return;
    }
    *k = ts_cache_key_of((const char *)p, len, room);
    ts_cache_prefetch(c, k);
}

/* Cuts the next words of p to end; returns the rest of the text. */
static const unsigned char *cut_words(const ts_tokenizer *tok, const ts_cache *c,
                                      const unsigned char *p, const unsigned char *end,
                                      word_batch *w)
{
    ts_scan_fn *const scan = tok->pre.scan;
    ts_block_fn *const block = tok->pre.block;
    for (w->n = 0; w->n < WORDS_AHEAD && p < end;) {
        if (block && end - p >= TS_BLOCK_ROOM && (p[0] | p[1]) < 0x80) {
            const unsigned char *const from = p;
            for (uint64_t ends = block(p); ends; ends &= ends - 1) {
                const unsigned char *q = from + __builtin_ctzll(ends);
                add_word(c, w, p, (size_t)(q - p), 16);
                p = q;
            }
            if (p > from)
                continue;
        }
        const size_t len = scan(tok->unicode, p, end);
        add_word(c, w, p, len, (size_t)(end - p));
        p += len;
    }
    w->s[w->n] = (const char *)p;
    return p;
}

/* Looks up w from word *i on, as long as they are short ones with few ids that the cache knows;
 * out has room. Stops at another. */
static inline void put_known(ts_cache *c, const word_batch *w, size_t *i, ts_ids *out)
{
    int32_t *to = out->v + out->n;
    size_t k = *i;
    for (; k < w->n; k++) {
        if (w->key[k].bucket == SIZE_MAX)
            break;
        const ts_cache_entry *e = ts_cache_entry_of(c, &w->key[k]);
        if (!e || e->n > TS_CACHE_IDS) /* or in the pool */
            break;
        memcpy(to, e->id, sizeof e->id); /* of which n count */
        to += e->n;
    }
    out->n = (size_t)(to - out->v);
    *i = k;
}

/* Nearly all words are known to the cache. */
static ts_status encode_scanned(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *s,
                                size_t n, ts_ids *out)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    word_batch w;
    while (p < end) {
        p = cut_words(tok, &sc->cache, p, end, &w);
        for (size_t i = 0; i < w.n; i++) {
            const size_t need = out->n + (w.n - i) * TS_CACHE_IDS;
            TS_TRY(ts_grow(&out->v, &out->cap, need, sizeof *out->v));
            put_known(&sc->cache, &w, &i, out);
            if (i < w.n)
                TS_TRY(encode_piece(tok, sc, w.s[i], (size_t)(w.s[i + 1] - w.s[i]),
                                    (size_t)((const char *)end - w.s[i]), out, 0));
        }
    }
    return TS_OK;
}

/* The rest of a word whose beginning was another text: it is no word that the cache may know. */
static ts_status encode_rest_of_word(const ts_tokenizer *tok, ts_tokenizer_scratch *sc,
                                     const char *s, size_t n, ts_ids *out)
{
    sc->word.n = 0;
    sc->model.goes_on = true;
    const ts_status st = ts_token_model_encode(&tok->model, &sc->model, s, n, &sc->word);
    sc->model.goes_on = false;
    return st == TS_OK ? append(tok, sc->word.v, sc->word.n, out, 0) : st;
}

/* Where a piece of text stands: at the beginning of all, and then whether it goes on where another
 * text ended. */
typedef struct place {
    bool first, goes_on;
} place;

/* Normalised text without added tokens in it. */
static ts_status encode_plain(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *s,
                              size_t n, place at, ts_ids *out)
{
    const ts_pieces *pieces;
    if (n == 0)
        return TS_OK;
    if (tok->pre.scan && !at.goes_on && !ts_marks_wait(&sc->marks) &&
        (!tok->model.cut_at_meta || tok->model.bytes))
        return encode_scanned(tok, sc, s, n, out);
    TS_TRY(ts_marks_rewritten(&sc->marks, &tok->pre, tok->unicode, &sc->pre, s, at.first));
    TS_TRY(ts_pretokenize(&tok->pre, tok->unicode, &sc->pre, s, n, at.first, at.goes_on, &s,
                          &pieces));
    for (size_t i = 0; i < pieces->n; i++) {
        const ts_piece p = pieces->v[i];
        const size_t before = out->n;
        if (at.goes_on && p.first && tok->model.kind == TS_MODEL_WORDPIECE)
            TS_TRY(encode_rest_of_word(tok, sc, s + p.off, p.len, out));
        else if (tok->model.bytes)
            TS_TRY(encode_piece(tok, sc, s + p.off, p.len, p.len, out, 0));
        else
            TS_TRY(encode_long(tok, sc, s + p.off, p.len, out, 0));
        ts_marks_piece(&sc->marks, &tok->model, tok->post.trims, s + p.off, p.len, p.off, out, before);
    }
    return TS_OK;
}

/* An added token, which stands in s[from..to) with the blanks that it takes. */
static ts_status add_token(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, int32_t id, const char *s, size_t from,
                           size_t to, ts_ids *out)
{
    size_t len;
    const char *text = ts_marks_wait(&sc->marks) ? ts_added_form(&tok->added, id, &len) : NULL;
    const char *hit = text ? memmem(s + from, to - from, text, len) : NULL;
    if (hit)
        ts_marks_token(&sc->marks, (size_t)(hit - s), (size_t)(hit - s) + len, out->n);
    return ts_ids_add(out, id);
}

/* Text between raw added tokens: normalise, then cut out the normalised ones. */
static ts_status encode_gap(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *s,
                            size_t n, place at, ts_ids *out)
{
    const char *const raw = s;
    bool moved;
    if (n == 0)
        return TS_OK;
    if (at.goes_on)
        TS_TRY(ts_normalize_rest(&tok->norm, s, n, sc->raw, &s, &n, &moved));
    else
        TS_TRY(ts_normalize(&tok->norm, s, n, sc->raw, &s, &n, &moved));
    TS_TRY(ts_marks_normalized(&sc->marks, &tok->norm, raw, s, n));
    ts_added_scan scan = { .a = &tok->added, .trie = &tok->added.normal, .text = s, .n = n };
    ts_added_hit hit;
    do {
        ts_added_next(&scan, &hit);
        const bool first = at.first && !moved && hit.gap == 0;
        const size_t outer = ts_marks_enter(&sc->marks, s, hit.gap, hit.gap_end, tok->post.trims, out->n);
        TS_TRY(encode_plain(tok, sc, s + hit.gap, hit.gap_end - hit.gap,
                            (place){ first, first && at.goes_on }, out));
        ts_marks_leave(&sc->marks, outer, out->n);
        if (hit.token)
            TS_TRY(add_token(tok, sc, hit.token->id, s, hit.gap_end, scan.done, out));
    } while (hit.token);
    return TS_OK;
}

static ts_status sp_beginning(const void *tok, const char *s, size_t n, ts_str *out)
{
    return ts_sp_normalize(tok, s, n, false, out);
}

static ts_status encode_sp(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *s,
                           size_t n, bool goes_on, ts_ids *out)
{
    ts_str *text = &sc->raw[0];
    ts_str_reset(text);
    TS_TRY(ts_sp_normalize(tok, s, n, goes_on, text));
    if (text->len == 0)
        return TS_OK;
    const size_t before = out->n;
    TS_TRY(ts_marks_moved(&sc->marks, sp_beginning, tok, s, text->s, text->len));
    TS_TRY(encode_long(tok, sc, text->s, text->len, out, before));
    ts_marks_piece(&sc->marks, &tok->model, false, text->s, text->len, 0, out, before);
    return TS_OK;
}

static ts_status encode_hf(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *s,
                           size_t n, bool goes_on, ts_ids *out)
{
    ts_added_scan scan = { .a = &tok->added, .trie = &tok->added.raw, .text = s, .n = n };
    ts_added_hit hit;
    do {
        ts_added_next(&scan, &hit);
        const bool first = hit.gap == 0;
        const size_t outer = ts_marks_enter(&sc->marks, s, hit.gap, hit.gap_end, tok->post.trims, out->n);
        TS_TRY(encode_gap(tok, sc, s + hit.gap, hit.gap_end - hit.gap,
                          (place){ first, first && goes_on }, out));
        ts_marks_leave(&sc->marks, outer, out->n);
        if (hit.token)
            TS_TRY(add_token(tok, sc, hit.token->id, s, hit.gap_end, scan.done, out));
    } while (hit.token);
    return TS_OK;
}

/* Offset of the first byte that is not UTF-8; ASCII goes by in words of eight. */
static size_t check_utf8(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint64_t w;
        for (; n - i >= 8; i += 8) {
            memcpy(&w, s + i, 8);
            if (w & 0x8080808080808080u)
                break;
        }
        while (i < n && (unsigned char)s[i] < 0x80)
            i++;
        for (; i < n && (unsigned char)s[i] >= 0x80;) {
            const int len = ts_utf8_len(s + i, n - i);
            if (len == 0)
                return i;
            i += (size_t)len;
        }
    }
    return n;
}

static ts_status need_utf8(const char *text, size_t n)
{
    const size_t good = check_utf8(text, n);
    return good == n ? TS_OK
                     : ts_error(TS_ERR_USER, "the text is not UTF-8: byte %zu is 0x%02x", good,
                                (unsigned char)text[good]);
}

ts_status ts_tokenizer_encode(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *text,
                              size_t n, bool special, ts_ids *out)
{
    TS_TRY(need_utf8(text, n));
    if (tok->is_sp)
        return encode_sp(tok, sc, text, n, false, out);
    for (size_t i = 0; special && i < tok->post.before.n; i++)
        TS_TRY(ts_ids_add(out, tok->post.before.v[i]));
    if (!special || !tok->post.drops_text)
        TS_TRY(encode_hf(tok, sc, text, n, false, out));
    for (size_t i = 0; special && i < tok->post.after.n; i++)
        TS_TRY(ts_ids_add(out, tok->post.after.v[i]));
    return TS_OK;
}

ts_status ts_tokenizer_encode_rest(const ts_tokenizer *tok, ts_tokenizer_scratch *sc,
                                   const char *text, size_t n, ts_ids *out)
{
    TS_TRY(need_utf8(text, n));
    return tok->is_sp ? encode_sp(tok, sc, text, n, true, out)
                      : encode_hf(tok, sc, text, n, true, out);
}

ts_status ts_tokenizer_encode_marked(const ts_tokenizer *tok, ts_tokenizer_scratch *sc, const char *text, size_t n,
                                     ts_text_mark *marks, size_t n_marks, ts_ids *out)
{
    TS_TRY(ts_marks_begin(&sc->marks, marks, n_marks));
    const ts_status st = ts_tokenizer_encode(tok, sc, text, n, false, out);
    ts_marks_finish(&sc->marks, out->n);
    return st;
}

size_t ts_tokenizer_ends(const ts_tokenizer *tok) { return tok->is_sp ? 0 : tok->post.after.n; }
