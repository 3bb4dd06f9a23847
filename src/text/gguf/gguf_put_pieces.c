/* SentencePiece's BPE: from its own file, or from a tokenizer.json of the same kind, whose merges say in which order pieces
 * are made: llama.cpp joins what has the highest score first. */
#include "text/gguf/gguf_tokens.h"
#include "text/vocab.h"
#include "sentencepiece.pb-c.h"

#include <string.h>

static bool is_byte(const char *s, size_t n) { return n == 6 && !memcmp(s, "<0x", 3) && s[5] == '>'; }

static ts_status put_all(ts_gguf_tok_put *p, bool prefix)
{
    TS_TRY(ts_gguf_tok_put_tokens(p, true));
    const json_t *said = json_object_get(p->settings, "add_prefix_space");
    if (p->o->no_prefix || !prefix)
        return ts_gguf_add_bool(p->out, "tokenizer.ggml.add_space_prefix", false);
    return json_is_boolean(said) ? ts_gguf_add_bool(p->out, "tokenizer.ggml.add_space_prefix", json_is_true(said)) : TS_OK;
}

/* ---- tokenizer.json ---- */

static bool has_step(const json_t *steps, const char *list, const char *kind)
{
    const char *type = json_string_value(json_object_get(steps, "type"));
    size_t i;
    json_t *step;
    if (type && !strcmp(type, kind))
        return strcmp(kind, "Metaspace") || !json_object_get(steps, "prepend_scheme") ||
               strcmp(json_string_value(json_object_get(steps, "prepend_scheme")), "never");
    json_array_foreach(json_object_get(steps, list), i, step)
        if (has_step(step, list, kind))
            return true;
    return false;
}

/* Whether it puts a blank before a text. */
static bool has_prefix(const json_t *tokenizer)
{
    return has_step(json_object_get(tokenizer, "normalizer"), "normalizers", "Prepend") ||
           has_step(json_object_get(tokenizer, "pre_tokenizer"), "pretokenizers", "Metaspace");
}

static ts_status take_vocab(ts_gguf_tok_put *p, ts_vocab *ids)
{
    const json_t *model = json_object_get(p->json, "model");
    json_t *vocab = json_object_get(model, "vocab"), *id;
    const char *unk = json_string_value(json_object_get(model, "unk_token")), *text;
    size_t n;
    json_object_keylen_foreach(vocab, text, n, id) {
        ts_gguf_token *t = ts_gguf_tok_place(p, json_is_number(id) ? json_number_value(id) : -1);
        if (!t)
            continue;
        const bool is_unk = unk && n == strlen(unk) && !memcmp(unk, text, n);
        *t = (ts_gguf_token){ .s = text, .n = n, .score = -1e9f,
                              .type = is_unk ? TS_GGUF_UNKNOWN : is_byte(text, n) ? TS_GGUF_BYTE : TS_GGUF_NORMAL };
        TS_TRY(ts_vocab_add(ids, text, n, t - p->v));
    }
    return TS_OK;
}

/* The text that a merge makes. */
static ts_status join(const json_t *merge, ts_str *out)
{
    const char *s = json_string_value(merge);
    const size_t n = json_string_length(merge);
    ts_str_reset(out);
    if (s) {
        const char *blank = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
        TS_TRY(ts_str_add(out, s, blank ? (size_t)(blank - s) : n));
        return blank ? ts_str_add(out, blank + 1, n - (size_t)(blank + 1 - s)) : TS_OK;
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *half = json_array_get(merge, i);
        TS_TRY(ts_str_add(out, json_is_string(half) ? json_string_value(half) : "", json_string_length(half)));
    }
    return TS_OK;
}

/* The first merge that makes a piece counts: later ones of other halves have the same text. */
static ts_status score(ts_gguf_tok_put *p, const ts_vocab *ids)
{
    const json_t *merges = json_object_get(json_object_get(p->json, "model"), "merges");
    ts_str work = { 0 };
    ts_status st = TS_OK;
    json_t *merge;
    size_t i;
    json_array_foreach(merges, i, merge) {
        if (st == TS_OK)
            st = join(merge, &work);
        const int32_t id = st == TS_OK ? ts_vocab_find(ids, ts_str_text(&work), work.len) : -1;
        if (id >= 0 && p->v[id].score == -1e9f)
            p->v[id].score = -(float)i;
    }
    ts_str_deinit(&work);
    return st;
}

static ts_status from_json(ts_gguf_tok_put *p)
{
    ts_vocab ids = { 0 };
    ts_status st = take_vocab(p, &ids);
    if (st == TS_OK)
        st = score(p, &ids);
    ts_vocab_deinit(&ids);
    return st == TS_OK ? put_all(p, has_prefix(p->json)) : st;
}

/* ---- tokenizer.model ---- */

/* Symbols of the user are told by being added tokens too, as llama.cpp's converter has it. */
static int32_t type_of(const TsSp__ModelProto__SentencePiece *s)
{
    return s->type == TS_GGUF_USER ? TS_GGUF_NORMAL : s->type;
}

static ts_status from_model(ts_gguf_tok_put *p, const TsSp__ModelProto *m)
{
    for (size_t i = 0; i < m->n_pieces; i++) {
        const TsSp__ModelProto__SentencePiece *s = m->pieces[i];
        ts_gguf_token *t = ts_gguf_tok_place(p, (double)i);
        if (t)
            *t = (ts_gguf_token){ .s = s->piece.data ? (const char *)s->piece.data : "", .n = s->piece.len,
                                  .score = s->score, .type = type_of(s) };
    }
    const bool prefix = !m->normalizer_spec || m->normalizer_spec->add_dummy_prefix;
    return put_all(p, p->json ? has_prefix(p->json) : prefix);
}

ts_status ts_gguf_tok_put_pieces(ts_gguf_tok_put *p, const ts_str *model)
{
    TS_TRY(ts_gguf_add_text(p->out, "tokenizer.ggml.model", "llama", 5));
    TS_TRY(ts_gguf_add_text(p->out, "tokenizer.ggml.pre", "default", 7));
    if (!model)
        return from_json(p);
    TsSp__ModelProto *m = ts_sp__model_proto__unpack(NULL, model->len, (const uint8_t *)model->s);
    if (!m)
        return ts_error(TS_ERR_USER, "%s: tokenizer.model is no SentencePiece model, or a damaged one", p->o->path);
    const ts_status st = m->trainer_spec && m->trainer_spec->model_type > 2
                             ? ts_error(TS_ERR_USER, "%s: tokenizer.model is of the kind %d, expected 1 or 2 (unigram, BPE)",
                                        p->o->path, m->trainer_spec->model_type)
                             : from_model(p, m);
    ts_sp__model_proto__free_unpacked(m, NULL);
    return st;
}
