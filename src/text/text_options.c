#include "text/text_options.h"

#include "base/file.h"
#include "text/load/sp_json.h"
#include "text/tok.h"

#include <stdlib.h>
#include <string.h>

/* All decide what is computed: which ids end and fill documents. A checkpoint has its tokenizer. */
#define ALL (TS_OPTION_DECIDES | TS_OPTION_INHERITS)
#define RUN(type_, field, name, help)                                                              \
    TS_ROW_IS(ALL, type_, ts_text_options, field, name, NULL, 0, 0, NULL, "tokenizer", help)
#define FILES(field, name, help)                                                                   \
    TS_ROW_IS(ALL | TS_OPTION_PLACE, TEXT, ts_text_options, field, name, NULL, 0, 0, NULL,         \
              "tokenizer", help)

const ts_option ts_text_option_rows[] = {
    RUN(TEXT, type, "tokenizer-type",
        "PretrainedFromHF (or HuggingFaceTokenizer), GPT2BPETokenizer, Llama2Tokenizer, "
        "GPTSentencePieceTokenizer, TikTokenizer, NullTokenizer"),
    FILES(name_or_path, "tokenizer-name-or-path", "folder with the tokenizer's files, or a GGUF file"),
    FILES(model, "tokenizer-model", "SentencePiece, tiktoken or tokenizer.json file"),
    FILES(vocab_file, "vocab-file", "vocab.json of GPT2BPETokenizer"),
    FILES(merge_file, "merge-file", "merges.txt of GPT2BPETokenizer"),
    TS_ROW_IS(ALL, INT, ts_text_options, vocab_size, "vocab-size", "0", 0, 2147483646, NULL, "tokenizer",
           "NullTokenizer: ids 0 to N-1, and N ends a document"),
    RUN(LIST, kwargs, "tokenizer-kwargs",
        "pairs such as eos_token <|endoftext|> pad_token <|extra_0|>"),
    RUN(TEXT, tiktoken_pattern, "tiktoken-pattern",
        "of a .tiktoken file: v1 or v2 (Megatron's), or a regular expression (GPT-2's)"),
    RUN(LIST, tiktoken_special, "tiktoken-special",
        "special tokens of a .tiktoken file, after the last rank"),
    RUN(LIST, tiktoken_special, "tiktoken-special-tokens", "as --tiktoken-special"),
    RUN(LIST, add_tokens, "add-tokens",
        "tokens that the tokenizer gets beside its own; a Hugging Face folder that is trained gets a row for each"),
    RUN(LIST, add_special_tokens, "add-special-tokens", "likewise, special ones: found in any text, left out when decoding"),
    FILES(new_tokens_config, "new-tokens-config",
          "a YAML or JSON file of special tokens, each with words that describe it (see --new-tokens-init)"),
    TS_NOTE("tokenizer-not-use-fast", 0, "tokenizer", "there is one implementation"),
    TS_NOTE("vocab-extra-ids", 1, "tokenizer", "a tokenizer's file says its special tokens"),
    TS_HINT("tokenizer", 1, "--tokenizer-name-or-path (or --tokenizer-model FILE)"),
    TS_HINT("tokenizer-path", 1, "--tokenizer-name-or-path"),
    TS_HINT("tokenizer-name", 1, "--tokenizer-name-or-path"),
    TS_HINT("vocab", 1, "--vocab-file, or --vocab-size with NullTokenizer"),
};
const size_t ts_text_option_count = sizeof ts_text_option_rows / sizeof *ts_text_option_rows;

bool ts_text_options_given(const ts_text_options *o)
{
    return o->type || o->name_or_path || o->model || o->vocab_file;
}

static ts_status need(const char *value, const char *type, const char *option)
{
    return value ? TS_OK : ts_error(TS_ERR_USER, "--tokenizer-type %s needs --%s", type, option);
}

ts_tokenizer_options ts_text_file_options(const ts_text_options *o)
{
    return (ts_tokenizer_options){ .tiktoken_pattern = o->tiktoken_pattern,
                                   .tiktoken_special = o->tiktoken_special.v,
                                   .n_tiktoken_special = (size_t)o->tiktoken_special.n };
}

static ts_status open_file(const ts_text_options *o, const char *path, ts_text_tokenizer *t)
{
    const ts_tokenizer_options more = ts_text_file_options(o);
    return ts_tokenizer_open(path, &more, &t->tok);
}

/* A SentencePiece model takes no tokens, but what it becomes for transformers does. Roles are the same ids. */
static ts_status open_again(const char *path, ts_text_tokenizer *t)
{
    static const char *const names[] = { "tokenizer.model", "spiece.model", "sentencepiece.bpe.model" };
    ts_str file = { 0 }, model = { 0 }, json = { 0 };
    ts_tokenizer *tok = NULL;
    bool can = false;
    ts_status st = ts_str_puts(&file, path);
    for (size_t i = 0; i < sizeof names / sizeof *names && st == TS_OK && ts_path_is_dir(ts_str_text(&file)); i++) {
        st = ts_path_join(&file, path, names[i]);
        if (st == TS_OK && !ts_path_exists(file.s))
            st = ts_str_puts((ts_str_reset(&file), &file), path);
    }
    if (st == TS_OK)
        st = ts_file_read(file.s, &model);
    if (st == TS_OK)
        st = ts_sp_json(ts_str_text(&model), model.len, file.s, false, false, &json, &can);
    if (st == TS_OK && !can)
        st = ts_error(TS_ERR_USER, "%s: a SentencePiece model of this kind takes no new tokens (--add-tokens)", file.s);
    if (st == TS_OK)
        st = ts_tokenizer_open_bytes(json.s, json.len, file.s, NULL, &tok);
    if (st == TS_OK) {
        tok->bos = t->tok->bos, tok->eos = t->tok->eos, tok->pad = t->tok->pad, tok->unk = t->tok->unk;
        ts_tokenizer_destroy(&t->tok);
        t->tok = tok;
    }
    ts_str_deinit(&file);
    ts_str_deinit(&model);
    ts_str_deinit(&json);
    return st;
}

bool ts_text_options_grow(const ts_text_options *o)
{
    return o->add_tokens.n || o->add_special_tokens.n || o->new_tokens_config;
}

static ts_status add_tokens(const ts_text_options *o, ts_text_tokenizer *t)
{
    ts_new_tokens tokens;
    if (!ts_text_options_grow(o))
        return TS_OK;
    if (ts_tokenizer_is_closed(t->tok))
        TS_TRY(open_again(o->name_or_path ? o->name_or_path : o->model, t));
    TS_TRY(ts_new_tokens_read(&o->add_tokens, &o->add_special_tokens, o->new_tokens_config, &tokens));
    const ts_status st = ts_new_tokens_add(&tokens, t->tok);
    ts_new_tokens_deinit(&tokens);
    return st;
}

/* Which class; the ids by role come from the tokenizer and are corrected after. */
static ts_status open_type(const ts_text_options *o, const char *type, ts_text_tokenizer *t)
{
    if (!strcmp(type, "PretrainedFromHF") || !strcmp(type, "HuggingFaceTokenizer")) {
        const char *path = o->name_or_path ? o->name_or_path : o->model;
        TS_TRY(need(path, type, "tokenizer-name-or-path"));
        t->with_special = true;
        return open_file(o, path, t);
    }
    if (!strcmp(type, "GPT2BPETokenizer")) {
        TS_TRY(need(o->vocab_file, type, "vocab-file"));
        TS_TRY(need(o->merge_file, type, "merge-file"));
        return ts_tokenizer_open_gpt2(o->vocab_file, o->merge_file, &t->tok);
    }
    if (!strcmp(type, "Llama2Tokenizer") || !strcmp(type, "GPTSentencePieceTokenizer") ||
        !strcmp(type, "TikTokenizer")) {
        const char *path = o->model ? o->model : o->name_or_path;
        TS_TRY(need(path, type, "tokenizer-model"));
        t->with_bos = !strcmp(type, "Llama2Tokenizer");
        return open_file(o, path, t);
    }
    return ts_error(
        TS_ERR_USER,
        "--tokenizer-type %s is not known; expected PretrainedFromHF, HuggingFaceTokenizer, "
        "GPT2BPETokenizer, Llama2Tokenizer, GPTSentencePieceTokenizer, TikTokenizer or "
        "NullTokenizer",
        type);
}

static ts_status open_null(const ts_text_options *o, ts_text_tokenizer *t)
{
    if (o->vocab_size <= 0)
        return ts_error(TS_ERR_USER, "--tokenizer-type NullTokenizer needs --vocab-size");
    *t = (ts_text_tokenizer){
        .vocab_size = o->vocab_size + 1, .eod = (int32_t)o->vocab_size, .pad = -1, .bos = -1
    };
    return TS_OK;
}

static ts_status apply_kwargs(const ts_option_list *pairs, ts_text_tokenizer *t)
{
    if (pairs->n % 2)
        return ts_error(TS_ERR_USER, "--tokenizer-kwargs: expected pairs of a name and a value");
    for (int64_t i = 0; i < pairs->n; i += 2) {
        const char *key = pairs->v[i], *token = pairs->v[i + 1];
        int32_t *role = !strcmp(key, "eos_token")   ? &t->eod
                        : !strcmp(key, "pad_token") ? &t->pad
                        : !strcmp(key, "bos_token") ? &t->bos : NULL;
        if (!role)
            return ts_error(
                TS_ERR_USER,
                "--tokenizer-kwargs: %s is not known; expected eos_token, pad_token or bos_token",
                key);
        *role = ts_tokenizer_token_id(t->tok, token);
        if (*role < 0)
            return ts_error(TS_ERR_USER, "--tokenizer-kwargs: %s: the tokenizer has no token %s",
                            key, token);
    }
    return TS_OK;
}

ts_status ts_text_tokenizer_open(const ts_text_options *o, ts_text_tokenizer *out)
{
    const char *type = o->type ? o->type
                       : o->name_or_path ? "PretrainedFromHF"
                       : o->vocab_file   ? "GPT2BPETokenizer" : "GPTSentencePieceTokenizer";
    ts_text_tokenizer t = { 0 };
    if (!ts_text_options_given(o))
        return ts_error(TS_ERR_USER, "no tokenizer is given: --tokenizer-type PretrainedFromHF "
                                     "--tokenizer-name-or-path FOLDER, or another type");
    if (!strcmp(type, "NullTokenizer"))
        return open_null(o, out);
    TS_TRY(open_type(o, type, &t));
    const ts_status added = add_tokens(o, &t);
    if (added != TS_OK)
        ts_text_tokenizer_close(&t);
    TS_TRY(added);
    t.vocab_size = ts_tokenizer_vocab_size(t.tok);
    t.eod = ts_tokenizer_eos(t.tok);
    t.bos = ts_tokenizer_bos(t.tok);
    t.pad = ts_tokenizer_pad(t.tok);
    if (t.eod < 0) /* a bare vocabulary of GPT-2's kind */
        t.eod = ts_tokenizer_token_id(t.tok, "<|endoftext|>");
    const ts_status st = apply_kwargs(&o->kwargs, &t);
    if (st != TS_OK)
        ts_text_tokenizer_close(&t);
    else
        *out = t;
    return st;
}

void ts_text_tokenizer_close(ts_text_tokenizer *t) { ts_tokenizer_destroy(&t->tok); }

static ts_status encode_numbers(const ts_text_tokenizer *t, const char *text, size_t n, ts_ids *out)
{
    for (size_t i = 0; i < n;) {
        if (strchr(" \t\r\n", text[i]) && text[i]) {
            i++;
            continue;
        }
        int64_t v = 0;
        const size_t from = i;
        for (; i < n && text[i] >= '0' && text[i] <= '9' && v < t->vocab_size; i++)
            v = v * 10 + (text[i] - '0');
        const bool ends = i == n || (text[i] && strchr(" \t\r\n", text[i]));
        if (i == from || !ends || v >= t->vocab_size)
            return ts_error(TS_ERR_USER,
                            "byte %zu of the text: NullTokenizer expects numbers from 0 to %lld",
                            from, (long long)t->vocab_size - 1);
        TS_TRY(ts_ids_add(out, (int32_t)v));
    }
    return TS_OK;
}

ts_status ts_text_encode(const ts_text_tokenizer *t, ts_tokenizer_scratch *scratch,
                         const char *text, size_t n, ts_ids *out)
{
    if (!t->tok)
        return encode_numbers(t, text, n, out);
    if (t->with_bos && t->bos >= 0)
        TS_TRY(ts_ids_add(out, t->bos));
    return ts_tokenizer_encode(t->tok, scratch, text, n, t->with_special, out);
}

/* Of a text that another follows: without what ends texts. */
static ts_status encode_first(const ts_text_tokenizer *t, ts_tokenizer_scratch *scratch,
                              const char *text, size_t n, ts_ids *out)
{
    out->n = 0;
    TS_TRY(ts_text_encode(t, scratch, text, n, out));
    const size_t ends = t->tok && t->with_special ? ts_tokenizer_ends(t->tok) : 0;
    out->n -= ends < out->n ? ends : out->n;
    return TS_OK;
}

static bool begins_with(const ts_ids *all, const ts_ids *part)
{
    return part->n <= all->n &&
           (part->n == 0 || !memcmp(all->v, part->v, part->n * sizeof *part->v));
}

static size_t without_blanks(const char *s, size_t n)
{
    for (size_t at = n; at > 0;) {
        do
            at--;
        while (at > 0 && ((unsigned char)s[at] & 0xC0) == 0x80);
        const int len = ts_utf8_len(s + at, n - at);
        if (!len || !ts_char_is_space(ts_utf8_decode(s + at, len)))
            return n;
        n = at;
    }
    return n;
}

static ts_status encode_apart(const ts_text_tokenizer *t, ts_tokenizer_scratch *scratch,
                              const char *second, size_t n, const ts_ids *first, ts_ids *out)
{
    out->n = 0;
    for (size_t i = 0; i < first->n; i++)
        TS_TRY(ts_ids_add(out, first->v[i]));
    return t->tok ? ts_tokenizer_encode_rest(t->tok, scratch, second, n, out)
                  : encode_numbers(t, second, n, out);
}

ts_status ts_text_encode_pair(const ts_text_tokenizer *t, ts_tokenizer_scratch *scratch,
                              const char *first, size_t n_text, const char *second, size_t n_second,
                              ts_ids *out, size_t *n_first)
{
    ts_str whole = { 0 };
    ts_ids ids = { 0 };
    const size_t bare = without_blanks(first, n_text);
    ts_status st;
    TS_TRY_TO(done, st, ts_str_add(&whole, first, n_text));
    TS_TRY_TO(done, st, ts_str_add(&whole, second, n_second));
    out->n = 0;
    TS_TRY_TO(done, st, ts_text_encode(t, scratch, ts_str_text(&whole), whole.len, out));
    TS_TRY_TO(done, st, encode_first(t, scratch, first, n_text, &ids));
    if (!begins_with(out, &ids) && bare < n_text)
        TS_TRY_TO(done, st, encode_first(t, scratch, first, bare, &ids));
    if (!begins_with(out, &ids)) {
        TS_TRY_TO(done, st, encode_first(t, scratch, first, n_text, &ids));
        TS_TRY_TO(done, st, encode_apart(t, scratch, second, n_second, &ids, out));
    }
    *n_first = ids.n;
done:
    ts_str_deinit(&whole);
    ts_ids_deinit(&ids);
    return st;
}
