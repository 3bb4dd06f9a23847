#include "ops/spread_walk.h"

ts_ring ts_ring_of(ts_tape *tape, const ts_attention_op *o, const ts_spread *s, ts_dtype dtype)
{
    const int n = ts_spread_across(s);
    const bool is_direct = s->way == TS_SPREAD_DIRECT;
    ts_ring r = { .tape = tape, .o = o, .s = s, .n = n, .w = is_direct ? 1 : s->window,
                  .at = ts_spread_at(s), .row = o->n_kv * o->head_dim,
                  .dtype = dtype, .queries = ts_spread_queries(s, s->length, s->comm->rank) };
    for (int i = 0; i < n; i++) {
        const int64_t rows = ts_ring_rows(&r, i);
        r.most = rows > r.most ? rows : r.most;
    }
    return r;
}

static int64_t bytes_of(const ts_ring *r, int64_t rows)
{
    return rows * r->row * (int64_t)ts_dtype_size(r->dtype);
}

ts_key_pair ts_ring_pair(const ts_ring *r, const ts_tensor *t, int64_t number, int block)
{
    char *k = (char *)ts_tensor_data(t) + 2 * number * bytes_of(r, r->most);
    return (ts_key_pair){ k, k + bytes_of(r, ts_ring_rows(r, block)) };
}

ts_stretches ts_ring_pieces(const ts_ring *r, int at)
{
    return ts_spread_queries(r->s, r->s->length, ts_spread_peer(r->s, at));
}

int64_t ts_ring_rows(const ts_ring *r, int block)
{
    const ts_stretches p = ts_ring_pieces(r, block);
    return r->o->B * ts_stretches_count(&p);
}

bool ts_stretch_sees(const ts_attention_mask *m, const ts_stretch *q, const ts_stretch *k)
{
    const int64_t right = ts_mask_right(m), pos = m->offset + q->begin;
    return (right < 0 || k->begin <= pos + q->n - 1 + right) && k->begin + k->n > ts_mask_first(m, pos);
}

bool ts_stretch_sees_all(const ts_attention_mask *m, const ts_stretch *q, const ts_stretch *k)
{
    const int64_t right = ts_mask_right(m), pos = m->offset + q->begin;
    return (right < 0 || k->begin + k->n - 1 <= pos + right) && k->begin >= ts_mask_first(m, pos + q->n - 1);
}

bool ts_ring_needs(const ts_ring *r, int at, int block)
{
    const ts_stretches q = ts_ring_pieces(r, at), k = ts_ring_pieces(r, block);
    if (r->s->seen && !r->s->seen[at * r->n + block])
        return false;
    for (int i = 0; i < q.n * k.n; i++)
        if (ts_stretch_sees(&r->o->mask, &q.piece[i % q.n], &k.piece[i / q.n]))
            return true;
    return false;
}

/* Buffers of steps within a window take turns, and so do those of the window's first step. */
ts_status ts_walk_place(ts_walk *w, int t, ts_key_pair *p)
{
    ts_ring *r = w->r;
    const int block = ts_ring_here(r, t);
    *p = w->own;
    if (t == 0)
        return TS_OK;
    if (w->keeps_values) {
        *p = ts_ring_pair(r, w->kept, t - 1, block);
        return TS_OK;
    }
    const int i = t % r->w ? t % 2 : 2 + t / r->w % 2;
    if (!w->buffer[i])
        TS_TRY(ts_tape_new(r->tape, r->dtype, 2 * r->most, r->row, &w->buffer[i]));
    *p = ts_ring_pair(r, w->buffer[i], 0, block);
    if (w->keeps_keys)
        p->k = (char *)ts_tensor_data(w->kept) + (t - 1) * bytes_of(r, r->most);
    return TS_OK;
}

ts_status ts_ring_post(const ts_ring *r, void *data, int64_t n, int at, bool is_out, ts_message *m)
{
    const int peer = ts_spread_peer(r->s, at);
    return is_out ? ts_message_send(r->tape, r->s->comm, data, n, r->dtype, peer, m)
                  : ts_message_receive(r->tape, r->s->comm, data, n, r->dtype, peer, m);
}

/* A block goes to another process, or comes: its keys and values, or those of them that must travel. */
static ts_status pass(ts_walk *w, int t, int at, bool is_out, ts_message m[4])
{
    const int64_t n = ts_ring_rows(w->r, ts_ring_here(w->r, t)) * w->r->row;
    ts_key_pair p;
    TS_TRY(ts_walk_place(w, t, &p));
    if (!w->keeps_keys || w->keeps_values) /* they lie one behind the other */
        return ts_ring_post(w->r, p.k, 2 * n, at, is_out, &m[!is_out]);
    if (!w->are_here)
        TS_TRY(ts_ring_post(w->r, p.k, n, at, is_out, &m[!is_out]));
    return ts_ring_post(w->r, p.v, n, at, is_out, &m[2 + !is_out]);
}

static ts_status set_out_directly(ts_walk *w, int t)
{
    const ts_ring *r = w->r;
    if (t + 1 == r->n)
        return TS_OK;
    const int to = ts_ring_who(r, r->at, t + 1), from = ts_ring_here(r, t + 1);
    if (ts_ring_needs(r, to, r->at))
        TS_TRY(pass(w, 0, to, true, w->inner));
    return ts_ring_needs(r, r->at, from) ? pass(w, t + 1, from, false, w->inner) : TS_OK;
}

ts_status ts_walk_set_out(ts_walk *w, int t)
{
    const ts_ring *r = w->r;
    if (w->are_here && w->keeps_values)
        return TS_OK;
    if (r->s->way == TS_SPREAD_DIRECT)
        return set_out_directly(w, t);
    if (t + 1 < r->n && (t + 1) % r->w) {
        TS_TRY(pass(w, t, ts_ring_who(r, ts_ring_here(r, t), t + 1), true, w->inner));
        TS_TRY(pass(w, t + 1, ts_ring_who(r, ts_ring_here(r, t + 1), t), false, w->inner));
    }
    if (t + r->w < r->n && t % r->w == 0) {
        TS_TRY(pass(w, t, ts_ring_who(r, ts_ring_here(r, t), t + r->w), true, w->outer));
        TS_TRY(pass(w, t + r->w, ts_ring_who(r, ts_ring_here(r, t + r->w), t), false, w->outer));
    }
    return TS_OK;
}

ts_status ts_walk_arrive(ts_walk *w, int t)
{
    for (int i = 0; i < 4; i++)
        TS_TRY(ts_message_wait(w->r->tape, w->r->s->comm, &w->inner[i]));
    for (int i = 0; i < 4 && (t + 1) % w->r->w == 0; i++)
        TS_TRY(ts_message_wait(w->r->tape, w->r->s->comm, &w->outer[i]));
    return TS_OK;
}

ts_status ts_walk_begin(ts_walk *w, const ts_tensor *q)
{
    ts_ring *r = w->r;
    ts_tensor *own;
    TS_TRY(ts_tape_new(r->tape, r->dtype, 2 * r->o->B * r->o->S, r->row, &own));
    w->own = ts_ring_pair(r, own, 0, r->at);
    ts_spread_take_keys(r->tape, r->o, q, w->own.k);
    return TS_OK;
}
