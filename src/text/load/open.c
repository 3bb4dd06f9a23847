/* Which files a tokenizer is made of, and of what kind each is; ts_tokenizer_open is in text/open.c. */
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

ts_status ts_load_path(ts_tokenizer *tok, const char *path, const ts_tokenizer_options *options)
{
    if (ts_path_is_dir(path))
        return load_folder(tok, path, options);
    TS_TRY(load_file(tok, path, options));
    return load_beside(tok, path);
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
