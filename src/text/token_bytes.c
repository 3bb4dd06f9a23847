/* What single tokens add to a text. */
#include "text/tok.h"

#include <string.h>

/* Another, ordinary token, to stand around one. -1: none. */
static int32_t anchor_of(const ts_tokenizer *tok, int32_t one)
{
    static const char letters[] = "aeA0.";
    for (size_t i = 0, n; letters[i]; i++) {
        const int32_t id = ts_vocab_find(&tok->model.vocab, &letters[i], 1);
        if (id >= 0 && id != one && !ts_added_form(&tok->added, id, &n))
            return id;
    }
    return -1;
}

/* What stands between two others of the kind with the token among them. */
static ts_status between(const ts_tokenizer *tok, int32_t id, ts_str *out)
{
    const int32_t a = anchor_of(tok, id), ids[3] = { a, id, a }, pair[2] = { a, a };
    ts_str one = { 0 }, two = { 0 }, all = { 0 };
    if (a < 0)
        return ts_tokenizer_decode(tok, &id, 1, true, out);
    ts_status st = ts_tokenizer_decode(tok, ids, 1, true, &one);
    if (st == TS_OK)
        st = ts_tokenizer_decode(tok, pair, 2, true, &two);
    if (st == TS_OK)
        st = ts_tokenizer_decode(tok, ids, 3, true, &all);
    const size_t tail = two.len > one.len ? two.len - one.len : one.len; /* decoders of speech make one of two equals */
    if (st == TS_OK && all.len > one.len + tail)
        st = ts_str_add(out, all.s + one.len, all.len - one.len - tail);
    ts_str_deinit(&one);
    ts_str_deinit(&two);
    ts_str_deinit(&all);
    return st;
}

ts_status ts_tokenizer_bytes(const ts_tokenizer *tok, int32_t id, ts_str *out)
{
    size_t n;
    bool found = false;
    if (!ts_tokenizer_id_token(tok, id))
        return TS_OK;
    if (ts_added_form(&tok->added, id, &n)) /* decoding knows which of them are special */
        return between(tok, id, out);
    const char *s = ts_vocab_text(&tok->model.vocab, id, &n);
    if (tok->is_raw)
        return ts_str_add(out, s, n);
    if (!tok->is_sp || tok->model.type[id] == TS_SP_BYTE)
        TS_TRY(ts_decode_bytes(tok->is_sp ? NULL : &tok->dec, s, n, out, &found));
    return found ? TS_OK : between(tok, id, out);
}
