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
    return ts_option_parse(f->set, n, (char *const *)(uintptr_t)words);
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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(defaults),
                                        cmocka_unit_test(script_of_another_launcher),
                                        cmocka_unit_test(nonsense) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
