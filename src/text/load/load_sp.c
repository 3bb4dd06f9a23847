/* A SentencePiece .model: a protobuf message (sentencepiece.proto). */
#include "text/tok.h"
#include "sentencepiece.pb-c.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIECE = 1024 }; /* bytes; finding the ways to make a piece takes their square */

static bool in_text(int type)
{
    return type == TS_SP_NORMAL || type == TS_SP_USER || type == TS_SP_UNUSED;
}

/* The symbol that a text is for BPE: a piece, or a character that is none but part of one; -1:
 * neither. */
static int32_t find_symbol(const ts_token_model *m, const char *s, size_t n)
{
    const int32_t id = ts_vocab_find(&m->vocab, s, n);
    if (id >= 0 && in_text(m->type[id]))
        return id;
    const int32_t extra = ts_vocab_find(&m->extra, s, n);
    return extra >= 0 ? (int32_t)m->vocab.n_ids + extra : -1;
}

static ts_status read_piece(ts_token_model *m, const TsSp__ModelProto__SentencePiece *p, size_t id,
                            const char *file)
{
    const char *s = (const char *)p->piece.data;
    const size_t n = p->piece.len;
    const int type = p->type;
    if (!p->has_piece || n == 0 || n > MAX_PIECE || ts_utf8_check(s, n) != n)
        return ts_error(TS_ERR_USER, "%s: piece %zu is empty, longer than %d bytes or not UTF-8",
                        file, id, MAX_PIECE);
    if (type < TS_SP_NORMAL || type > TS_SP_BYTE)
        return ts_error(TS_ERR_USER, "%s: piece %zu is of the unknown type %d", file, id, type);
    if (ts_vocab_find(&m->vocab, s, n) >= 0)
        return ts_error(TS_ERR_USER, "%s: piece %zu ('%.*s') is there twice", file, id,
                        (int)(n < 40 ? n : 40), s);
    if (isnan(p->score))
        return ts_error(TS_ERR_USER, "%s: the score of piece %zu is not a number", file, id);
    TS_TRY(ts_vocab_add(&m->vocab, s, n, (int64_t)id));
    m->type[id] = (uint8_t)type;
    m->score[id] = (double)p->score;
    m->has_unused |= type == TS_SP_UNUSED;
    if (type == TS_SP_UNKNOWN) {
        if (m->unk >= 0)
            return ts_error(TS_ERR_USER, "%s: pieces %d and %zu are both the unknown piece", file,
                            (int)m->unk, id);
        m->unk = (int32_t)id;
    }
    if (type == TS_SP_USER)
        TS_TRY(ts_trie_add(&m->user, s, n, (int32_t)id));
    if (in_text(type) && m->kind == TS_MODEL_SP_UNIGRAM)
        TS_TRY(ts_trie_add(&m->trie, s, n, (int32_t)id));
    if (type == TS_SP_NORMAL) {
        m->min_score = m->score[id] < m->min_score ? m->score[id] : m->min_score;
        m->max_score = m->score[id] > m->max_score ? m->score[id] : m->max_score;
    }
    return TS_OK;
}

static ts_status read_pieces(ts_token_model *m, const TsSp__ModelProto *p, const char *file)
{
    if (p->n_pieces == 0)
        return ts_error(TS_ERR_USER, "%s: not a SentencePiece model: it has no pieces", file);
    if (p->n_pieces >= TS_VOCAB_MAX_ID)
        return ts_error(TS_ERR_USER, "%s: %zu pieces, expected less than %d", file, p->n_pieces,
                        TS_VOCAB_MAX_ID);
    TS_TRY(ts_vocab_reserve(&m->vocab, p->n_pieces));
    TS_TRY(ts_alloc(&m->score, p->n_pieces, sizeof *m->score));
    TS_TRY(ts_alloc(&m->type, p->n_pieces, 1));
    m->min_score = (double)3.402823466e38f;
    m->max_score =
        (double)1.17549435e-38f; /* the smallest float above zero, as the original begins */
    for (size_t i = 0; i < p->n_pieces; i++)
        TS_TRY(read_piece(m, p->pieces[i], i, file));
    if (m->unk < 0)
        return ts_error(TS_ERR_USER, "%s: no piece is the unknown piece", file);
    return TS_OK;
}

typedef struct ranked {
    float score;
    uint32_t id;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score;
}

/* Characters that stand in pieces without being one can still begin a merge. */
static ts_status read_chars(ts_token_model *m)
{
    for (size_t id = 0; id < m->vocab.n_ids; id++) {
        size_t n, len;
        const char *s = ts_vocab_text(&m->vocab, (int32_t)id, &n);
        for (size_t i = 0; in_text(m->type[id]) && i < n; i += len) {
            len = ts_utf8_width((unsigned char)s[i]);
            int32_t sym = find_symbol(m, s + i, len);
            if (sym < 0) {
                sym = (int32_t)(m->vocab.n_ids + m->extra.n);
                TS_TRY(ts_vocab_add(&m->extra, s + i, len, (int64_t)m->extra.n));
            }
            TS_TRY(ts_trie_add(&m->trie, s + i, len, sym));
        }
    }
    return TS_OK;
}

static ts_status read_merges(ts_token_model *m)
{
    const size_t n = m->vocab.n_ids;
    ranked *order = NULL;
    ts_status st = TS_OK;
    TS_TRY(read_chars(m));
    TS_TRY(ts_alloc(&order, n, sizeof *order));
    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){ .score = (float)m->score[i], .id = (uint32_t)i };
    qsort(order, n, sizeof *order, by_score);
    uint32_t rank = 0;
    for (size_t k = 0; k < n && st == TS_OK; k++) {
        rank += k > 0 &&
                order[k].score < order[k - 1].score; /* equal scores: the leftmost goes first */
        size_t len;
        const char *s = ts_vocab_text(&m->vocab, (int32_t)order[k].id, &len);
        if (in_text(m->type[order[k].id]))
            st = ts_token_model_add_splits(m, (int32_t)order[k].id, s, len, rank, find_symbol);
    }
    ts_free(&order);
    return st == TS_OK ? ts_bpe_settle(&m->bpe) : st;
}

/* User-defined symbols are found before words are told apart: no cut may fall into one. */
static void guard_user_symbols(ts_token_model *m)
{
    for (size_t id = 0; id < m->vocab.n_ids; id++) {
        size_t n;
        const char *s = ts_vocab_text(&m->vocab, (int32_t)id, &n);
        for (size_t i = 1; m->type[id] == TS_SP_USER && i + 3 <= n; i++)
            if (!memcmp(s + i, "\xE2\x96\x81", 3))
                m->joins[(unsigned char)s[i - 1]] = true;
    }
}

static ts_status read_norm(ts_tokenizer *tok, const TsSp__ModelProto *p, const char *file)
{
    const TsSp__NormalizerSpec *o = p->normalizer_spec;
    ts_sp_norm *sp = &tok->sp;
    sp->dummy_prefix = sp->squeeze_blanks = sp->escape_blanks = true;
    if (o) {
        sp->dummy_prefix = o->add_dummy_prefix;
        sp->squeeze_blanks = o->remove_extra_whitespaces;
        sp->escape_blanks = o->escape_whitespaces;
        if (o->has_precompiled_charsmap && o->precompiled_charsmap.len > 0)
            TS_TRY(ts_charsmap_init(&sp->map, (const char *)o->precompiled_charsmap.data,
                                    o->precompiled_charsmap.len, file));
    }
    const TsSp__TrainerSpec *t = p->trainer_spec;
    sp->suffix_blanks = t && t->treat_whitespace_as_suffix;
    const char *surface = t && t->unk_surface ? t->unk_surface : " \xE2\x81\x87 ";
    if (ts_utf8_check(surface, strlen(surface)) != strlen(surface))
        return ts_error(TS_ERR_USER, "%s: unk_surface is not UTF-8", file);
    return ts_strdup(surface, &sp->unk_surface);
}

/* A control piece by its name, or by the usual one. */
static int32_t role(const ts_token_model *m, const char *name, const char *usual)
{
    if (!name || !*name)
        name = usual;
    const int32_t id = ts_vocab_find(&m->vocab, name, strlen(name));
    return id >= 0 && m->type[id] == TS_SP_CONTROL ? id : -1;
}

static ts_status load(ts_tokenizer *tok, const TsSp__ModelProto *p, const char *file)
{
    static const ts_token_model_kind kinds[] = { TS_MODEL_SP_UNIGRAM, TS_MODEL_SP_BPE,
                                                 TS_MODEL_SP_WORD, TS_MODEL_SP_CHAR };
    const TsSp__TrainerSpec *t = p->trainer_spec;
    const int type = t ? t->model_type : 1;
    ts_token_model *m = &tok->model;
    if (type < 1 || type > 4)
        return ts_error(TS_ERR_USER, "%s: SentencePiece model type %d, expected 1 to 4", file,
                        type);
    m->kind = kinds[type - 1];
    m->byte_fallback = t && t->byte_fallback;
    TS_TRY(read_pieces(m, p, file));
    ts_token_model_find_bytes(m);
    if (m->byte_fallback && !m->has_byte_tokens)
        return ts_error(TS_ERR_USER,
                        "%s: byte fallback is on, but not all of <0x00> to <0xFF> are there", file);
    if (m->kind == TS_MODEL_SP_BPE) {
        TS_TRY(read_merges(m));
        guard_user_symbols(m);
        m->cut_at_meta = !m->never_cut && !m->has_unused;
    }
    TS_TRY(read_norm(tok, p, file));
    tok->is_sp = true;
    tok->unk = m->unk;
    tok->bos = role(m, t ? t->bos_piece : NULL, "<s>");
    tok->eos = role(m, t ? t->eos_piece : NULL, "</s>");
    tok->pad = role(m, t ? t->pad_piece : NULL, "<pad>");
    return TS_OK;
}

ts_status ts_load_sentencepiece(ts_tokenizer *tok, const char *data, size_t n, const char *file)
{
    TsSp__ModelProto *p = ts_sp__model_proto__unpack(NULL, n, (const uint8_t *)data);
    if (!p)
        return ts_error(TS_ERR_USER, "%s: not a SentencePiece model, or a damaged one", file);
    const ts_status st = load(tok, p, file);
    ts_sp__model_proto__free_unpacked(p, NULL);
    return st;
}
