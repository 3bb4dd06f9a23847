/* Pages of a cache: who has them, which texts they are found under, which go first. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "infer/pages.h"


enum { P = TS_ENGINE_PAGE };

static void fill(int32_t *ids, int64_t n, int32_t from)
{
    for (int64_t i = 0; i < n; i++)
        ids[i] = from + (int32_t)i;
}

static void take(ts_pages *p, int32_t *pages, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        assert_true(ts_pages_take(p, &pages[i]));
}

static void test_texts(void **state)
{
    (void)state;
    ts_pages *p;
    int32_t ids[3 * P], other[3 * P], mine[3], found[3], one;
    OK(ts_pages_create(&p));
    assert_false(ts_pages_take(p, &one));
    OK(ts_pages_grow(p, 4));
    fill(ids, 3 * P, 0);
    take(p, mine, 3);
    ts_pages_keep(p, ids, mine, 1); /* the page before it is kept by nobody */
    assert_int_equal(ts_pages_find(p, ids, 3 * P, found), 0);
    for (int64_t i = 0; i < 3; i++)
        ts_pages_keep(p, ids, mine, i);
    assert_int_equal(ts_pages_find(p, ids, 3 * P - 1, found), 2);
    assert_memory_equal(found, mine, 2 * sizeof *mine);
    /* another text that goes on alike behind another beginning */
    fill(other, 3 * P, 0);
    other[0] = 77;
    assert_int_equal(ts_pages_find(p, other, 3 * P, found), 0);
    fill(other, 3 * P, 0);
    other[2 * P - 1] = 77;
    assert_int_equal(ts_pages_find(p, other, 3 * P, found), 1);
    ts_pages_release(p, mine[0]);
    ts_pages_release(p, mine[0]);
    ts_pages_release(p, mine[1]);
    for (int64_t i = 3; i-- > 0;)
        ts_pages_release(p, mine[i]);
    assert_int_equal(ts_pages_free(p), 4);
    assert_int_equal(ts_pages_idle(p), 3);
    /* what is kept by nobody goes first, then the end of the text */
    take(p, &one, 1);
    take(p, &one, 1);
    assert_int_equal(one, mine[2]);
    assert_int_equal(ts_pages_find(p, ids, 3 * P, found), 2);
    assert_false(ts_pages_take(p, &one) && ts_pages_take(p, &one));
    ts_pages_destroy(&p);
}

/* A page that is gone takes with it what was kept behind it, even when its text comes again. */
static void test_gone(void **state)
{
    (void)state;
    ts_pages *p;
    int32_t ids[2 * P], mine[2], found[2], one;
    OK(ts_pages_create(&p));
    OK(ts_pages_grow(p, 2));
    fill(ids, 2 * P, 5);
    take(p, mine, 2);
    ts_pages_keep(p, ids, mine, 0);
    ts_pages_keep(p, ids, mine, 1);
    ts_pages_release(p, mine[0]); /* the beginning is given back first, and is used again first */
    ts_pages_release(p, mine[1]);
    take(p, &one, 1);
    assert_int_equal(one, mine[0]);
    assert_int_equal(ts_pages_find(p, ids, 2 * P, found), 0);
    ts_pages_keep(p, ids, &one, 0);
    assert_int_equal(ts_pages_find(p, ids, 2 * P, found), 1);
    assert_int_equal(found[0], one);
    ts_pages_destroy(&p);
}

/* Many pages and texts: the tables grow and nothing is lost. */
static void test_many(void **state)
{
    (void)state;
    enum { N = 1000 };
    ts_pages *p;
    int32_t ids[P], page, found, pages[N];
    OK(ts_pages_create(&p));
    for (int32_t i = 0; i < N; i++) {
        if (!ts_pages_take(p, &page)) {
            OK(ts_pages_grow(p, ts_pages_count(p) * 3 / 2 + 1));
            take(p, &page, 1);
        }
        fill(ids, P, i * 100);
        ts_pages_keep(p, ids, &page, 0);
        pages[i] = page;
    }
    for (int32_t i = 0; i < N; i++) {
        fill(ids, P, i * 100);
        assert_int_equal(ts_pages_find(p, ids, P, &found), 1);
        assert_int_equal(found, pages[i]);
    }
    ts_pages_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
