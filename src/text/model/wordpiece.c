/* WordPiece: greedy longest match, all or nothing. WordLevel: the word or the unknown token. */
#include "text/model/model.h"
#include "text/unicode.h"

static ts_status unknown_word(const ts_token_model *m, ts_ids *out)
{
    if (m->unk < 0)
        return ts_error(TS_ERR_USER,
                        "the text has a word that the tokenizer does not know, and its "
                        "unknown token is not in its vocabulary");
    return ts_ids_add(out, m->unk);
}

ts_status ts_wordpiece_encode(const ts_token_model *m, ts_token_model_work *w, const char *s,
                              size_t n, ts_ids *out)
{
    const size_t before = out->n;
    const uint32_t inside = ts_trie_walk(&m->trie, m->prefix, m->prefix_len);
    int64_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    if (chars > m->max_chars)
        return unknown_word(m, out);
    for (size_t i = 0, len; i < n; i += len) {
        /* A token inside a word stands in the vocabulary behind the prefix. */
        int32_t id = -1;
        const bool within = i > 0 || w->goes_on;
        if (!within || inside != 0 || m->prefix_len == 0)
            id = ts_trie_prefix(&m->trie, within ? inside : 0, s + i, n - i, &len);
        if (id < 0) {
            out->n = before;
            return unknown_word(m, out);
        }
        TS_TRY(ts_ids_add(out, id));
    }
    return TS_OK;
}

ts_status ts_wordlevel_encode(const ts_token_model *m, const char *s, size_t n, ts_ids *out)
{
    const int32_t id = ts_vocab_find(&m->vocab, s, n);
    return id >= 0 ? ts_ids_add(out, id) : unknown_word(m, out);
}
