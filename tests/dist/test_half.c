/* Reductions of 16-bit types against sums in double. A sum may miss the true one by the roundings
 * that it is allowed: one of fp32 for each rank but the first, and one of the type. And against a
 * plain loop in the order of the ranks, to the bit. */
#include "base/dtype.h"
#include "dist_test.h"

#include <math.h>

static double get(const uint16_t *x, int64_t i, ts_comm_type t)
{
    return (double)(t == TS_COMM_BF16 ? ts_bf16_to_f32(x[i]) : ts_f16_to_f32(x[i]));
}

static uint16_t made(double v, ts_comm_type t)
{
    return t == TS_COMM_BF16 ? ts_f32_to_bf16((float)v) : ts_f32_to_f16((float)v);
}

/* Of either sign and of sizes from 2^-6 to 2^6. */
static uint16_t value(int rank, int64_t i, ts_comm_type t)
{
    const int64_t h = made_up(rank, i * 31 + rank);
    return made(ldexp((double)(h - 2049) / 4099, (int)((i + rank) % 13) - 6), t);
}

static void expect(ts_comm *comm, const uint16_t *got, int64_t from, int64_t n, ts_comm_type t,
                   ts_comm_op op)
{
    const double u = t == TS_COMM_BF16 ? 0x1p-8 : 0x1p-11,
                 least = 0x1p-25; /* half the last place */
    for (int64_t i = 0; i < n; i++) {
        double sum = 0, size = 0, most = -INFINITY, fewest = INFINITY;
        float in_order = 0;
        for (int r = 0; r < comm->size; r++) {
            const uint16_t h = value(r, from + i, t);
            const double x = get(&h, 0, t);
            in_order += (float)x;
            sum += x, size += fabs(x), most = fmax(most, x), fewest = fmin(fewest, x);
        }
        const double want = op == TS_COMM_SUM ? sum : op == TS_COMM_MAX ? most : fewest;
        const double folded = op == TS_COMM_SUM ? (comm->size - 1) * 0x1p-24 * size : 0;
        const double bound = op == TS_COMM_SUM ? u * fabs(sum) + (1 + u) * folded + least : 0;
        EXPECT(fabs(get(got, i, t) - want) <= bound,
               "[%lld] of %lld, type %d, op %d: %.9g, not %.9g", (long long)i, (long long)n, t, op,
               get(got, i, t), want);
    }
}

static void reductions(ts_comm *comm, int64_t n, ts_comm_type t, ts_comm_op op)
{
    const int p = comm->size, me = comm->rank;
    uint16_t *a, *b;
    EXPECT_OK(ts_alloc(&a, (size_t)(n * p) + 1, sizeof *a));
    EXPECT_OK(ts_alloc(&b, (size_t)n + 1, sizeof *b));
    for (int64_t i = 0; i < n * p; i++)
        a[i] = value(me, i, t);
    EXPECT_OK(ts_comm_run(comm, ts_reduce_scatter(a, b, n, t, op)));
    expect(comm, b, n * me, n, t, op);
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(a, n * p, t, op)));
    expect(comm, a, 0, n * p, t, op);
    ts_free(&a);
    ts_free(&b);
}

/* 256 + 1 has no bf16, 2048 + 1 no fp16: rounded in between, the 1 would be lost. */
static void rounds_once(ts_comm *comm, ts_comm_type t)
{
    const double large = t == TS_COMM_BF16 ? 256 : 2048;
    uint16_t x[600];
    for (int i = 0; i < 600; i++)
        x[i] = made(comm->rank == 0 ? large : comm->rank == comm->size - 1 ? -large : 1, t);
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(x, 600, t, TS_COMM_SUM)));
    for (int i = 0; i < 600 && comm->size > 1; i++)
        EXPECT(get(x, i, t) == (double)(comm->size - 2), "%g", get(x, i, t));
}

/* Each sum in fp32 is exact in the order of the ranks, and loses the small values in others. */
static void in_rank_order(ts_comm *comm, ts_comm_type t)
{
    const double x[] = { 32768, -32768, 0x1p-11, 0x1p-10 };
    const int p = comm->size, me = comm->rank;
    double want = 0;
    uint16_t y[600];
    for (int r = 0; r < p; r++)
        want += x[r % 4];
    for (int i = 0; i < 600; i++)
        y[i] = made(x[me % 4], t);
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(y, 600, t, TS_COMM_SUM)));
    for (int i = 0; i < 600 && p < 5; i++)
        EXPECT(get(y, i, t) == want, "%.9g, not %.9g", get(y, i, t), want);
}

int main(int argc, char **argv)
{
    static const int64_t ns[] = { 0, 1, 7, 513, 3000, 40001 };
    ts_comm *comm = open_world(argc > 1 ? argv[1] : "");
    for (ts_comm_type t = TS_COMM_BF16; t <= TS_COMM_F16; t++) {
        for (size_t k = 0; k < sizeof ns / sizeof *ns; k++)
            for (ts_comm_op op = TS_COMM_SUM; op <= TS_COMM_MIN; op++)
                reductions(comm, ns[k], t, op);
        rounds_once(comm, t);
        in_rank_order(comm, t);
    }
    ts_comm_finish(&comm, false);
    return 0;
}
