#include "dist/bf16_sum.h"

#include "base/dtype.h"

static int64_t share_of(const ts_comm *c, int64_t n) { return (n + c->size - 1) / c->size; }

int64_t ts_bf16_sum_room(const ts_comm *c, int64_t piece) { return share_of(c, piece) * c->size; }

/* Values by rank: what goes to each rank, where from; what comes from each, where to. */
typedef struct parts {
    int64_t *to, *to_at, *from, *from_at;
    int64_t mine; /* values of this rank's share */
} parts;

static void cut(const ts_comm *c, int64_t n, parts *p)
{
    const int64_t share = share_of(c, n);
    for (int r = 0; r < c->size; r++) {
        const int64_t begin = r * share < n ? r * share : n, left = n - begin;
        p->to_at[r] = begin;
        p->to[r] = left < share ? left : share;
    }
    p->mine = p->to[c->rank];
    for (int r = 0; r < c->size; r++) {
        p->from[r] = p->mine;
        p->from_at[r] = r * p->mine;
    }
}

static ts_status sum_piece(ts_comm *c, float *x, int64_t n, const parts *p, uint16_t *send,
                           uint16_t *recv)
{
    uint16_t *sums = send ? send + p->to_at[c->rank] : NULL;
    for (int64_t i = 0; x && i < n; i++)
        send[i] = ts_f32_to_bf16(x[i]);
    TS_TRY(ts_comm_run(
        c, ts_all_to_all_v(send, p->to, p->to_at, recv, p->from, p->from_at, TS_COMM_BF16)));
    for (int64_t i = 0; x && i < p->mine; i++) {
        float sum = 0;
        for (int r = 0; r < c->size; r++)
            sum += ts_bf16_to_f32(recv[r * p->mine + i]);
        sums[i] = ts_f32_to_bf16(sum);
    }
    TS_TRY(ts_comm_run(c, ts_all_gather_v(sums, p->mine, send, p->to, p->to_at, TS_COMM_BF16)));
    for (int64_t i = 0; x && i < n; i++)
        x[i] = ts_bf16_to_f32(send[i]);
    return TS_OK;
}

ts_status ts_bf16_sum(ts_comm *c, float *x, int64_t n, int64_t piece, uint16_t *send,
                      uint16_t *recv)
{
    const size_t size = (size_t)c->size;
    parts p = { 0 };
    TS_TRY(ts_alloc(&p.to, 4 * size, sizeof *p.to));
    p.to_at = p.to + size, p.from = p.to_at + size, p.from_at = p.from + size;
    ts_status st = TS_OK;
    for (int64_t at = 0; st == TS_OK && at < n; at += piece) {
        const int64_t k = n - at < piece ? n - at : piece;
        cut(c, k, &p);
        st = sum_piece(c, x ? x + at : NULL, k, &p, send, recv);
    }
    ts_free(&p.to);
    return st;
}
