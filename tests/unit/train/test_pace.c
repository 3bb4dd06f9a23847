#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/trainer.h"

static void ten_median_steps(void **state)
{
    (void)state;
    ts_pace p = { 0 };
    assert_true(ts_pace_limit(&p, 30) == 0); /* not known before the first */
    ts_pace_add(&p, 2);
    assert_true(ts_pace_limit(&p, 30) == 30);
    for (int i = 0; i < 4; i++)
        ts_pace_add(&p, 5);
    ts_pace_add(&p, 1000); /* one that was slow changes nothing */
    assert_true(ts_pace_limit(&p, 30) == 50);
    for (int i = 0; i < TS_PACE_STEPS; i++)
        ts_pace_add(&p, 7);
    assert_true(ts_pace_limit(&p, 30) == 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ten_median_steps) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
