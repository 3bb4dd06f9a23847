#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dist/mesh.h"

#include <string.h>

/* The mesh as rank `rank` of a made-up world sees it. */
static void open_mesh(int rank, int world, ts_mesh_shape shape, ts_comm **comm, ts_mesh **mesh)
{
    assert_int_equal(ts_comm_sim_create(rank, world, "world", NULL, comm), TS_OK);
    assert_int_equal(ts_mesh_create(*comm, &shape, mesh), TS_OK);
}

static void close_mesh(ts_comm **comm, ts_mesh **mesh)
{
    ts_mesh_destroy(mesh);
    assert_null(*mesh);
    ts_comm_destroy(comm);
}

/* Groups as Megatron lists them, group after group; every rank must find itself in its own. */
static void expect_groups(int world, ts_mesh_shape shape, ts_mesh_dim dim, int size,
                          const int *ranks)
{
    for (int i = 0; i < world; i++) {
        const int rank = ranks[i], first = i / size * size;
        ts_comm *comm;
        ts_mesh *m;
        open_mesh(rank, world, shape, &comm, &m);
        assert_int_equal(m->size[dim], size);
        assert_int_equal(m->at[dim], i - first);
        assert_int_equal(m->comm[dim]->rank, i - first);
        assert_int_equal(m->comm[dim]->size, size);
        for (int k = 0; k < size; k++) {
            assert_int_equal(ts_mesh_rank(m, dim, rank, k), ranks[first + k]);
            assert_int_equal(ts_comm_world_rank(m->comm[dim], k), ranks[first + k]);
            assert_int_equal(ts_mesh_at(m, dim, ranks[first + k]), k);
        }
        close_mesh(&comm, &m);
    }
}

#define GROUPS(world, dim, size, ...)                                                              \
    expect_groups(world, shape, dim, size, (const int[world]){ __VA_ARGS__ })

/* The examples in the description of Megatron-core's initialize_model_parallel. */
static void as_megatron_describes(void **state)
{
    (void)state;
    ts_mesh_shape shape = { .tp = 2, .pp = 4 };
    GROUPS(16, TS_MESH_DP, 2, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    GROUPS(16, TS_MESH_TP, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    GROUPS(16, TS_MESH_PP, 4, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    shape = (ts_mesh_shape){ .tp = 4, .cp = 2 };
    GROUPS(8, TS_MESH_CP, 2, 0, 4, 1, 5, 2, 6, 3, 7);
}

/* What its RankGenerator gives for tp-cp-ep-dp-pp, for dense layers with ep 1 and for experts with
 * cp 1. */
static void as_megatron_computes(void **state)
{
    (void)state;
    ts_mesh_shape shape = { .tp = 2, .cp = 2, .ep = 4, .pp = 2 };
    GROUPS(16, TS_MESH_TP, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    GROUPS(16, TS_MESH_CP, 2, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    GROUPS(16, TS_MESH_DP, 2, 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    GROUPS(16, TS_MESH_PP, 2, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    GROUPS(16, TS_MESH_EP, 4, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    GROUPS(16, TS_MESH_DP_CP, 4, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    shape = (ts_mesh_shape){ .tp = 2, .ep = 2 };
    GROUPS(16, TS_MESH_EP, 2, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    GROUPS(16, TS_MESH_EXPERT_DP, 4, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    shape = (ts_mesh_shape){ .cp = 4, .ep = 2, .pp = 2 };
    GROUPS(16, TS_MESH_EP, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    GROUPS(16, TS_MESH_EXPERT_DP, 4, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    GROUPS(16, TS_MESH_DP, 2, 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
}

/* Experts that are cut into fewer pieces than other matrices: what is left of the tensor-parallel groups has other
 * experts, or the same. As Megatron-LM's generator for expert layers gives them, tp-ep-dp-pp with tp the expert's. */
static void experts_in_fewer_pieces(void **state)
{
    (void)state;
    ts_mesh_shape shape = { .tp = 4, .ep = 4, .etp = 2 };
    GROUPS(16, TS_MESH_ETP, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    GROUPS(16, TS_MESH_EP, 4, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    GROUPS(16, TS_MESH_EXPERT_DP, 2, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    GROUPS(16, TS_MESH_EXPERTS, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    shape = (ts_mesh_shape){ .tp = 2, .pp = 2, .ep = 2, .etp = 1 };
    GROUPS(16, TS_MESH_EP, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    GROUPS(16, TS_MESH_EXPERT_DP, 4, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    shape = (ts_mesh_shape){ .tp = 2, .pp = 4, .etp = 1 };
    GROUPS(16, TS_MESH_EXPERT_DP, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/* The same 16 ranks, 2 of each, in both orders. */
static void in_the_other_order(void **state)
{
    (void)state;
    ts_mesh_shape shape = { .tp = 2, .cp = 2, .pp = 2 };
    GROUPS(16, TS_MESH_DP_CP, 4, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    shape.pp_before_dp = true;
    GROUPS(16, TS_MESH_TP, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    GROUPS(16, TS_MESH_CP, 2, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    GROUPS(16, TS_MESH_DP, 2, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    GROUPS(16, TS_MESH_PP, 2, 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    GROUPS(16, TS_MESH_DP_CP, 4, 0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15);
    GROUPS(16, TS_MESH_EXPERT_DP, 4, 0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15);
    shape.ep = 2;
    GROUPS(16, TS_MESH_EP, 2, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    GROUPS(16, TS_MESH_EXPERT_DP, 2, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    shape = (ts_mesh_shape){ .tp = 2, .ep = 4, .pp_before_dp = true };
    GROUPS(16, TS_MESH_EP, 4, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    GROUPS(16, TS_MESH_EXPERT_DP, 2, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

static void two_ways_of_tensors(void **state)
{
    (void)state;
    ts_mesh_shape shape = { .tp = 8, .tp_x = 4 };
    GROUPS(16, TS_MESH_TP_X, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    GROUPS(16, TS_MESH_TP_Y, 2, 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    shape = (ts_mesh_shape){ .tp = 4, .tp_x = 2, .pp = 2 };
    GROUPS(8, TS_MESH_TP_X, 2, 0, 1, 2, 3, 4, 5, 6, 7);
    GROUPS(8, TS_MESH_TP_Y, 2, 0, 2, 1, 3, 4, 6, 5, 7);
    ts_comm *comm;
    ts_mesh *m;
    open_mesh(5, 8, (ts_mesh_shape){ .tp = 4 }, &comm, &m);
    assert_null(m->comm[TS_MESH_TP_X]);
    assert_null(m->comm[TS_MESH_TP_Y]);
    assert_int_equal(m->size[TS_MESH_TP_Y], 1);
    close_mesh(&comm, &m);
}

/* Experts over two tensor-parallel groups of two: neighbours, and those that stand alike. */
static void two_ways_of_experts(void **state)
{
    (void)state;
    ts_mesh_shape shape = { .tp = 2, .ep = 4, .etp = 1, .ep_near = 2 };
    GROUPS(8, TS_MESH_EP_NEAR, 2, 0, 1, 2, 3, 4, 5, 6, 7);
    GROUPS(8, TS_MESH_EP_FAR, 2, 0, 2, 1, 3, 4, 6, 5, 7);
    ts_comm *comm;
    ts_mesh *m;
    open_mesh(5, 8, (ts_mesh_shape){ .ep = 4 }, &comm, &m);
    assert_null(m->comm[TS_MESH_EP_NEAR]);
    assert_null(m->comm[TS_MESH_EP_FAR]);
    close_mesh(&comm, &m);
}

/* 2 x 3 x 5 x 7 = 210, and a large one: coordinates and ranks are each other's inverse, and groups
 * of one dimension are apart. */
static void any_shape(void **state)
{
    (void)state;
    static const ts_mesh_shape shapes[] = { { .tp = 2, .cp = 3, .ep = 15, .pp = 7 },
                                             { .tp = 3, .cp = 1, .ep = 5, .pp = 2 },
                                             { .tp = 8, .cp = 4, .ep = 16, .pp = 16 } };
    static const int worlds[] = { 210, 210, 16384 };
    for (int i = 0; i < 3; i++) {
        ts_comm *comm;
        ts_mesh *m;
        open_mesh(worlds[i] / 3, worlds[i], shapes[i], &comm, &m);
        assert_int_equal(m->size[TS_MESH_TP] * m->size[TS_MESH_CP] * m->size[TS_MESH_DP] *
                             m->size[TS_MESH_PP],
                         worlds[i]);
        for (int rank = 0; rank < worlds[i]; rank += 1 + i) {
            int dense = ts_mesh_at(m, TS_MESH_PP, rank), sparse = dense;
            dense = dense * m->size[TS_MESH_DP] + ts_mesh_at(m, TS_MESH_DP, rank);
            dense = dense * m->size[TS_MESH_CP] + ts_mesh_at(m, TS_MESH_CP, rank);
            sparse = sparse * m->size[TS_MESH_EXPERT_DP] + ts_mesh_at(m, TS_MESH_EXPERT_DP, rank);
            sparse = sparse * m->size[TS_MESH_EP] + ts_mesh_at(m, TS_MESH_EP, rank);
            const int tp = m->size[TS_MESH_TP], at = ts_mesh_at(m, TS_MESH_TP, rank);
            assert_int_equal(dense * tp + at, rank);
            assert_int_equal(sparse * tp + at, rank);
        }
        close_mesh(&comm, &m);
    }
}

static void communicators(void **state)
{
    (void)state;
    ts_comm *comm;
    ts_mesh *m;
    open_mesh(5, 16, (ts_mesh_shape){ .tp = 2, .pp = 4 }, &comm, &m);
    assert_string_equal(m->comm[TS_MESH_TP]->group, "tp");
    assert_string_equal(m->comm[TS_MESH_PP]->kind, "sim");
    assert_ptr_equal(m->comm[TS_MESH_DP], m->comm[TS_MESH_DP_CP]);
    assert_ptr_equal(m->comm[TS_MESH_DP], m->comm[TS_MESH_EXPERT_DP]);
    assert_true(m->comm[TS_MESH_EP] != m->comm[TS_MESH_CP]);
    assert_int_equal(ts_mesh_next_stage(m), 2);
    assert_int_equal(ts_mesh_previous_stage(m), 0);
    assert_false(ts_mesh_is_first_stage(m) || ts_mesh_is_last_stage(m));
    close_mesh(&comm, &m);
    open_mesh(15, 16, (ts_mesh_shape){ .tp = 2, .cp = 2, .ep = 2, .pp = 4 }, &comm, &m);
    assert_true(m->comm[TS_MESH_DP] != m->comm[TS_MESH_DP_CP]);
    assert_string_equal(m->comm[TS_MESH_EXPERT_DP]->group, "expert-dp");
    assert_int_equal(ts_mesh_next_stage(m), 0); /* round the ring */
    assert_true(ts_mesh_is_last_stage(m));
    close_mesh(&comm, &m);
    open_mesh(1, 16, (ts_mesh_shape){ .pp = 16 }, &comm, &m);
    assert_int_equal(ts_mesh_previous_stage(m), 0);
    close_mesh(&comm, &m);
    /* alone, for real */
    assert_int_equal(ts_comm_self_create(&comm), TS_OK);
    assert_int_equal(ts_mesh_create(comm, &(ts_mesh_shape){ 0 }, &m), TS_OK);
    assert_string_equal(m->comm[TS_MESH_DP]->kind, "self");
    assert_ptr_equal(m->comm[TS_MESH_DP], comm); /* all of the world */
    assert_int_equal(ts_mesh_next_stage(m), 0);
    assert_true(ts_mesh_is_first_stage(m) && ts_mesh_is_last_stage(m));
    close_mesh(&comm, &m);
}

static void refused(ts_mesh_shape shape, const char *option, const char *number)
{
    ts_comm *comm;
    ts_mesh *m = NULL;
    assert_int_equal(ts_comm_sim_create(0, 12, "world", NULL, &comm), TS_OK);
    assert_int_equal(ts_mesh_create(comm, &shape, &m), TS_ERR_USER);
    assert_null(m);
    assert_non_null(strstr(ts_error_message(), "12 processes"));
    assert_non_null(strstr(ts_error_message(), option));
    assert_non_null(strstr(ts_error_message(), number));
    ts_comm_destroy(&comm);
}

static void sizes_that_do_not_divide(void **state)
{
    (void)state;
    refused((ts_mesh_shape){ .tp = 5 }, "--tensor-model-parallel-size 5", "");
    refused((ts_mesh_shape){ .tp = 3, .cp = 3 }, "--context-parallel-size 3", "");
    refused((ts_mesh_shape){ .tp = 3, .pp = 8 }, "--pipeline-model-parallel-size 8", "");
    refused((ts_mesh_shape){ .tp = 24 }, "--tensor-model-parallel-size 24", "");
    refused((ts_mesh_shape){ .tp = 1 << 30, .cp = 1 << 30, .pp = 1 << 30 }, "1073741824", "");
    refused((ts_mesh_shape){ .tp = 2, .ep = 4 }, "--expert-model-parallel-size 4",
            "--expert-tensor-parallel-size 2 does not divide the 12 that --pipeline-model-parallel-size 1");
    refused((ts_mesh_shape){ .cp = 2, .pp = 3, .ep = 8 }, "--expert-model-parallel-size 8",
            "--pipeline-model-parallel-size 3");
    refused((ts_mesh_shape){ .tp = 4, .etp = 3 }, "--expert-tensor-parallel-size 3", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_megatron_describes),
                                        cmocka_unit_test(as_megatron_computes),
                                       cmocka_unit_test(experts_in_fewer_pieces),
                                        cmocka_unit_test(in_the_other_order),
                                        cmocka_unit_test(two_ways_of_tensors), cmocka_unit_test(two_ways_of_experts),
                                        cmocka_unit_test(any_shape),
                                        cmocka_unit_test(communicators),
                                        cmocka_unit_test(sizes_that_do_not_divide) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
