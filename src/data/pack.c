#include "data/pack.h"

#include <string.h>

/* Samples by length: a stack for each, and a bit for each that is not empty. */
typedef struct stacks {
    size_t *top;  /* [room + 1] the last sample of this length, plus one */
    size_t *next; /* [n] the one before it, plus one */
    uint64_t *any;
} stacks;

/* The longest length up to `room` of which there is a sample; -1: none. */
static int64_t longest(const stacks *s, int64_t room)
{
    for (int64_t word = room / 64; word >= 0; word--) {
        const uint64_t mask = word == room / 64 && room % 64 != 63 ? (1ull << (room % 64 + 1)) - 1 : ~0ull;
        if (s->any[word] & mask)
            return word * 64 + 63 - __builtin_clzll(s->any[word] & mask);
    }
    return -1;
}

static size_t take(stacks *s, int64_t length)
{
    const size_t i = s->top[length] - 1;
    s->top[length] = s->next[i];
    if (!s->top[length])
        s->any[length / 64] &= ~(1ull << length % 64);
    return i;
}

static void fill(stacks *s, const int64_t *lengths, size_t n, int64_t room, size_t *order, size_t *start,
                 size_t *packs)
{
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        s->next[i] = s->top[lengths[i]];
        s->top[lengths[i]] = i + 1;
        s->any[lengths[i] / 64] |= 1ull << lengths[i] % 64;
    }
    for (*packs = 0; done < n; ++*packs) {
        int64_t left = room, length;
        start[*packs] = done;
        while ((length = longest(s, left)) >= 0) {
            order[done++] = take(s, length);
            left -= length;
        }
    }
    start[*packs] = done;
}

ts_status ts_pack_order(const int64_t *lengths, size_t n, int64_t room, size_t *order, size_t *start,
                        size_t *packs)
{
    stacks s = { 0 };
    ts_status st;
    TS_TRY_TO(done, st, ts_alloc(&s.top, (size_t)room + 1, sizeof *s.top));
    TS_TRY_TO(done, st, ts_alloc(&s.next, n, sizeof *s.next));
    TS_TRY_TO(done, st, ts_alloc(&s.any, (size_t)room / 64 + 1, sizeof *s.any));
    fill(&s, lengths, n, room, order, start, packs);
done:
    ts_free(&s.top);
    ts_free(&s.next);
    ts_free(&s.any);
    return st;
}

void ts_packer_deinit(ts_packer *p)
{
    ts_ids_deinit(&p->ids);
    ts_ids_deinit(&p->labels);
    ts_free(&p->lengths);
}

static ts_status append(ts_ids *to, const int32_t *v, size_t n)
{
    TS_TRY(ts_grow(&to->v, &to->cap, to->n + n, sizeof *to->v));
    if (n)
        memcpy(to->v + to->n, v, n * sizeof *v);
    to->n += n;
    return TS_OK;
}

ts_status ts_packer_add(ts_packer *p, const ts_token_run *ids, const ts_token_run *labels)
{
    size_t at = 0;
    for (size_t i = 0; i < ids->n; i++) {
        const int64_t length = ids->lengths[i];
        const bool is_long = length >= p->seq_length;
        const size_t n = (size_t)(is_long ? p->seq_length - 1 : length), from = at;
        at += (size_t)length;
        p->cut += is_long && p->is_neat;
        p->left_out += is_long && !p->is_neat;
        if (is_long && !p->is_neat)
            continue;
        TS_TRY(append(&p->ids, ids->ids.v + from, n));
        TS_TRY(append(&p->labels, labels->ids.v + from, n));
        TS_TRY(ts_grow(&p->lengths, &p->cap, p->n + 1, sizeof *p->lengths));
        p->lengths[p->n++] = (int64_t)n;
    }
    return TS_OK;
}

/* What writing needs beside the samples. */
typedef struct writing {
    size_t *order, *start, *at; /* at: where samples begin */
    int32_t *row[3];            /* [seq_length] input_ids, attention_mask, labels */
} writing;

static ts_status write_pack(const ts_packer *p, const writing *w, size_t k,
                            ts_indexed_builder *const builders[3])
{
    size_t n = 0;
    const size_t length = (size_t)p->seq_length;
    for (size_t i = w->start[k]; i < w->start[k + 1]; i++) {
        const size_t at = w->at[w->order[i]], m = (size_t)p->lengths[w->order[i]];
        memcpy(w->row[0] + n, p->ids.v + at, m * sizeof *p->ids.v);
        memcpy(w->row[2] + n, p->labels.v + at, m * sizeof *p->ids.v);
        for (size_t j = n; j < n + m; j++)
            w->row[1][j] = p->is_neat ? (int32_t)(i - w->start[k]) + 1 : 1;
        n += m;
    }
    for (; n < length; n++) {
        w->row[0][n] = p->pad;
        w->row[1][n] = p->is_neat ? 0 : 1;
        w->row[2][n] = -100;
    }
    for (int key = 0; key < 3; key++) {
        TS_TRY(ts_indexed_builder_add(builders[key], w->row[key], p->seq_length));
        TS_TRY(ts_indexed_builder_end_document(builders[key]));
    }
    return TS_OK;
}

ts_status ts_packer_write(ts_packer *p, ts_indexed_builder *const builders[3])
{
    writing w = { 0 };
    size_t packs = 0, at = 0;
    ts_status st;
    TS_TRY_TO(done, st, ts_alloc(&w.order, p->n, sizeof *w.order));
    TS_TRY_TO(done, st, ts_alloc(&w.start, p->n + 1, sizeof *w.start));
    TS_TRY_TO(done, st, ts_alloc(&w.at, p->n, sizeof *w.at));
    for (int key = 0; key < 3; key++)
        TS_TRY_TO(done, st, ts_alloc(&w.row[key], (size_t)p->seq_length, sizeof *w.row[key]));
    for (size_t i = 0; i < p->n; at += (size_t)p->lengths[i++])
        w.at[i] = at;
    TS_TRY_TO(done, st, ts_pack_order(p->lengths, p->n, p->seq_length - 1, w.order, w.start, &packs));
    p->packs = (int64_t)packs;
    for (size_t k = 0; st == TS_OK && k < packs; k++)
        st = write_pack(p, &w, k, builders);
done:
    ts_free(&w.order);
    ts_free(&w.start);
    ts_free(&w.at);
    for (int key = 0; key < 3; key++)
        ts_free(&w.row[key]);
    return st;
}
