#include "dist/bucket.h"
#include "dist_test.h"

/* Parameters of odd sizes with gaps of a few values between them, as alignment makes them. */
enum { PARAMS = 37 };

typedef struct layout {
    int64_t offset[PARAMS], count[PARAMS], total;
} layout;

static void make_layout(layout *l)
{
    l->total = 0;
    for (int64_t i = 0; i < PARAMS; i++) {
        l->offset[i] = l->total;
        l->count[i] = i == 5 ? 0 : i == 20 ? 5000 : 1 + i * 37 % 301;
        l->total += l->count[i] + i % 3;
    }
}

static void fill(float *g, int rank, int64_t offset, int64_t count)
{
    for (int64_t i = offset; i < offset + count; i++)
        g[i] = (float)made_up(rank, i);
}

/* A gradient comes about just before it is reported, so a bucket that leaves too early has old
 * values. order: 0 from the last parameter, as backward does; 1 from the first; 2 mixed. skip:
 * every skip-th parameter is never reported. */
static void one_round(ts_comm *comm, ts_reducer *r, const layout *l, float *g, int order,
                      int64_t skip)
{
    fill(g, comm->rank, 0, l->total);
    for (int64_t i = 0; i < PARAMS; i++)
        if (!skip || i % skip != 0)
            memset(g + l->offset[i], 0, (size_t)l->count[i] * sizeof *g);
    ts_reducer_begin(r);
    for (int64_t k = 0; k < PARAMS; k++) {
        const int64_t i = order == 0 ? PARAMS - 1 - k : order == 1 ? k : k * 10 % PARAMS;
        if (skip && i % skip == 0)
            continue;
        fill(g, comm->rank, l->offset[i], l->count[i]);
        EXPECT_OK(ts_reducer_param_done(r, i));
        EXPECT_OK(ts_reducer_progress(r));
    }
    EXPECT_OK(ts_reducer_finish(r));
    for (int64_t i = 0; i < l->total; i++) {
        int64_t want = 0;
        for (int q = 0; q < comm->size; q++)
            want += made_up(q, i);
        EXPECT(g[i] == (float)want, "order %d, skip %lld: [%lld] is %g, not %lld", order,
               (long long)skip, (long long)i, (double)g[i], (long long)want);
    }
}

int main(void)
{
    ts_comm *comm;
    if (ts_comm_world(&comm) != TS_OK) {
        fprintf(stderr, "%s\n", ts_error_message());
        return 1;
    }
    static const int64_t sizes[] = { 1, 64, 100, 1000, 1000000 };
    layout l;
    make_layout(&l);
    float *g;
    EXPECT_OK(ts_alloc(&g, (size_t)l.total, sizeof *g));
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int overlap = 0; overlap < 2; overlap++) {
            ts_reducer *r;
            EXPECT_OK(ts_reducer_create(&(ts_reduced){ 0, l.total, comm }, 1, g, l.offset, l.count, PARAMS, sizes[k],
                                        overlap, &r));
            EXPECT(sizes[k] < l.total || ts_reducer_buckets(r) == 1, "%lld",
                   (long long)ts_reducer_buckets(r));
            for (int order = 0; order < 3; order++)
                for (int64_t skip = 0; skip < 5; skip += 2)
                    one_round(comm, r, &l, g, order, skip);
            ts_reducer_destroy(&r);
        }
    ts_free(&g);
    ts_comm_finish(&comm, false);
    return 0;
}
