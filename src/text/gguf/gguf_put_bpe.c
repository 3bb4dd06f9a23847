/* Byte-level BPE. How words are cut has names in GGUF files, which are found by what tokenizer.json does: llama.cpp's
 * converter knows tokenizers by a digest of the ids of one text, so those of known models alone. */
#include "text/gguf/gguf_tokens.h"

#include <string.h>

/* ---- how words are cut ---- */

static const char *kind_of(const json_t *step)
{
    const char *kind = json_string_value(json_object_get(step, "type"));
    return kind ? kind : "";
}

static ts_status unknown(const ts_gguf_tok_put *p, const char *what, const char *text)
{
    return ts_error(TS_ERR_USER, "%s: its tokenizer cuts text into words in a way that has no name in GGUF files: %s %.200s",
                    p->o->path, what, text);
}

static ts_status take_split(const ts_gguf_tok_put *p, const json_t *step, ts_gguf_pre *pre, int *n)
{
    const char *regex = json_string_value(json_object_get(json_object_get(step, "pattern"), "Regex"));
    const char *behavior = json_string_value(json_object_get(step, "behavior"));
    const bool inverted = json_is_true(json_object_get(step, "invert"));
    /* to keep what fits by itself, or to remove what does not, is the same where everything fits */
    if (!regex || !behavior || strcmp(behavior, inverted ? "Removed" : "Isolated"))
        return unknown(p, "a step Split of", behavior ? behavior : "no behavior");
    if (*n == TS_GGUF_PRE_SPLITS)
        return unknown(p, "more steps than", "any that is known");
    pre->split[(*n)++] = regex;
    return TS_OK;
}

static ts_status take_step(const ts_gguf_tok_put *p, const json_t *step, ts_gguf_pre *pre, int *n)
{
    const char *kind = kind_of(step);
    const json_t *regex = json_object_get(step, "use_regex"), *each = json_object_get(step, "individual_digits");
    if (!strcmp(kind, "Split"))
        return take_split(p, step, pre, n);
    if (!strcmp(kind, "Digits") && json_is_true(each) && !*n)
        pre->digits = true;
    else if (!strcmp(kind, "ByteLevel"))
        pre->gpt2 = !regex || json_is_true(regex);
    else
        return unknown(p, "a step", kind);
    return TS_OK;
}

static bool composes(const json_t *normalizer)
{
    size_t i;
    json_t *step;
    if (!strcmp(kind_of(normalizer), "NFC"))
        return true;
    json_array_foreach(json_object_get(normalizer, "normalizers"), i, step)
        if (composes(step))
            return true;
    return false;
}

static ts_status put_pre(const ts_gguf_tok_put *p)
{
    const json_t *model = json_object_get(p->json, "model"), *pre = json_object_get(p->json, "pre_tokenizer");
    const json_t *steps = json_object_get(pre, "pretokenizers");
    ts_gguf_pre like = { .nfc = composes(json_object_get(p->json, "normalizer")),
                         .ignore_merges = json_is_true(json_object_get(model, "ignore_merges")) };
    int n = 0;
    size_t i;
    json_t *step;
    if (!steps)
        TS_TRY(take_step(p, pre, &like, &n));
    json_array_foreach(steps, i, step)
        TS_TRY(take_step(p, step, &like, &n));
    const char *name = ts_gguf_pre_like(&like);
    if (!name)
        return unknown(p, "expression", like.split[0] ? like.split[0] : "(GPT-2's)");
    return ts_gguf_add_text(p->out, "tokenizer.ggml.pre", name, strcspn(name, " "));
}

/* ---- tokens and merges ---- */

static ts_status take_vocab(ts_gguf_tok_put *p)
{
    json_t *vocab = json_object_get(json_object_get(p->json, "model"), "vocab"), *id;
    const char *text;
    size_t n;
    if (!json_is_object(vocab))
        return ts_error(TS_ERR_USER, "%s: tokenizer.json has no vocabulary", p->o->path);
    json_object_keylen_foreach(vocab, text, n, id) {
        ts_gguf_token *t = ts_gguf_tok_place(p, json_is_number(id) ? json_number_value(id) : -1);
        if (t)
            *t = (ts_gguf_token){ .s = text, .n = n, .type = TS_GGUF_NORMAL };
    }
    return TS_OK;
}

/* A blank parts the two: one inside of them is written as byte-level alphabets have it. */
static ts_status add_half(const json_t *half, ts_str *out)
{
    const char *s = json_string_value(half);
    for (size_t i = 0; s && i < json_string_length(half); i++)
        TS_TRY(s[i] == ' ' ? ts_str_puts(out, "\xC4\xA0") : ts_str_add(out, s + i, 1));
    return TS_OK;
}

static ts_status put_merge(const ts_gguf_tok_put *p, const json_t *merge, ts_str *work)
{
    if (json_is_string(merge))
        return ts_gguf_add_element(p->out, json_string_value(merge), json_string_length(merge));
    ts_str_reset(work);
    TS_TRY(add_half(json_array_get(merge, 0), work));
    TS_TRY(ts_str_puts(work, " "));
    TS_TRY(add_half(json_array_get(merge, 1), work));
    return ts_gguf_add_element(p->out, ts_str_text(work), work->len);
}

static ts_status put_merges(const ts_gguf_tok_put *p)
{
    const json_t *merges = json_object_get(json_object_get(p->json, "model"), "merges");
    ts_str work = { 0 };
    json_t *merge;
    size_t i;
    ts_status st = ts_gguf_add_texts(p->out, "tokenizer.ggml.merges", (int64_t)json_array_size(merges));
    json_array_foreach(merges, i, merge) {
        if (st == TS_OK)
            st = put_merge(p, merge, &work);
    }
    ts_str_deinit(&work);
    return st;
}

ts_status ts_gguf_tok_put_bpe(ts_gguf_tok_put *p)
{
    TS_TRY(ts_gguf_add_text(p->out, "tokenizer.ggml.model", "gpt2", 4));
    TS_TRY(put_pre(p));
    TS_TRY(take_vocab(p));
    TS_TRY(ts_gguf_tok_put_tokens(p, false));
    return put_merges(p);
}
