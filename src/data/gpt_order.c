#include "data/gpt_order.h"

#include "data/nprandom.h"

#include <string.h>

ts_status ts_gpt_order_plan(const ts_gpt_args *a, ts_gpt_order *p)
{
    const int64_t S = a->seq_length;
    int64_t tokens = 0;
    *p = (ts_gpt_order){ .epochs = 1 };
    for (int64_t i = 0; i < a->count; i++)
        tokens += ts_indexed_length(a->data, a->first + i);
    p->tokens = tokens;
    if (tokens < 2)
        return ts_error(TS_ERR_USER,
                        "%s.bin: sequences %lld to %lld hold %lld tokens, nothing to train on",
                        ts_indexed_prefix(a->data), (long long)a->first,
                        (long long)(a->first + a->count - 1), (long long)tokens);
    if (a->n_samples >= 0) {
        int64_t want, docs;
        if (__builtin_mul_overflow(a->n_samples, S, &want) ||
            __builtin_add_overflow(want, tokens, &want) ||
            __builtin_mul_overflow(want / tokens, a->count, &docs) || docs > UINT32_MAX)
            return ts_error(
                TS_ERR_USER,
                "%s: %lld samples of %lld tokens need too many passes over its %lld tokens "
                "(%lld sequences); train fewer iterations or on more data",
                ts_indexed_prefix(a->data), (long long)a->n_samples, (long long)S,
                (long long)tokens, (long long)a->count);
        p->epochs = want / tokens; /* (N S + 1) / tokens, rounded up */
    }
    const int64_t all = p->epochs * tokens - 1;
    p->n_samples = a->keep_last_partial ? (all + S - 1) / S : all / S;
    if (p->n_samples >= UINT32_MAX - 1)
        return ts_error(TS_ERR_USER, "%s: %lld samples are more than an order holds",
                        ts_indexed_prefix(a->data), (long long)p->n_samples);
    p->n_before = p->n_samples;
    if (p->epochs > 1) {
        const int64_t before = ((p->epochs - 1) * tokens - 1) / S, each = (tokens - 1) / S;
        p->is_last_separate = a->n_samples - before < (int64_t)(0.80 * (double)each);
        if (p->is_last_separate)
            p->n_before = before;
    }
    p->n_documents = p->epochs * a->count;
    return TS_OK;
}

ts_status ts_gpt_order_allocate(void *out, int64_t n, size_t size)
{
    return ts_alloc_large(out, (size_t)n, size);
}

static void fill_documents(const ts_gpt_args *a, const ts_gpt_order *p, uint32_t *documents,
                           ts_nprandom *r)
{
    int64_t at = 0;
    for (int64_t e = 0; e < p->epochs; e++)
        for (int64_t i = 0; i < a->count; i++)
            documents[at++] = (uint32_t)(a->first + i);
    const int64_t last = p->is_last_separate ? a->count : 0;
    ts_nprandom_shuffle_u32(r, documents, at - last);
    if (last)
        ts_nprandom_shuffle_u32(r, documents + at - last, last);
}

/* Neighbouring samples share one token, so a place may be the last token of a document. Lengths of
 * shuffled documents lie all over memory and are fetched AHEAD. */
void ts_gpt_order_places(const ts_gpt_args *a, const ts_gpt_order *p, const uint32_t *documents,
                         ts_gpt_place *places)
{
    enum { AHEAD = 32 };
    const unsigned char *lengths = ts_indexed_lengths(a->data);
    const int64_t S = a->seq_length;
    const int64_t last = p->n_documents - 1, end = last - AHEAD;
    int64_t at = 0, offset = 0;
    int32_t len;
    memcpy(&len, lengths + 4 * (int64_t)documents[0], sizeof len);
    places[0] = (ts_gpt_place){ 0 };
    for (int64_t s = 1; s <= p->n_samples; s++) {
        int64_t left = S + 1 - (len - offset);
        while (left > 0 && at < last) {
            at++;
            if (at < end)
                __builtin_prefetch(lengths + 4 * (int64_t)documents[at + AHEAD]);
            memcpy(&len, lengths + 4 * (int64_t)documents[at], sizeof len);
            left -= len;
        }
        offset = left > 0 ? len - 1 : left + len - 1; /* the former: a partial last sample */
        places[s] = (ts_gpt_place){ (uint32_t)at, (int32_t)offset };
    }
}

static void fill_shuffle(const ts_gpt_order *p, uint32_t *shuffle, ts_nprandom *r)
{
    for (int64_t i = 0; i < p->n_samples; i++)
        shuffle[i] = (uint32_t)i;
    const int64_t before = p->n_before;
    ts_nprandom_shuffle_u32(r, shuffle, before);
    if (before < p->n_samples)
        ts_nprandom_shuffle_u32(r, shuffle + before, p->n_samples - before);
}

/* Documents first, then samples: one generator for both. */
void ts_gpt_order_fill(const ts_gpt_args *a, const ts_gpt_order *p, uint32_t *documents,
                       ts_gpt_place *places, uint32_t *shuffle)
{
    ts_nprandom r;
    ts_nprandom_init(&r, a->seed);
    fill_documents(a, p, documents, &r);
    ts_gpt_order_places(a, p, documents, places);
    fill_shuffle(p, shuffle, &r);
}
