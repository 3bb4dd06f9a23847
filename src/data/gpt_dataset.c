#include "data/gpt_dataset.h"

#include "data/nprandom.h"

#include <string.h>

struct ts_gpt_dataset {
    const ts_indexed *data;
    int64_t seq_length;
    int64_t epochs, n_samples, n_docs; /* n_docs: entries of documents */
    bool is_last_separate;
    uint32_t *documents, *position, *shuffle;
    int32_t *offset;
};

/* How often the sequences are gone through, and how the last pass is treated. */
typedef struct plan {
    int64_t tokens;      /* of one pass */
    int64_t epochs;
    int64_t n_samples;
    int64_t n_before;    /* samples that belong to all passes but a separate last one */
    bool is_last_separate;
} plan;

static ts_status make_plan(const ts_gpt_args *a, plan *p)
{
    const int64_t S = a->seq_length;
    *p = (plan){ .epochs = 1 };
    for (int64_t i = 0; i < a->count; i++)
        p->tokens += ts_indexed_length(a->data, a->first + i);
    if (p->tokens < 2)
        return ts_error(TS_ERR_USER,
                        "%s.bin: sequences %lld to %lld hold %lld tokens, nothing to train on",
                        ts_indexed_prefix(a->data), (long long)a->first,
                        (long long)(a->first + a->count - 1), (long long)p->tokens);
    if (a->n_samples >= 0) {
        int64_t want, docs;
        if (__builtin_mul_overflow(a->n_samples, S, &want) ||
            __builtin_add_overflow(want, p->tokens, &want) ||
            __builtin_mul_overflow(want / p->tokens, a->count, &docs) || docs > UINT32_MAX)
            return ts_error(
                TS_ERR_USER,
                "%s: %lld samples of %lld tokens need too many passes over its %lld tokens "
                "(%lld sequences); train fewer iterations or on more data",
                ts_indexed_prefix(a->data), (long long)a->n_samples, (long long)S,
                (long long)p->tokens, (long long)a->count);
        p->epochs = want / p->tokens; /* (N S + 1) / tokens, rounded up */
    }
    const int64_t all = p->epochs * p->tokens - 1;
    p->n_samples = a->keep_last_partial ? (all + S - 1) / S : all / S;
    if (p->n_samples >= UINT32_MAX - 1)
        return ts_error(TS_ERR_USER, "%s: %lld samples are more than an order holds",
                        ts_indexed_prefix(a->data), (long long)p->n_samples);
    p->n_before = p->n_samples;
    if (p->epochs > 1) {
        const int64_t before = ((p->epochs - 1) * p->tokens - 1) / S, each = (p->tokens - 1) / S;
        p->is_last_separate = a->n_samples - before < (int64_t)(0.80 * (double)each);
        if (p->is_last_separate)
            p->n_before = before;
    }
    return TS_OK;
}

static void fill_documents(ts_gpt_dataset *d, const ts_gpt_args *a, const plan *p, ts_nprandom *r)
{
    int64_t at = 0;
    for (int64_t e = 0; e < p->epochs; e++)
        for (int64_t i = 0; i < a->count; i++)
            d->documents[at++] = (uint32_t)(a->first + i);
    const int64_t last = p->is_last_separate ? a->count : 0;
    ts_nprandom_shuffle_u32(r, d->documents, at - last);
    if (last)
        ts_nprandom_shuffle_u32(r, d->documents + at - last, last);
}

/* Walks over the documents in order; neighbouring samples share one token, so a place may be the
 * last token of a document. */
static void fill_places(ts_gpt_dataset *d)
{
    int64_t at = 0, offset = 0;
    d->position[0] = 0, d->offset[0] = 0;
    for (int64_t s = 1; s <= d->n_samples; s++) {
        int64_t left = d->seq_length + 1;
        for (;;) {
            const int64_t len = ts_indexed_length(d->data, d->documents[at]);
            left -= len - offset;
            if (left <= 0) {
                offset = left + len - 1;
                break;
            }
            if (at == d->n_docs - 1) { /* a partial last sample */
                offset = len - 1;
                break;
            }
            at++;
            offset = 0;
        }
        d->position[s] = (uint32_t)at;
        d->offset[s] = (int32_t)offset;
    }
}

static void fill_shuffle(ts_gpt_dataset *d, const plan *p, ts_nprandom *r)
{
    for (int64_t i = 0; i < d->n_samples; i++)
        d->shuffle[i] = (uint32_t)i;
    const int64_t before = p->n_before;
    ts_nprandom_shuffle_u32(r, d->shuffle, before);
    if (before < d->n_samples)
        ts_nprandom_shuffle_u32(r, d->shuffle + before, d->n_samples - before);
}

ts_status ts_gpt_dataset_create(const ts_gpt_args *a, ts_gpt_dataset **out)
{
    plan p;
    ts_gpt_dataset *d = NULL;
    ts_nprandom r;
    TS_ASSERT(a->seq_length > 0 && a->first >= 0 && a->count >= 0 &&
                  a->first + a->count <= ts_indexed_count(a->data),
              "sequences [%lld, +%lld)", (long long)a->first, (long long)a->count);
    if (ts_indexed_count(a->data) > UINT32_MAX)
        return ts_error(TS_ERR_USER, "%s.idx: %lld sequences, at most %u can be ordered",
                        ts_indexed_prefix(a->data), (long long)ts_indexed_count(a->data),
                        UINT32_MAX);
    TS_TRY(make_plan(a, &p));
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    *d = (ts_gpt_dataset){ .data = a->data, .seq_length = a->seq_length, .epochs = p.epochs,
                           .n_samples = p.n_samples, .n_docs = p.epochs * a->count,
                           .is_last_separate = p.is_last_separate };
    ts_status st = ts_alloc(&d->documents, (size_t)d->n_docs, sizeof *d->documents);
    if (st == TS_OK)
        st = ts_alloc(&d->position, (size_t)d->n_samples + 1, sizeof *d->position);
    if (st == TS_OK)
        st = ts_alloc(&d->offset, (size_t)d->n_samples + 1, sizeof *d->offset);
    if (st == TS_OK)
        st = ts_alloc(&d->shuffle, (size_t)d->n_samples, sizeof *d->shuffle);
    if (st != TS_OK) {
        ts_gpt_dataset_destroy(&d);
        return ts_error_context(st, "while ordering %lld samples of %s", (long long)p.n_samples,
                                ts_indexed_prefix(a->data));
    }
    ts_nprandom_init(&r, a->seed); /* documents first, then samples: one generator for both */
    fill_documents(d, a, &p, &r);
    fill_places(d);
    fill_shuffle(d, &p, &r);
    *out = d;
    return TS_OK;
}

void ts_gpt_dataset_destroy(ts_gpt_dataset **ds)
{
    ts_gpt_dataset *d = *ds;
    if (!d)
        return;
    ts_free(&d->documents);
    ts_free(&d->position);
    ts_free(&d->offset);
    ts_free(&d->shuffle);
    ts_free(ds);
}

int64_t ts_gpt_dataset_count(const ts_gpt_dataset *d) { return d->n_samples; }

ts_status ts_gpt_dataset_get(const ts_gpt_dataset *d, int64_t i, int64_t vocab, int32_t *out,
                             int64_t *n)
{
    TS_ASSERT(i >= 0 && i < d->n_samples, "sample %lld of %lld", (long long)i,
              (long long)d->n_samples);
    const int64_t j = d->shuffle[i];
    int64_t at = d->position[j], offset = d->offset[j], done = 0;
    for (; done <= d->seq_length && at < d->n_docs; at++, offset = 0) {
        const uint32_t seq = d->documents[at];
        int64_t take = ts_indexed_length(d->data, seq) - offset;
        if (take > d->seq_length + 1 - done)
            take = d->seq_length + 1 - done;
        TS_TRY(ts_indexed_read(d->data, seq, offset, take, 0, vocab, out + done));
        done += take;
    }
    *n = done;
    return TS_OK;
}

ts_gpt_order ts_gpt_dataset_order(const ts_gpt_dataset *d)
{
    return (ts_gpt_order){ d->epochs, d->n_docs, d->is_last_separate, d->documents,
                           d->position, d->offset, d->shuffle };
}
