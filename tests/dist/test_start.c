/* All calls started at once, waited for in an order that is another on every rank, leave the bits
 * that they leave one after the other. */
#include "dist_test.h"

enum { CALLS = 11, MOST = 8 };

typedef struct work {
    int64_t counts[MOST], offsets[MOST], from[MOST], to[MOST]; /* parts; what comes of them */
    int64_t n, bytes;
    ts_comm_type t;
    char *send, *recv[CALLS]; /* [bytes] */
} work;

/* A fraction with few digits, or such an integer: sums of a few are exact in any order, so MPI
 * cannot but agree with itself. */
static void fill(const ts_comm *comm, const work *w, void *p)
{
    for (int64_t i = 0; i < w->n * comm->size; i++) {
        const int64_t v = made_up(comm->rank, i) % 16;
        if (w->t == TS_COMM_F32)
            ((float *)p)[i] = (float)v / 4;
        else if (w->t == TS_COMM_F64)
            ((double *)p)[i] = (double)v / 4;
        else if (w->t == TS_COMM_I64)
            ((int64_t *)p)[i] = v;
        else if (w->t == TS_COMM_U8)
            ((unsigned char *)p)[i] = (unsigned char)v;
        else /* 1 and a fraction, of either type */
            ((uint16_t *)p)[i] = (uint16_t)((w->t == TS_COMM_F16 ? 0x3c00 : 0x3f80) + v);
    }
}

static void make(ts_comm *comm, work *w, int64_t n, ts_comm_type t)
{
    const int p = comm->size;
    *w = (work){ .n = n, .t = t, .bytes = n * p * (int64_t)ts_comm_type_size(t) };
    for (int r = 0; r < p; r++)
        w->offsets[r] = n * r / p, w->counts[r] = n * (r + 1) / p - n * r / p;
    for (int r = 0; r < p; r++)
        w->from[r] = w->counts[comm->rank], w->to[r] = r * w->from[r];
    EXPECT_OK(ts_alloc(&w->send, (size_t)w->bytes + 1, 1));
    fill(comm, w, w->send);
    for (int k = 0; k < CALLS; k++) {
        EXPECT_OK(ts_alloc(&w->recv[k], (size_t)w->bytes + 1, 1));
        fill(comm, w, w->recv[k]);
    }
}

static ts_comm_call call_of(const ts_comm *comm, const work *w, int k)
{
    const int next = (comm->rank + 1) % comm->size,
              previous = (comm->rank + comm->size - 1) % comm->size;
    char *recv = w->recv[k];
    switch (k) {
    case 0: return ts_all_to_all_v(w->send, w->counts, w->offsets, recv, w->from, w->to, w->t);
    case 1: return ts_all_reduce(recv, w->n, w->t, TS_COMM_SUM);
    case 2: return ts_send(w->send, w->n, w->t, next);
    case 3: return ts_recv(recv, w->n, w->t, previous);
    case 4: return ts_reduce_scatter(w->send, recv, w->n, w->t, TS_COMM_MAX);
    case 5: return ts_all_gather(w->send, recv, w->n, w->t);
    case 6: return ts_all_to_all(w->send, recv, w->n, w->t);
    case 7: return ts_reduce_scatter_v(w->send, recv, w->counts, w->offsets, w->t, TS_COMM_SUM);
    case 8: return ts_broadcast(recv, w->n, w->t, comm->size - 1);
    case 9:
        return ts_all_gather_v(w->send, w->counts[comm->rank], recv, w->counts, w->offsets, w->t);
    default: return ts_barrier();
    }
}

static bool is_message(int k) { return k == 2 || k == 3; }

static void compare(ts_comm *comm, int64_t n, ts_comm_type t)
{
    work once, later;
    ts_comm_request *r[CALLS] = { 0 };
    make(comm, &once, n, t);
    make(comm, &later, n, t);
    for (int k = 0; k < CALLS; k++)
        if (!is_message(k))
            EXPECT_OK(ts_comm_run(comm, call_of(comm, &once, k)));
    for (int k = 0; k < CALLS; k++)
        if (!is_message(k) || comm->size > 1)
            EXPECT_OK(ts_comm_start(comm, call_of(comm, &later, k), &r[k]));
    memset(later.counts, 0x7f, sizeof later.counts); /* were read at the start */
    memset(later.to, 0x7f, sizeof later.to);
    for (int i = 0; i < CALLS; i++) {
        const int k = (i * (comm->rank % 2 ? 4 : 3) + 5 * comm->rank) % CALLS;
        bool done;
        EXPECT_OK(ts_comm_test(comm, &r[k], &done));
        EXPECT(done == !r[k], "call %d is done, or is it?", k);
        EXPECT_OK(ts_comm_wait(comm, &r[k]));
    }
    for (int k = 0; k < CALLS; k++)
        EXPECT(is_message(k) || !memcmp(once.recv[k], later.recv[k], (size_t)once.bytes),
               "call %d of %lld values, type %d", k, (long long)n, t);
    for (int k = 0; k < CALLS; k++) {
        ts_free(&once.recv[k]);
        ts_free(&later.recv[k]);
    }
    ts_free(&once.send);
    ts_free(&later.send);
}

int main(int argc, char **argv)
{
    static const int64_t ns[] = { 0, 1, 37, 5000, 70001, 600011 };
    const char *way = argc > 1 ? argv[1] : "";
    ts_comm *comm = open_world(way);
    for (size_t k = 0; k < sizeof ns / sizeof *ns; k++)
        for (ts_comm_type t = TS_COMM_F32; t <= TS_COMM_F16; t++)
            if (ns[k] <= 5000 || (strcmp(way, "pieces") && (ns[k] < 100000 || t != TS_COMM_U8)))
                compare(comm, ns[k], t);
    ts_comm_finish(&comm, false);
    return 0;
}
