/* Rank files (.tiktoken: base64 of a token, a blank, its rank) and GPT-2's vocab.json +
 * merges.txt. */
#include "text/load/json_cut.h"
#include "text/tok.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOKEN = 1024 }; /* bytes; finding the ways to make a token takes their square */

static ts_status read_line(ts_token_model *m, const char *s, size_t n, const char *file,
                           size_t line, ts_str *token)
{
    const char *blank = memchr(s, ' ', n);
    char digits[12];
    const size_t rank_len = blank ? n - (size_t)(blank + 1 - s) : 0;
    if (rank_len == 0 || rank_len >= sizeof digits)
        return ts_error(TS_ERR_USER, "%s:%zu: expected base64, a blank and a rank", file, line);
    memcpy(digits, blank + 1, rank_len);
    digits[rank_len] = 0;
    char *end;
    const long rank = strtol(digits, &end, 10);
    if (*end || rank < 0 || rank >= TS_VOCAB_MAX_ID)
        return ts_error(TS_ERR_USER, "%s:%zu: rank '%s', expected a whole number from 0 to %d",
                        file, line, digits, TS_VOCAB_MAX_ID - 1);
    ts_str_reset(token);
    if (ts_base64_decode(s, (size_t)(blank - s), token) != TS_OK)
        return ts_error_context(TS_ERR_USER, "%s:%zu", file, line);
    if (token->len > MAX_TOKEN)
        return ts_error(TS_ERR_USER, "%s:%zu: a token of %zu bytes, expected at most %d", file,
                        line, token->len, MAX_TOKEN);
    if (!token->len)
        return TS_OK;
    if (ts_vocab_text(&m->vocab, (int32_t)rank, NULL) &&
        !ts_vocab_is(&m->vocab, (int32_t)rank, token->s, token->len))
        return ts_error(TS_ERR_USER, "%s:%zu: rank %ld is that of another token too", file, line,
                        rank);
    return ts_vocab_add(&m->vocab, token->s, token->len, rank);
}

static ts_status read_ranks(ts_token_model *m, const char *text, size_t n, const char *file)
{
    ts_str token = { 0 };
    ts_status st = TS_OK;
    size_t line = 0;
    for (size_t i = 0, end; i < n && st == TS_OK; i = end + 1) {
        const char *nl = memchr(text + i, '\n', n - i);
        end = nl ? (size_t)(nl - text) : n;
        line++;
        size_t len = end - i;
        if (len && text[i + len - 1] == '\r')
            len--;
        if (len)
            st = read_line(m, text + i, len, file, line, &token);
    }
    ts_str_deinit(&token);
    if (st == TS_OK && m->vocab.n == 0)
        return ts_error(TS_ERR_USER, "%s: no token in this rank file", file);
    return st;
}

static int32_t find_token(const ts_token_model *m, const char *s, size_t n)
{
    return ts_vocab_find(&m->vocab, s, n);
}

static ts_status merges_of_ranks(ts_token_model *m)
{
    TS_TRY(ts_bpe_reserve(&m->bpe, 4 * m->vocab.n));
    for (size_t i = 0; i < m->vocab.n; i++) {
        const ts_vocab_entry e = m->vocab.entry[i];
        TS_TRY(ts_token_model_add_splits(m, e.id, m->vocab.text.s + e.off, e.len, (uint32_t)e.id,
                                         find_token));
    }
    for (int b = 0; b < 256; b++) {
        const char c = (char)b;
        const int32_t id = ts_vocab_find(&m->vocab, &c, 1);
        m->byte_first[0][b] = m->byte_first[1][b] = m->byte_rest[0][b] = m->byte_rest[1][b] = id;
    }
    return ts_bpe_settle(&m->bpe);
}

/* The pattern as given, Megatron's names of patterns, or GPT-2's. */
static const char *pattern_of(const char *given)
{
    static const struct { const char *name, *pattern;
    } known[] = {
        { "v1",
          "[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
          "\\s+(?!\\S)|\\s+" },
        { "v2",
          "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
          "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|"
          "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" },
    };
    for (size_t i = 0; given && i < sizeof known / sizeof *known; i++)
        if (!strcmp(given, known[i].name))
            return known[i].pattern;
    return given ? given : ts_scan_gpt2_pattern;
}

ts_status ts_load_tiktoken(ts_tokenizer *tok, const char *text, size_t n, const char *file,
                           const ts_tokenizer_options *options)
{
    const char *given = options ? options->tiktoken_pattern : NULL;
    ts_token_model *m = &tok->model;
    m->kind = TS_MODEL_BPE;
    m->bytes = m->raw = m->ignore_merges = true;
    tok->is_raw = true;
    TS_TRY(read_ranks(m, text, n, file));
    TS_TRY(merges_of_ranks(m));
    const int64_t first = (int64_t)m->vocab.n_ids;
    for (size_t i = 0; options && i < options->n_tiktoken_special; i++) {
        const char *s = options->tiktoken_special[i];
        if (ts_utf8_check(s, strlen(s)) != strlen(s))
            return ts_error(TS_ERR_USER, "--tiktoken-special %zu is not UTF-8", i + 1);
        const ts_added_token t = { .id = (int32_t)(first + (int64_t)i), .special = true };
        TS_TRY(ts_added_add(&tok->added, s, strlen(s), t));
    }
    TS_TRY(ts_added_finish(&tok->added, &tok->norm, file));
    TS_TRY(ts_pretoken_add_pattern(&tok->pre, pattern_of(given),
                                   given ? "--tiktoken-pattern" : file));
    ts_pretoken_finish(&tok->pre);
    tok->eos = ts_added_find(&tok->added, "<|endoftext|>", 13);
    return TS_OK;
}

static ts_status read_gpt2_merges(ts_token_model *m, const ts_str *text, const char *file)
{
    uint32_t rank = 0;
    for (size_t i = 0, end; i < text->len; i = end + 1) {
        const char *s = text->s + i, *nl = memchr(s, '\n', text->len - i);
        end = nl ? (size_t)(nl - text->s) : text->len;
        size_t n = end - i;
        if (n && s[n - 1] == '\r')
            n--;
        if (n == 0 || (i == 0 && n >= 8 && !memcmp(s, "#version", 8)))
            continue;
        const char *blank = memchr(s, ' ', n);
        if (!blank || memchr(blank + 1, ' ', n - (size_t)(blank + 1 - s)))
            return ts_error(TS_ERR_USER, "%s: merge %u is not two tokens with one blank between",
                            file, rank + 1);
        const size_t a = (size_t)(blank - s);
        TS_TRY(ts_token_model_add_merge(m, s, a, blank + 1, n - a - 1, rank++, file));
    }
    return TS_OK;
}

static ts_status read_gpt2_vocab(ts_token_model *m, const json_t *root, const char *file)
{
    const char *key;
    json_t *v;
    if (!json_is_object(root))
        return ts_error(TS_ERR_USER, "%s: expected an object of tokens and ids", file);
    json_object_foreach((json_t *)root, key, v) {
        if (!json_is_integer(v))
            return ts_error(TS_ERR_USER, "%s: the id of '%s' is not a whole number", file, key);
        TS_TRY(ts_vocab_add(&m->vocab, key, strlen(key), json_integer_value(v)));
    }
    return TS_OK;
}

ts_status ts_load_gpt2(ts_tokenizer *tok, const ts_str *vocab, const char *vocab_file,
                       const ts_str *merges, const char *merge_file)
{
    ts_token_model *m = &tok->model;
    json_t *root = NULL;
    m->kind = TS_MODEL_BPE;
    TS_TRY(ts_strdup("", &m->prefix));
    TS_TRY(ts_strdup("", &m->suffix));
    ts_status st = ts_json_parse(ts_str_text(vocab), vocab->len, vocab_file, &root);
    if (st == TS_OK)
        st = read_gpt2_vocab(m, root, vocab_file);
    json_decref(root);
    TS_TRY(st);
    TS_TRY(read_gpt2_merges(m, merges, merge_file));
    TS_TRY(ts_bpe_settle(&m->bpe));
    TS_TRY(ts_token_model_use_bytes(m));
    TS_TRY(ts_pretoken_add_pattern(&tok->pre, ts_scan_gpt2_pattern, vocab_file));
    ts_pretoken_finish(&tok->pre);
    json_t *dec = json_pack("{s:s}", "type", "ByteLevel");
    st =
        dec ? ts_decoder_load(&tok->dec, dec, vocab_file) : ts_error(TS_ERR_NOMEM, "out of memory");
    json_decref(dec);
    TS_TRY(st);
    /* The end of a text. Megatron does not look for it in texts, so no search is built here. */
    const int32_t eot = ts_vocab_find(&m->vocab, "<|endoftext|>", 13);
    if (eot >= 0)
        TS_TRY(ts_added_add(&tok->added, "<|endoftext|>", 13,
                            (ts_added_token){ .id = eot, .special = true }));
    tok->eos = tok->bos = eot;
    return TS_OK;
}
