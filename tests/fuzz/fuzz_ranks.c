/* The tokenizers that are no JSON of their own: rank files, GPT-2's pair of files, and the files
 * beside a tokenizer that say which tokens begin and end. */
#include "fuzz_text.h"
#include "text/load/tiktoken_json.h"

#include <sys/stat.h>

/* The same tokenizer as a tokenizer.json: with GPT-2's pattern it opens, and gives the same ids. */
static void as_json(const ts_tokenizer *tok, const char *ranks, size_t n,
                    const ts_tokenizer_options *how)
{
    static const char text[] = "abc ab  a'st\n<|endoftext|>c b";
    const ts_option_list special = { (const char **)(uintptr_t)how->tiktoken_special,
                                     (int64_t)how->n_tiktoken_special };
    const ts_text_options o = { .tiktoken_pattern = how->tiktoken_pattern,
                                .tiktoken_special = special };
    ts_str json = { 0 };
    ts_tokenizer *other = NULL;
    ts_tokenizer_scratch *scratch[2] = { NULL, NULL };
    ts_ids a = { 0 }, b = { 0 };
    if (ts_tiktoken_json(ranks, n, "f.tiktoken", &o, &json) == TS_OK) {
        const bool opens = ts_tokenizer_open_bytes(json.s, json.len, "f.json", fuzz_unicode(),
                                                   &other) == TS_OK;
        if (how->tiktoken_pattern) /* the two languages of patterns differ */
            goto done;
        if (!opens || ts_tokenizer_scratch_create(tok, &scratch[0]) != TS_OK ||
            ts_tokenizer_scratch_create(other, &scratch[1]) != TS_OK)
            abort();
        if (ts_tokenizer_encode(tok, scratch[0], text, sizeof text - 1, false, &a) == TS_OK &&
            (ts_tokenizer_encode(other, scratch[1], text, sizeof text - 1, false, &b) != TS_OK ||
             a.n != b.n || (a.n && memcmp(a.v, b.v, a.n * sizeof *a.v))))
            abort();
    }
done:
    ts_tokenizer_scratch_destroy(&scratch[0]);
    ts_tokenizer_scratch_destroy(&scratch[1]);
    ts_tokenizer_destroy(&other);
    ts_ids_deinit(&a);
    ts_ids_deinit(&b);
    ts_str_deinit(&json);
}

/* A pattern, a NUL, and the ranks; without the NUL GPT-2's pattern. */
static void ranks(const char *s, size_t n)
{
    static const char *const special[] = { "<|endoftext|>", "<|a b|>" };
    const char *nul = memchr(s, 0, n), *text = nul ? nul + 1 : s;
    const ts_tokenizer_options how = { .tiktoken_pattern = nul ? s : NULL,
                                       .tiktoken_special = special,
                                       .n_tiktoken_special = 2 };
    ts_tokenizer *tok = NULL;
    if (ts_tokenizer_new(fuzz_unicode(), &tok) != TS_OK)
        abort();
    const bool is_text = !nul || ts_utf8_check(s, (size_t)(nul - s)) == (size_t)(nul - s);
    if (is_text && ts_load_tiktoken(tok, text, n - (size_t)(text - s), "f.tiktoken", &how) ==
                       TS_OK) {
        fuzz_use(tok, NULL, 0);
        if (n % 8 == 0) /* it makes tables of its own, which takes longer than the rest */
            as_json(tok, text, n - (size_t)(text - s), &how);
    }
    ts_tokenizer_destroy(&tok);
}

/* vocab.json, a NUL, and merges.txt. */
static void gpt2(const char *s, size_t n)
{
    const char *nul = memchr(s, 0, n);
    ts_tokenizer *tok = NULL;
    ts_str vocab = { 0 }, merges = { 0 };
    if (!nul)
        return;
    if (ts_tokenizer_new(fuzz_unicode(), &tok) != TS_OK ||
        ts_str_add(&vocab, s, (size_t)(nul - s)) != TS_OK ||
        ts_str_add(&merges, nul + 1, n - (size_t)(nul + 1 - s)) != TS_OK)
        abort();
    if (ts_load_gpt2(tok, &vocab, "vocab.json", &merges, "merges.txt") == TS_OK &&
        ts_added_finish(&tok->added, &tok->norm, "vocab.json") == TS_OK)
        fuzz_use(tok, NULL, 0);
    ts_str_deinit(&vocab);
    ts_str_deinit(&merges);
    ts_tokenizer_destroy(&tok);
}

/* tokenizer_config.json, a NUL, and special_tokens_map.json, beside a tokenizer of a few tokens. */
static void roles(const char *s, size_t n)
{
    static const char whole[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"<s>\":2},\"merges\":[]},"
        "\"added_tokens\":[{\"id\":2,\"content\":\"<s>\",\"special\":true}]}";
    const char *nul = memchr(s, 0, n);
    const size_t first = nul ? (size_t)(nul - s) : n;
    char path[FUZZ_PATH];
    ts_tokenizer *tok = NULL;
    if (mkdir(fuzz_path("roles", path), 0700) == 0)
        fuzz_write("roles/tokenizer.json", whole, sizeof whole - 1);
    fuzz_write("roles/tokenizer_config.json", s, first);
    fuzz_remove("roles/special_tokens_map.json");
    if (nul)
        fuzz_write("roles/special_tokens_map.json", nul + 1, n - first - 1);
    if (ts_tokenizer_new(fuzz_unicode(), &tok) != TS_OK ||
        ts_load_json(tok, whole, sizeof whole - 1, "tokenizer.json") != TS_OK)
        abort();
    if (ts_load_roles(tok, fuzz_path("roles", path)) == TS_OK) {
        const int32_t id[] = { ts_tokenizer_bos(tok), ts_tokenizer_eos(tok),
                               ts_tokenizer_pad(tok), ts_tokenizer_unk(tok) };
        for (size_t i = 0; i < sizeof id / sizeof *id; i++)
            if (id[i] < -1 || id[i] >= ts_tokenizer_vocab_size(tok))
                abort();
    } else if (!strstr(ts_error_message(), path)) {
        abort();
    }
    ts_tokenizer_destroy(&tok);
}

/* The first byte says what the rest is taken for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *s = fuzz_text(data + 1, size - 1);
    (data[0] == 'g' ? gpt2 : data[0] == 'r' ? roles : ranks)(s, size - 1);
    free(s);
    return 0;
}
