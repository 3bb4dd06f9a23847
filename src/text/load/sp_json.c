#include "text/load/sp_json.h"

#include "text/load/post_json.h"
#include "text/tok.h"
#include "sentencepiece.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define BLANK "\xE2\x96\x81" /* U+2581 */

typedef struct writer {
    const TsSp__ModelProto *p;
    const ts_tokenizer *tok; /* the same, loaded */
    ts_str *out;
} writer;

static ts_status put(const writer *w, const char *text) { return ts_str_puts(w->out, text); }

static ts_status put_piece(const writer *w, int32_t id)
{
    size_t n;
    const char *s = ts_vocab_text(&w->tok->model.vocab, id, &n);
    return ts_str_json(w->out, s, n);
}

static ts_status put_base64(ts_str *out, const uint8_t *s, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t b = (uint32_t)s[i] << 16 | (i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0) |
                           (i + 2 < n ? s[i + 2] : 0);
        const char four[4] = { digits[b >> 18], digits[b >> 12 & 63],
                               i + 1 < n ? digits[b >> 6 & 63] : '=',
                               i + 2 < n ? digits[b & 63] : '=' };
        TS_TRY(ts_str_add(out, four, 4));
    }
    return TS_OK;
}

/* Control and unknown pieces, and the user's symbols. */
static ts_status put_added(const writer *w)
{
    const ts_token_model *m = &w->tok->model;
    bool first = true;
    for (int32_t id = 0; id < (int32_t)m->vocab.n_ids; id++) {
        const int type = m->type[id];
        if (type != TS_SP_CONTROL && type != TS_SP_UNKNOWN && type != TS_SP_USER)
            continue;
        TS_TRY(ts_str_printf(w->out, "%s\n    {\"id\": %d, \"content\": ", first ? "" : ",", id));
        TS_TRY(put_piece(w, id));
        TS_TRY(ts_str_printf(w->out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": "
                                     "false, \"normalized\": false, \"special\": %s}",
                             type == TS_SP_USER ? "false" : "true"));
        first = false;
    }
    return TS_OK;
}

static bool has_user_symbols(const ts_token_model *m)
{
    for (size_t id = 0; id < m->vocab.n_ids; id++)
        if (m->type[id] == TS_SP_USER)
            return true;
    return false;
}

static ts_status put_charsmap(const writer *w)
{
    const TsSp__NormalizerSpec *n = w->p->normalizer_spec;
    if (!n || !n->has_precompiled_charsmap || !n->precompiled_charsmap.len)
        return TS_OK;
    TS_TRY(put(w, "\n    {\"type\": \"Precompiled\", \"precompiled_charsmap\": \""));
    TS_TRY(put_base64(w->out, n->precompiled_charsmap.data, n->precompiled_charsmap.len));
    return put(w, "\"},");
}

/* Symbols of the user cut the text before it is normalized. So where there are such, blanks at the
 * ends of parts stay, and the blank in front comes to the first part alone (which has the price that
 * none comes where the text begins with one). */
static ts_status put_normalizer(const writer *w)
{
    const ts_sp_norm *sp = &w->tok->sp;
    const bool cuts = has_user_symbols(&w->tok->model);
    const char *blank = sp->escape_blanks ? BLANK : " ";
    TS_TRY(put(w, "\n  ],\n  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["));
    TS_TRY(put_charsmap(w));
    if (sp->squeeze_blanks && !cuts)
        TS_TRY(put(w, "\n    {\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true},"));
    if (sp->squeeze_blanks)
        TS_TRY(put(w, "\n    {\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, "
                      "\"content\": \" \"},"));
    if (sp->dummy_prefix && !cuts)
        TS_TRY(ts_str_printf(w->out, "\n    {\"type\": \"Prepend\", \"prepend\": \"%s\"},", blank));
    TS_TRY(ts_str_printf(w->out,
                         "\n    {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, "
                         "\"content\": \"%s\"}]},\n  \"pre_tokenizer\": ",
                         blank));
    if (!cuts || !sp->dummy_prefix)
        return put(w, "null,");
    return ts_str_printf(w->out,
                         "{\"type\": \"Metaspace\", \"replacement\": \"%s\", "
                         "\"prepend_scheme\": \"first\", \"split\": false},",
                         blank);
}

static ts_post_token post_token(const writer *w, bool with, int32_t id)
{
    ts_post_token t = { .id = with ? id : -1 };
    if (t.id >= 0)
        t.text = ts_vocab_text(&w->tok->model.vocab, id, &t.n);
    return t;
}

static ts_status put_post(const writer *w, bool with_bos, bool with_eos)
{
    const ts_post_token begin = post_token(w, with_bos, w->tok->bos), end = post_token(w, with_eos, w->tok->eos);
    TS_TRY(put(w, "\n  \"post_processor\": "));
    TS_TRY(ts_post_json(&begin, &end, w->out));
    return put(w, ",");
}

static ts_status put_decoder(const writer *w)
{
    TS_TRY(put(w, "\n  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [\n"
                  "    {\"type\": \"Replace\", \"pattern\": {\"String\": \"" BLANK
                  "\"}, \"content\": \" \"},\n"
                  "    {\"type\": \"ByteFallback\"},\n    {\"type\": \"Fuse\"}"));
    /* the blank that was put in front; with squeezed blanks, all in front */
    const int strip = w->tok->sp.squeeze_blanks ? 1024 : w->tok->sp.dummy_prefix;
    if (strip)
        TS_TRY(ts_str_printf(w->out,
                             ",\n    {\"type\": \"Strip\", \"content\": \" \", \"start\": %d, "
                             "\"stop\": 0}",
                             strip));
    return put(w, "]},\n  \"model\": ");
}

/* ---- models ---- */

static ts_status put_unigram(const writer *w)
{
    const ts_token_model *m = &w->tok->model;
    TS_TRY(ts_str_printf(w->out,
                         "{\"type\": \"Unigram\", \"unk_id\": %d, \"byte_fallback\": %s, "
                         "\"vocab\": [",
                         (int)m->unk, m->byte_fallback ? "true" : "false"));
    for (int32_t id = 0; id < (int32_t)m->vocab.n_ids; id++) {
        TS_TRY(put(w, id ? ",\n    [" : "\n    ["));
        TS_TRY(put_piece(w, id));
        TS_TRY(ts_str_printf(w->out, ", %.9g]", m->score[id]));
    }
    return put(w, "\n  ]}\n}\n");
}

typedef struct merge {
    double score;
    int32_t id, left, right;
} merge;

/* The best piece first, of one piece the way with the most frequent parts. */
static int by_rank(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return (x->right > y->right) - (x->right < y->right);
}

static bool is_made(const ts_token_model *m, int32_t id)
{
    return id >= 0 && (m->type[id] == TS_SP_NORMAL || m->type[id] == TS_SP_USER);
}

/* Every way to make a piece of two others. */
static ts_status find_merges(const ts_token_model *m, merge **out, size_t *n_out)
{
    size_t cap = 0, n = 0;
    merge *list = NULL;
    for (int32_t id = 0; id < (int32_t)m->vocab.n_ids; id++) {
        size_t len, step;
        const char *s = ts_vocab_text(&m->vocab, id, &len);
        for (size_t i = 0; is_made(m, id) && i < len; i += step) {
            step = (size_t)ts_utf8_len(s + i, len - i);
            const merge x = { m->score[id], id, i ? ts_vocab_find(&m->vocab, s, i) : -1,
                              ts_vocab_find(&m->vocab, s + i, len - i) };
            if (!is_made(m, x.left) || !is_made(m, x.right))
                continue;
            const ts_status st = ts_grow(&list, &cap, n + 1, sizeof *list);
            if (st != TS_OK) {
                ts_free(&list);
                return st;
            }
            list[n++] = x;
        }
    }
    if (n)
        qsort(list, n, sizeof *list, by_rank);
    *out = list;
    *n_out = n;
    return TS_OK;
}

static ts_status put_bpe(const writer *w)
{
    const ts_token_model *m = &w->tok->model;
    merge *list = NULL;
    size_t n = 0;
    TS_TRY(put(w, "{\"type\": \"BPE\", \"dropout\": null, \"unk_token\": "));
    TS_TRY(put_piece(w, m->unk));
    TS_TRY(ts_str_printf(w->out, ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": "
                                 "null, \"fuse_unk\": true, \"byte_fallback\": %s, "
                                 "\"ignore_merges\": false, \"vocab\": {",
                         m->byte_fallback ? "true" : "false"));
    for (int32_t id = 0; id < (int32_t)m->vocab.n_ids; id++) {
        TS_TRY(put(w, id ? ",\n    " : "\n    "));
        TS_TRY(put_piece(w, id));
        TS_TRY(ts_str_printf(w->out, ": %d", (int)id));
    }
    TS_TRY(put(w, "\n  }, \"merges\": ["));
    ts_status st = find_merges(m, &list, &n);
    for (size_t i = 0; st == TS_OK && i < n; i++) {
        st = put(w, i ? ",\n    [" : "\n    [");
        if (st == TS_OK)
            st = put_piece(w, list[i].left);
        if (st == TS_OK)
            st = put(w, ", ");
        if (st == TS_OK)
            st = put_piece(w, list[i].right);
        if (st == TS_OK)
            st = put(w, "]");
    }
    ts_free(&list);
    return st == TS_OK ? put(w, "\n  ]}\n}\n") : st;
}

static ts_status put_all(const writer *w, bool with_bos, bool with_eos)
{
    TS_TRY(put(w, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
                  "  \"added_tokens\": ["));
    TS_TRY(put_added(w));
    TS_TRY(put_normalizer(w));
    TS_TRY(put_post(w, with_bos, with_eos));
    TS_TRY(put_decoder(w));
    return w->tok->model.kind == TS_MODEL_SP_BPE ? put_bpe(w) : put_unigram(w);
}

ts_status ts_sp_json(const char *model, size_t n, const char *file, bool with_bos, bool with_eos, ts_str *out,
                     bool *can)
{
    writer w = { .out = out };
    ts_tokenizer *tok = NULL;
    TS_TRY(ts_tokenizer_new(NULL, &tok));
    ts_status st = ts_load_sentencepiece(tok, model, n, file);
    TsSp__ModelProto *p =
        st == TS_OK ? ts_sp__model_proto__unpack(NULL, n, (const uint8_t *)model) : NULL;
    w.p = p;
    w.tok = tok;
    *can = p && !tok->sp.suffix_blanks &&
           (tok->model.kind == TS_MODEL_SP_BPE || tok->model.kind == TS_MODEL_SP_UNIGRAM);
    if (st == TS_OK && !p)
        st = ts_error(TS_ERR_NOMEM, "%s: no memory to unpack the model", file);
    if (st == TS_OK && *can)
        st = put_all(&w, with_bos, with_eos);
    ts_sp__model_proto__free_unpacked(p, NULL);
    ts_tokenizer_destroy(&tok);
    return st;
}
