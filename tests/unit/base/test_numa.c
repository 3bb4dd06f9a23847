/* Memory nodes: made-up trees like Linux's, and this machine's own. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/numa.h"
#include "base/output.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void put(temp *t, const char *node, const char *list)
{
    char name[64];
    OK(ts_mkdirs(temp_path(t, node)));
    snprintf(name, sizeof name, "%s/cpulist", node);
    OK(ts_file_write_atomic(temp_path(t, name), list, strlen(list)));
}

static cpu_set_t range(int first, int last)
{
    cpu_set_t s;
    CPU_ZERO(&s);
    for (int c = first; c <= last; c++)
        CPU_SET(c, &s);
    return s;
}

static void one_node(void **state)
{
    (void)state;
    temp t;
    ts_numa n;
    temp_make(&t);
    put(&t, "node0", "0-7\n");
    ts_numa_read(t.dir, NULL, &n);
    assert_int_equal(n.n_nodes, 1);
    assert_int_equal(n.n_cpus, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(ts_numa_node_of_thread(&n, i, 8), 0);
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 0, 8, 1), -1);
    ts_numa_deinit(&n);
    temp_remove(&t);
}

/* As Linux numbers two sockets with two threads a core. */
static void two_nodes(void **state)
{
    (void)state;
    temp t;
    ts_numa n, half, first;
    temp_make(&t);
    put(&t, "node0", "0-3,8-11\n");
    put(&t, "node1", "4-7,12-15");
    OK(ts_file_write_atomic(temp_path(&t, "online"), "0-1\n", 4));
    OK(ts_mkdirs(temp_path(&t, "power")));
    ts_numa_read(t.dir, NULL, &n);
    assert_int_equal(n.n_nodes, 2);
    assert_int_equal(n.n_cpus, 16);
    assert_true(CPU_ISSET(11, &n.node[0].cpus) && !CPU_ISSET(4, &n.node[0].cpus));
    assert_true(CPU_ISSET(12, &n.node[1].cpus) && !CPU_ISSET(3, &n.node[1].cpus));
    static const int threads[] = { 2, 8, 16, 32, 3 }, of_first[] = { 1, 4, 8, 16, 2 };
    for (int i = 0; i < 5; i++)
        for (int w = 0; w < threads[i]; w++)
            assert_int_equal(ts_numa_node_of_thread(&n, w, threads[i]), w >= of_first[i]);

    cpu_set_t set = range(0, 7); /* one thread a core */
    ts_numa_read(t.dir, &set, &half);
    assert_int_equal(half.n_nodes, 2);
    assert_int_equal(half.n_cpus, 8);
    assert_false(CPU_ISSET(8, &half.node[0].cpus));
    assert_int_equal(ts_numa_node_of_thread(&half, 3, 8), 0);
    assert_int_equal(ts_numa_node_of_thread(&half, 4, 8), 1);

    set = range(0, 3);
    ts_numa_read(t.dir, &set, &first);
    assert_int_equal(first.n_nodes, 1);
    assert_int_equal(first.node[0].id, 0);

    /* of 2 ranks each has a node, with all its CPUs; of 4 two share one */
    for (int r = 0; r < 4; r++) {
        assert_int_equal(ts_numa_node_of_rank(&n, &n, r, 4, 4), r % 2);
        assert_int_equal(ts_numa_node_of_rank(&n, &n, r, 4, 5), -1);
        assert_int_equal(ts_numa_node_of_rank(&n, &half, r, 4, 2), r % 2);
        assert_int_equal(ts_numa_node_of_rank(&n, &half, r, 4, 3), -1);
    }
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 1, 2, 8), 1);
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 1, 2, 9), -1);
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 2, 3, 4), 0);
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 2, 3, 5), -1);     /* two would not fit */
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 0, 1, 4), -1);     /* fewer ranks than nodes */
    assert_int_equal(ts_numa_node_of_rank(&n, &first, 1, 2, 1), -1); /* bound already */
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 0, 9, 1), -1);
    ts_numa_deinit(&n);
    ts_numa_deinit(&half);
    ts_numa_deinit(&first);
    assert_null(n.node);
    temp_remove(&t);
}

/* Numbers with gaps, out of order by name, a node of memory alone, CPUs that are not there, nodes
 * of different sizes. */
static void four_nodes(void **state)
{
    (void)state;
    temp t;
    ts_numa n, some;
    temp_make(&t);
    put(&t, "node0", "0-3\n");
    put(&t, "node2", "4-5\n");
    put(&t, "node3", "\n");
    put(&t, "node10", "6-9\n");
    put(&t, "node9", "10-13\n");
    put(&t, "nodes", "0-3\n");
    put(&t, "node", "0-3\n");
    ts_numa_read(t.dir, NULL, &n);
    assert_int_equal(n.n_nodes, 4);
    static const int id[] = { 0, 2, 9, 10 }, count[] = { 4, 2, 4, 4 };
    for (int i = 0, w = 0; i < 4; i++) {
        assert_int_equal(n.node[i].id, id[i]);
        assert_int_equal(n.node[i].n_cpus, count[i]);
        for (int c = 0; c < count[i]; c++)
            assert_int_equal(ts_numa_node_of_thread(&n, w++, 14), i);
    }
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 3, 4, 2), -1); /* 4 ranks, a node of 2 CPUs */
    cpu_set_t set = range(5, 11);                                /* 4, 12, 13: offline */
    ts_numa_read(t.dir, &set, &some);
    assert_int_equal(some.n_nodes, 3);
    assert_int_equal(some.node[0].id, 2);
    assert_int_equal(some.node[0].n_cpus, 1);
    assert_int_equal(some.node[1].n_cpus, 2);
    assert_int_equal(some.n_cpus, 7);
    assert_int_equal(ts_numa_node_of_rank(&n, &some, 0, 8, 1), -1); /* not all nodes */
    ts_numa_deinit(&n);
    ts_numa_deinit(&some);
    temp_remove(&t);
}

/* What is not understood is not known. */
static void nonsense(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x", "3-1", "3-", "-3", "1,,2", "1;2", "0-5000", "0-1-2", "99999999999999999999", "1 2", "-"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        temp t;
        ts_numa n;
        temp_make(&t);
        put(&t, "node0", "0-3\n");
        put(&t, "node1", bad[i]);
        ts_numa_read(t.dir, NULL, &n);
        if (n.n_nodes)
            fail_msg("\"%s\" was taken for %d CPUs", bad[i], n.n_cpus);
        assert_null(n.node);
        temp_remove(&t);
    }
    ts_numa n;
    ts_numa_read("/nowhere/at/all", NULL, &n);
    assert_int_equal(n.n_nodes, 0);
    assert_int_equal(ts_numa_node_of_rank(&n, &n, 0, 4, 1), -1);
    assert_false(ts_numa_bind_rank("/nowhere/at/all", 0, 4, 1));
}

/* This machine's memory is spread over this machine's nodes, and holds what it held. */
static void interleaved(void **state)
{
    (void)state;
    enum { BYTES = 4 << 20, MPOL_F_ADDR = 2, MPOL_INTERLEAVE = 3 };
    ts_numa n;
    ts_numa_read_mine(NULL, &n);
    if (!n.n_nodes) {
        printf("skipped: no memory nodes are shown here\n");
        skip();
    }
    unsigned char *p =
        mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    memset(p, 7, BYTES / 2);
    const bool did = ts_numa_interleave(&n, n.n_cpus, p, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(p[i], i < BYTES / 2 ? 7 : 0);
    memset(p, 9, BYTES);
    int mode = -1;
    if (!did)
        printf("skipped: the system does not let programs place memory\n");
    else if (syscall(SYS_get_mempolicy, &mode, NULL, 0UL, p, (unsigned long)MPOL_F_ADDR) == 0)
        assert_int_equal(mode, MPOL_INTERLEAVE);
    /* memory that is not there is refused, and nothing else happens */
    assert_int_equal(munmap(p, BYTES), 0);
    assert_false(ts_numa_interleave(&n, 1, p, BYTES));
    ts_numa_deinit(&n);
    if (!did)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node), cmocka_unit_test(two_nodes),   cmocka_unit_test(four_nodes),
        cmocka_unit_test(nonsense), cmocka_unit_test(interleaved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
