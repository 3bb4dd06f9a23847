#include "infer/constraint.h"

#include <stdlib.h>
#include <string.h>

/* Masks that are kept at the most, in bytes: with all forgotten it begins anew. */
static const size_t most_kept = (size_t)128 << 20;

typedef struct token {
    int32_t id;
    uint32_t at, n; /* its bytes */
    uint32_t shared; /* of them as the token before begins */
} token;

struct ts_token_list {
    int64_t vocab;
    ts_str bytes;
    uint32_t *begin; /* [vocab + 1] of each id in bytes */
    token *token;    /* [n] that have bytes, in their order */
    size_t n;
    uint32_t longest;
};

struct ts_constraint {
    ts_grammar *g; /* first */
    const ts_token_list *list;
    int32_t *path;   /* [longest + 1] states along a token's bytes */
    uint64_t **mask; /* [cap_mask] by state; NULL: not made */
    size_t cap_mask, kept, words;
};

static int by_bytes(const void *a, const void *b, void *bytes)
{
    const token *x = a, *y = b;
    const char *s = bytes;
    const int c = memcmp(s + x->at, s + y->at, x->n < y->n ? x->n : y->n);
    return c ? c : x->n != y->n ? (x->n < y->n ? -1 : 1) : x->id < y->id ? -1 : x->id > y->id;
}

static ts_status read_tokens(ts_token_list *l, const ts_tokenizer *tok)
{
    const int64_t known = ts_tokenizer_vocab_size(tok);
    TS_TRY(ts_alloc(&l->begin, (size_t)l->vocab + 1, sizeof *l->begin));
    TS_TRY(ts_alloc(&l->token, (size_t)l->vocab, sizeof *l->token));
    for (int64_t id = 0; id < l->vocab; id++) {
        const uint32_t at = (uint32_t)l->bytes.len;
        l->begin[id] = at;
        if (id < known)
            TS_TRY(ts_tokenizer_bytes(tok, (int32_t)id, &l->bytes));
        const uint32_t n = (uint32_t)l->bytes.len - at;
        l->longest = n > l->longest ? n : l->longest;
        if (n)
            l->token[l->n++] = (token){ (int32_t)id, at, n, 0 };
    }
    l->begin[l->vocab] = (uint32_t)l->bytes.len;
    return TS_OK;
}

static void sort_tokens(ts_token_list *l)
{
    const char *s = l->bytes.s;
    if (l->n)
        qsort_r(l->token, l->n, sizeof *l->token, by_bytes, l->bytes.s);
    for (size_t i = 1; i < l->n; i++) {
        const token *a = &l->token[i - 1];
        token *b = &l->token[i];
        while (b->shared < a->n && b->shared < b->n && s[a->at + b->shared] == s[b->at + b->shared])
            b->shared++;
    }
}

ts_status ts_token_list_create(const ts_tokenizer *tok, int64_t vocab, ts_token_list **out)
{
    ts_token_list *l;
    TS_TRY(ts_alloc(&l, 1, sizeof *l));
    l->vocab = vocab;
    const ts_status st = read_tokens(l, tok);
    if (st != TS_OK) {
        ts_token_list_destroy(&l);
        return st;
    }
    sort_tokens(l);
    *out = l;
    return TS_OK;
}

void ts_token_list_destroy(ts_token_list **list)
{
    ts_token_list *l = *list;
    if (!l)
        return;
    ts_free(&l->token);
    ts_free(&l->begin);
    ts_str_deinit(&l->bytes);
    ts_free(list);
}

ts_status ts_constraint_create(ts_grammar **g, const ts_token_list *l, ts_constraint **out)
{
    ts_constraint *c;
    TS_TRY(ts_alloc(&c, 1, sizeof *c));
    c->list = l;
    c->words = (size_t)l->vocab / 64 + 1;
    const ts_status st = ts_alloc(&c->path, l->longest + 1, sizeof *c->path);
    if (st == TS_OK) {
        c->g = *g;
        *g = NULL;
        *out = c;
    } else {
        ts_constraint_destroy(&c);
    }
    return st;
}

static void forget(ts_constraint *c)
{
    for (size_t i = 0; i < c->cap_mask; i++)
        ts_free(&c->mask[i]);
    c->kept = 0;
}

void ts_constraint_destroy(ts_constraint **constraint)
{
    ts_constraint *c = *constraint;
    if (!c)
        return;
    forget(c);
    ts_free(&c->mask);
    ts_free(&c->path);
    ts_grammar_destroy(&c->g);
    ts_free(constraint);
}

/* Tokens in the order of their bytes: what is shared with the one before is not walked again, and where a byte does not fit,
 * all that begin so are passed over. */
static ts_status fill(ts_constraint *c, int32_t state, uint64_t *bits)
{
    const ts_token_list *l = c->list;
    uint32_t dead = UINT32_MAX; /* the length at which the last token went wrong */
    c->path[0] = state;
    for (size_t i = 0; i < l->n; i++) {
        const token *t = &l->token[i];
        if (t->shared >= dead)
            continue;
        dead = UINT32_MAX;
        for (uint32_t k = t->shared; k < t->n; k++) {
            TS_TRY(ts_grammar_step(c->g, c->path[k], (unsigned char)l->bytes.s[t->at + k], &c->path[k + 1]));
            if (c->path[k + 1] == TS_GRAMMAR_DEAD) {
                dead = k + 1;
                break;
            }
        }
        if (dead == UINT32_MAX)
            bits[t->id >> 6] |= 1ull << (t->id & 63);
    }
    return TS_OK;
}

ts_status ts_constraint_mask(ts_constraint *c, int32_t state, const uint64_t **bits)
{
    uint64_t *made = NULL;
    TS_TRY(ts_grow(&c->mask, &c->cap_mask, (size_t)state + 1, sizeof *c->mask));
    if (c->mask[state]) {
        *bits = c->mask[state];
        return TS_OK;
    }
    if (c->kept > most_kept)
        forget(c);
    TS_TRY(ts_alloc(&made, c->words, sizeof *made));
    c->mask[state] = made;
    c->kept += c->words * sizeof *made;
    *bits = made;
    return fill(c, state, made);
}

ts_status ts_constraint_take(ts_constraint *c, int32_t state, int32_t id, int32_t *to)
{
    const ts_token_list *l = c->list;
    *to = id < l->vocab && l->begin[id + 1] > l->begin[id] ? state : TS_GRAMMAR_DEAD;
    for (uint32_t k = l->begin[id]; k < l->begin[id + 1] && *to != TS_GRAMMAR_DEAD; k++)
        TS_TRY(ts_grammar_step(c->g, *to, (unsigned char)l->bytes.s[k], to));
    return TS_OK;
}
