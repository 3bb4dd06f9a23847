#include "text/gguf/gguf_vocab.h"

#include "text/vocab.h"

#include <string.h>

static ts_status take_kind(ts_gguf_vocab *v)
{
    const char *kind, *pre;
    size_t n, m;
    ts_str known = { 0 };
    TS_TRY(ts_gguf_text(v->g, "tokenizer.ggml.model", &kind, &n));
    TS_TRY(ts_gguf_text(v->g, "tokenizer.ggml.pre", &pre, &m));
    v->is_pieces = kind && n == 5 && !memcmp(kind, "llama", n);
    if (v->is_pieces)
        return TS_OK;
    if (!kind || (n == 4 && !memcmp(kind, "none", n)))
        return ts_error(TS_ERR_USER, "%s: there is no tokenizer in it (tokenizer.ggml.model)",
                        ts_gguf_path(v->g));
    if (n != 4 || memcmp(kind, "gpt2", n))
        return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.model is %.*s, expected gpt2 or llama: other kinds of tokenizers "
                        "are not read from GGUF files", ts_gguf_path(v->g), n > 60 ? 60 : (int)n, kind);
    v->pre = pre ? ts_gguf_pre_named(pre, m) : ts_gguf_pre_named("default", 7);
    if (v->pre)
        return TS_OK;
    ts_status st = ts_gguf_pre_known(&known);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: tokenizer.ggml.pre is %.*s, a way to cut text into words that is not known here; known "
                      "are %s", ts_gguf_path(v->g), m > 60 ? 60 : (int)m, pre, ts_str_text(&known));
    ts_str_deinit(&known);
    return st;
}

static ts_status take_tokens(ts_gguf_vocab *v)
{
    const ts_gguf_value *list;
    TS_TRY(ts_gguf_texts(v->g, "tokenizer.ggml.tokens", &list));
    if (!list || list->n < 1 || list->n >= TS_VOCAB_MAX_ID)
        return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.tokens is missing, or has not 1 to %d tokens",
                        ts_gguf_path(v->g), TS_VOCAB_MAX_ID - 1);
    TS_TRY(ts_alloc(&v->text, (size_t)list->n, sizeof *v->text));
    TS_TRY(ts_alloc(&v->len, (size_t)list->n, sizeof *v->len));
    TS_TRY(ts_alloc(&v->type, (size_t)list->n, sizeof *v->type));
    const unsigned char *at = list->data;
    for (v->n = 0; v->n < list->n; v->n++) {
        v->text[v->n] = ts_gguf_next_text(&at, &v->len[v->n]);
        if (ts_utf8_check(v->text[v->n], v->len[v->n]) != v->len[v->n])
            return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.tokens: token %lld is not UTF-8", ts_gguf_path(v->g),
                            (long long)v->n);
    }
    return TS_OK;
}

static ts_status take_types(ts_gguf_vocab *v)
{
    const ts_gguf_value *list;
    TS_TRY(ts_gguf_numbers(v->g, "tokenizer.ggml.token_type", &list));
    if (list && list->n != v->n)
        return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.token_type has %lld entries, expected one for each of %lld tokens",
                        ts_gguf_path(v->g), (long long)list->n, (long long)v->n);
    for (int64_t i = 0; i < v->n; i++) {
        const double type = list ? ts_gguf_number(list, i) : TS_GGUF_NORMAL;
        if (!(type >= 0 && type <= TS_GGUF_BYTE))
            return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.token_type: token %lld is of type %g, expected 0 to %d",
                            ts_gguf_path(v->g), (long long)i, type, TS_GGUF_BYTE);
        v->type[i] = type >= 1 ? (unsigned char)type : TS_GGUF_NORMAL;
    }
    return TS_OK;
}

static ts_status take_id(const ts_gguf_vocab *v, const char *key, int32_t *id)
{
    int64_t n;
    TS_TRY(ts_gguf_int(v->g, key, -1, 0, v->n - 1, &n));
    *id = (int32_t)n;
    return TS_OK;
}

static ts_status take_roles(ts_gguf_vocab *v)
{
    TS_TRY(take_id(v, "tokenizer.ggml.bos_token_id", &v->bos));
    TS_TRY(take_id(v, "tokenizer.ggml.eos_token_id", &v->eos));
    TS_TRY(take_id(v, "tokenizer.ggml.unknown_token_id", &v->unk));
    TS_TRY(take_id(v, "tokenizer.ggml.padding_token_id", &v->pad));
    TS_TRY(ts_gguf_bool(v->g, "tokenizer.ggml.add_bos_token", v->is_pieces || v->pre->add_bos, &v->add_bos));
    TS_TRY(ts_gguf_bool(v->g, "tokenizer.ggml.add_eos_token", false, &v->add_eos));
    v->add_bos = v->add_bos && v->bos >= 0;
    v->add_eos = v->add_eos && v->eos >= 0;
    return TS_OK;
}

ts_status ts_gguf_vocab_init(ts_gguf_vocab *out, const ts_gguf *g)
{
    ts_gguf_vocab v = { .g = g };
    ts_status st = take_kind(&v);
    if (st == TS_OK)
        st = take_tokens(&v);
    if (st == TS_OK)
        st = take_types(&v);
    if (st == TS_OK)
        st = take_roles(&v);
    if (st != TS_OK)
        ts_gguf_vocab_deinit(&v);
    else
        *out = v;
    return st;
}

void ts_gguf_vocab_deinit(ts_gguf_vocab *v)
{
    ts_free(&v->text);
    ts_free(&v->len);
    ts_free(&v->type);
}
