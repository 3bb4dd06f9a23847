#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/series.h"

#include <math.h>

/* A long run with one high and one low point among a million: a picture of 100 columns has both, in
 * the order of the steps, and no more than four points a column. */
static void no_extreme_is_lost(void **state)
{
    (void)state;
    enum { N = 1000000, HIGH = 123457, LOW = 123460, NONE = 500000 };
    ts_series_list l = { 0 };
    ts_point *v;
    size_t n;
    bool has_high = false, has_low = false;
    for (int64_t x = 1; x <= N; x++)
        assert_int_equal(ts_series_add(&l, "a", x,
                                       x == HIGH   ? 9
                                       : x == LOW  ? -9
                                       : x == NONE ? NAN
                                                   : sin((double)x)),
                         TS_OK);
    assert_int_equal(ts_series_thin(&l.v[0], 1, N, 100, &v, &n), TS_OK);
    assert_true(n <= 400 && n >= 300);
    assert_int_equal(v[0].x, 1);
    assert_int_equal(v[n - 1].x, N);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || v[i].x > v[i - 1].x);
        assert_true(isfinite(v[i].y));
        has_high = has_high || (v[i].x == HIGH && v[i].y == 9);
        has_low = has_low || (v[i].x == LOW && v[i].y == -9);
    }
    assert_true(has_high && has_low);
    ts_free(&v);
    ts_series_list_deinit(&l);
}

static void means(void **state)
{
    (void)state;
    ts_series_list l = { 0 };
    ts_series mean = { 0 };
    const double y[] = { 1, 100, 10, NAN, 1000, 10 };
    for (int i = 0; i < 6; i++)
        assert_int_equal(ts_series_add(&l, "a", i + 1, y[i]), TS_OK);
    assert_int_equal(ts_series_smooth(&l.v[0], 1, false, &mean), TS_OK);
    assert_int_equal(mean.n, 5);
    assert_true(mean.v[0].y == 1 && fabs(mean.v[1].y - 37) < 1e-12 &&
                fabs(mean.v[2].y - 370) < 1e-12);
    assert_true(mean.v[3].x == 5 && mean.v[4].y == 505);
    ts_series_deinit(&mean);
    assert_int_equal(ts_series_smooth(&l.v[0], 1, true, &mean), TS_OK);
    assert_true(fabs(mean.v[1].y - 10) < 1e-9 && fabs(mean.v[2].y - 100) < 1e-9);
    ts_series_deinit(&mean);
    ts_series_list_deinit(&l);
}

static void cut_and_replaced(void **state)
{
    (void)state;
    ts_series_list l = { 0 };
    ts_status st;
    for (int64_t x = 1; x <= 10; x++)
        assert_int_equal(ts_series_add(&l, "a", x, (double)x), TS_OK);
    assert_int_equal(ts_series_add(&l, "a", 10, 20), TS_OK);
    assert_int_equal(l.v[0].n, 10);
    assert_true(ts_series_last(&l.v[0]) == 20 && ts_series_most(&l.v[0]) == 20);
    ts_series_cut(&l, 5);
    assert_int_equal(l.v[0].n, 4);
    assert_true(ts_series_median(&l.v[0], &st) == 2.5 && st == TS_OK);
    assert_true(ts_series_least(&l.v[0]) == 1 && isnan(ts_series_least(NULL)));
    ts_series_list_deinit(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_extreme_is_lost),
        cmocka_unit_test(means),
        cmocka_unit_test(cut_and_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
