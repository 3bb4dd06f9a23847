#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dist/bucket.h"
#include "dist/ordered.h"

#include <math.h>

static void spend(void *ctx, double seconds) { *(double *)ctx += seconds; }

/* Pointers are made up: whoever follows one crashes. */
static void *const nowhere = (void *)(uintptr_t)64;

static void traffic_of_each(void **state)
{
    (void)state;
    double seconds = 0;
    const ts_comm_sim_link link = {
        .bytes_per_second = 1e9, .latency = 1e-3, .spend = spend, .ctx = &seconds
    };
    ts_comm *c;
    assert_int_equal(ts_comm_sim_create(1, 4, "dp", &link, &c), TS_OK);
    assert_string_equal(c->group, "dp");
    assert_int_equal(ts_comm_run(c, ts_all_reduce(nowhere, 1000, TS_COMM_F32, TS_COMM_SUM)), TS_OK);
    assert_int_equal(c->traffic.messages, 6);
    assert_true(fabs(c->traffic.bytes - (6000)) <= 1e-6);
    assert_true(fabs(seconds - (6e-3 + 6e-6)) < 1e-12);
    assert_int_equal(ts_comm_run(c, ts_all_gather(nowhere, nowhere, 1000, TS_COMM_F64)), TS_OK);
    assert_int_equal(c->traffic.messages, 6 + 3);
    assert_true(fabs(c->traffic.bytes - (6000 + 24000)) <= 1e-6);
    const int64_t counts[] = { 10, 20, 30, 40 }, at[] = { 0, 10, 30, 60 };
    assert_int_equal(ts_comm_run(c, ts_all_gather_v(nowhere, 20, nowhere, counts, at, TS_COMM_U8)),
                     TS_OK);
    assert_true(fabs(c->traffic.bytes - (30000 + 75)) <= 1e-6);
    assert_int_equal(
        ts_comm_run(c, ts_all_to_all_v(nowhere, counts, at, nowhere, counts, at, TS_COMM_F32)),
        TS_OK);
    assert_true(fabs(c->traffic.bytes - (30075 + 320)) <= 1e-6);
    assert_int_equal(ts_comm_run(c, ts_broadcast(nowhere, 100, TS_COMM_I64, 3)), TS_OK);
    assert_int_equal(ts_comm_run(c, ts_barrier()), TS_OK);
    assert_true(fabs(c->traffic.bytes - (30395 + 800)) <= 1e-6);
    assert_int_equal(c->traffic.messages, 6 + 3 + 3 + 3 + 1 + 2);
    assert_int_equal(c->traffic.calls, 6);
    assert_int_equal(ts_comm_agree(c, TS_OK), TS_OK);
    const ts_comm_traffic before = c->traffic;
    assert_int_equal(
        ts_comm_run(c, ts_reduce_scatter_v(nowhere, nowhere, counts, at, TS_COMM_F32, TS_COMM_SUM)),
        TS_OK);
    assert_true(fabs(c->traffic.bytes - before.bytes - 300) <= 1e-6);
    assert_int_equal(c->traffic.messages - before.messages, 3);
    ts_comm_destroy(&c);
}

static void alone_costs_nothing(void **state)
{
    (void)state;
    double seconds = 0;
    const ts_comm_sim_link link = {
        .bytes_per_second = 1, .latency = 1, .spend = spend, .ctx = &seconds
    };
    ts_comm *c;
    assert_int_equal(ts_comm_sim_create(0, 1, "dp", &link, &c), TS_OK);
    assert_int_equal(ts_comm_run(c, ts_all_reduce(nowhere, 1000, TS_COMM_F32, TS_COMM_SUM)), TS_OK);
    assert_true(seconds == 0 && c->traffic.messages == 0 && c->traffic.bytes == 0);
    ts_comm_destroy(&c);
}

/* A message costs its sender; started calls cost what they cost at once. */
static void messages(void **state)
{
    (void)state;
    double seconds = 0;
    const ts_comm_sim_link link = {
        .bytes_per_second = 1e9, .latency = 1e-3, .spend = spend, .ctx = &seconds
    };
    ts_comm *c;
    ts_comm_request *r;
    bool done = false;
    assert_int_equal(ts_comm_sim_create(1, 4, "pp", &link, &c), TS_OK);
    assert_int_equal(ts_comm_start(c, ts_send(nowhere, 1000, TS_COMM_BF16, 2), &r), TS_OK);
    assert_int_equal(ts_comm_test(c, &r, &done), TS_OK);
    assert_true(done && c->traffic.messages == 1 && fabs(c->traffic.bytes - 2000) < 1e-6);
    assert_true(fabs(seconds - (1e-3 + 2e-6)) < 1e-12);
    assert_int_equal(ts_comm_run(c, ts_recv(nowhere, 1000, TS_COMM_F16, 0)), TS_OK);
    assert_true(c->traffic.calls == 2 && c->traffic.messages == 1);
    assert_int_equal(ts_comm_start(c, ts_all_to_all(nowhere, nowhere, 10, TS_COMM_F32), &r), TS_OK);
    assert_int_equal(ts_comm_wait(c, &r), TS_OK);
    assert_true(fabs(c->traffic.bytes - (2000 + 3 * 40)) < 1e-6);
    assert_int_equal(
        ts_comm_run(c, ts_reduce_scatter(nowhere, nowhere, 10, TS_COMM_F64, TS_COMM_SUM)), TS_OK);
    assert_true(fabs(c->traffic.bytes - (2120 + 240)) < 1e-6);
    ts_comm_destroy(&c);
}

/* Ranks of one host have a link of their own, whatever group they are in. */
static void hosts(void **state)
{
    (void)state;
    double seconds = 0;
    const ts_comm_sim_link link = { .bytes_per_second = 1e9, .latency = 1e-3, .spend = spend,
                                    .ctx = &seconds, .host_bytes_per_second = 1e11,
                                    .host_latency = 1e-5, .ranks_of_a_host = 8 };
    const int near[] = { 8, 10, 15 }, far[] = { 7, 8, 10 };
    const ts_comm_call call = ts_all_reduce(nowhere, 300, TS_COMM_F32, TS_COMM_SUM); /* 4 messages */
    ts_comm *c, *g;
    assert_int_equal(ts_comm_sim_create(10, 64, "world", &link, &c), TS_OK);
    assert_int_equal(ts_comm_group(c, "tp", near, 3, &g), TS_OK);
    seconds = 0;
    assert_int_equal(ts_comm_run(g, call), TS_OK);
    assert_true(fabs(seconds - (4e-5 + 1.6e-8)) < 1e-12 && fabs(g->traffic.seconds - seconds) < 1e-15);
    ts_comm_destroy(&g);
    assert_int_equal(ts_comm_group(c, "dp", far, 3, &g), TS_OK);
    seconds = 0;
    assert_int_equal(ts_comm_run(g, call), TS_OK);
    assert_true(fabs(seconds - (4e-3 + 1.6e-6)) < 1e-12);
    assert_true(ts_comm_sim_seconds(c, &g->traffic) > 1e-3);
    ts_comm_destroy(&g);
    ts_comm_destroy(&c);
    assert_int_equal(ts_comm_sim_create(3, 8, "world", &link, &c), TS_OK); /* all of it on one */
    seconds = 0;
    assert_int_equal(ts_comm_run(c, ts_broadcast(nowhere, 250, TS_COMM_F32, 0)), TS_OK);
    assert_true(seconds < 1e-4);
    ts_comm_destroy(&c);
}

/* A group of a made-up one is made up, over the same link. */
static void groups(void **state)
{
    (void)state;
    double seconds = 0;
    const ts_comm_sim_link link = {
        .bytes_per_second = 1e9, .latency = 1e-3, .spend = spend, .ctx = &seconds
    };
    const int ranks[] = { 700, 5, 3 };
    ts_comm *c, *g, *none;
    assert_int_equal(ts_comm_sim_create(5, 1000, "world", &link, &c), TS_OK);
    assert_int_equal(ts_comm_group(c, "tp", ranks, 3, &g), TS_OK);
    assert_true(g->rank == 1 && g->size == 3);
    assert_string_equal(g->kind, "sim");
    assert_string_equal(g->group, "tp");
    assert_int_equal(ts_comm_world_rank(g, 0), 700);
    assert_int_equal(ts_comm_world_rank(g, 2), 3);
    seconds = 0;
    assert_int_equal(ts_comm_run(g, ts_all_reduce(nowhere, 300, TS_COMM_F32, TS_COMM_SUM)), TS_OK);
    assert_true(g->traffic.messages == 4 && fabs(g->traffic.bytes - 1600) < 1e-6);
    assert_true(fabs(seconds - (4e-3 + 1.6e-6)) < 1e-12);
    assert_int_equal(ts_comm_group(c, "tp", NULL, 0, &none), TS_OK);
    assert_null(none);
    ts_comm_destroy(&g);
    ts_comm_destroy(&c);
}

/* What the reducers send is the same as one all-reduce of everything; 1024 ranks are no more
 * work. */
static void reducers(void **state)
{
    (void)state;
    ts_comm *c;
    const int64_t total = 134515008, offset = 0;
    ts_reducer *r;
    assert_int_equal(ts_comm_sim_create(5, 1024, "dp", NULL, &c), TS_OK);
    assert_int_equal(ts_reducer_create(&(ts_reduced){ 0, total, c }, 1, nowhere, &offset, &total, 1, 1 << 22, true, &r),
                     TS_OK);
    ts_reducer_begin(r);
    assert_int_equal(ts_reducer_param_done(r, 0), TS_OK);
    assert_int_equal(ts_reducer_finish(r), TS_OK);
    assert_true(fabs(c->traffic.bytes - (2.0 * 1023 / 1024 * 4 * (double)total)) <= 1);
    assert_int_equal(c->traffic.calls, ts_reducer_buckets(r));
    ts_reducer_destroy(&r);
    ts_comm_destroy(&c);

    assert_int_equal(ts_comm_sim_create(1, 2, "dp", NULL, &c), TS_OK);
    assert_int_equal(ts_ordered_add(c, nowhere, NULL, total, NULL, 1 << 22), TS_OK);
    assert_int_equal(ts_ordered_finish(c, NULL, total), TS_OK);
    assert_true(fabs(c->traffic.bytes - (4 * (double)total)) <= 1e3);
    ts_comm_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(traffic_of_each),
                                        cmocka_unit_test(alone_costs_nothing),
                                        cmocka_unit_test(messages), cmocka_unit_test(hosts), cmocka_unit_test(groups),
                                        cmocka_unit_test(reducers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
