/* How much of an exchange a product hides: column-parallel products gather their input's rows, and
 * row-parallel ones scatter their sums, in one piece and in parts (ops/parts.h).
 *
 *   mpirun -n 2 bench_overlap [ROWS [WIDTH [ROUNDS [shm|mpi [GB/s]]]]]               (1024 1024 15)
 *
 * A product [ROWS, WIDTH] x [WIDTH, WIDTH] of fp32, by one thread a process; the fastest of the rounds,
 * each that of the slowest rank. "hidden" is the share of the exchange's own time that parts take off the
 * time of one after the other. mpi: by MPI even on one host. Between processes of one host a copy is the
 * work of the same cores as the product, so that there only waiting for each other can be hidden. GB/s:
 * as over a link of that speed that moves bytes by itself: what has been started arrives no sooner than
 * such a link could have brought it, one after the other. */
#include "base/thread.h"
#include "device/isa.h"
#include "dist/comm_mpi.h"
#include "dist/world.h"
#include "ops/ops.h"
#include "ops/parts.h"
#include "tests/dist/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench {
    ts_comm *comm;
    ts_device *dev;
    ts_tape *tape;
    ts_param_set params;
    ts_param *w;
    int64_t rows, width;
    int rounds;
} bench;

typedef enum what { PRODUCT, EXCHANGE, IN_PARTS } what;

static ts_status nothing(void *ctx, const void *rows, int64_t row0, int64_t n)
{
    (void)ctx, (void)rows, (void)row0, (void)n;
    return TS_OK;
}

static ts_status exchange_alone(bench *b, bool gathers)
{
    const int64_t share = b->rows / b->comm->size;
    ts_tensor *all, *part;
    TS_TRY(ts_tape_new(b->tape, TS_DTYPE_F32, b->rows, b->width, &all));
    TS_TRY(ts_tape_new(b->tape, TS_DTYPE_F32, share, b->width, &part));
    return gathers ? ts_parts_gather(b->tape, b->comm, 1, part, all, nothing, NULL)
                   : ts_parts_scatter(b->tape, b->comm, 1, all, part, nothing, NULL);
}

static ts_status product(bench *b, bool gathers, int parts)
{
    const int64_t share = b->rows / b->comm->size;
    const bool alone = parts == 0;
    ts_linear_op o = { .w = b->w, .gather_parts = parts, .sum_parts = parts };
    ts_tensor *x, *y;
    if (!alone && gathers)
        o.group = b->comm, o.gathers = true;
    else if (!alone)
        o.sums = b->comm, o.scatters = true;
    TS_TRY(ts_tape_new(b->tape, TS_DTYPE_F32, !alone && gathers ? share : b->rows, b->width, &x));
    b->dev->zero(b->dev, ts_tensor_data(x), ts_tensor_bytes(x));
    TS_TRY(ts_op_linear_of(b->tape, &o, x, &y));
    return b->dev->sync(b->dev);
}

static ts_status timed(bench *b, what w, bool gathers, int parts, double *seconds)
{
    TS_TRY(ts_tape_push(b->tape));
    ts_status st = ts_comm_run(b->comm, ts_barrier());
    const double begin = ts_now();
    if (st == TS_OK)
        st = w == EXCHANGE ? exchange_alone(b, gathers) : product(b, gathers, w == PRODUCT ? 0 : parts);
    *seconds = ts_now() - begin;
    ts_tape_pop(b->tape, NULL);
    ts_tape_reset(b->tape);
    b->tape->recording = false;
    TS_TRY(st);
    return ts_comm_run(b->comm, ts_all_reduce(seconds, 1, TS_COMM_F64, TS_COMM_MAX));
}

static ts_status fastest(bench *b, what w, bool gathers, int parts, double *out)
{
    double t;
    for (int i = -2; i < b->rounds; i++) { /* two that nobody counts */
        TS_TRY(timed(b, w, gathers, parts, &t));
        *out = i <= 0 || t < *out ? t : *out;
    }
    return TS_OK;
}

static ts_status one(bench *b, bool gathers)
{
    double alone, exchange, t[4];
    TS_TRY(fastest(b, PRODUCT, gathers, 0, &alone));
    TS_TRY(fastest(b, EXCHANGE, gathers, 0, &exchange));
    for (int i = 0; i < 4; i++)
        TS_TRY(fastest(b, IN_PARTS, gathers, 1 << i, &t[i]));
    if (b->comm->rank)
        return TS_OK;
    printf("%-8s product %8.0f us, exchange %7.0f us; parts 1: %8.0f us", gathers ? "gather" : "scatter",
           alone * 1e6, exchange * 1e6, t[0] * 1e6);
    for (int i = 1; i < 4; i++)
        printf(", %d: %8.0f us (%3.0f %% hidden)", 1 << i, t[i] * 1e6, 100 * (t[0] - t[i]) / exchange);
    printf("\n");
    return TS_OK;
}

static ts_status run(bench *b)
{
    const ts_place place = ts_place_whole(b->width, b->width);
    TS_TRY(ts_param_set_init(&b->params, b->dev));
    TS_TRY(ts_param_declare(&b->params, "w", &place, true, &b->w));
    TS_TRY(ts_param_set_allocate(&b->params, TS_DTYPE_F32));
    TS_TRY(ts_param_begin(b->w, 1, 0.02F));
    TS_TRY(ts_tape_create(b->dev, &(ts_tape_options){ 0 }, &b->tape));
    b->tape->recording = false;
    if (b->comm->rank == 0)
        printf("%d ranks, %s: [%lld, %lld] x [%lld, %lld]\n", b->comm->size, b->comm->kind,
               (long long)b->rows, (long long)b->width, (long long)b->width, (long long)b->width);
    TS_TRY(one(b, true));
    return one(b, false);
}

int main(int argc, char **argv)
{
    bench b = { .rows = argc > 1 ? atoll(argv[1]) : 1024, .width = argc > 2 ? atoll(argv[2]) : 1024,
                .rounds = argc > 3 ? atoi(argv[3]) : 15, };
    const double link = argc > 5 ? atof(argv[5]) * 1e9 : 0;
    link_comm slow;
    const bool mpi = argc > 4 && strcmp(argv[4], "mpi") == 0;
    if (b.rows < 1 || b.width < 1 || b.rounds < 1) {
        fprintf(stderr, "usage: mpirun -n 2 bench_overlap [ROWS [WIDTH [ROUNDS [shm|mpi [GB/s]]]]]\n");
        return 1;
    }
    ts_status st = mpi ? ts_comm_mpi_world(0, false, &b.comm) : ts_comm_world(&b.comm);
    if (st == TS_OK)
        st = b.comm->size > 1 && b.rows % b.comm->size == 0
                 ? ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &b.dev)
                 : ts_error(TS_ERR_USER, "start several processes that divide the rows: mpirun -n 2 ...");
    ts_comm *world = b.comm;
    if (st == TS_OK && link > 0)
        b.comm = over_link(world, link, &slow);
    if (st == TS_OK)
        st = run(&b);
    if (st != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    ts_tape_destroy(&b.tape);
    ts_param_set_deinit(&b.params);
    ts_device_close(&b.dev);
    ts_comm_finish(&world, st != TS_OK);
    return st == TS_OK ? 0 : 1;
}
