#include "text/model/model.h"

#include "text/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ts_status ts_token_model_encode(const ts_token_model *m, ts_token_model_work *w, const char *s,
                                size_t n, ts_ids *out)
{
    switch (m->kind) {
    case TS_MODEL_BPE:
        return ts_bpe_encode(m, w, s, n, out);
    case TS_MODEL_UNIGRAM:
        return ts_unigram_encode(m, w, s, n, out);
    case TS_MODEL_WORDPIECE:
        return ts_wordpiece_encode(m, w, s, n, out);
    case TS_MODEL_WORDLEVEL:
        return ts_wordlevel_encode(m, s, n, out);
    default:
        return ts_sp_encode(m, w, s, n, out);
    }
}

void ts_token_model_find_bytes(ts_token_model *m)
{
    char name[8];
    m->has_byte_tokens = true;
    for (int b = 0; b < 256; b++) {
        snprintf(name, sizeof name, "<0x%02X>", b);
        m->byte_token[b] = ts_vocab_find(&m->vocab, name, 6);
        m->has_byte_tokens &= m->byte_token[b] >= 0;
    }
}

/* The id of a byte's character with the prefix and the suffix where they belong. */
static ts_status byte_id(const ts_token_model *m, int b, bool prefix, bool suffix, ts_str *text,
                         int32_t *out)
{
    char c[4];
    const size_t n = (size_t)ts_utf8_encode(ts_byte_to_char((unsigned char)b), c);
    ts_str_reset(text);
    TS_TRY(ts_str_add(text, m->prefix, prefix ? m->prefix_len : 0));
    TS_TRY(ts_str_add(text, c, n));
    TS_TRY(ts_str_add(text, m->suffix, suffix ? m->suffix_len : 0));
    *out = ts_vocab_find(&m->vocab, ts_str_text(text), text->len);
    return TS_OK;
}

ts_status ts_token_model_use_bytes(ts_token_model *m)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    for (int b = 0; b < 256; b++) {
        char c[4];
        const int n = ts_utf8_encode(ts_byte_to_char((unsigned char)b), c);
        m->spelt[b][0] = c[0];
        m->spelt[b][1] = (char)(n > 1 ? c[1] : 0);
        for (int last = 0; last < 2; last++) {
            TS_TRY_TO(done, st, byte_id(m, b, false, last, &text, &m->byte_first[last][b]));
            TS_TRY_TO(done, st, byte_id(m, b, true, last, &text, &m->byte_rest[last][b]));
        }
    }
    m->bytes = true;
    int32_t lo = INT32_MAX, hi = -1;
    for (int b = 0; b < 256; b++) {
        lo = m->byte_rest[0][b] < lo ? m->byte_rest[0][b] : lo;
        hi = m->byte_rest[0][b] > hi ? m->byte_rest[0][b] : hi;
    }
    if (lo >= 0 && hi - lo < 256)
        st = ts_bpe_use_bytes(&m->bpe, lo);
done:
    ts_str_deinit(&text);
    return st;
}

void ts_token_model_deinit(ts_token_model *m)
{
    ts_vocab_deinit(&m->vocab);
    ts_free(&m->prefix);
    ts_free(&m->suffix);
    ts_bpe_deinit(&m->bpe);
    ts_trie_deinit(&m->trie);
    ts_trie_deinit(&m->user);
    ts_vocab_deinit(&m->extra);
    ts_free(&m->score);
    ts_free(&m->type);
}

void ts_token_model_work_deinit(ts_token_model_work *w)
{
    ts_bpe_work_deinit(&w->bpe);
    ts_free(&w->node);
    ts_free(&w->cut);
    ts_str_deinit(&w->text);
    ts_free(&w->pairs);
}
