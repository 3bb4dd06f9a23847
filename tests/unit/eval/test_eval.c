/* CSV, and regular expressions as Python's re has them. */
#include "eval/pyregex.h"
#include "io/csv.h"

#include "../cmocka_all.h"
#include "../temp.h"

#include <string.h>

static void reads_csv(void **state)
{
    static const char text[] = "\xEF\xBB\xBF" "a,\"b, \"\"c\"\"\nd\",\r\n\n\"\",é\n";
    temp dir;
    ts_csv c;
    json_t *row;
    (void)state;
    temp_make(&dir);
    temp_write(&dir, "x.csv", text, sizeof text - 1);
    OK(ts_csv_open(temp_path(&dir, "x.csv"), &c));
    OK(ts_csv_next(&c, &row));
    json_t *want = json_pack("[sss]", "a", "b, \"c\"\nd", "");
    assert_true(json_equal(row, want));
    json_decref(row), json_decref(want);
    OK(ts_csv_next(&c, &row));
    want = json_pack("[ss]", "", "é");
    assert_true(json_equal(row, want));
    assert_int_equal(c.line, 4);
    json_decref(row), json_decref(want);
    OK(ts_csv_next(&c, &row));
    assert_null(row);
    ts_csv_close(&c);
    temp_write(&dir, "x.csv", "\"a\"b\n", 5);
    OK(ts_csv_open(temp_path(&dir, "x.csv"), &c));
    REFUSED(ts_csv_next(&c, &row), TS_ERR_USER, "x.csv:1: text behind a quote");
    ts_csv_close(&c);
    temp_write(&dir, "x.csv", "", 0);
    OK(ts_csv_open(temp_path(&dir, "x.csv"), &c));
    OK(ts_csv_next(&c, &row));
    assert_null(row);
    ts_csv_close(&c);
    temp_remove(&dir);
}

/* findall(s)[select] as filters take it; NULL: nothing is found. Values are Python 3.11's. */
static void picks(const char *pattern, const char *s, int64_t select, const char *want)
{
    ts_pyregex *re;
    ts_str got = { 0 };
    bool found;
    OK(ts_pyregex_create(pattern, "test", &re));
    OK(ts_pyregex_pick(re, s, strlen(s), select, &got, &found));
    assert_int_equal(found, want != NULL);
    if (want)
        assert_string_equal(ts_str_text(&got), want);
    ts_pyregex_destroy(&re);
    ts_str_deinit(&got);
}

static void subs(const char *pattern, const char *by, const char *s, const char *want)
{
    ts_pyregex *re;
    ts_str got = { 0 };
    OK(ts_pyregex_create(pattern, "test", &re));
    OK(ts_pyregex_sub(re, by, s, strlen(s), &got));
    assert_string_equal(ts_str_text(&got), want);
    ts_pyregex_destroy(&re);
    ts_str_deinit(&got);
}

static void finds_as_python(void **state)
{
    static const char numbers[] = "(-?[$0-9.,]{2,})|(-?[0-9]+)";
    (void)state;
    picks(numbers, "first 12, then -7 or $1,300.", -1, "$1,300.");
    picks(numbers, "first 12, then -7", 0, "12,");
    picks(numbers, "first 12, then -7", -2, "12,");
    picks(numbers, "first 12, then -7", -3, NULL);
    picks(numbers, "none", -1, NULL);
    picks("#### (\\-?[0-9\\.\\,]+)", "so\n#### 1,024\n#### 7", 0, "1,024");
    picks("(a)|(b)|c", "c", 0, NULL); /* a match whose groups are empty */
    picks("a( x )?b", "ab", 0, "");
    picks("é\\b", "né", 0, "é");
    subs("x*", "-", "abxd", "-a-b--d-");
    subs("(?s).*#### ", "", "a\nb#### 12.", "12.");
    subs("\\.$", "", "12.", "12");
    subs(",", "", "1,024,5", "10245");
    ts_pyregex *re;
    REFUSED(ts_pyregex_create("(", "test", &re), TS_ERR_USER, "test: cannot use the regular expression '('");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_csv), cmocka_unit_test(finds_as_python) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
