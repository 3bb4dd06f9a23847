#include "tessera/tokenizer.h"

#include "api/words.h"
#include "text/text_options.h"

#include <pthread.h>
#include <string.h>

/* Work spaces that no thread uses at the moment wait here for the next call. */
typedef struct spare {
    ts_tokenizer_scratch **v;
    size_t n, cap;
} spare;

struct ts_codec {
    ts_text_tokenizer tok;
    bool is_plain; /* opened by path: special tokens as the flag says */
    pthread_mutex_t lock;
    spare spare;
};

static ts_status open_path(const char *path, const ts_text_options *o, ts_codec *c)
{
    const ts_tokenizer_options how = { .tiktoken_pattern = o->tiktoken_pattern,
                                       .tiktoken_special = o->tiktoken_special.v,
                                       .n_tiktoken_special = (size_t)o->tiktoken_special.n };
    if (ts_text_options_given(o))
        return ts_error(TS_ERR_USER,
                        "ts_codec_open: path %s and options that name a tokenizer: give one", path);
    TS_TRY(ts_tokenizer_open(path, &how, &c->tok.tok));
    c->is_plain = true;
    c->tok.vocab_size = ts_tokenizer_vocab_size(c->tok.tok);
    c->tok.eod = ts_tokenizer_eos(c->tok.tok);
    c->tok.bos = ts_tokenizer_bos(c->tok.tok);
    c->tok.pad = ts_tokenizer_pad(c->tok.tok);
    return TS_OK;
}

ts_status ts_codec_open(const char *path, const char *const *options, size_t n, ts_codec **out)
{
    ts_text_options o = { 0 };
    const ts_option_table table = { ts_text_option_rows, ts_text_option_count, &o };
    ts_option_set *set;
    ts_codec *c = NULL;
    TS_NEED(out);
    TS_TRY(ts_words_parse(&table, 1, options, n, &set));
    ts_status st = ts_alloc(&c, 1, sizeof *c);
    if (st == TS_OK)
        st = path ? open_path(path, &o, c) : ts_text_tokenizer_open(&o, &c->tok);
    if (st == TS_OK && pthread_mutex_init(&c->lock, NULL) != 0)
        st = ts_error(TS_ERR_NOMEM, "ts_codec_open: no lock can be made");
    ts_option_set_destroy(&set);
    if (st == TS_OK) {
        *out = c;
    } else if (c) {
        ts_text_tokenizer_close(&c->tok);
        ts_free(&c);
    }
    return st;
}

void ts_codec_close(ts_codec **codec)
{
    ts_codec *c = codec ? *codec : NULL;
    if (!c)
        return;
    for (size_t i = 0; i < c->spare.n; i++)
        ts_tokenizer_scratch_destroy(&c->spare.v[i]);
    ts_free(&c->spare.v);
    pthread_mutex_destroy(&c->lock);
    ts_text_tokenizer_close(&c->tok);
    ts_free(codec);
}

/* The lock and what waits behind it change; what the codec says does not. */
static ts_codec *inside(const ts_codec *c) { return (ts_codec *)(uintptr_t)c; }

static ts_status borrow(ts_codec *c, ts_tokenizer_scratch **out)
{
    *out = NULL;
    if (!c->tok.tok)
        return TS_OK;
    pthread_mutex_lock(&c->lock);
    if (c->spare.n)
        *out = c->spare.v[--c->spare.n];
    pthread_mutex_unlock(&c->lock);
    return *out ? TS_OK : ts_tokenizer_scratch_create(c->tok.tok, out);
}

static void give_back(ts_codec *c, ts_tokenizer_scratch **s)
{
    if (!*s)
        return;
    pthread_mutex_lock(&c->lock);
    if (ts_grow(&c->spare.v, &c->spare.cap, c->spare.n + 1, sizeof(ts_tokenizer_scratch *)) ==
        TS_OK) {
        c->spare.v[c->spare.n++] = *s;
        *s = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    ts_tokenizer_scratch_destroy(s);
}

static ts_status check_flags(const char *function, unsigned flags, unsigned known)
{
    return flags & ~known
               ? ts_error(TS_ERR_USER, "%s: flags %u: only %u is known", function, flags, known)
               : TS_OK;
}

ts_status ts_codec_encode(const ts_codec *codec, const char *text, size_t n_text, unsigned flags,
                          int32_t **ids, size_t *n_ids)
{
    ts_tokenizer_scratch *scratch;
    ts_ids out = { 0 };
    TS_NEED(codec);
    TS_NEED(ids);
    TS_NEED(n_ids);
    TS_TRY(check_flags(__func__, flags, TS_CODEC_ADD_SPECIAL));
    if (n_text)
        TS_NEED(text);
    TS_TRY(borrow(inside(codec), &scratch));
    const char *s = text ? text : "";
    const bool special = flags & TS_CODEC_ADD_SPECIAL;
    ts_status st = ts_grow(&out.v, &out.cap, 1, sizeof *out.v);
    if (st == TS_OK)
        st = codec->is_plain
                 ? ts_tokenizer_encode(codec->tok.tok, scratch, s, n_text, special, &out)
                 : ts_text_encode(&codec->tok, scratch, s, n_text, &out);
    give_back(inside(codec), &scratch);
    if (st != TS_OK) {
        ts_ids_deinit(&out);
        return st;
    }
    *ids = out.v;
    *n_ids = out.n;
    return TS_OK;
}

/* NullTokenizer's texts are numbers. */
static ts_status decode_numbers(const ts_codec *c, const int32_t *ids, size_t n, ts_str *out)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= c->tok.vocab_size)
            return ts_error(TS_ERR_USER, "id %d is outside the vocabulary of %lld", (int)ids[i],
                            (long long)c->tok.vocab_size);
        TS_TRY(ts_str_printf(out, "%s%d", i ? " " : "", (int)ids[i]));
    }
    return TS_OK;
}

ts_status ts_codec_decode(const ts_codec *codec, const int32_t *ids, size_t n_ids, unsigned flags,
                          char **text, size_t *n_text)
{
    ts_str out = { 0 };
    TS_NEED(codec);
    TS_NEED(text);
    TS_TRY(check_flags(__func__, flags, TS_CODEC_SKIP_SPECIAL));
    if (n_ids)
        TS_NEED(ids);
    ts_status st = codec->tok.tok ? ts_tokenizer_decode(codec->tok.tok, ids, n_ids,
                                                        flags & TS_CODEC_SKIP_SPECIAL, &out)
                                  : decode_numbers(codec, ids, n_ids, &out);
    if (st == TS_OK)
        st = ts_give_text(&out, text, n_text);
    ts_str_deinit(&out);
    return st;
}

int64_t ts_codec_vocab_size(const ts_codec *codec) { return codec ? codec->tok.vocab_size : 0; }

int32_t ts_codec_token_id(const ts_codec *codec, const char *token)
{
    return codec && codec->tok.tok && token ? ts_tokenizer_token_id(codec->tok.tok, token) : -1;
}

const char *ts_codec_token(const ts_codec *codec, int32_t id)
{
    return codec && codec->tok.tok ? ts_tokenizer_id_token(codec->tok.tok, id) : NULL;
}

bool ts_codec_is_special(const ts_codec *codec, int32_t id)
{
    return codec && codec->tok.tok && ts_tokenizer_is_special(codec->tok.tok, id);
}

int32_t ts_codec_role_id(const ts_codec *codec, ts_codec_role role)
{
    if (!codec)
        return -1;
    switch (role) {
    case TS_CODEC_BOS: return codec->tok.bos;
    case TS_CODEC_EOS: return codec->tok.eod;
    case TS_CODEC_PAD: return codec->tok.pad;
    case TS_CODEC_UNK: return codec->tok.tok ? ts_tokenizer_unk(codec->tok.tok) : -1;
    }
    return -1;
}
