/* What device.h promises of copies, events and sync, on the three devices; and that the far one
 * finds who does not keep to it. */
#include "../unit/cmocka_all.h"
#include "device/isa.h"
#include "far.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 1000 };

typedef struct rig {
    ts_device *dev;
    float *far, *host; /* [N]; host: of alloc_host */
    float own[N];
    ts_event *e;
} rig;

static const size_t bytes = N * sizeof(float);

static void make(rig *r, ts_status (*open)(const ts_device_options *, ts_device **))
{
    const ts_device_options o = { .threads = 2, .isa = TS_ISA_ALL };
    assert_int_equal(open(&o, &r->dev), TS_OK);
    void *far, *host;
    assert_int_equal(ts_device_alloc(r->dev, TS_MEM_OTHER, bytes, &far), TS_OK);
    assert_int_equal(r->dev->alloc_host(r->dev, bytes, &host), TS_OK);
    r->far = far, r->host = host;
    assert_int_equal(r->dev->event_create(r->dev, &r->e), TS_OK);
    for (int i = 0; i < N; i++)
        r->own[i] = r->host[i] = (float)i;
}

static void done(rig *r)
{
    r->dev->event_destroy(r->dev, r->e);
    r->dev->free_host(r->dev, r->host, bytes);
    ts_device_free(r->dev, TS_MEM_OTHER, r->far, bytes);
    ts_device_close(&r->dev);
}

/* y = x + x */
static void twice(rig *r)
{
    const ts_elementwise_args a = { .x = r->far, .z = r->far, .y = r->far, .alpha = 1, .beta = 1 };
    ts_launch_add(r->dev, &a, N, (ts_cost){ N, 3 * (double)bytes, TS_DTYPE_F32 });
}

/* Host memory of alloc_host in the device's place: kernels and copies of the main queue take it. */
static void reached_host(rig *r)
{
    float *const far = r->far;
    r->far = r->host;
    r->dev->zero(r->dev, r->far, bytes);
    r->dev->to_device(r->dev, r->far, r->own, bytes);
    twice(r);
    r->dev->move(r->dev, far, r->far, bytes);
    r->far = far;
    memset(r->own, 0, bytes);
    r->dev->to_host(r->dev, r->own, r->host, bytes);
    assert_int_equal(r->dev->sync(r->dev), TS_OK);
    for (int i = 0; i < N; i++)
        assert_true(r->own[i] == 2 * (float)i);
    twice(r);
    r->dev->to_host(r->dev, r->own, r->far, bytes);
    assert_int_equal(r->dev->sync(r->dev), TS_OK);
    for (int i = 0; i < N; i++)
        assert_true(r->own[i] == 4 * (float)i);
}

/* The main queue: in order, sources are free at once, results are there after sync. */
static void main_queue(rig *r)
{
    r->dev->to_device(r->dev, r->far, r->own, bytes);
    memset(r->own, 0, bytes);
    twice(r);
    r->dev->to_host(r->dev, r->own, r->far, bytes);
    twice(r); /* later than the copy */
    assert_int_equal(r->dev->sync(r->dev), TS_OK);
    for (int i = 0; i < N && r->dev->computes; i++)
        assert_true(r->own[i] == 2 * (float)i);
    assert_int_equal(ts_device_read(r->dev, r->own, r->far, bytes), TS_OK);
    for (int i = 0; i < N; i++)
        assert_true(r->own[i] == (r->dev->computes ? 4 * (float)i : 0));
    assert_true(r->dev->copied[TS_TO_DEVICE] == (double)bytes);
    assert_true(r->dev->copied[TS_TO_HOST] == 2 * (double)bytes);
}

static void until_reached(rig *r)
{
    int asked = 0;
    while (!r->dev->reached(r->dev, r->e))
        assert_true(asked++ < 1000000);
}

/* The queue of copies: there and back, each beginning when the other queue is so far. */
static void copy_queue(rig *r)
{
    assert_int_equal(r->dev->sync(r->dev), TS_OK);
    r->dev->copy(r->dev, TS_TO_DEVICE, r->far, r->host, bytes);
    r->dev->record(r->dev, TS_QUEUE_COPY, r->e);
    r->dev->follow(r->dev, TS_QUEUE_MAIN, r->e);
    twice(r);
    until_reached(r);
    memset(r->host, 0, bytes);
    r->dev->record(r->dev, TS_QUEUE_MAIN, r->e);
    r->dev->follow(r->dev, TS_QUEUE_COPY, r->e);
    r->dev->copy(r->dev, TS_TO_HOST, r->host, r->far, bytes);
    r->dev->record(r->dev, TS_QUEUE_COPY, r->e);
    until_reached(r);
    for (int i = 0; i < N; i++)
        assert_true(r->host[i] == (r->dev->computes ? 2 * (float)i : 0));
}

static void all_devices(void **state)
{
    ts_status (*const open[])(const ts_device_options *, ts_device **) = { ts_cpu_open, ts_sim_open,
                                                                           ts_far_open };
    (void)state;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        rig r;
        make(&r, open[i]);
        main_queue(&r);
        copy_queue(&r);
        done(&r);
        make(&r, open[i]);
        if (r.dev->computes)
            reached_host(&r);
        done(&r);
    }
}

/* ---- what must not be ---- */

static void read_it(rig *r) { r->own[0] = *(volatile float *)r->far; }
static void write_it(rig *r) { *(volatile float *)r->far = 1; }

static void give_host_memory(rig *r)
{
    const ts_elementwise_args a = { .x = r->own, .y = r->far };
    ts_launch_copy(r->dev, &a, N, (ts_cost){ 0, 0, TS_DTYPE_F32 });
}

static void copy_wrong_way(rig *r) { r->dev->to_device(r->dev, r->own, r->far, bytes); }
static void move_to_host(rig *r) { r->dev->move(r->dev, r->own, r->far, bytes); }
static void copy_to_own(rig *r) { r->dev->copy(r->dev, TS_TO_DEVICE, r->far, r->own, bytes); }

static void copy_too_early(rig *r)
{
    twice(r);
    r->dev->copy(r->dev, TS_TO_HOST, r->host, r->far, bytes);
}

/* Whether a process that does this ends by a signal. */
static bool dies(void (*what)(rig *))
{
    int status;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rig r;
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        close(STDERR_FILENO); /* what it says is known */
        make(&r, ts_far_open);
        r.dev->to_device(r.dev, r.far, r.own, bytes);
        r.dev->record(r.dev, TS_QUEUE_MAIN, r.e);
        r.dev->follow(r.dev, TS_QUEUE_COPY, r.e);
        if (what)
            what(&r);
        _exit(0);
    }
    assert_true(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGABRT);
}

static void who_breaks_it_dies(void **state)
{
    (void)state;
    assert_false(dies(NULL));
    assert_true(dies(read_it));
    assert_true(dies(write_it));
    assert_true(dies(give_host_memory));
    assert_true(dies(copy_wrong_way));
    assert_true(dies(move_to_host));
    assert_true(dies(copy_to_own));
    assert_true(dies(copy_too_early));
}

/* Who looks before sync, or takes the copy back too early, sees it. */
static void it_is_late(void **state)
{
    rig r;
    (void)state;
    make(&r, ts_far_open);
    r.dev->copy(r.dev, TS_TO_DEVICE, r.far, r.host, bytes);
    r.dev->record(r.dev, TS_QUEUE_COPY, r.e);
    assert_false(r.dev->reached(r.dev, r.e));
    r.dev->to_host(r.dev, r.own, r.far, bytes);
    assert_true(isnan(r.own[7]));
    assert_int_equal(r.dev->sync(r.dev), TS_OK);
    assert_true(isnan(r.own[7])); /* the main queue was not told to wait */
    assert_int_equal(ts_device_read(r.dev, r.own, r.far, bytes), TS_OK);
    assert_true(r.own[7] == 7);
    done(&r);
}

/* A failure is told by sync, and by every sync after it. */
static void failure_is_told(void **state)
{
    rig r;
    (void)state;
    setenv("TESSERA_FAR_FAILS", "2", 1);
    make(&r, ts_far_open);
    unsetenv("TESSERA_FAR_FAILS");
    r.dev->to_device(r.dev, r.far, r.own, bytes);
    twice(&r);
    assert_int_equal(r.dev->sync(r.dev), TS_OK);
    twice(&r);
    assert_int_equal(ts_device_read(r.dev, r.own, r.far, bytes), TS_ERR_RUN);
    assert_non_null(strstr(ts_error_message(), "launch 2"));
    assert_int_equal(r.dev->sync(r.dev), TS_ERR_RUN);
    done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_devices),
                                        cmocka_unit_test(who_breaks_it_dies),
                                        cmocka_unit_test(it_is_late),
                                        cmocka_unit_test(failure_is_told) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
