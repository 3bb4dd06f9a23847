/* Names and their numbers. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/names.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

static void few(void **state)
{
    (void)state;
    ts_names *t = NULL;
    OK(ts_names_create(0, &t));
    assert_int_equal(ts_names_find(t, ""), -1);
    assert_int_equal(ts_names_count(t), 0);
    OK(ts_names_add(t, "b"));
    OK(ts_names_add(t, "a"));
    OK(ts_names_add(t, "")); /* a name like any other */
    assert_int_equal(ts_names_find(t, "b"), 0);
    assert_int_equal(ts_names_find(t, "a"), 1);
    assert_int_equal(ts_names_find(t, ""), 2);
    assert_int_equal(ts_names_find(t, "ab"), -1);
    assert_int_equal(ts_names_find(t, "A"), -1);
    assert_string_equal(ts_names_text(t, 0), "b");
    ts_names_destroy(&t);
    assert_null(t);
    ts_names_destroy(&t);
}

/* The copy is the table's own, and what is different by a dash is different. */
static void copies(void **state)
{
    (void)state;
    ts_names *t = NULL;
    char name[] = "num-layers";
    OK(ts_names_create(1, &t));
    OK(ts_names_add(t, name));
    name[3] = '_';
    assert_int_equal(ts_names_find(t, name), -1);
    assert_int_equal(ts_names_find(t, "num-layers"), 0);
    ts_names_destroy(&t);
}

static void doubles(void **state)
{
    (void)state;
    ts_names *t = NULL;
    OK(ts_names_create(2, &t));
    OK(ts_names_add(t, "x"));
    assert_int_equal(ts_names_add(t, "x"), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "the name x is there twice"));
    assert_int_equal(ts_names_count(t), 1);
    OK(ts_names_add(t, "y"));
    assert_int_equal(ts_names_find(t, "x"), 0);
    assert_int_equal(ts_names_find(t, "y"), 1);
    ts_names_destroy(&t);
}

/* As many as a large model has parameters, from a table that was made for less. */
static void many(void **state)
{
    (void)state;
    enum { N = 30000 };
    static const size_t room[] = { 0, N / 3, N };
    char name[64];
    for (size_t r = 0; r < sizeof room / sizeof *room; r++) {
        ts_names *t = NULL;
        OK(ts_names_create(room[r], &t));
        for (int i = 0; i < N; i++) {
            snprintf(name, sizeof name, "model.layers.%d.mlp.experts.%d.w", i / 64, i % 64);
            OK(ts_names_add(t, name));
        }
        assert_int_equal(ts_names_count(t), N);
        for (int i = 0; i < N; i++) {
            snprintf(name, sizeof name, "model.layers.%d.mlp.experts.%d.w", i / 64, i % 64);
            assert_int_equal(ts_names_find(t, name), i);
            assert_string_equal(ts_names_text(t, (size_t)i), name);
            assert_int_equal(ts_names_add(t, name), TS_ERR_USER);
            snprintf(name, sizeof name, "model.layers.%d.mlp.experts.%d.v", i / 64, i % 64);
            assert_int_equal(ts_names_find(t, name), -1);
        }
        ts_names_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few),
        cmocka_unit_test(copies),
        cmocka_unit_test(doubles),
        cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
