/* The tokens of a tokenizer: by text, by id and by role, and ids back to text. */
#include "text/tok.h"

#include <string.h>

/* The token's text, added tokens first. NULL: a hole. */
static const char *token_text(const ts_tokenizer *tok, int32_t id, size_t *len)
{
    const char *s = ts_added_text(&tok->added, id, len);
    return s ? s : ts_vocab_text(&tok->model.vocab, id, len);
}

static bool is_special_text(const ts_tokenizer *tok, int32_t id, const char *s, size_t n)
{
    if (tok->is_sp)
        return tok->model.type[id] == TS_SP_CONTROL;
    return ts_added_is_special(&tok->added, s, n);
}

static ts_status decode_tokens(const ts_tokenizer *tok, const int32_t *ids, size_t n,
                               bool skip_special, ts_str *out)
{
    ts_texts texts = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < n && st == TS_OK; i++) {
        size_t len;
        const char *s = ts_added_form(&tok->added, ids[i], &len);
        if (!s)
            s = ts_vocab_text(&tok->model.vocab, ids[i], &len);
        if (s && !(skip_special && is_special_text(tok, ids[i], s, len)))
            st = ts_texts_add(&texts, s, len);
    }
    if (st == TS_OK && tok->is_raw)
        st = ts_utf8_lossy(out, ts_str_text(&texts.text), texts.text.len);
    else if (st == TS_OK)
        st = ts_decode(&tok->dec, &texts, out);
    ts_texts_deinit(&texts);
    return st;
}

ts_status ts_tokenizer_decode(const ts_tokenizer *tok, const int32_t *ids, size_t n,
                              bool skip_special, ts_str *out)
{
    const int64_t size = ts_tokenizer_vocab_size(tok);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= size)
            return ts_error(TS_ERR_USER,
                            "id %d (number %zu) is outside the vocabulary: expected 0 to %lld",
                            (int)ids[i], i + 1, (long long)size - 1);
    if (tok->is_sp)
        return ts_sp_decode(tok, ids, n, out);
    return decode_tokens(tok, ids, n, skip_special, out);
}

ts_status ts_tokenizer_decode_written(const ts_tokenizer *tok, const int32_t *ids, size_t n,
                                      ts_str *out)
{
    const int64_t size = ts_tokenizer_vocab_size(tok);
    size_t known = 0;
    while (known < n && ids[known] >= 0 && ids[known] < size)
        known++;
    if (known == n)
        return ts_tokenizer_decode(tok, ids, n, true, out);
    int32_t *rest;
    TS_TRY(ts_alloc(&rest, n, sizeof *rest));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 0 && ids[i] < size)
            rest[kept++] = ids[i];
    const ts_status st = ts_tokenizer_decode(tok, rest, kept, true, out);
    ts_free(&rest);
    return st;
}

int64_t ts_tokenizer_vocab_size(const ts_tokenizer *tok)
{
    const size_t a = tok->model.vocab.n_ids, b = tok->added.by_id.n_ids;
    return (int64_t)(a > b ? a : b);
}

int32_t ts_tokenizer_token_id(const ts_tokenizer *tok, const char *token)
{
    const int32_t id = ts_added_find(&tok->added, token, strlen(token));
    return id >= 0 ? id : ts_vocab_find(&tok->model.vocab, token, strlen(token));
}

const char *ts_tokenizer_id_token(const ts_tokenizer *tok, int32_t id)
{
    return token_text(tok, id, NULL);
}

/* As tokenizers counts: behind the added tokens where one is behind the model's, else behind these. */
static int32_t next_id(const ts_tokenizer *tok)
{
    const size_t model = tok->model.vocab.n, added = tok->added.by_id.n_ids;
    return (int32_t)(added > model ? added : model);
}

/* Whether it is an added token already, as special as it is to be. */
static bool is_added(const ts_tokenizer *tok, const char *token, size_t n, bool special)
{
    return ts_added_find(&tok->added, token, n) >= 0 && (!special || ts_added_is_special(&tok->added, token, n));
}

bool ts_tokenizer_is_closed(const ts_tokenizer *tok) { return tok->is_sp; }

ts_status ts_tokenizer_add(ts_tokenizer *tok, const char *token, bool special, int32_t *id)
{
    const size_t n = strlen(token);
    const int32_t known = ts_tokenizer_token_id(tok, token);
    if (known < 0 && tok->is_sp)
        return ts_error(TS_ERR_USER, "the SentencePiece model has no token %s, and takes no further ones", token);
    const ts_added_token as = { .id = known >= 0 ? known : next_id(tok), .special = special, .normalized = !special };
    if (!tok->is_sp && !is_added(tok, token, n, special)) {
        TS_TRY(ts_added_add(&tok->added, token, n, as));
        TS_TRY(ts_added_finish(&tok->added, &tok->norm, token));
    }
    *id = as.id;
    return TS_OK;
}

bool ts_tokenizer_is_special(const ts_tokenizer *tok, int32_t id)
{
    size_t n;
    const char *s = token_text(tok, id, &n);
    return s && is_special_text(tok, id, s, n);
}

int32_t ts_tokenizer_bos(const ts_tokenizer *tok) { return tok->bos; }
int32_t ts_tokenizer_eos(const ts_tokenizer *tok) { return tok->eos; }
int32_t ts_tokenizer_pad(const ts_tokenizer *tok) { return tok->pad; }
int32_t ts_tokenizer_unk(const ts_tokenizer *tok) { return tok->unk; }
