#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dist/dist_options.h"

#include <string.h>

typedef struct fixture {
    ts_dist_options o;
    ts_option_set *set;
    ts_comm *world;
} fixture;

static ts_status parse(fixture *f, int n, const char *const *words)
{
    const ts_option_table table = { ts_dist_option_rows, ts_dist_option_count, &f->o };
    assert_int_equal(ts_option_set_create(&table, 1, &f->set), TS_OK);
    assert_int_equal(ts_comm_sim_create(0, 16, "world", NULL, &f->world), TS_OK);
    const ts_status st = ts_option_parse(f->set, n, (char *const *)(uintptr_t)words);
    return st == TS_OK ? ts_option_finish(f->set) : st;
}

static void end(fixture *f)
{
    ts_option_set_destroy(&f->set);
    ts_comm_destroy(&f->world);
}

static void defaults(void **state)
{
    (void)state;
    fixture f = { 0 };
    assert_int_equal(parse(&f, 0, NULL), TS_OK);
    assert_false(f.o.overlap_grad_reduce);
    assert_true(f.o.timeout_minutes == 10 && ts_dist_bucket_elements(&f.o) > 0);
    assert_int_equal(ts_dist_options_check(&f.o, f.world), TS_OK);
    end(&f);
}

static void script_of_another_launcher(void **state)
{
    (void)state;
    fixture f = { 0 };
    static const char *const words[] = { "--overlap-grad-reduce",
                                         "--ddp-bucket-size",
                                         "1000",
                                         "--distributed-timeout-minutes",
                                         "120",
                                         "--distributed-backend",
                                         "nccl",
                                         "--nnodes",
                                         "2",
                                         "--nproc_per_node",
                                         "8",
                                         "--node_rank",
                                         "0",
                                         "--master_addr",
                                         "localhost",
                                         "--master_port",
                                         "6000" };
    assert_int_equal(parse(&f, sizeof words / sizeof *words, words), TS_OK);
    assert_true(f.o.overlap_grad_reduce && f.o.timeout_minutes == 120);
    assert_int_equal(ts_dist_bucket_elements(&f.o), 1000);
    assert_int_equal(ts_dist_options_check(&f.o, f.world), TS_OK);
    f.o.nnodes = 3;
    assert_int_equal(ts_dist_options_check(&f.o, f.world), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "24 processes, the launcher started 16"));
    end(&f);
}

static void nonsense(void **state)
{
    (void)state;
    fixture f = { 0 };
    static const char *const words[] = { "--distributed-timeout-minutes", "0" };
    assert_int_equal(parse(&f, 2, words), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "distributed-timeout-minutes"));
    end(&f);
}

/* One process here: each of the two alone is held against that. */
static void alone(void **state)
{
    (void)state;
    static const struct {
        ts_dist_options o;
        const char *says; /* NULL: taken */
    } rows[] = {
        { { .nproc_per_node = 4 }, "--nproc_per_node says 4 processes on a host, the launcher "
                                   "started 1 there: start them with mpirun -n 4" },
        { { .nnodes = 2 }, "--nnodes says 2 hosts, the launcher started processes on 1" },
        { { .worker_num = 2 }, "--worker_num says 2 processes, the launcher started 1" },
        { { .nnodes = 2, .nproc_per_node = 1 }, "is 2 processes, the launcher started 1" },
        { { .nproc_per_node = 1 }, NULL },
        { { .nnodes = 1 }, NULL },
        { { .nnodes = 1, .nproc_per_node = 1, .worker_num = 1 }, NULL },
    };
    ts_comm *world;
    assert_int_equal(ts_comm_self_create(&world), TS_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const ts_status st = ts_dist_options_check(&rows[i].o, world);
        assert_int_equal(st, rows[i].says ? TS_ERR_USER : TS_OK);
        if (rows[i].says && !strstr(ts_error_message(), rows[i].says))
            fail_msg("row %d: %s", (int)i, ts_error_message());
    }
    ts_comm_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(defaults),
                                        cmocka_unit_test(script_of_another_launcher),
                                        cmocka_unit_test(nonsense), cmocka_unit_test(alone) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
