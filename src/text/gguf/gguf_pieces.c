/* SentencePiece's BPE: the file's tokens and scores as the model file that they came from, and that as a
 * tokenizer.json. */
#include "text/gguf/gguf_vocab.h"
#include "text/load/sp_json.h"
#include "sentencepiece.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define BLANK "\xE2\x96\x81" /* U+2581 */

typedef struct pieces {
    TsSp__ModelProto__SentencePiece *v, **list;
    ts_str text; /* of all, one behind the other */
    char *role[4];
} pieces;

static void deinit(pieces *p)
{
    ts_free(&p->v);
    ts_free(&p->list);
    ts_str_deinit(&p->text);
    for (int i = 0; i < 4; i++)
        ts_free(&p->role[i]);
}

/* Symbols of the user stand in files as they look, with blanks. */
static ts_status add_text(const char *s, size_t n, ts_str *out)
{
    for (size_t i = 0; i < n; i++)
        TS_TRY(s[i] == ' ' ? ts_str_puts(out, BLANK) : ts_str_add(out, s + i, 1));
    return TS_OK;
}

static bool is_byte(const char *s, size_t n) { return n == 6 && !memcmp(s, "<0x", 3) && s[5] == '>'; }

/* Files without types have the usual ones. */
static int type_of(const ts_gguf_vocab *v, int64_t id, bool typed, int64_t unk)
{
    if (id == unk)
        return TS_GGUF_UNKNOWN;
    if (typed)
        return v->type[id] == TS_GGUF_UNKNOWN ? TS_GGUF_CONTROL : v->type[id];
    return id == v->bos || id == v->eos ? TS_GGUF_CONTROL : is_byte(v->text[id], v->len[id]) ? TS_GGUF_BYTE : TS_GGUF_NORMAL;
}

static int64_t unknown_piece(const ts_gguf_vocab *v)
{
    for (int64_t id = 0; v->unk < 0 && id < v->n; id++)
        if (v->type[id] == TS_GGUF_UNKNOWN)
            return id;
    return v->unk < 0 ? 0 : v->unk;
}

static ts_status fill(const ts_gguf_vocab *v, pieces *p, int64_t *n_bytes)
{
    const ts_gguf_value *scores;
    const bool typed = ts_gguf_find(v->g, "tokenizer.ggml.token_type");
    const int64_t unk = unknown_piece(v);
    TS_TRY(ts_gguf_numbers(v->g, "tokenizer.ggml.scores", &scores));
    if (!scores || scores->n != v->n)
        return ts_error(TS_ERR_USER, "%s: tokenizer.ggml.scores is missing, or has not one entry for each of %lld tokens",
                        ts_gguf_path(v->g), (long long)v->n);
    TS_TRY(ts_alloc(&p->v, (size_t)v->n, sizeof *p->v));
    TS_TRY(ts_alloc(&p->list, (size_t)v->n, sizeof *p->list));
    for (int64_t id = 0; id < v->n; id++) {
        ts_sp__model_proto__sentence_piece__init(&p->v[id]);
        const size_t begin = p->text.len;
        TS_TRY(add_text(v->text[id], v->len[id], &p->text));
        p->v[id].has_piece = p->v[id].has_score = p->v[id].has_type = 1;
        p->v[id].piece.len = p->text.len - begin;
        p->v[id].score = (float)ts_gguf_number(scores, id);
        p->v[id].type = type_of(v, id, typed, unk);
        *n_bytes += p->v[id].type == TS_GGUF_BYTE;
        p->list[id] = &p->v[id];
    }
    uint8_t *at = (uint8_t *)p->text.s;
    for (int64_t id = 0; id < v->n; at += p->v[id++].piece.len)
        p->v[id].piece.data = at;
    return TS_OK;
}

/* A role's token by its text, as such models name it. */
static ts_status take_role(const ts_gguf_vocab *v, int32_t id, char **name)
{
    return ts_strndup(id < 0 ? "" : v->text[id], id < 0 ? 0 : v->len[id], name);
}

static ts_status pack(const TsSp__ModelProto *m, ts_str *out)
{
    const size_t n = ts_sp__model_proto__get_packed_size(m);
    char *bytes;
    TS_TRY(ts_alloc(&bytes, n, 1));
    ts_sp__model_proto__pack(m, (uint8_t *)bytes);
    const ts_status st = ts_str_add(out, bytes, n);
    ts_free(&bytes);
    return st;
}

static ts_status make_model(const ts_gguf_vocab *v, pieces *p, ts_str *out)
{
    TsSp__ModelProto m = TS_SP__MODEL_PROTO__INIT;
    TsSp__TrainerSpec t = TS_SP__TRAINER_SPEC__INIT;
    TsSp__NormalizerSpec norm = TS_SP__NORMALIZER_SPEC__INIT;
    bool prefix, squeeze;
    int64_t n_bytes = 0;
    TS_TRY(fill(v, p, &n_bytes));
    TS_TRY(take_role(v, v->bos, &p->role[0]));
    TS_TRY(take_role(v, v->eos, &p->role[1]));
    TS_TRY(take_role(v, v->pad, &p->role[2]));
    TS_TRY(ts_gguf_bool(v->g, "tokenizer.ggml.add_space_prefix", true, &prefix));
    TS_TRY(ts_gguf_bool(v->g, "tokenizer.ggml.remove_extra_whitespaces", false, &squeeze));
    t.has_model_type = t.has_byte_fallback = 1;
    t.model_type = 2;
    t.byte_fallback = n_bytes == 256;
    t.bos_piece = p->role[0], t.eos_piece = p->role[1], t.pad_piece = p->role[2];
    norm.has_add_dummy_prefix = norm.has_remove_extra_whitespaces = norm.has_escape_whitespaces = 1;
    norm.add_dummy_prefix = prefix, norm.remove_extra_whitespaces = squeeze, norm.escape_whitespaces = 1;
    m.pieces = p->list;
    m.n_pieces = (size_t)v->n;
    m.trainer_spec = &t;
    m.normalizer_spec = &norm;
    return pack(&m, out);
}

ts_status ts_gguf_pieces_json(const ts_gguf_vocab *v, ts_str *out)
{
    pieces p = { 0 };
    ts_str model = { 0 };
    bool can = true;
    ts_status st = make_model(v, &p, &model);
    if (st == TS_OK)
        st = ts_sp_json(model.s, model.len, ts_gguf_path(v->g), v->add_bos, v->add_eos, out, &can);
    ts_str_deinit(&model);
    deinit(&p);
    return st;
}
