/* JSON and YAML: values, and messages that name file, line and key. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/json.h"
#include "base/json_memory.h"

#include <math.h>
#include <errno.h>
#include <string.h>

static json_t *parsed(const char *text)
{
    json_t *v = NULL;
    OK(ts_json_parse(text, strlen(text), "text", &v));
    return v;
}

static void refusals(void **state)
{
    (void)state;
    static const char *const bad[] = { "",      "{",   "{\"a\": 1,}", "{\"a\": 1, \"a\": 2}",
                                       "[1] x", "nul", "{\"a\" 1}",   "\"\xff\"",
                                       "[1, 2", "01",  "{'a': 1}",    "[1e999]" };
    json_t *v = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        REFUSED(ts_json_parse(bad[i], strlen(bad[i]), "some.json", &v), TS_ERR_USER,
                "some.json: not valid JSON: line ");
        assert_null(v);
    }
    REFUSED(ts_json_parse("{\n\n \"a\": tru }", 15, "f", &v), TS_ERR_USER, "line 3");
    char *deep = malloc(200000);
    memset(deep, '[', 200000);
    assert_int_equal(ts_json_parse(deep, 200000, "deep", &v), TS_ERR_USER);
    free(deep);
    REFUSED(ts_json_read("/no/such.json", &v), TS_ERR_USER, "/no/such.json: cannot be opened");
}

/* Windows' editors put one there. */
static void byte_order_mark(void **state)
{
    (void)state;
    temp t;
    json_t *v;
    temp_make(&t);
    temp_write(&t, "a.json", "\xEF\xBB\xBF{\"a\": 1}", 11);
    OK(ts_json_read(temp_path(&t, "a.json"), &v));
    assert_int_equal(json_object_size(v), 1);
    json_decref(v);
    temp_remove(&t);
}

static void look_ups(void **state)
{
    (void)state;
    json_t *o = parsed(
        "{\"i\": 5, \"r\": 2.5, \"b\": true, \"t\": \"x\", \"n\": null, \"big\": 9007199254740993}");
    int64_t i = -1;
    double r = -1;
    bool b = false;
    const char *t = NULL;
    OK(ts_json_int(o, "f", "i", 9, 0, 10, &i));
    assert_int_equal(i, 5);
    OK(ts_json_int(o, "f", "none", 99, 0, 10, &i)); /* a default need not be in the range */
    assert_int_equal(i, 99);
    OK(ts_json_int(o, "f", "n", 98, 0, 10, &i));
    assert_int_equal(i, 98);
    OK(ts_json_int(o, "f", "big", 0, 0, INT64_MAX, &i));
    assert_int_equal(i, 9007199254740993);
    REFUSED(ts_json_int(o, "f", "i", 9, 6, 10, &i), TS_ERR_USER, "f: i is 5, expected 6 to 10");
    REFUSED(ts_json_int(o, "f", "r", 9, 0, 10, &i), TS_ERR_USER, "f: r must be a whole number");
    OK(ts_json_real(o, "f", "i", 9, &r));
    assert_true(r == 5);
    OK(ts_json_real(o, "f", "r", 9, &r));
    assert_true(r == 2.5);
    REFUSED(ts_json_real(o, "f", "t", 9, &r), TS_ERR_USER, "f: t must be a number");
    OK(ts_json_bool(o, "f", "b", false, &b));
    assert_true(b);
    REFUSED(ts_json_bool(o, "f", "i", false, &b), TS_ERR_USER, "f: i must be true or false");
    OK(ts_json_text(o, "f", "t", NULL, &t));
    assert_string_equal(t, "x");
    OK(ts_json_text(o, "f", "n", "default", &t));
    assert_string_equal(t, "default");
    REFUSED(ts_json_text(o, "f", "b", NULL, &t), TS_ERR_USER, "f: b must be a string");
    json_decref(o);
}

static void yaml_is(temp *t, const char *text, const char *json)
{
    json_t *got = NULL, *want = parsed(json);
    temp_write(t, "f.yaml", text, strlen(text));
    OK(ts_yaml_read(temp_path(t, "f.yaml"), &got, NULL));
    if (!json_equal(got, want)) {
        char *s = json_dumps(got, JSON_ENCODE_ANY);
        fail_msg("%s became %s", text, s);
    }
    json_decref(got);
    json_decref(want);
}

static void yaml_refused(temp *t, const char *text, const char *message)
{
    json_t *v = NULL;
    temp_write(t, "f.yaml", text, strlen(text));
    REFUSED(ts_yaml_read(temp_path(t, "f.yaml"), &v, NULL), TS_ERR_USER, message);
    assert_null(v);
}

static void yaml(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    yaml_is(
        &t, "a: 1\nb: -2.5\nc: true\nd: text with spaces\ne: null\nf: ~\ng:\n",
        "{\"a\":1,\"b\":-2.5,\"c\":true,\"d\":\"text with spaces\",\"e\":null,\"f\":null,\"g\":null}");
    yaml_is(&t, "# a comment\na: '1'\nb: \"true\"\nc: 1e-3\nd: 1.5.2\ne: 12abc\nf: .5\n",
            "{\"a\":\"1\",\"b\":\"true\",\"c\":0.001,\"d\":\"1.5.2\",\"e\":\"12abc\",\"f\":0.5}");
    yaml_is(
        &t, "list: [1, two, 3.0]\nblock:\n  - a\n  - b: c\nnested:\n  x: {y: 1}\n",
        "{\"list\":[1,\"two\",3.0],\"block\":[\"a\",{\"b\":\"c\"}],\"nested\":{\"x\":{\"y\":1}}}");
    yaml_is(&t, "---\nn: 9223372036854775807\nx: inf\ny: nan\nz: 1e400\n",
            "{\"n\":9223372036854775807,\"x\":\"inf\",\"y\":\"nan\",\"z\":\"1e400\"}");
    yaml_is(&t, "a: 9223372036854775808\n...\n", "{\"a\":9223372036854775808.0}");
    yaml_is(&t, "- 1\n- []\n- {}\n", "[1,[],{}]");
    yaml_refused(&t, "a: 1\n---\na: 2\n", "a second document begins");
    yaml_refused(&t, "{a: 1} b: 2\n", "not valid YAML");
    yaml_refused(&t, "a: 1\n...\n]\n", "not valid YAML");
    yaml_refused(&t, "a: [1, 2\nb: 3\n", "f.yaml: not valid YAML");
    yaml_refused(&t, "a: 1\n\tb: 2\n", "line 2");
    yaml_refused(&t, "a: &x 1\nb: *x\n", "not valid YAML");
    yaml_refused(&t, "", "not valid YAML");
    yaml_refused(&t, "1: 2\n", "not valid YAML");
    yaml_refused(&t, "[a]: 2\n", "not valid YAML");
    yaml_refused(&t, "a: 1\nb: 2\na: 3\n", "not valid YAML");
    char deep[500];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[200] = 0;
    yaml_refused(&t, deep, "not valid YAML");
    json_t *v;
    REFUSED(ts_yaml_read("/no/such.yaml", &v, NULL), TS_ERR_USER, "/no/such.yaml: cannot be opened");
    temp_remove(&t);
}

static int64_t allocations_left;
static bool fails_once; /* else the later ones fail, too */

static void *some_malloc(size_t n)
{
    if (allocations_left-- > 0 || (fails_once && allocations_left < -1))
        return malloc(n);
    errno = ENOMEM;
    return NULL;
}

/* Each allocation of a good text fails in turn: the text is not called a bad one, nor read as another. */
static void read_without_memory(const char *text)
{
    ts_status st = TS_ERR_NOMEM;
    int64_t n = 0;
    for (json_t *v = NULL, *whole = parsed(text); st != TS_OK || n == 0; n++) {
        allocations_left = n;
        st = ts_json_parse(text, strlen(text), "x.json", &v);
        allocations_left = INT64_MAX;
        if (st != TS_OK)
            assert_int_equal(st, TS_ERR_NOMEM);
        else
            assert_true(json_equal(v, whole));
        if (st == TS_OK) {
            json_decref(v);
            json_decref(whole);
        }
    }
    assert_in_range(n, 5, 1000);
}

static void out_of_memory(void **state)
{
    (void)state;
    char large[5000];
    int n = snprintf(large, sizeof large, "{\"k\": [\"");
    memset(large + n, 'x', 3000);
    snprintf(large + n + 3000, sizeof large - (size_t)n - 3000, "\", \"a\\u00e9\"], \"b\": 1}");
    allocations_left = INT64_MAX;
    ts_json_guard_memory(some_malloc);
    for (int once = 0; once < 2; once++) {
        fails_once = once;
        read_without_memory("{\"a\": [1, 2.5, \"b\", {\"c\": null}], \"a longer key\": true}");
        read_without_memory("{\"a key of some length\": \"an \\\"escape\\\" where the text grows\\n\"}");
        read_without_memory("[1234567890123456, 0.12345678901234567890123456789012, -1e-300]");
        read_without_memory("[\"1234567\", \"123456789012345\", \"a\", 1234567890123456789]");
        read_without_memory(large);
    }
    ts_json_guard_memory(malloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(byte_order_mark),
        cmocka_unit_test(look_ups),
        cmocka_unit_test(yaml),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
