/* Collectives between the processes of one host, beside those of the MPI that started them.
 *
 *   mpirun -n 2 bench_comm [LARGEST_MiB [ROUNDS [SMALLEST_KiB [fastest]]]]             (256 7 4)
 *
 * Every row is one size of one operation: median time of one call, ours and MPI's in turn on the
 * same buffers, and how many times as fast ours is (fastest: that of the fastest call instead, for
 * hosts that others use at the time). The size is that of the whole array: what a
 * rank brings to all-reduce, reduce-scatter and all-to-all, and gets from all-gather. All but
 * all-reduce have a buffer to send and another to receive. "of the roof" is the share of what the
 * memory allows, where the arrays are larger than the caches: bytes that must be read and written
 * by all ranks at least, against a loop over memory in all ranks at once. */
#include "base/thread.h"
#include "dist/world.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_ROUNDS = 101, OPS = 4, CACHES = 32 << 20 };

typedef enum op { REDUCE, SCATTER, GATHER, EXCHANGE } op;
static const char *const op_name[] = { "all-reduce", "reduce-scatter", "all-gather", "all-to-all" };

typedef struct bench {
    ts_comm *comm;
    float *send, *recv; /* [most] */
    int64_t least, most;
    int64_t *v; /* [2 * size]: counts and offsets of equal parts */
    int rounds;
    bool fastest;
    double roof; /* bytes a second */
} bench;

static ts_status ours(const bench *b, op what, int64_t n)
{
    ts_comm *c = b->comm;
    const int64_t *counts = b->v, *offsets = b->v + c->size;
    switch (what) {
    case REDUCE: return ts_comm_run(c, ts_all_reduce(b->recv, n, TS_COMM_F32, TS_COMM_SUM));
    case SCATTER:
        return ts_comm_run(
            c, ts_reduce_scatter_v(b->send, b->recv, counts, offsets, TS_COMM_F32, TS_COMM_SUM));
    case GATHER: return ts_comm_run(c, ts_all_gather(b->send, b->recv, n / c->size, TS_COMM_F32));
    default:
        return ts_comm_run(
            c, ts_all_to_all_v(b->send, counts, offsets, b->recv, counts, offsets, TS_COMM_F32));
    }
}

static ts_status theirs(const bench *b, op what, int64_t n)
{
    const int part = (int)(n / b->comm->size);
    int code;
    if (what == REDUCE)
        code = MPI_Allreduce(MPI_IN_PLACE, b->recv, (int)n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    else if (what == SCATTER)
        code = MPI_Reduce_scatter_block(b->send, b->recv, part, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    else if (what == GATHER)
        code = MPI_Allgather(b->send, part, MPI_FLOAT, b->recv, part, MPI_FLOAT, MPI_COMM_WORLD);
    else
        code = MPI_Alltoall(b->send, part, MPI_FLOAT, b->recv, part, MPI_FLOAT, MPI_COMM_WORLD);
    return code == MPI_SUCCESS ? TS_OK : ts_error(TS_ERR_RUN, "%s of MPI failed", op_name[what]);
}

/* Seconds of one call, on the slowest rank. */
static ts_status time_calls(const bench *b, bool mpi, op what, int64_t n, int64_t calls,
                            double *seconds)
{
    TS_TRY(ts_comm_run(b->comm, ts_barrier()));
    const double begin = ts_now();
    for (int64_t i = 0; i < calls; i++)
        TS_TRY(mpi ? theirs(b, what, n) : ours(b, what, n));
    *seconds = (ts_now() - begin) / (double)calls;
    return ts_comm_run(b->comm, ts_all_reduce(seconds, 1, TS_COMM_F64, TS_COMM_MAX));
}

static int by_value(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Bytes between caches and memory, of all ranks together. */
static double least_bytes(op what, int ranks, double bytes)
{
    switch (what) {
    case REDUCE:
    case EXCHANGE:
        return 2 * ranks * bytes;
    default: /* one side all of the array a rank, the other a part */
        return (ranks + 1) * bytes;
    }
}

static ts_status one_row(const bench *b, op what, int64_t n)
{
    static const char *const unit[] = { "KiB", "MiB" };
    const double bytes = (double)n * sizeof(float);
    const int large = n * (int64_t)sizeof(float) >= 1 << 20;
    const int64_t calls = bytes < 65536 ? 500 : bytes < 2e6 ? 50 : bytes < 2e7 ? 5 : 1;
    double time[2][MOST_ROUNDS];
    for (int64_t i = 0; i < b->comm->size; i++)
        b->v[i] = n / b->comm->size, b->v[b->comm->size + i] = n / b->comm->size * i;
    for (int round = -1; round < b->rounds; round++) /* the first warms up */
        for (int mpi = 0; mpi < 2; mpi++)
            TS_TRY(time_calls(b, mpi, what, n, calls, &time[mpi][round < 0 ? 0 : round]));
    for (int mpi = 0; mpi < 2; mpi++)
        qsort(time[mpi], (size_t)b->rounds, sizeof(double), by_value);
    const int which = b->fastest ? 0 : b->rounds / 2;
    const double t0 = time[0][which], t1 = time[1][which];
    if (b->comm->rank != 0)
        return TS_OK;
    printf("%5.0f %s  %-14s %11.1f %11.1f %8.2f %8.2f %7.2f", bytes / (large ? 1 << 20 : 1 << 10),
           unit[large], op_name[what], t0 * 1e6, t1 * 1e6, bytes / t0 * 1e-9, bytes / t1 * 1e-9,
           t1 / t0);
    if (bytes > CACHES)
        printf(" %9.0f %%", 100 * least_bytes(what, b->comm->size, bytes) / t0 / b->roof);
    printf("\n");
    fflush(stdout);
    return TS_OK;
}

/* All ranks at once read and write their memory in place. */
static ts_status find_roof(bench *b)
{
    double best = 0;
    for (int round = 0; round < 5; round++) {
        TS_TRY(ts_comm_run(b->comm, ts_barrier()));
        const double begin = ts_now();
        for (int64_t i = 0; i < b->most; i++)
            b->recv[i] += 1;
        double seconds = ts_now() - begin;
        TS_TRY(ts_comm_run(b->comm, ts_all_reduce(&seconds, 1, TS_COMM_F64, TS_COMM_MAX)));
        const double rate = 2.0 * b->comm->size * (double)b->most * sizeof(float) / seconds;
        best = rate > best ? rate : best;
    }
    b->roof = best;
    return TS_OK;
}

static ts_status room(int64_t n, float **out)
{
    const size_t huge = 2 << 20, bytes = (size_t)n * sizeof(float);
    float *p = aligned_alloc(huge, (bytes + huge - 1) / huge * huge);
    if (!p)
        return ts_error(TS_ERR_NOMEM, "no memory for %zu bytes", bytes);
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 0, bytes);
    *out = p;
    return TS_OK;
}

static ts_status run(bench *b)
{
    const int p = b->comm->size;
    TS_TRY(ts_alloc(&b->v, 2 * (size_t)p, sizeof *b->v));
    TS_TRY(room(b->most, &b->send));
    TS_TRY(room(b->most, &b->recv));
    TS_TRY(find_roof(b));
    memset(b->recv, 0, (size_t)b->most * sizeof *b->recv);
    if (b->comm->rank == 0)
        printf("%d ranks, %s; memory in place, all ranks: %.1f GB/s; %s of %d\n"
               "     size  operation          ours us      MPI us     GB/s MPI GB/s   ratio  of the "
               "roof\n",
               p, b->comm->kind, b->roof * 1e-9, b->fastest ? "fastest" : "medians",
               b->rounds);
    for (int64_t n = b->least; n <= b->most; n *= 4)
        for (op what = REDUCE; what <= EXCHANGE; what++)
            TS_TRY(one_row(b, what, n / p * p));
    return TS_OK;
}

int main(int argc, char **argv)
{
    const int mib = argc > 1 ? atoi(argv[1]) : 256;
    const int kib = argc > 3 ? atoi(argv[3]) : 4;
    bench b = { .rounds = argc > 2 ? atoi(argv[2]) : 7, .least = (int64_t)kib << 8,
                .fastest = argc > 4 && strcmp(argv[4], "fastest") == 0 };
    if (mib < 1 || mib > 4096 || kib < 1 || b.rounds < 1 || b.rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: mpirun -n 2 bench_comm [LARGEST_MiB [ROUNDS [SMALLEST_KiB "
                        "[fastest]]]]\n");
        return 1;
    }
    b.most = (int64_t)mib << 18;
    ts_status st = ts_comm_world(&b.comm);
    if (st == TS_OK)
        st = b.comm->size > 1 ? run(&b)
                              : ts_error(TS_ERR_USER, "start several processes: mpirun -n 2 ...");
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    ts_free(&b.v);
    free(b.send);
    free(b.recv);
    ts_comm_finish(&b.comm, st != TS_OK);
    return st == TS_OK ? 0 : 1;
}
