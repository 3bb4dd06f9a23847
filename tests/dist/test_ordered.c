#include "base/thread.h"
#include "dist/ordered.h"
#include "dist_test.h"

#include <math.h>

enum { MICRO = 12 }; /* micro-batches in all: a multiple of 1, 2, 3 and 4 */

/* Values whose sums round: the order of additions shows in the bits. */
static float gradient(int64_t m, int64_t i)
{
    uint32_t h = (uint32_t)(i * 2654435761u) ^ (uint32_t)(m * 40503u + 12345u);
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
    return ldexpf((float)(h & 0xffffff) / 16777216.0f - 0.5f, (int)(h >> 28) - 8);
}

static void one_case(ts_comm *comm, int64_t total, int64_t staging_elements)
{
    float *g, *acc, *staging;
    EXPECT_OK(ts_alloc(&g, (size_t)total, sizeof *g));
    EXPECT_OK(ts_alloc(&acc, (size_t)total, sizeof *acc));
    EXPECT_OK(ts_alloc(&staging, (size_t)staging_elements, sizeof *staging));
    for (int64_t m = 0; m < MICRO / comm->size; m++) {
        for (int64_t i = 0; i < total; i++)
            g[i] = gradient(m * comm->size + comm->rank, i);
        EXPECT_OK(ts_ordered_add(comm, g, acc, total, staging, staging_elements));
        for (int64_t i = 0; i < total; i++)
            EXPECT(g[i] == gradient(m * comm->size + comm->rank, i), "g changed at %lld",
                   (long long)i);
    }
    EXPECT_OK(ts_ordered_finish(comm, acc, total));
    for (int64_t i = 0; i < total; i++) {
        float want = 0;
        for (int64_t m = 0; m < MICRO; m++)
            want += gradient(m, i);
        EXPECT(memcmp(&acc[i], &want, sizeof want) == 0, "total %lld: [%lld] is %.9g, not %.9g",
               (long long)total, (long long)i, (double)acc[i], (double)want);
    }
    ts_free(&g);
    ts_free(&acc);
    ts_free(&staging);
}

/* One addition and one finish over as many gradients as a 135M model has. */
static void bench(ts_comm *comm)
{
    const int64_t total = 134515008, staging_elements = (2 << 20) * comm->size;
    float *g, *acc, *staging;
    EXPECT_OK(ts_alloc(&g, (size_t)total, sizeof *g));
    EXPECT_OK(ts_alloc(&acc, (size_t)total, sizeof *acc));
    EXPECT_OK(ts_alloc(&staging, (size_t)staging_elements, sizeof *staging));
    memset(g, 0, (size_t)total * 4), memset(acc, 0, (size_t)total * 4);
    double add = 1e9, finish = 1e9;
    for (int k = 0; k < 3; k++) {
        EXPECT_OK(ts_comm_run(comm, ts_barrier()));
        const double t0 = ts_now();
        EXPECT_OK(ts_ordered_add(comm, g, acc, total, staging, staging_elements));
        const double t1 = ts_now();
        EXPECT_OK(ts_ordered_finish(comm, acc, total));
        add = fmin(add, t1 - t0), finish = fmin(finish, ts_now() - t1);
    }
    if (comm->rank == 0)
        printf("%d ranks, %lld gradients: add %.3f s, finish %.3f s\n", comm->size,
               (long long)total, add, finish);
    ts_free(&g);
    ts_free(&acc);
    ts_free(&staging);
}

int main(int argc, char **argv)
{
    ts_comm *comm;
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "bench") == 0) {
        bench(comm);
    } else {
        static const int64_t totals[] = { 0, 1, 63, 64, 65, 129, 1000, 4097 * 16 + 5, 300001 };
        for (size_t k = 0; k < sizeof totals / sizeof *totals; k++) {
            one_case(comm, totals[k], 64 * comm->size);
            one_case(comm, totals[k], 1000 * comm->size + 17);
            one_case(comm, totals[k], 1 << 20);
        }
    }
    ts_comm_finish(&comm, false);
    return 0;
}
