#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dist/bucket.h"
#include "dist/ordered.h"
#include "dist/world.h"

#include <stdlib.h>
#include <string.h>

static void collectives(void **state)
{
    (void)state;
    ts_comm *c;
    assert_int_equal(ts_comm_self_create(&c), TS_OK);
    assert_int_equal(c->size, 1);
    float a[4] = { 1, 2, 3, 4 }, b[6] = { 0 };
    ts_comm_request *r;
    bool done = false;
    assert_int_equal(ts_comm_run(c, ts_all_reduce(a, 4, TS_COMM_F32, TS_COMM_SUM)), TS_OK);
    assert_int_equal(ts_comm_start(c, ts_all_reduce(a, 4, TS_COMM_F32, TS_COMM_MAX), &r), TS_OK);
    assert_int_equal(ts_comm_test(c, &r, &done), TS_OK);
    assert_true(done && !r);
    assert_int_equal(ts_comm_wait(c, &r), TS_OK);
    assert_true(a[0] == 1 && a[3] == 4);
    assert_int_equal(ts_comm_run(c, ts_all_gather(a, b, 2, TS_COMM_F32)), TS_OK);
    assert_true(b[0] == 1 && b[1] == 2 && b[2] == 0);
    const int64_t two = 2, at = 3, from = 1;
    assert_int_equal(ts_comm_run(c, ts_all_gather_v(a, 2, b, &two, &at, TS_COMM_F32)), TS_OK);
    assert_true(b[3] == 1 && b[4] == 2 && b[5] == 0);
    assert_int_equal(ts_comm_run(c, ts_all_to_all_v(a, &two, &from, b, &two, &at, TS_COMM_F32)),
                     TS_OK);
    assert_true(b[3] == 2 && b[4] == 3);
    assert_int_equal(
        ts_comm_run(c, ts_reduce_scatter_v(a, b, &two, &from, TS_COMM_F32, TS_COMM_SUM)), TS_OK);
    assert_true(b[0] == 2 && b[1] == 3 && b[2] == 0);
    assert_int_equal(ts_comm_run(c, ts_broadcast(a, 4, TS_COMM_F32, 0)), TS_OK);
    assert_int_equal(ts_comm_run(c, ts_barrier()), TS_OK);
    assert_int_equal(c->traffic.calls, 8);
    assert_int_equal(c->traffic.messages, 0);
    ts_comm_finish(&c, true);
    assert_null(c);
    ts_comm_finish(&c, false);
}

/* Started, in parts of equal length, and of 16 bits: what went in comes out. */
static void started(void **state)
{
    (void)state;
    ts_comm *c;
    assert_int_equal(ts_comm_self_create(&c), TS_OK);
    const uint16_t a[4] = { 1, 0x8000, 0x7fc1, 0xffff };
    uint16_t b[4];
    const ts_comm_call calls[] = {
        ts_all_gather(a, b, 4, TS_COMM_F16),
        ts_all_to_all(a, b, 4, TS_COMM_BF16),
        ts_reduce_scatter(a, b, 4, TS_COMM_BF16, TS_COMM_SUM),
    };
    for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
        ts_comm_request *r;
        bool done = false;
        memset(b, 0, sizeof b);
        assert_int_equal(ts_comm_start(c, calls[k], &r), TS_OK);
        assert_int_equal(ts_comm_test(c, &r, &done), TS_OK);
        assert_true(done);
        assert_memory_equal(a, b, sizeof a);
    }
    memcpy(b, a, sizeof a);
    assert_int_equal(ts_comm_run(c, ts_all_reduce(b, 4, TS_COMM_F16, TS_COMM_SUM)), TS_OK);
    assert_memory_equal(a, b, sizeof a);
    ts_comm_destroy(&c);
}

static void groups(void **state)
{
    (void)state;
    ts_comm *c, *g, *inner, *none;
    const int all = 0;
    assert_int_equal(ts_comm_self_create(&c), TS_OK);
    assert_int_equal(ts_comm_group(c, "tp", &all, 1, &g), TS_OK);
    assert_string_equal(g->kind, "self");
    assert_string_equal(g->group, "tp");
    assert_int_equal(ts_comm_split(g, "pp", 3, -5, &inner), TS_OK);
    assert_true(inner->size == 1 && inner->rank == 0);
    assert_int_equal(ts_comm_world_rank(inner, 0), 0);
    assert_int_equal(inner->traffic.calls, 0);
    assert_int_equal(ts_comm_split(c, "pp", -1, 0, &none), TS_OK);
    assert_null(none);
    ts_comm_destroy(&inner);
    ts_comm_destroy(&g);
    ts_comm_destroy(&c);
}

static void agreement(void **state)
{
    (void)state;
    ts_comm *c;
    assert_int_equal(ts_comm_self_create(&c), TS_OK);
    assert_int_equal(ts_comm_agree(c, TS_OK), TS_OK);
    for (ts_status st = TS_ERR_INTERRUPTED; st < TS_OK; st++) {
        assert_int_equal(ts_comm_agree(c, ts_error(st, "number %d", st)), st);
        assert_non_null(strstr(ts_error_message(), "number"));
    }
    ts_comm_destroy(&c);
}

/* Without a launcher, or with one of a single process, MPI is not started. */
static void world(void **state)
{
    (void)state;
    ts_comm *c;
    assert_int_equal(ts_comm_world(&c), TS_OK);
    assert_string_equal(c->kind, "self");
    ts_comm_finish(&c, false);
    setenv("OMPI_COMM_WORLD_RANK", "0", 1);
    setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
    assert_int_equal(ts_comm_world(&c), TS_OK);
    assert_string_equal(c->kind, "self");
    ts_comm_finish(&c, false);
    unsetenv("OMPI_COMM_WORLD_RANK");
    unsetenv("OMPI_COMM_WORLD_SIZE");
    setenv("SLURM_PROCID", "0", 1); /* the batch script itself, not a step */
    setenv("SLURM_NTASKS", "8", 1);
    assert_int_equal(ts_comm_world(&c), TS_OK);
    assert_string_equal(c->kind, "self");
    ts_comm_finish(&c, false);
}

static void reducers(void **state)
{
    (void)state;
    ts_comm *c;
    assert_int_equal(ts_comm_self_create(&c), TS_OK);
    float g[200], acc[200], staging[64];
    const int64_t offset[] = { 0, 100 }, n[] = { 100, 100 };
    ts_reducer *r;
    for (int i = 0; i < 200; i++)
        g[i] = (float)i, acc[i] = 0.5f;
    assert_int_equal(ts_reducer_create(&(ts_reduced){ 0, 200, c }, 1, g, offset, n, 2, 64, true, &r), TS_OK);
    assert_int_equal(ts_reducer_buckets(r), 4);
    for (int round = 0; round < 2; round++) {
        ts_reducer_begin(r);
        assert_int_equal(ts_reducer_param_done(r, 1), TS_OK);
        assert_int_equal(ts_reducer_progress(r), TS_OK);
        assert_int_equal(ts_reducer_finish(r), TS_OK);
    }
    ts_reducer_destroy(&r);
    assert_int_equal(ts_ordered_add(c, g, acc, 200, staging, 64), TS_OK);
    assert_int_equal(ts_ordered_finish(c, acc, 200), TS_OK);
    for (int i = 0; i < 200; i++)
        assert_true(g[i] == (float)i && acc[i] == (float)i + 0.5f);
    ts_comm_destroy(&c);
}

/* Parts cover everything once, in whole blocks, nearly equal. */
static void parts(void **state)
{
    (void)state;
    static const int64_t totals[] = { 0, 1, 64, 65, 1000, 134515008, (int64_t)7e11 + 5 };
    for (size_t k = 0; k < sizeof totals / sizeof *totals; k++)
        for (int size = 1; size < 100; size++) {
            assert_int_equal(ts_ordered_begin(totals[k], size, 0), 0);
            assert_int_equal(ts_ordered_begin(totals[k], size, size), totals[k]);
            for (int r = 0; r < size; r++) {
                const int64_t b = ts_ordered_begin(totals[k], size, r);
                const int64_t n = ts_ordered_begin(totals[k], size, r + 1) - b;
                assert_true(n >= 0 && n <= ((totals[k] + 63) / 64 / size + 1) * 64);
                assert_true(b % 64 == 0 || b == totals[k]);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(collectives), cmocka_unit_test(started),
                                        cmocka_unit_test(groups), cmocka_unit_test(agreement),
                                        cmocka_unit_test(world), cmocka_unit_test(reducers),
                                        cmocka_unit_test(parts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
