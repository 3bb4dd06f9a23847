/* Messages between two ranks: in a ring, both ways, of all lengths, in order. */
#include "dist_test.h"

#include <unistd.h>

static float *filled(ts_comm *comm, int64_t n, int rank)
{
    float *p;
    EXPECT_OK(ts_alloc(&p, (size_t)n + 1, sizeof *p));
    for (int64_t i = 0; i <= n; i++)
        p[i] = rank < 0 || i == n ? -1 : (float)made_up(rank, i);
    return p;
}

static void expect(ts_comm *comm, const float *p, int64_t n, int from)
{
    for (int64_t i = 0; i < n; i++)
        EXPECT(p[i] == (float)made_up(from, i), "from %d: [%lld] of %lld is %g", from, (long long)i,
               (long long)n, (double)p[i]);
    EXPECT(p[n] == -1, "written behind %lld values", (long long)n);
}

/* Everybody sends to both neighbours and receives from both, sends first. */
static void ring(ts_comm *comm, int64_t n)
{
    const int next = (comm->rank + 1) % comm->size,
              previous = (comm->rank + comm->size - 1) % comm->size;
    float *own = filled(comm, n, comm->rank), *a = filled(comm, n, -1), *b = filled(comm, n, -1);
    ts_comm_request *r[4];
    EXPECT_OK(ts_comm_start(comm, ts_send(own, n, TS_COMM_F32, next), &r[0]));
    EXPECT_OK(ts_comm_start(comm, ts_send(own, n, TS_COMM_F32, previous), &r[1]));
    EXPECT_OK(ts_comm_start(comm, ts_recv(a, n, TS_COMM_F32, previous), &r[2]));
    EXPECT_OK(ts_comm_start(comm, ts_recv(b, n, TS_COMM_F32, next), &r[3]));
    for (int i = 0; i < 4; i++) /* in another order on every rank */
        EXPECT_OK(ts_comm_wait(comm, &r[(i + comm->rank) % 4]));
    expect(comm, a, n, previous);
    expect(comm, b, n, next);
    ts_free(&own);
    ts_free(&a);
    ts_free(&b);
}

/* As a pipeline: rank 0 sends, each receives and passes on, none of it started. */
static void chain(ts_comm *comm, int64_t n)
{
    float *a = filled(comm, n, comm->rank == 0 ? 0 : -1);
    if (comm->rank > 0)
        EXPECT_OK(ts_comm_run(comm, ts_recv(a, n, TS_COMM_F32, comm->rank - 1)));
    if (comm->rank + 1 < comm->size)
        EXPECT_OK(ts_comm_run(comm, ts_send(a, n, TS_COMM_F32, comm->rank + 1)));
    expect(comm, a, n, 0);
    ts_free(&a);
}

/* Many of one pair at once, short and long in turn, waited for from the last: order by pair. */
static void in_order(ts_comm *comm)
{
    enum { N = 40 };
    const int64_t n[] = { 3, 20000, 0, 300, 70000 };
    float *p[N];
    ts_comm_request *r[N];
    for (int k = 0; k < N && comm->rank < 2; k++) {
        p[k] = filled(comm, n[k % 5], comm->rank == 0 ? k : -1);
        EXPECT_OK(ts_comm_start(comm,
                                comm->rank == 0 ? ts_send(p[k], n[k % 5], TS_COMM_F32, 1)
                                                : ts_recv(p[k], n[k % 5], TS_COMM_F32, 0),
                                &r[k]));
    }
    for (int k = N - 1; k >= 0 && comm->rank < 2; k--)
        EXPECT_OK(ts_comm_wait(comm, &r[k]));
    for (int k = 0; k < N && comm->rank < 2; k++) {
        expect(comm, p[k], n[k % 5], k);
        ts_free(&p[k]);
    }
}

/* What rank 1 waits for comes only when rank 0 has done its part of a collective, which it must do
 * while it waits for something else. */
static void beside_collectives(ts_comm *comm, ts_comm_type t)
{
    enum { N = 50000 };
    static double x[N], y[1000];
    ts_comm_request *r, *unused = NULL;
    memset(x, 0, sizeof x);
    EXPECT_OK(ts_comm_start(comm, ts_all_reduce(x, N, t, TS_COMM_SUM), &r));
    if (comm->rank == 0)
        EXPECT_OK(ts_comm_run(comm, ts_recv(y, 1000, TS_COMM_F64, 1)));
    EXPECT_OK(ts_comm_wait(comm, comm->rank == 0 ? &unused : &r));
    if (comm->rank == 1)
        EXPECT_OK(ts_comm_run(comm, ts_send(y, 1000, TS_COMM_F64, 0)));
    EXPECT_OK(ts_comm_wait(comm, &r));
}

/* An empty message arrives when it was sent, and not before. */
static void empty(ts_comm *comm)
{
    ts_comm_request *r = NULL;
    bool done = false;
    if (comm->rank == 1) {
        EXPECT_OK(ts_comm_start(comm, ts_recv(NULL, 0, TS_COMM_F32, 0), &r));
        EXPECT_OK(ts_comm_test(comm, &r, &done));
        EXPECT(!done && r, "nobody has sent it");
    }
    EXPECT_OK(ts_comm_run(comm, ts_barrier()));
    if (comm->rank == 0)
        EXPECT_OK(ts_comm_run(comm, ts_send(NULL, 0, TS_COMM_F32, 1)));
    EXPECT_OK(ts_comm_wait(comm, &r));
}

static void of_any_type(ts_comm *comm)
{
    for (ts_comm_type t = TS_COMM_F32; t <= TS_COMM_F16; t++) {
        unsigned char a[8 * 333 + 1] = { 0 }, b[8 * 333 + 1] = { 0 };
        const size_t bytes = 333 * ts_comm_type_size(t);
        for (size_t i = 0; i < bytes; i++)
            a[i] = (unsigned char)(i * 7 + t);
        if (comm->rank == 0)
            EXPECT_OK(ts_comm_run(comm, ts_send(a, 333, t, 1)));
        if (comm->rank == 1)
            EXPECT_OK(ts_comm_run(comm, ts_recv(b, 333, t, 0)));
        EXPECT(comm->rank != 1 || (!memcmp(a, b, bytes) && !b[bytes]), "type %d", t);
    }
}

/* The other end expects another length. */
static void wrong_length(ts_comm *comm)
{
    float x[20] = { 0 };
    if (comm->rank == 0)
        EXPECT_OK(ts_comm_run(comm, ts_send(x, 20, TS_COMM_F32, 1)));
    if (comm->rank == 1) {
        EXPECT(ts_comm_run(comm, ts_recv(x, 19, TS_COMM_F32, 0)) == TS_ERR_RUN, "of 20 values");
        EXPECT(strcmp(comm->kind, "shm") || (strstr(ts_error_message(), "80 bytes") &&
                                             strstr(ts_error_message(), "expects 76")),
               "%s", ts_error_message());
    }
}

static void say_stuck(void *ctx, const ts_watch_report *r)
{
    (void)ctx;
    const bool good = r->behind == r->size && !strcmp(r->collective, "receive");
    fprintf(stderr, "stuck: rank %d in %s, for rank %lld: %s\n", r->rank, r->collective,
            (long long)r->behind - 1, good ? "good" : "BAD");
    _exit(good ? 3 : 0); /* the runner wants a failure */
}

/* The last rank does not send, or goes away. */
static void nothing_comes(ts_comm *comm, bool silent)
{
    float x[20];
    ts_watchdog *dog;
    EXPECT_OK(ts_comm_run(comm, ts_barrier()));
    if (comm->rank == comm->size - 1) {
        if (!silent)
            _exit(5);
        sleep(600);
    }
    if (silent)
        EXPECT_OK(ts_watchdog_create(comm->watch, comm->rank, comm->size, comm->host, 1, say_stuck,
                                     NULL, &dog));
    EXPECT_OK(ts_comm_run(comm, ts_recv(x, 20, TS_COMM_F32, comm->size - 1)));
    fprintf(stderr, "rank %d came through\n", comm->rank);
    _exit(0);
}

int main(int argc, char **argv)
{
    static const int64_t ns[] = { 0, 1, 5, 1000, 3500, 16384, 100003, 3000001 };
    const char *way = argc > 1 ? argv[1] : "", *failure = argc > 2 ? argv[2] : "";
    ts_comm *comm = open_world(way);
    if (strcmp(failure, "length") == 0) {
        wrong_length(comm);
        ts_comm_finish(&comm, false);
        return 0;
    }
    if (*failure)
        nothing_comes(comm, strcmp(failure, "silent") == 0);
    const ts_comm_traffic before = comm->traffic;
    for (size_t k = 0; k < sizeof ns / sizeof *ns; k++)
        if (strcmp(way, "pieces") || ns[k] < 200000)
            ring(comm, ns[k]);
    const double booked = comm->traffic.bytes - before.bytes,
                 sent = 2 * 4 * (strcmp(way, "pieces") ? 3120894 : 120893); /* the sum of ns */
    EXPECT(booked >= sent && booked <= sent, "%g bytes were booked of %g", booked, sent);
    chain(comm, 10);
    chain(comm, 0);
    chain(comm, 200000);
    in_order(comm);
    empty(comm);
    of_any_type(comm);
    beside_collectives(comm, TS_COMM_F64);
    beside_collectives(comm, TS_COMM_BF16);
    ts_comm_finish(&comm, false);
    return 0;
}
