/* Every collective, type and operation, done at once and started, compared bit by bit with plain
 * loops in rank order: values whose sums round, odd sizes, buffers that begin anywhere, guards
 * around them, several at once. */
#include "base/dtype.h"
#include "dist_test.h"

#include <math.h>

enum { GUARD = 64 };

typedef struct room {
    char *raw, *at; /* what was allocated; where the values begin */
    size_t bytes;
} room;

/* Begins `shift` values behind a cache line. */
static room make_room(ts_comm *comm, int64_t n, ts_comm_type t, int64_t shift)
{
    room r = { .bytes = (size_t)n * ts_comm_type_size(t) };
    EXPECT_OK(ts_alloc(&r.raw, r.bytes + 4 * GUARD, 1));
    memset(r.raw, 0x5a, r.bytes + 4 * GUARD);
    const size_t to_line = (64 - (uintptr_t)r.raw % 64) % 64;
    r.at = r.raw + to_line + GUARD + (size_t)shift * ts_comm_type_size(t);
    return r;
}

static void leave_room(ts_comm *comm, room *r)
{
    for (const char *p = r->raw; p < r->raw + r->bytes + 4 * GUARD; p++)
        EXPECT((p >= r->at && p < r->at + r->bytes) || *p == 0x5a, "written %lld bytes beside",
               (long long)(p - r->at));
    ts_free(&r->raw);
}

static uint64_t mixed(int rank, int64_t i)
{
    uint64_t h = (uint64_t)i * 0x9e3779b97f4a7c15u + (uint64_t)rank * 0xd1b54a32d192ed03u;
    h ^= h >> 31, h *= 0xbf58476d1ce4e5b9u, h ^= h >> 29;
    return h;
}

/* Fractions of many sizes; here and there one that is not a number. */
static void fill(void *p, int64_t n, ts_comm_type t, int rank)
{
    for (int64_t i = 0; i < n; i++) {
        const uint64_t h = mixed(rank, i);
        const double v = ldexp((double)(h >> 12) - 0x1p51, (int)(h & 7) - 54);
        if (t == TS_COMM_F32)
            ((float *)p)[i] = h % 977 == 5 ? NAN : (float)v;
        else if (t == TS_COMM_F64)
            ((double *)p)[i] = h % 977 == 5 ? NAN : v;
        else if (t == TS_COMM_I64)
            ((int64_t *)p)[i] = (int64_t)(h >> 8) - ((int64_t)1 << 55);
        else if (t == TS_COMM_BF16)
            ((uint16_t *)p)[i] = ts_f32_to_bf16(h % 977 == 5 ? NAN : (float)v);
        else if (t == TS_COMM_F16)
            ((uint16_t *)p)[i] = ts_f32_to_f16(h % 977 == 5 ? NAN : (float)v);
        else
            ((unsigned char *)p)[i] = (unsigned char)h;
    }
}

#define PLAIN(T)                                                                                   \
    do {                                                                                           \
        T *a = acc;                                                                                \
        const T *b = x;                                                                            \
        for (int64_t i = 0; i < n; i++)                                                            \
            a[i] = op == TS_COMM_SUM   ? (T)(a[i] + b[i])                                          \
                   : a[i] != a[i]      ? a[i]                                                      \
                   : b[i] != b[i]      ? b[i]                                                      \
                   : op == TS_COMM_MAX ? (a[i] > b[i] ? a[i] : b[i])                               \
                                       : (a[i] < b[i] ? a[i] : b[i]);                              \
    } while (0)

static void plain_combine(void *acc, const void *x, int64_t n, ts_comm_type t, ts_comm_op op)
{
    if (t == TS_COMM_F32)
        PLAIN(float);
    else if (t == TS_COMM_F64)
        PLAIN(double);
    else if (t == TS_COMM_I64)
        PLAIN(int64_t);
    else
        PLAIN(unsigned char);
}

static float wide(const void *p, int64_t i, ts_comm_type t)
{
    const uint16_t h = ((const uint16_t *)p)[i];
    return t == TS_COMM_BF16 ? ts_bf16_to_f32(h) : ts_f16_to_f32(h);
}

/* Of a 16-bit type: in fp32, rounded once. */
static void plain_reduced_16(ts_comm *comm, char *out, char *x, int64_t n, ts_comm_type t,
                             ts_comm_op op)
{
    float *acc, *y;
    EXPECT_OK(ts_alloc(&acc, (size_t)n + 1, sizeof *acc));
    EXPECT_OK(ts_alloc(&y, (size_t)n + 1, sizeof *y));
    for (int q = 0; q < comm->size; q++) {
        fill(x, n, t, q);
        for (int64_t i = 0; i < n; i++)
            (q ? y : acc)[i] = wide(x, i, t);
        if (q)
            plain_combine(acc, y, n, TS_COMM_F32, op);
    }
    for (int64_t i = 0; i < n; i++)
        ((uint16_t *)(void *)out)[i] =
            t == TS_COMM_BF16 ? ts_f32_to_bf16(acc[i]) : ts_f32_to_f16(acc[i]);
    ts_free(&acc);
    ts_free(&y);
}

/* What all ranks' n values reduce to. */
static char *plain_reduced(ts_comm *comm, int64_t n, ts_comm_type t, ts_comm_op op)
{
    char *acc, *x;
    EXPECT_OK(ts_alloc(&acc, (size_t)n + 1, ts_comm_type_size(t)));
    EXPECT_OK(ts_alloc(&x, (size_t)n + 1, ts_comm_type_size(t)));
    fill(acc, n, t, 0);
    for (int q = 1; q < comm->size && ts_comm_type_size(t) != 2; q++) {
        fill(x, n, t, q);
        plain_combine(acc, x, n, t, op);
    }
    if (ts_comm_type_size(t) == 2 && comm->size > 1)
        plain_reduced_16(comm, acc, x, n, t, op);
    ts_free(&x);
    return acc;
}

/* At once, or started and waited for. */
static void perform(ts_comm *comm, bool starts, ts_comm_call call)
{
    ts_comm_request *r;
    if (!starts) {
        EXPECT_OK(ts_comm_run(comm, call));
        return;
    }
    bool done = false;
    EXPECT_OK(ts_comm_start(comm, call, &r));
    for (int looks = 0; !done && looks < 100; looks++)
        EXPECT_OK(ts_comm_test(comm, &r, &done));
    EXPECT_OK(ts_comm_wait(comm, &r));
    EXPECT(!r, "the request was left behind");
}

static void expect_same(ts_comm *comm, const char *what, const void *got, const void *want,
                        int64_t n, ts_comm_type t)
{
    const size_t z = ts_comm_type_size(t);
    for (int64_t i = 0; i < n; i++)
        EXPECT(!memcmp((const char *)got + (size_t)i * z, (const char *)want + (size_t)i * z, z),
               "%s: [%lld] of %lld, type %d", what, (long long)i, (long long)n, t);
}

/* Parts of [0, n) by rank, uneven, the first empty among three and more. */
static void cut(const ts_comm *comm, int64_t n, int64_t *counts, int64_t *offsets)
{
    for (int q = 0; q < comm->size; q++) {
        const int64_t b = comm->size > 2 && q < 2 ? 0 : n * q / comm->size,
                      e = comm->size > 2 && q == 0 ? 0 : n * (q + 1) / comm->size;
        offsets[q] = b, counts[q] = e - b;
    }
}

static void reductions(ts_comm *comm, int64_t n, ts_comm_type t, ts_comm_op op, int64_t shift,
                       bool starts)
{
    const size_t z = ts_comm_type_size(t);
    int64_t counts[64], offsets[64];
    cut(comm, n, counts, offsets);
    char *want = plain_reduced(comm, n, t, op);
    const int64_t own = counts[comm->rank];
    const size_t at = (size_t)offsets[comm->rank] * z;
    room a = make_room(comm, n, t, shift), b = make_room(comm, own, t, 1);
    fill(a.at, n, t, comm->rank);
    perform(comm, starts, ts_reduce_scatter_v(a.at, b.at, counts, offsets, t, op));
    expect_same(comm, "reduce-scatter", b.at, want + at, own, t);
    perform(comm, starts, ts_reduce_scatter_v(a.at, a.at + at, counts, offsets, t, op));
    expect_same(comm, "reduce-scatter in place", a.at + at, want + at, own, t);
    fill(a.at, n, t, comm->rank);
    perform(comm, starts, ts_all_reduce(a.at, n, t, op));
    expect_same(comm, "all-reduce", a.at, want, n, t);
    leave_room(comm, &a);
    leave_room(comm, &b);
    ts_free(&want);
}

static void movements(ts_comm *comm, int64_t n, ts_comm_type t, int64_t shift, bool starts)
{
    const size_t z = ts_comm_type_size(t);
    const int p = comm->size, me = comm->rank;
    int64_t counts[64], offsets[64], from[64], to[64];
    cut(comm, n, counts, offsets);
    room send = make_room(comm, n, t, shift), recv = make_room(comm, n * p, t, 3),
         want = make_room(comm, n, t, 0);
    fill(send.at, n, t, me);
    perform(comm, starts, ts_all_gather(send.at, recv.at, n, t));
    for (int q = 0; q < p; q++) {
        fill(want.at, n, t, q);
        expect_same(comm, "all-gather", recv.at + (size_t)(q * n) * z, want.at, n, t);
    }
    /* Every rank cuts its values into the same parts, so what comes is as long from all. */
    for (int q = 0; q < p; q++)
        from[q] = counts[me], to[q] = q * counts[me];
    perform(comm, starts, ts_all_to_all_v(send.at, counts, offsets, recv.at, from, to, t));
    for (int q = 0; q < p; q++) {
        fill(want.at, n, t, q);
        expect_same(comm, "all-to-all", recv.at + (size_t)to[q] * z,
                    want.at + (size_t)offsets[me] * z, counts[me], t);
    }
    for (int q = 0; q < p; q++) /* all stays where it is, but for one value to the next rank */
        from[q] = n < 2 ? 0 : q == me ? n - 1 : q == (me + 1) % p, offsets[q] = q == me ? 0 : n - 1,
        counts[q] = n < 2 ? 0 : q == me ? n - 1 : (q + 1) % p == me, to[q] = q == me ? 0 : n - 1;
    perform(comm, starts, ts_all_to_all_v(send.at, from, offsets, recv.at, counts, to, t));
    expect_same(comm, "what stays", recv.at, send.at, n < 2 ? 0 : n - 1, t);
    for (int root = 0; root < p; root++) {
        fill(send.at, n, t, me + 10);
        perform(comm, starts, ts_broadcast(send.at, n, t, root));
        fill(want.at, n, t, root + 10);
        expect_same(comm, "broadcast", send.at, want.at, n, t);
    }
    perform(comm, starts, ts_barrier());
    leave_room(comm, &send);
    leave_room(comm, &recv);
    leave_room(comm, &want);
}

/* The last rank sends n values to each of the others, these `few` back. */
static void lopsided(ts_comm *comm, int64_t n, int64_t few)
{
    const int p = comm->size, me = comm->rank, last = p - 1;
    const int64_t out = me == last ? n : few;
    int64_t sc[64], so[64], rc[64], ro[64];
    for (int q = 0; q < p; q++) {
        sc[q] = q == me ? 0 : me == last ? n : q == last ? few : 0;
        rc[q] = q == me ? 0 : q == last ? n : me == last ? few : 0;
        so[q] = 0, ro[q] = q * few;
    }
    room send = make_room(comm, out, TS_COMM_F32, 1),
         recv = make_room(comm, n + p * few, TS_COMM_F32, 2);
    char *want;
    EXPECT_OK(ts_alloc(&want, (size_t)(n + few), sizeof(float)));
    fill(send.at, out, TS_COMM_F32, me);
    EXPECT_OK(ts_comm_run(comm, ts_all_to_all_v(send.at, sc, so, recv.at, rc, ro, TS_COMM_F32)));
    for (int q = 0; q < p; q++) {
        fill(want, rc[q], TS_COMM_F32, q);
        expect_same(comm, "lopsided", recv.at + (size_t)ro[q] * sizeof(float), want, rc[q],
                    TS_COMM_F32);
    }
    ts_free(&want);
    leave_room(comm, &send);
    leave_room(comm, &recv);
}

/* All under way at once, waited for in another order, with blocking ones among them. */
static void several(ts_comm *comm, int64_t scale)
{
    enum { N = 6 };
    static const int order[N] = { 3, 0, 5, 1, 4, 2 };
    room a[N];
    ts_comm_request *r[N];
    for (int k = 0; k < N; k++) {
        const int64_t n = scale * (k * 7 % N) + k;
        a[k] = make_room(comm, n, TS_COMM_F32, k);
        fill(a[k].at, n, TS_COMM_F32, comm->rank);
        const ts_comm_op op = (ts_comm_op)(k % 3);
        EXPECT_OK(ts_comm_start(comm, ts_all_reduce(a[k].at, n, TS_COMM_F32, op), &r[k]));
        if (k % 2)
            movements(comm, 1001, TS_COMM_I64, k, k == 3);
    }
    reductions(comm, scale, TS_COMM_F64, TS_COMM_SUM, 1, false);
    for (int i = 0; i < N; i++) {
        const int k = order[i];
        const int64_t n = scale * (k * 7 % N) + k;
        bool done = false;
        EXPECT_OK(ts_comm_test(comm, &r[k], &done));
        EXPECT_OK(ts_comm_wait(comm, &r[k]));
        char *want = plain_reduced(comm, n, TS_COMM_F32, (ts_comm_op)(k % 3));
        expect_same(comm, "one of several", a[k].at, want, n, TS_COMM_F32);
        ts_free(&want);
        leave_room(comm, &a[k]);
    }
}

int main(int argc, char **argv)
{
    ts_comm *comm = open_world(argc > 1 ? argv[1] : "");
    static const int64_t ns[] = { 0, 1, 3, 17, 1023, 2049, 16385, 100003 };
    for (size_t k = 0; k < sizeof ns / sizeof *ns; k++)
        for (ts_comm_type t = TS_COMM_F32; t <= TS_COMM_F16; t++)
            for (int starts = 0; starts <= (ns[k] < 50000); starts++) {
                for (ts_comm_op op = TS_COMM_SUM; op <= TS_COMM_MIN; op++)
                    reductions(comm, ns[k], t, op, (int64_t)k + op, starts);
                movements(comm, ns[k], t, (int64_t)k, starts);
            }
    several(comm, 5);
    several(comm, 40000);
    /* Many pieces: some go through the caches and some past them. */
    reductions(comm, 2200001, TS_COMM_F32, TS_COMM_SUM, 5, false);
    reductions(comm, 2200001, TS_COMM_BF16, TS_COMM_SUM, 3, true);
    movements(comm, 4400001, TS_COMM_F32, 7, true);
    several(comm, 450000);
    for (int64_t few = 1; few < 100000; few = few * 20 + 3)
        for (int64_t n = 200; n < 4000000; n *= 25)
            lopsided(comm, n, few);
    ts_comm_finish(&comm, false);
    return 0;
}
