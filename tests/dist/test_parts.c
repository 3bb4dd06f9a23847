/* What is exchanged in parts travels while rows are used or made: over a link that takes its time both
 * together take about as long as the longer of them, and one part. */
#include "dist_test.h"
#include "link.h"

#include "ops/parts.h"

enum { ROWS = 64, WIDTH = 1024, PARTS = 4 };
#define TRAVEL 0.24 /* seconds of the whole exchange, and of the work on all rows */

static ts_comm *comm, *link_to_all;
static ts_tape *tape;

static ts_status work(void *ctx, const void *rows, int64_t row0, int64_t n)
{
    const double seconds = TRAVEL * (double)n / (double)(ROWS * comm->size);
    (void)ctx, (void)rows, (void)row0;
    nanosleep(&(struct timespec){ .tv_nsec = (long)(seconds * 1e9) }, NULL);
    return TS_OK;
}

typedef enum kind { GATHER, SCATTER, SUM } kind;

static double timed(kind k, int parts)
{
    ts_tensor *part, *all;
    EXPECT_OK(ts_tape_push(tape));
    EXPECT_OK(ts_tape_new(tape, TS_DTYPE_F32, ROWS, WIDTH, &part));
    EXPECT_OK(ts_tape_new(tape, TS_DTYPE_F32, ROWS * comm->size, WIDTH, &all));
    memset(ts_tensor_data(part), 0, ts_tensor_bytes(part));
    memset(ts_tensor_data(all), 0, ts_tensor_bytes(all));
    EXPECT_OK(ts_comm_run(comm, ts_barrier()));
    const double begin = ts_now();
    if (k == GATHER)
        EXPECT_OK(ts_parts_gather(tape, link_to_all, parts, part, all, work, NULL));
    else if (k == SCATTER)
        EXPECT_OK(ts_parts_scatter(tape, link_to_all, parts, all, part, work, NULL));
    else
        EXPECT_OK(ts_parts_sum(tape, link_to_all, parts, all, work, NULL));
    double seconds = ts_now() - begin;
    ts_tape_pop(tape, NULL);
    EXPECT_OK(ts_comm_run(comm, ts_all_reduce(&seconds, 1, TS_COMM_F64, TS_COMM_MAX)));
    return seconds;
}

static double bytes_of(kind k)
{
    const double all = (double)ROWS * comm->size * WIDTH * sizeof(float), n = comm->size;
    return all * (n - 1) / n * (k == SUM ? 2 : 1);
}

int main(void)
{
    static const char *const name[] = { "gathered", "scattered", "summed" };
    ts_device *dev;
    link_comm slow;
    comm = open_world("shm");
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1 }, &dev));
    EXPECT_OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    for (kind k = GATHER; k <= SUM; k++) {
        link_to_all = over_link(comm, bytes_of(k) / TRAVEL, &slow);
        const double one = timed(k, 1);
        double parts = one;
        /* a busy machine may need several goes; all ranks have the same numbers */
        for (int tries = 0; tries < 6 && parts >= one - 0.6 * TRAVEL; tries++) {
            const double t = timed(k, PARTS);
            parts = t < parts ? t : parts;
        }
        EXPECT(one > 1.95 * TRAVEL, "%s in one piece: %g s", name[k], one);
        /* a part is seen, and what this machine adds */
        EXPECT(parts < one - 0.5 * TRAVEL, "%s in %d parts: %g s, in one %g s", name[k], PARTS, parts, one);
        if (comm->rank == 0)
            printf("%s: %.0f ms in one piece, %.0f ms in %d parts\n", name[k], one * 1e3, parts * 1e3, PARTS);
    }
    ts_tape_destroy(&tape);
    ts_device_close(&dev);
    ts_comm_finish(&comm, false);
    return 0;
}
