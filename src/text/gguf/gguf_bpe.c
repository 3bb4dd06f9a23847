/* Byte-level BPE as a tokenizer.json. Tokens that are found whole in texts are those of the types control and user. */
#include "text/gguf/gguf_vocab.h"
#include "text/load/post_json.h"

#include <string.h>

static ts_status put_token(const ts_gguf_vocab *v, int64_t id, ts_str *out)
{
    return ts_str_json(out, v->text[id], v->len[id]);
}

static ts_status put_added(const ts_gguf_vocab *v, ts_str *out)
{
    bool first = true;
    for (int64_t id = 0; id < v->n; id++) {
        if (v->type[id] != TS_GGUF_CONTROL && v->type[id] != TS_GGUF_USER)
            continue;
        TS_TRY(ts_str_printf(out, "%s\n    {\"id\": %lld, \"content\": ", first ? "" : ",", (long long)id));
        TS_TRY(put_token(v, id, out));
        TS_TRY(ts_str_printf(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
                                  "\"special\": %s}", v->type[id] == TS_GGUF_CONTROL ? "true" : "false"));
        first = false;
    }
    return TS_OK;
}

static ts_status put_split(const char *regex, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "\n    {\"type\": \"Split\", \"pattern\": {\"Regex\": "));
    TS_TRY(ts_str_json(out, regex, strlen(regex)));
    return ts_str_puts(out, "}, \"behavior\": \"Isolated\", \"invert\": false},");
}

static ts_status put_pre(const ts_gguf_pre *p, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{\"type\": \"Sequence\", \"pretokenizers\": ["));
    if (p->digits)
        TS_TRY(ts_str_puts(out, "\n    {\"type\": \"Digits\", \"individual_digits\": true},"));
    for (int i = 0; i < TS_GGUF_PRE_SPLITS && p->split[i]; i++)
        TS_TRY(put_split(p->split[i], out));
    return ts_str_printf(out, "\n    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
                              "\"use_regex\": %s}]}", p->gpt2 ? "true" : "false");
}

static ts_status put_vocab(const ts_gguf_vocab *v, ts_str *out)
{
    for (int64_t id = 0; id < v->n; id++) {
        TS_TRY(ts_str_puts(out, id ? ",\n    " : "\n    "));
        TS_TRY(put_token(v, id, out));
        TS_TRY(ts_str_printf(out, ": %lld", (long long)id));
    }
    return TS_OK;
}

/* Two tokens with a blank between them, of which the first may begin with one. */
static ts_status put_merge(const ts_gguf_vocab *v, const char *s, size_t n, int64_t i, ts_str *out)
{
    const char *blank = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
    if (!blank || ts_utf8_check(s, n) != n)
        return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.merges: entry %lld is not two tokens with a blank between them",
                        ts_gguf_path(v->g), (long long)i);
    TS_TRY(ts_str_puts(out, i ? ",\n    [" : "\n    ["));
    TS_TRY(ts_str_json(out, s, (size_t)(blank - s)));
    TS_TRY(ts_str_puts(out, ", "));
    TS_TRY(ts_str_json(out, blank + 1, n - (size_t)(blank + 1 - s)));
    return ts_str_puts(out, "]");
}

static ts_status put_merges(const ts_gguf_vocab *v, ts_str *out)
{
    const ts_gguf_value *list;
    TS_TRY(ts_gguf_texts(v->g, "tokenizer.ggml.merges", &list));
    if (!list)
        return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.merges is missing, which a tokenizer of the kind gpt2 needs",
                        ts_gguf_path(v->g));
    const unsigned char *at = list->data;
    for (int64_t i = 0; i < list->n; i++) {
        size_t n;
        const char *s = ts_gguf_next_text(&at, &n);
        TS_TRY(put_merge(v, s, n, i, out));
    }
    return TS_OK;
}

static ts_post_token role(const ts_gguf_vocab *v, bool added, int32_t id)
{
    return added ? (ts_post_token){ v->text[id], v->len[id], id } : (ts_post_token){ .id = -1 };
}

ts_status ts_gguf_bpe_json(const ts_gguf_vocab *v, ts_str *out)
{
    const ts_post_token begin = role(v, v->add_bos, v->bos), end = role(v, v->add_eos, v->eos);
    TS_TRY(ts_str_puts(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
                            "  \"added_tokens\": ["));
    TS_TRY(put_added(v, out));
    TS_TRY(ts_str_printf(out, "\n  ],\n  \"normalizer\": %s,\n  \"pre_tokenizer\": ",
                         v->pre->nfc ? "{\"type\": \"NFC\"}" : "null"));
    TS_TRY(put_pre(v->pre, out));
    TS_TRY(ts_str_puts(out, ",\n  \"post_processor\": "));
    TS_TRY(ts_post_json(&begin, &end, out));
    TS_TRY(ts_str_printf(out,
                         ",\n  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, "
                         "\"use_regex\": true},\n  \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
                         "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, "
                         "\"byte_fallback\": false, \"ignore_merges\": %s, \"vocab\": {",
                         v->pre->ignore_merges ? "true" : "false"));
    TS_TRY(put_vocab(v, out));
    TS_TRY(ts_str_puts(out, "\n  }, \"merges\": ["));
    TS_TRY(put_merges(v, out));
    return ts_str_puts(out, "\n  ]}\n}\n");
}
