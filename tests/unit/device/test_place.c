/* Threads and memory of a CPU device on made-up memory nodes: this machine's first CPUs, dealt out
 * to two nodes. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/output.h"
#include "device/cpu/place.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { THREADS = 4 };

typedef struct seen {
    _Atomic int threads;
    cpu_set_t cpus[THREADS];
} seen;

/* Every thread takes one share, and waits until all have. */
static void look(void *ctx, int64_t begin, int64_t end, int thread)
{
    seen *s = ctx;
    (void)begin, (void)end;
    if (sched_getaffinity(0, sizeof s->cpus[thread], &s->cpus[thread]) != 0)
        CPU_ZERO(&s->cpus[thread]);
    s->threads++;
    while (s->threads < THREADS)
        sched_yield();
}

static void see(const ts_device *d, seen *s)
{
    memset(s, 0, sizeof *s);
    ts_pool_run(((const ts_cpu *)d)->pool, THREADS, 1, look, s);
}

static void put(temp *t, const char *node, int cpu)
{
    char name[64], list[16];
    snprintf(name, sizeof name, "%s/cpulist", node);
    snprintf(list, sizeof list, "%d\n", cpu);
    OK(ts_mkdirs(temp_path(t, node)));
    OK(ts_file_write_atomic(temp_path(t, name), list, strlen(list)));
}

static void on_two_nodes(void **state)
{
    (void)state;
    static seen s;
    cpu_set_t all;
    temp t;
    ts_device *d = NULL;
    int cpu[2], n = 0;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    for (int c = 0; c < CPU_SETSIZE && n < 2; c++)
        if (CPU_ISSET(c, &all))
            cpu[n++] = c;
    if (n < 2) {
        printf("skipped: one CPU\n");
        skip();
    }
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = THREADS }, &d));
    temp_make(&t);
    put(&t, "node0", cpu[0]);
    ts_cpu_place((ts_cpu *)d, t.dir); /* one node: nothing happens */
    see(d, &s);
    for (int i = 0; i < THREADS; i++)
        assert_true(CPU_EQUAL(&s.cpus[i], &all));
    put(&t, "node7", cpu[1]); /* whose memory there is not: refused, and no harm */
    ts_cpu_place((ts_cpu *)d, t.dir);
    see(d, &s);
    assert_true(CPU_EQUAL(&s.cpus[0], &all)); /* the caller is left alone */
    for (int i = 1; i < THREADS; i++) {
        assert_int_equal(CPU_COUNT(&s.cpus[i]), 1);
        assert_true(CPU_ISSET(cpu[i >= THREADS / 2], &s.cpus[i]));
    }
    void *p = NULL;
    OK(ts_device_alloc(d, TS_MEM_OTHER, 1 << 20, &p));
    memset(p, 1, 1 << 20);
    ts_device_free(d, TS_MEM_OTHER, p, 1 << 20);
    ts_device_close(&d);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(on_two_nodes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
