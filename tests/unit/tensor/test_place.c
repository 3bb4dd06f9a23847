/* Shares of a whole: every element of it is in one share, and runs say where. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/rng.h"
#include "tensor/place.h"

enum { MOST = 4096 };

static int64_t whole_count(const ts_place *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->rank; i++)
        n *= p->dim[i].whole;
    return n;
}

/* The number in the whole of the share's element `at`, dimension by dimension. */
static int64_t number_of(const ts_place *p, int64_t at)
{
    int64_t number = 0, below = 1;
    for (int i = p->rank - 1; i >= 0; i--) {
        const ts_place_dim *d = &p->dim[i];
        const int64_t local = ts_place_local(p, i);
        int64_t here = at % local, k = 0;
        if (d->axis != TS_AXIS_NONE) {
            while (here >= d->span[k].n)
                here -= d->span[k++].n;
            here += d->span[k].begin;
        }
        number += here * below;
        below *= d->whole;
        at /= local;
    }
    return number;
}

/* Marks the share's elements, each for the first time; runs agree with them and end where they must. */
static void mark(const ts_place *p, bool *seen)
{
    const int64_t n = ts_place_count(p);
    for (int64_t at = 0; at < n; at++) {
        int64_t whole;
        const int64_t run = ts_place_run(p, at, &whole);
        assert_true(run >= 1 && at + run <= n);
        for (int64_t k = 0; k < run; k++)
            assert_int_equal(number_of(p, at + k), whole + k);
        assert_false(seen[whole]);
        seen[whole] = true;
    }
}

static void shares_make_the_whole(ts_place whole, int dim, int64_t n, int stretches, int64_t unit)
{
    bool seen[MOST] = { false };
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        ts_place p = whole;
        ts_place_cut_even(&p, dim, TS_AXIS_TENSOR, n, i, stretches, unit);
        assert_false(ts_place_is_whole(&p));
        assert_int_equal(ts_place_local(&p, dim) % unit, 0);
        mark(&p, seen);
        sum += ts_place_count(&p);
    }
    assert_int_equal(sum, whole_count(&whole));
    for (int64_t i = 0; i < sum; i++)
        assert_true(seen[i]);
}

static void cuts(void **state)
{
    (void)state;
    shares_make_the_whole(ts_place_whole(12, 0), 0, 3, 1, 1);
    shares_make_the_whole(ts_place_whole(12, 5), 0, 2, 2, 1);     /* gate and up */
    shares_make_the_whole(ts_place_whole(13 * 4, 7), 0, 2, 1, 4); /* 7 and 6 heads */
    shares_make_the_whole(ts_place_whole(5, 24), 1, 3, 1, 2);     /* columns */
    shares_make_the_whole(ts_place_whole(5, 24), 1, 5, 2, 4);     /* more processes than units */
    ts_place five = { .rank = 5, .dim = { { 3 }, { 4 }, { 2 }, { 5 }, { 6 } } };
    for (int dim = 0; dim < 5; dim++)
        shares_make_the_whole(five, dim, 2, 1, 1);
}

static void whole_is_one_run(void **state)
{
    (void)state;
    ts_place p = { .rank = 3, .dim = { { 3 }, { 4 }, { 5 } } };
    int64_t at;
    assert_true(ts_place_is_whole(&p));
    assert_int_equal(ts_place_run(&p, 0, &at), 60);
    assert_int_equal(at, 0);
    assert_int_equal(ts_place_run(&p, 17, &at), 43);
    assert_int_equal(at, 17);
    ts_place_cut_even(&p, 0, TS_AXIS_EXPERT, 3, 1, 1, 1); /* rows: still one */
    assert_int_equal(ts_place_run(&p, 0, &at), 20);
    assert_int_equal(at, 20);
}

/* The order of the spans is the share's, not the whole's. */
static void spans_are_ordered(void **state)
{
    (void)state;
    ts_place p = ts_place_whole(10, 3);
    const ts_place_span span[] = { { 8, 2 }, { 1, 1 }, { 3, 2 } };
    static const int64_t rows[] = { 8, 9, 1, 3, 4 };
    bool seen[MOST] = { false };
    ts_place_cut(&p, 0, TS_AXIS_TENSOR, span, 3);
    assert_int_equal(ts_place_local(&p, 0), 5);
    mark(&p, seen);
    for (int r = 0; r < 5; r++) {
        int64_t at;
        (void)ts_place_run(&p, 3 * r, &at);
        assert_int_equal(at, 3 * rows[r]);
    }
}

/* Matrices of a stack by their numbers. */
static void lists_are_ordered(void **state)
{
    (void)state;
    static const int32_t here[] = { 4, 0, 3 };
    ts_place p = ts_place_stack(5, 3, 2);
    ts_place_cut_list(&p, 0, TS_AXIS_EXPERT, here, 3);
    assert_int_equal(ts_place_local(&p, 0), 3);
    assert_int_equal(ts_place_count(&p), 18);
    for (int64_t e = 0; e < 5; e++)
        assert_int_equal(ts_place_here(&p, 0, e), e == 4 ? 0 : e == 0 ? 1 : e == 3 ? 2 : -1);
    for (int i = 0; i < 3; i++) {
        int64_t at;
        assert_int_equal(ts_place_run(&p, 6 * i + 1, &at), 5);
        assert_int_equal(at, 6 * here[i] + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts),
        cmocka_unit_test(whole_is_one_run),
        cmocka_unit_test(spans_are_ordered),
        cmocka_unit_test(lists_are_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
