#include "text/load/tiktoken_json.h"

#include "text/tok.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_HOLES = 1 << 16 };

/* Bytes in GPT-2's alphabet, as a JSON string. */
static ts_status put_token(ts_str *out, const char *s, size_t n)
{
    ts_str text = { 0 };
    char c[4];
    ts_status st = TS_OK;
    for (size_t i = 0; i < n && st == TS_OK; i++)
        st = ts_str_add(&text, c, (size_t)ts_utf8_encode(ts_byte_to_char((unsigned char)s[i]), c));
    if (st == TS_OK)
        st = ts_str_json(out, ts_str_text(&text), text.len);
    ts_str_deinit(&text);
    return st;
}

/* The pattern as tokenizers (Oniguruma) must be told it: there + behind {1,3} repeats the group,
 * while it makes it possessive here. What stands at the end of an alternative, as in every pattern
 * of tiktoken, matches the same without. */
static ts_status put_pattern(ts_str *out, const char *s)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    size_t open = 0;
    for (size_t i = 0; s[i] && st == TS_OK; i++) {
        const size_t inside = i - open - 1;
        if (s[i] == '{')
            open = i;
        st = ts_str_add(&text, s + i, 1);
        if (s[i] == '}' && s[i + 1] == '+' && inside &&
            strspn(s + open + 1, "0123456789,") == inside)
            i++;
    }
    if (st == TS_OK)
        st = ts_str_json(out, ts_str_text(&text), text.len);
    ts_str_deinit(&text);
    return st;
}

static ts_status put_added(ts_str *out, const ts_tokenizer *tok)
{
    TS_TRY(ts_str_puts(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n"
                            "  \"padding\": null,\n  \"added_tokens\": ["));
    for (size_t i = 0; i < tok->added.n; i++) {
        size_t n;
        const char *s = ts_added_text(&tok->added, tok->added.token[i].id, &n);
        TS_TRY(ts_str_printf(out, "%s\n    {\"id\": %d, \"content\": ", i ? "," : "",
                             (int)tok->added.token[i].id));
        TS_TRY(ts_str_json(out, s, n));
        TS_TRY(ts_str_puts(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                                "\"normalized\": false, \"special\": true}"));
    }
    TS_TRY(ts_str_puts(out, "\n  ],\n  \"normalizer\": null,\n  \"pre_tokenizer\": {\"type\": "
                            "\"Sequence\", \"pretokenizers\": [\n    {\"type\": \"Split\", "
                            "\"pattern\": {\"Regex\": "));
    TS_TRY(put_pattern(out, tok->pre.step[0].text));
    TS_TRY(ts_str_puts(out, tok->pre.step[0].invert /* what it does not match is left out */
                                ? "}, \"behavior\": \"Removed\", \"invert\": true},\n"
                                : "}, \"behavior\": \"Isolated\", \"invert\": false},\n"));
    return ts_str_puts(
        out,
        "    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
        "\"use_regex\": false}]},\n"
        "  \"post_processor\": null,\n"
        "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
        "\"trim_offsets\": true, \"use_regex\": true},\n"
        "  \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
        "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, "
        "\"byte_fallback\": false, \"ignore_merges\": true, \"vocab\": {");
}

/* The rank's token; NULL: none, also where a later line gave it another rank. */
static const char *token_of(const ts_vocab *v, int32_t id, size_t *n)
{
    const char *s = ts_vocab_text(v, id, n);
    return s && ts_vocab_is(v, id, s, *n) ? s : NULL;
}

typedef struct split {
    int32_t left, right;
    size_t at;
} split;

static int by_ranks(const void *a, const void *b)
{
    const split *x = a, *y = b;
    return x->left != y->left ? (x->left < y->left ? -1 : 1) : (x->right > y->right) - (x->right < y->right);
}

/* Every way to make the token of two others, the most frequent parts first. */
static ts_status put_merges(ts_str *out, const ts_vocab *v, int32_t id, split *splits, bool *first)
{
    size_t n, k = 0;
    const char *s = token_of(v, id, &n);
    for (size_t i = 1; s && i < n; i++) {
        const split x = { ts_vocab_find(v, s, i), ts_vocab_find(v, s + i, n - i), i };
        if (x.left >= 0 && x.right >= 0)
            splits[k++] = x;
    }
    qsort(splits, k, sizeof *splits, by_ranks);
    for (size_t i = 0; i < k; i++) {
        TS_TRY(ts_str_puts(out, *first ? "\n    [" : ",\n    ["));
        TS_TRY(put_token(out, s, splits[i].at));
        TS_TRY(ts_str_puts(out, ", "));
        TS_TRY(put_token(out, s + splits[i].at, n - splits[i].at));
        TS_TRY(ts_str_puts(out, "]"));
        *first = false;
    }
    return TS_OK;
}

/* tokenizers numbers special tokens from the number of tokens on, so a rank that nothing has gets a
 * token too: with a blank, which is no character of the alphabet, so that no text has it. */
static ts_status put_model(ts_str *out, const ts_vocab *v, split *splits)
{
    bool first = true;
    for (int32_t id = 0; id < (int32_t)v->n_ids; id++) {
        size_t n;
        const char *s = token_of(v, id, &n);
        TS_TRY(ts_str_puts(out, first ? "\n    " : ",\n    "));
        if (s)
            TS_TRY(put_token(out, s, n));
        else
            TS_TRY(ts_str_printf(out, "\" %d\"", (int)id));
        TS_TRY(ts_str_printf(out, ": %d", (int)id));
        first = false;
    }
    TS_TRY(ts_str_puts(out, "\n  }, \"merges\": ["));
    first = true;
    for (int32_t id = 0; id < (int32_t)v->n_ids; id++)
        TS_TRY(put_merges(out, v, id, splits, &first));
    return ts_str_puts(out, "\n  ]}\n}\n");
}

ts_status ts_tiktoken_json(const char *ranks, size_t n, const char *file, const ts_text_options *o,
                           ts_str *out)
{
    const ts_tokenizer_options more = ts_text_file_options(o);
    ts_tokenizer *tok = NULL;
    split *splits = NULL;
    TS_TRY(ts_tokenizer_new(NULL, &tok));
    ts_status st = ts_load_tiktoken(tok, ranks, n, file, &more);
    size_t longest = 0;
    for (size_t i = 0; i < tok->model.vocab.n; i++)
        if (tok->model.vocab.entry[i].len > longest)
            longest = tok->model.vocab.entry[i].len;
    if (st == TS_OK)
        st = ts_alloc(&splits, longest, sizeof *splits);
    if (st == TS_OK && tok->model.vocab.n_ids - tok->model.vocab.n > MOST_HOLES)
        st = ts_error(TS_ERR_USER, "%s: %zu of its ranks up to %zu have no token", file,
                      tok->model.vocab.n_ids - tok->model.vocab.n, tok->model.vocab.n_ids - 1);
    if (st == TS_OK)
        st = put_added(out, tok);
    if (st == TS_OK)
        st = put_model(out, &tok->model.vocab, splits);
    ts_free(&splits);
    ts_tokenizer_destroy(&tok);
    return st;
}
