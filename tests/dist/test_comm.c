#include "base/thread.h"
#include "dist/comm_mpi.h"
#include "dist/comm_shm.h"
#include "dist/shm_map.h"
#include "dist/shm_read.h"
#include "dist/shm_way.h"
#include "dist_test.h"

#include <math.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static double get(const void *p, int64_t i, ts_comm_type t)
{
    switch (t) {
    case TS_COMM_F32:
        return (double)((const float *)p)[i];
    case TS_COMM_F64:
        return ((const double *)p)[i];
    case TS_COMM_I64:
        return (double)((const int64_t *)p)[i];
    default:
        return ((const unsigned char *)p)[i];
    }
}

static void set(void *p, int64_t i, ts_comm_type t, int64_t v)
{
    if (t == TS_COMM_F32)
        ((float *)p)[i] = (float)v;
    else if (t == TS_COMM_F64)
        ((double *)p)[i] = (double)v;
    else if (t == TS_COMM_I64)
        ((int64_t *)p)[i] = v;
    else
        ((unsigned char *)p)[i] = (unsigned char)v;
}

static int64_t value(int rank, int64_t i, ts_comm_type t)
{
    return t == TS_COMM_U8 ? made_up(rank, i) % 50 : made_up(rank, i);
}

static double reduced(int size, int64_t i, ts_comm_type t, ts_comm_op op)
{
    double v = (double)value(0, i, t);
    for (int r = 1; r < size; r++) {
        const double x = (double)value(r, i, t);
        v = op == TS_COMM_SUM ? v + x : op == TS_COMM_MAX ? fmax(v, x) : fmin(v, x);
    }
    return v;
}

static void *buffer(ts_comm *comm, int64_t n)
{
    char *p;
    EXPECT_OK(ts_alloc(&p, (size_t)n + 1, 8));
    return p;
}

static void all_reduces(ts_comm *comm, int64_t n, ts_comm_type t, ts_comm_op op)
{
    void *a = buffer(comm, n), *b = buffer(comm, n);
    for (int64_t i = 0; i < n; i++) {
        set(a, i, t, value(comm->rank, i, t));
        set(b, i, t, value(comm->rank, i, t));
    }
    ts_comm_request *r;
    EXPECT_OK(ts_comm_start(comm, ts_all_reduce(b, n, t, op), &r));
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(a, n, t, op))); /* overtakes */
    bool done = false;
    if (n % 2)
        while (!done)
            EXPECT_OK(ts_comm_test(comm, &r, &done));
    EXPECT_OK(ts_comm_wait(comm, &r));
    EXPECT(!r, "the request was left behind");
    for (int64_t i = 0; i < n; i++) {
        const double want = reduced(comm->size, i, t, op);
        EXPECT(get(a, i, t) == want && get(b, i, t) == want,
               "[%lld] of %lld, type %d, op %d: %g %g, not %g", (long long)i, (long long)n, t, op,
               get(a, i, t), get(b, i, t), want);
    }
    ts_free(&a);
    ts_free(&b);
}

static void gathers(ts_comm *comm, int64_t n, ts_comm_type t)
{
    const int p = comm->size;
    void *send = buffer(comm, 2 * n + p), *recv = buffer(comm, (n + p) * p);
    int64_t counts[64], offsets[64], end = 0;
    for (int64_t i = 0; i < n; i++)
        set(send, i, t, value(comm->rank, i, t));
    EXPECT_OK(ts_comm_run(comm, ts_all_gather(send, recv, n, t)));
    for (int64_t i = 0; i < n * p; i++)
        EXPECT(get(recv, i, t) == (double)value((int)(i / n), i % n, t), "[%lld]", (long long)i);
    for (int r = 0; r < p; r++) { /* rank 0 has none; with gaps of one */
        counts[r] = n * r / p, offsets[r] = end;
        end += counts[r] + 1;
    }
    for (int64_t i = 0; i < end; i++)
        set(recv, i, t, 77);
    for (int in_place = 0; in_place < 2; in_place++) {
        char *mine = (char *)recv + offsets[comm->rank] * (t == TS_COMM_U8    ? 1
                                                           : t == TS_COMM_F32 ? 4
                                                                              : 8);
        for (int64_t i = 0; i < counts[comm->rank]; i++)
            set(in_place ? mine : send, i, t, value(comm->rank, i, t));
        EXPECT_OK(ts_comm_run(comm, ts_all_gather_v(in_place ? mine : send, counts[comm->rank],
                                                    recv, counts, offsets, t)));
        for (int r = 0; r < p; r++) {
            for (int64_t i = 0; i < counts[r]; i++)
                EXPECT(get(recv, offsets[r] + i, t) == (double)value(r, i, t), "%d[%lld]", r,
                       (long long)i);
            EXPECT(get(recv, offsets[r] + counts[r], t) == 77, "the gap behind rank %d", r);
        }
    }
    ts_free(&send);
    ts_free(&recv);
}

/* Rank s sends (s + d + 1) % 3 * n values to rank d. */
static int64_t sent(int s, int d, int64_t n) { return (s + d + 1) % 3 * n; }

static void all_to_alls(ts_comm *comm, int64_t n, ts_comm_type t)
{
    const int p = comm->size, me = comm->rank;
    void *send = buffer(comm, 3 * n * p), *recv = buffer(comm, 3 * n * p);
    int64_t sc[64], so[64], rc[64], ro[64], s = 0, r = 0;
    for (int d = 0; d < p; d++) {
        sc[d] = sent(me, d, n), so[d] = s, s += sc[d];
        rc[d] = sent(d, me, n), ro[d] = r, r += rc[d];
        for (int64_t i = 0; i < sc[d]; i++)
            set(send, so[d] + i, t, value(me + 5 * d, i, t));
    }
    EXPECT_OK(ts_comm_run(comm, ts_all_to_all_v(send, sc, so, recv, rc, ro, t)));
    for (int d = 0; d < p; d++)
        for (int64_t i = 0; i < rc[d]; i++)
            EXPECT(get(recv, ro[d] + i, t) == (double)value(d + 5 * me, i, t), "from %d [%lld]", d,
                   (long long)i);
    ts_free(&send);
    ts_free(&recv);
}

static void reduce_scatters(ts_comm *comm, int64_t n, ts_comm_type t, ts_comm_op op)
{
    const int p = comm->size, me = comm->rank;
    void *send = buffer(comm, (n + 1) * p), *recv = buffer(comm, n + 1);
    int64_t counts[64], offsets[64], end = 0;
    for (int r = 0; r < p; r++) { /* with gaps of one */
        counts[r] = n * (r + 1) / p, offsets[r] = end;
        end += counts[r] + 1;
    }
    for (int64_t i = 0; i < end; i++)
        set(send, i, t, value(me, i, t));
    set(recv, counts[me], t, 77);
    EXPECT_OK(ts_comm_run(comm, ts_reduce_scatter_v(send, recv, counts, offsets, t, op)));
    EXPECT(get(recv, counts[me], t) == 77, "written behind the end");
    for (int64_t i = 0; i < end; i++)
        EXPECT(get(send, i, t) == (double)value(me, i, t), "send changed at %lld", (long long)i);
    char *mine = (char *)send + offsets[me] * (t == TS_COMM_U8 ? 1 : t == TS_COMM_F32 ? 4 : 8);
    EXPECT_OK(ts_comm_run(comm, ts_reduce_scatter_v(send, mine, counts, offsets, t, op)));
    for (int64_t i = 0; i < counts[me]; i++) {
        const double want = reduced(p, offsets[me] + i, t, op);
        EXPECT(get(recv, i, t) == want && get(mine, i, t) == want,
               "[%lld] of %lld, type %d, op %d: %g %g, not %g", (long long)i, (long long)n, t, op,
               get(recv, i, t), get(mine, i, t), want);
    }
    ts_free(&send);
    ts_free(&recv);
}

static void broadcasts(ts_comm *comm, int64_t n, ts_comm_type t)
{
    void *a = buffer(comm, n);
    for (int root = 0; root < comm->size; root++) {
        for (int64_t i = 0; i < n; i++)
            set(a, i, t, comm->rank == root ? value(root, i, t) : 1);
        EXPECT_OK(ts_comm_run(comm, ts_broadcast(a, n, t, root)));
        for (int64_t i = 0; i < n; i++)
            EXPECT(get(a, i, t) == (double)value(root, i, t), "root %d [%lld]", root, (long long)i);
    }
    EXPECT_OK(ts_comm_run(comm, ts_barrier()));
    ts_free(&a);
}

static void everything(ts_comm *comm, int64_t largest)
{
    static const int64_t ns[] = { 0, 1, 5, 64, 1001, 70000, 500009 };
    for (size_t k = 0; k < sizeof ns / sizeof *ns && ns[k] <= largest; k++)
        for (ts_comm_type t = TS_COMM_F32; t <= TS_COMM_U8; t++) {
            for (ts_comm_op op = TS_COMM_SUM; op <= TS_COMM_MIN; op++) {
                all_reduces(comm, ns[k], t, op);
                reduce_scatters(comm, ns[k], t, op);
            }
            gathers(comm, ns[k], t);
            all_to_alls(comm, ns[k], t);
            broadcasts(comm, ns[k], t);
        }
}

static void agreement(ts_comm *comm)
{
    const int p = comm->size, me = comm->rank;
    EXPECT(ts_comm_agree(comm, TS_OK) == TS_OK, "all were fine");
    for (int bad = 0; bad < p; bad++) {
        const ts_status mine =
            me == bad ? ts_error(TS_ERR_IO, "the disk of %d is full", bad) : TS_OK;
        char want[64];
        snprintf(want, sizeof want,
                 me == bad ? "the disk of %d is full" : "rank %d of %d: the disk of %d is full",
                 bad, p, bad);
        EXPECT(ts_comm_agree(comm, mine) == TS_ERR_IO, "rank %d failed", bad);
        EXPECT(strcmp(ts_error_message(), want) == 0, "\"%s\", not \"%s\"", ts_error_message(),
               want);
    }
    /* A failure weighs more than a wish to stop. */
    const ts_status st = me == 0 ? ts_error(TS_ERR_INTERRUPTED, "asked to stop")
                                 : ts_error(TS_ERR_NOMEM, "no memory on %d", me);
    EXPECT(ts_comm_agree(comm, st) == (p > 1 ? TS_ERR_NOMEM : TS_ERR_INTERRUPTED), "%s",
           ts_error_message());
}

static void say_stuck(void *ctx, const ts_watch_report *r)
{
    (void)ctx;
    fprintf(stderr, "stuck: rank %d on %s in %s %lld of %s while %s: rank %lld on %s\n", r->rank,
            *r->host ? r->host : "?", r->collective, (long long)r->number, r->group, r->phase,
            (long long)r->behind - 1, r->behind_host ? r->behind_host : "?");
    if (r->behind != r->size || !r->behind_host) {
        fprintf(stderr, "that is not the last rank\n");
        return; /* and the runner waits too long */
    }
    _exit(3);
}

/* One rank goes away in one of several ways while the others wait for it. */
static void lose_rank(ts_comm *comm, const char *how, bool large)
{
    ts_watchdog *dog = NULL;
    if (strcmp(how, "silent") == 0)
        EXPECT_OK(ts_watchdog_create(comm->watch, comm->rank, comm->size, comm->host, 1, say_stuck,
                                     NULL, &dog));
    ts_watch_phase(comm->watch, "testing");
    EXPECT_OK(ts_comm_run(comm, ts_barrier()));
    if (comm->rank == comm->size - 1) {
        if (strcmp(how, "killed") == 0)
            raise(SIGKILL);
        if (strcmp(how, "failed") == 0)
            ts_comm_finish(&comm, true);
        if (strcmp(how, "exited") == 0)
            _exit(5);
        sleep(600);
    }
    float x[100] = { 0 };
    if (large)
        gathers(comm, 500009, TS_COMM_F32);
    else
        EXPECT_OK(ts_comm_run(comm, ts_all_reduce(x, 100, TS_COMM_F32, TS_COMM_SUM)));
    fprintf(stderr, "rank %d came through\n", comm->rank);
    _exit(0); /* the runner wants a failure */
}

/* The last rank fails in its group; all others hear of it in what they wait for, soon, and whatever group
 * that is in. */
static void give_up(ts_comm *comm)
{
    ts_comm *pair;
    float x[100] = { 0 };
    char want[128];
    EXPECT_OK(ts_comm_split(comm, "pair", comm->rank / 2, comm->rank, &pair));
    ts_status st = ts_comm_run(comm, ts_barrier()); /* which the others may not have left by then */
    if (comm->rank == comm->size - 1) {
        const double began = ts_now();
        ts_comm_shm_give_up(comm, "no memory for 3 tensors\nand more");
        EXPECT(ts_now() - began < 1.5, "it waited %g s", ts_now() - began);
    } else {
        while (st == TS_OK)
            st = ts_comm_run(comm->rank == comm->size - 2 ? pair : comm,
                             ts_all_reduce(x, 100, TS_COMM_F32, TS_COMM_SUM));
        snprintf(want, sizeof want, ": rank %d of %d has failed: no memory for 3 tensors",
                 comm->size - 1, comm->size);
        const char *said = strstr(ts_error_message(), " in the group ");
        EXPECT(st == TS_ERR_RUN && said && strstr(said, want) && strlen(strstr(said, want)) == strlen(want),
               "\"%s\"", ts_error_message());
        ts_comm_shm_give_up(comm, ts_error_message());
    }
    ts_comm_destroy(&pair);
}

/* What is behind a ticket must be what its maker made, byte for byte and with its number. */
static void tickets(ts_comm *comm)
{
    ts_shm_map made, joined;
    ts_shm_ticket good, t;
    EXPECT_OK(ts_shm_make(3, &made, &good));
    EXPECT_OK(ts_shm_join(&good, &joined));
    ((char *)made.base)[made.size_bytes - 1] = 42;
    EXPECT(((char *)joined.base)[made.size_bytes - 1] == 42, "not the same memory");
    ts_shm_leave(&joined);
    t = good, t.fd = 9999;
    EXPECT(ts_shm_join(&t, &joined) != TS_OK && !joined.base, "no such file");
    t = good, t.pid = INT32_MAX;
    EXPECT(ts_shm_join(&t, &joined) != TS_OK && !joined.base, "no such process");
    t = good, t.size_bytes += 4096;
    EXPECT(ts_shm_join(&t, &joined) != TS_OK && !joined.base, "of another size");
    t = good, t.cookie++;
    EXPECT(ts_shm_join(&t, &joined) != TS_OK && !joined.base, "another job's");
    ts_shm_leave(&made);
}

/* Reading from this process itself, as from another. */
static void reads(ts_comm *comm)
{
    ts_shm_map map;
    ts_shm_ticket ticket;
    EXPECT_OK(ts_shm_make(2, &map, &ticket));
    ts_shm_head *h = map.base;
    int64_t tokens[2], got = 0;
    ts_shm_offer(h, 0, &tokens[0]);
    ts_shm_offer(h, 1, &tokens[1]);
    const bool can = ts_shm_readable(h, 0, 2);
    if (can) {
        const int64_t here = 42;
        EXPECT_OK(ts_shm_read(h, 1, &got, (const char *)&here, sizeof here, NULL));
        EXPECT(got == 42, "%lld", (long long)got);
        EXPECT_OK(ts_shm_read(h, 1, &got, NULL, 0, NULL));
        EXPECT(ts_shm_read(h, 1, &got, (const char *)8, 8, NULL) == TS_ERR_RUN, "nothing is there");
    }
    tokens[1]++;
    EXPECT(!ts_shm_readable(h, 0, 2), "another program has that number");
    tokens[1]--;
    h->rank[1].pid = INT32_MAX;
    EXPECT(!ts_shm_readable(h, 0, 2), "no such process");
    EXPECT(ts_shm_read(h, 1, &got, (const char *)&got, 8, NULL) == TS_ERR_RUN &&
               strstr(ts_error_message(), "rank 1"),
           "%s", ts_error_message());
    ts_shm_leave(&map);
}

/* Seconds of every step of a piece, by the way; 1 of 8 takes much longer. */
static void go_on(ts_shm_turns *t, int64_t pieces, double through, double past)
{
    for (int64_t k = 0; k < pieces; k++) {
        const int64_t turn = t->pieces++;
        const double spent = ts_shm_way_of(t, turn) == TS_SHM_PAST ? past : through;
        for (ts_shm_step step = TS_SHM_PUT; step <= TS_SHM_TAKE; step++)
            if (ts_shm_is_timed(turn))
                ts_shm_timed(t, turn, step, turn % 8 == 5 ? 1 : spent);
    }
}

static void ways(ts_comm *comm)
{
    ts_shm_turns t = { 0 };
    go_on(&t, 100, 3e-5, 2e-5);
    EXPECT(ts_shm_way_of(&t, 100) == TS_SHM_PAST, "past the caches was faster");
    go_on(&t, TS_SHM_PERIOD, 1e-5, 2e-5);
    EXPECT(ts_shm_way_of(&t, t.pieces) == TS_SHM_THROUGH, "it became slower");
    go_on(&t, TS_SHM_PERIOD / 16, 9e-5, 2e-5);
    EXPECT(ts_shm_way_of(&t, t.pieces) == TS_SHM_PAST, "and faster before the next trial");
    go_on(&t, TS_SHM_PERIOD, 1e-5, 2e-5);
    go_on(&t, TS_SHM_PERIOD, 9e-5, 2e-5);
    EXPECT(ts_shm_way_of(&t, t.pieces) == TS_SHM_PAST, "and faster again");
}

static void bench(ts_comm *comm)
{
    static const int64_t sizes[] = { 1, 1024, 65536, 1 << 20, 16 << 20, 64 << 20 };
    float *a = buffer(comm, sizes[5] / 2);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const int64_t n = sizes[k], repeats = n < 4096 ? 2000 : n < (1 << 21) ? 50 : 5;
        double best = 1e9;
        for (int round = 0; round < 3; round++) {
            memset(a, 0, (size_t)n * 4);
            EXPECT_OK(ts_comm_run(comm, ts_barrier()));
            const double t0 = ts_now();
            for (int64_t i = 0; i < repeats; i++)
                EXPECT_OK(ts_comm_run(comm, ts_all_reduce(a, n, TS_COMM_F32, TS_COMM_SUM)));
            best = fmin(best, (ts_now() - t0) / (double)repeats);
        }
        if (comm->rank == 0)
            printf("all-reduce %11lld bytes: %10.1f us %7.2f GB/s\n", (long long)n * 4, best * 1e6,
                   (double)n * 4 / best * 1e-9);
    }
    ts_free(&a);
}

int main(int argc, char **argv)
{
    ts_comm *comm;
    const char *what = argc > 1 ? argv[1] : "all";
    const bool through_mpi = strcmp(what, "mpi") == 0 || strcmp(what, "pieces") == 0 ||
                             strcmp(what, "mpi-bench") == 0 ||
                             (argc > 3 && strcmp(argv[3], "mpi") == 0);
    const bool no_memfd = strcmp(what, "no-memfd") == 0;
    const bool no_reading = strcmp(what, "no-reading") == 0;
    if ((no_memfd && !forbid(SYS_memfd_create)) || (no_reading && !forbid_reading())) {
        fprintf(stderr, "SKIPPED: no filter of system calls here\n");
        return 77;
    }
    if ((through_mpi ? ts_comm_mpi_world(0, false, &comm) : ts_comm_world(&comm)) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    if (argc > 2 && comm->size != atoi(argv[2])) {
        fprintf(stderr, "%d ranks instead of %s\n", comm->size, argv[2]);
        ts_comm_finish(&comm, true);
        return 1;
    }
    const char *kind = comm->size == 1 ? "self" : no_memfd ? "mpi" : "shm";
    EXPECT(through_mpi || strcmp(comm->kind, kind) == 0, "%s", comm->kind);
    EXPECT(!no_reading || !ts_comm_shm_reads(comm), "the last rank cannot read");
    if (strcmp(what, "all") == 0 || strcmp(what, "mpi") == 0 || no_memfd || no_reading) {
        everything(comm, no_memfd ? 5000 : INT64_MAX);
        agreement(comm);
        if (!through_mpi && !no_memfd) {
            tickets(comm);
            ways(comm);
            reads(comm);
        }
    } else if (strcmp(what, "pieces") == 0) {
        ts_comm_mpi_limit(comm, 301);
        everything(comm, 5000);
    } else if (strcmp(what, "gives-up") == 0) {
        give_up(comm);
    } else if (strcmp(what, "bench") == 0 || strcmp(what, "mpi-bench") == 0) {
        bench(comm);
    } else {
        lose_rank(comm, what, argc > 3 && strcmp(argv[3], "large") == 0);
    }
    ts_comm_finish(&comm, false);
    return 0;
}
