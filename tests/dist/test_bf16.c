#include "dist/bf16_sum.h"
#include "dist/bucket.h"

#include "base/dtype.h"
#include "dist_test.h"

/* The sum that every rank can work out for itself: each part rounded, added in the order of the
 * ranks, rounded once. */
static float part(int rank, int64_t i)
{
    return (float)made_up(rank, i) * 1.0009765f / (float)(1 + i % 7);
}

static float rounded(float x) { return ts_bf16_to_f32(ts_f32_to_bf16(x)); }

static float expected(int size, int64_t i)
{
    float sum = 0;
    for (int r = 0; r < size; r++)
        sum += rounded(part(r, i));
    return rounded(sum);
}

static void sum_of(ts_comm *comm, int64_t n, int64_t piece)
{
    float *x = calloc((size_t)n + 1, sizeof *x);
    uint16_t *send = calloc((size_t)piece, sizeof *send);
    uint16_t *recv = calloc((size_t)ts_bf16_sum_room(comm, piece), sizeof *recv);
    for (int64_t i = 0; i < n; i++)
        x[i] = part(comm->rank, i);
    x[n] = 1234;
    EXPECT_OK(ts_bf16_sum(comm, x, n, piece, send, recv));
    for (int64_t i = 0; i < n; i++)
        EXPECT(x[i] == expected(comm->size, i), "%lld of %lld in pieces of %lld: %.9g, not %.9g",
               (long long)i, (long long)n, (long long)piece, (double)x[i],
               (double)expected(comm->size, i));
    EXPECT(x[n] == 1234, "written beyond the end of %lld values", (long long)n);
    free(x);
    free(send);
    free(recv);
}

/* The reducer, with overlap asked for, which there is not then. */
static void reduce(ts_comm *comm)
{
    enum { TOTAL = 1000 };
    float g[TOTAL];
    const int64_t offset = 0, count = TOTAL;
    ts_reducer *r;
    EXPECT_OK(ts_reducer_create(&(ts_reduced){ 0, TOTAL, comm }, 1, g, &offset, &count, 1, 128, true, &r));
    EXPECT_OK(ts_reducer_use_bf16(r, true));
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < TOTAL; i++)
            g[i] = part(comm->rank, i);
        ts_reducer_begin(r);
        EXPECT_OK(ts_reducer_param_done(r, 0));
        EXPECT_OK(ts_reducer_progress(r));
        EXPECT_OK(ts_reducer_finish(r));
        for (int64_t i = 0; i < TOTAL; i++)
            EXPECT(g[i] == expected(comm->size, i), "gradient %lld", (long long)i);
    }
    ts_reducer_destroy(&r);
}

int main(void)
{
    static const int64_t n[] = { 0, 1, 2, 3, 5, 64, 1000, 4099 };
    ts_comm *comm;
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
        sum_of(comm, n[i], 1);
        sum_of(comm, n[i], 37);
        sum_of(comm, n[i], 5000);
    }
    const double before = comm->traffic.bytes;
    sum_of(comm, 4096, 4096);
    const double half = comm->traffic.bytes - before;
    float x[4096] = { 0 };
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(x, 4096, TS_COMM_F32, TS_COMM_SUM)));
    const double whole = comm->traffic.bytes - before - half;
    EXPECT(comm->size == 1 || half * 2 <= whole * 1.01, "%g bytes are sent, in fp32 %g", half, whole);
    reduce(comm);
    ts_comm_finish(&comm, false);
    return 0;
}
