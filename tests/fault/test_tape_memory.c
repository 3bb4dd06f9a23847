/* Every allocation of code that runs on the tape fails once: each is an error that can be said, the
 * table of who holds what goes with it, and the tape can be dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/temp.h"
#include "device/device.h"
#include "io_hooks.h"
#include "ops/tape.h"

#include <string.h>

/* Frames within frames, each hands two tensors out. */
static ts_status nested(ts_tape *tape, int depth, ts_tensor **a, ts_tensor **b)
{
    ts_tensor *x, *y;
    TS_TRY(ts_tape_push(tape));
    ts_status st = depth ? nested(tape, depth - 1, &x, &y) : TS_OK;
    for (int i = 0; st == TS_OK && i < 7; i++) /* the lists grow */
        st = ts_tape_new(tape, TS_DTYPE_F32, 4, 4, i ? a : b);
    ts_tape_pop2(tape, st == TS_OK ? *a : NULL, st == TS_OK ? *b : NULL);
    return st;
}

static ts_status work(ts_device *dev)
{
    const ts_tape_options o = { 0 };
    ts_tape *tape;
    ts_tensor *a, *b;
    TS_TRY(ts_tape_create(dev, &o, &tape));
    ts_status st = nested(tape, 3, &a, &b);
    for (int i = 0; st == TS_OK && i < 20; i++)
        st = nested(tape, 0, &a, &b);
    ts_tape_destroy(&tape);
    return st;
}

static void each_allocation(void **state)
{
    (void)state;
    const ts_device_options o = { .threads = 1 };
    ts_device *dev;
    int64_t n = 0;
    OK(ts_device_open("cpu", &o, &dev));
    OK(work(dev));
    const int64_t held = dev->mem.total; /* work space of kernels */
    for (bool is_hit = true; is_hit; n++) {
        hooks_arm_memory(n);
        ts_status st = work(dev);
        is_hit = hooks_arm_memory(-1);
        assert_int_equal(st, is_hit ? TS_ERR_NOMEM : TS_OK);
        st = ts_device_explain(dev, st);
        if (is_hit && (!strstr(ts_error_message(), "out of memory: ") ||
                       !strstr(ts_error_message(), "Who holds what:\nmemory ")))
            fail_msg("allocation %lld: %s", (long long)n, ts_error_message());
        assert_int_equal(dev->mem.total, held);
    }
    assert_in_range(n, 30, 1000);
    ts_device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_allocation) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
