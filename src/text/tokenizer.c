#include "text/tokenizer.h"

#include "base/file.h"
#include "text/tok.h"

#include <string.h>

ts_status ts_tokenizer_new(const ts_unicode *unicode, ts_tokenizer **out)
{
    ts_tokenizer *tok = NULL;
    TS_TRY(ts_alloc(&tok, 1, sizeof *tok));
    tok->bos = tok->eos = tok->pad = tok->unk = tok->model.unk = -1;
    for (int b = 0; b < 256; b++)
        tok->model.byte_token[b] = -1;
    const ts_status st = unicode ? TS_OK : ts_unicode_create(&tok->own_unicode);
    tok->unicode = unicode ? unicode : tok->own_unicode;
    if (st != TS_OK)
        ts_tokenizer_destroy(&tok);
    else
        *out = tok;
    return st;
}

void ts_tokenizer_destroy(ts_tokenizer **tok)
{
    if (*tok) {
        ts_tokenizer *t = *tok;
        ts_unicode_destroy(&t->own_unicode);
        ts_token_model_deinit(&t->model);
        ts_normalizer_deinit(&t->norm);
        ts_pretoken_deinit(&t->pre);
        ts_added_deinit(&t->added);
        ts_postproc_deinit(&t->post);
        ts_decoder_deinit(&t->dec);
        ts_charsmap_deinit(&t->sp.map);
        ts_free(&t->sp.unk_surface);
    }
    ts_free(tok);
}

/* A folder's file, "" when it is not there. */
static ts_status in_folder(const char *folder, const char *name, ts_str *path)
{
    TS_TRY(ts_path_join(path, folder, name));
    if (!ts_path_exists(path->s))
        ts_str_reset(path);
    return TS_OK;
}

static bool looks_like_json(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t'))
        i++;
    return i < n && s[i] == '{';
}

static bool is_base64(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' ||
           c == '/' || c == '=';
}

/* A file of ranks begins with a token in base64, a blank and a number. */
static bool looks_like_ranks(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && is_base64(s[i]))
        i++;
    const size_t number = i + 1;
    if (i == 0 || i == n || s[i] != ' ')
        return false;
    for (i++; i < n && s[i] >= '0' && s[i] <= '9';)
        i++;
    return i > number && (i == n || s[i] == '\n' || s[i] == '\r');
}

static ts_status load_bytes(ts_tokenizer *tok, const char *data, size_t n, const char *path,
                            const ts_tokenizer_options *options)
{
    if (ts_path_ends(path, ".tiktoken") || looks_like_ranks(data, n))
        return ts_load_tiktoken(tok, data, n, path, options);
    if (looks_like_json(data, n))
        return ts_load_json(tok, data, n, path);
    return ts_load_sentencepiece(tok, data, n, path);
}

ts_status ts_tokenizer_open_bytes(const char *data, size_t n, const char *name,
                                  const ts_unicode *unicode, ts_tokenizer **out)
{
    ts_tokenizer *tok = NULL;
    TS_TRY(ts_tokenizer_new(unicode, &tok));
    const ts_status st = load_bytes(tok, data, n, name, NULL);
    if (st != TS_OK)
        ts_tokenizer_destroy(&tok);
    else
        *out = tok;
    return st;
}

static ts_status load_file(ts_tokenizer *tok, const char *path, const ts_tokenizer_options *options)
{
    ts_str data = { 0 };
    ts_status st = ts_file_read(path, &data);
    if (st == TS_OK)
        st = load_bytes(tok, ts_str_text(&data), data.len, path, options);
    ts_str_deinit(&data);
    return st;
}

static ts_status load_gpt2_files(ts_tokenizer *tok, const char *vocab_file, const char *merge_file)
{
    ts_str vocab = { 0 }, merges = { 0 };
    ts_status st = ts_file_read(vocab_file, &vocab);
    if (st == TS_OK)
        st = ts_file_read(merge_file, &merges);
    if (st == TS_OK)
        st = ts_load_gpt2(tok, &vocab, vocab_file, &merges, merge_file);
    ts_str_deinit(&vocab);
    ts_str_deinit(&merges);
    return st;
}

static ts_status load_folder(ts_tokenizer *tok, const char *folder,
                             const ts_tokenizer_options *options)
{
    static const char *const names[] = { "tokenizer.json", "tokenizer.model", "spiece.model",
                                         "sentencepiece.bpe.model" };
    ts_str path = { 0 }, merges = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        TS_TRY_TO(done, st, in_folder(folder, names[i], &path));
        if (path.len) {
            st = load_file(tok, path.s, options);
            goto roles;
        }
    }
    TS_TRY_TO(done, st, in_folder(folder, "vocab.json", &path));
    TS_TRY_TO(done, st, in_folder(folder, "merges.txt", &merges));
    if (!path.len || !merges.len) {
        st = ts_error(
            TS_ERR_USER,
            "%s: no tokenizer in this folder: expected tokenizer.json, tokenizer.model, or "
            "vocab.json and merges.txt",
            folder);
        goto done;
    }
    TS_TRY_TO(done, st, load_gpt2_files(tok, path.s, merges.s));
    st = ts_added_finish(&tok->added, &tok->norm, folder); /* here <|endoftext|> counts in text too */
roles:
    if (st == TS_OK)
        st = ts_load_roles(tok, folder);
done:
    ts_str_deinit(&path);
    ts_str_deinit(&merges);
    return st;
}

/* The roles of a lone tokenizer.json are in the files beside it. */
static ts_status load_beside(ts_tokenizer *tok, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    if (!ts_path_ends(path, "tokenizer.json"))
        return TS_OK;
    TS_TRY(slash ? ts_strndup(path, (size_t)(slash - path) + 1, &folder) : ts_strdup(".", &folder));
    const ts_status st = ts_load_roles(tok, folder);
    ts_free(&folder);
    return st;
}

ts_status ts_tokenizer_open(const char *path, const ts_tokenizer_options *options,
                            ts_tokenizer **out)
{
    ts_tokenizer *tok = NULL;
    TS_TRY(ts_tokenizer_new(NULL, &tok));
    ts_status st;
    if (ts_path_is_dir(path)) {
        st = load_folder(tok, path, options);
    } else {
        st = load_file(tok, path, options);
        if (st == TS_OK)
            st = load_beside(tok, path);
    }
    if (st != TS_OK)
        ts_tokenizer_destroy(&tok);
    else
        *out = tok;
    return st;
}

ts_status ts_tokenizer_open_gpt2(const char *vocab_file, const char *merge_file, ts_tokenizer **out)
{
    ts_tokenizer *tok = NULL;
    TS_TRY(ts_tokenizer_new(NULL, &tok));
    const ts_status st = load_gpt2_files(tok, vocab_file, merge_file);
    if (st != TS_OK)
        ts_tokenizer_destroy(&tok);
    else
        *out = tok;
    return st;
}

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
    }
    ts_free(scratch);
}

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
