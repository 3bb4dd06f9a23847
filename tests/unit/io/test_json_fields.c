#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "io/json_fields.h"

#include <string.h>

static const char *const keys[] = { "text", "b" };

/* Reads a copy of the exact size, so that a sanitizer sees a step too far. */
static ts_status read_copy(ts_json_fields *f, const char *s, size_t n, size_t n_keys, char **copy)
{
    *copy = malloc(n + !n);
    assert_non_null(*copy);
    memcpy(*copy, s, n);
    return ts_json_fields_read(f, *copy, n, keys, n_keys);
}

static void reads_what_it_is_asked_for(void **state)
{
    (void)state;
    const struct {
        const char *line, *text;
    } good[] = {
        { "{\"text\":\"abc\"}", "abc" },
        { " { \"n\" : -1.5 , \"text\" : \"\" } ", "" },
        { "{\"text\":\"a\\nb\\\"c\\\\ \\u00e9\\ud83d\\udc4d/\\/\\t end\"}",
          "a\nb\"c\\ \xC3\xA9\xF0\x9F\x91\x8D//\t end" },
        { "{\"meta\":{\"a\":[1,2,{\"x\":null}],\"t\":true},\"text\":\"日本語 and more than that\"}",
          "日本語 and more than that" },
        { "{\"text\":\"x\",\"z\":[[],{},0,false,\"q\\n\"]}\r", "x" },
        { "{\"te\\u0078t\":\"by an escape\"}", "by an escape" },
        { "{\"text\":\"first\",\"text\":\"last\"}", "last" },
        /* what stands in other fields does not matter, as long as it ends */
        { "{\"a\":NaN,\"c\":-Infinity,\"d\":[Infinity],\"text\":\"t\"}", "t" },
        { "{\"a\":1e400,\"c\":-123456789012345678901234567890,\"text\":\"t\"}", "t" },
        { "{\"a\":\"\\ud800\",\"text\":\"t\",\"\\udc00\":\"\\udfff x\"}", "t" },
        { "{\"a\":\"\xFF\xC3 \t\x01\",\"text\":\"t\"}", "t" },
        { "{\"a\":{\"text\":\"inner\"},\"text\":\"t\"}", "t" },
    };
    ts_json_fields f = { 0 };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *copy;
        if (read_copy(&f, good[i].line, strlen(good[i].line), 2, &copy) != TS_OK)
            fail_msg("line %zu was not read: %s", i, ts_error_message());
        assert_int_equal(f.v[0].kind, TS_JSON_TEXT);
        assert_int_equal(f.v[1].kind, TS_JSON_ABSENT);
        if (f.v[0].n != strlen(good[i].text) || memcmp(f.v[0].s, good[i].text, f.v[0].n))
            fail_msg("line %zu has the text '%.*s'", i, (int)f.v[0].n, f.v[0].s);
        free(copy);
    }
    ts_json_fields_deinit(&f);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } bad[] = {
        { "", "expected a JSON object" },
        { "{", "a name in quotes was expected" },
        { "[]", "expected a JSON object, found \"[]\"" },
        { "{\"text\":\"a\"", "column 12: a comma or } was expected" },
        { "{\"text\":\"a\"}x", "nothing was expected behind the object" },
        { "{\"text\":\"a\",}", "a name in quotes was expected" },
        { "{\"text\":\"a\" \"b\":1}", "a comma or } was expected" },
        { "{\"text\":\"\t\"}", "\"text\", column 10: a control character" },
        { "{\"text\":\"\\x\"}", "an unknown escape" },
        { "{\"text\":\"\\ud800\"}", "half of a surrogate pair" },
        { "{\"text\":\"\\ud800\\u0041\"}", "half of a surrogate pair" },
        { "{\"text\":\"\\udc00\"}", "half of a surrogate pair" },
        { "{\"text\":\"é\xFF\"}", "\"text\", column 11: a byte that is not UTF-8" },
        { "{\"text\":\"\xC3\"}", "a byte that is not UTF-8" },
        { "{\"text\":\"abc", "the string does not end" },
        { "{\"text\":\"a\",\"n\":01}", "0 and another digit" },
        { "{\"text\":\"a\",\"n\":-}", "a digit was expected" },
        { "{\"text\":\"a\",\"n\":1.}", "a digit was expected" },
        { "{\"text\":\"a\",\"n\":1e}", "a digit was expected" },
        { "{\"text\":\"a\",\"n\":tru}", "a value was expected" },
        { "{\"text\":\"a\",\"n\":nan}", "a value was expected" },
        { "{\"text\":\"a\",\"n\":[1,]}", "a value was expected" },
        { "{\"text\":\"a\",\"n\":[1}", "a comma or ] was expected" },
        { "{\"text\":\"a\",\"n\":{\"x\"}}", "a colon was expected" },
        { "{\"text\":\"a\",\"n\":\"\\u12\"}", "four hexadecimal digits" },
        { "{\"text\":\"a\",\"n\":\"abc", "the string does not end" },
        { "{\"text\":\"a\",\"n\":\"abc\\", "an unknown escape" },
        { "{'text':'a'}", "a name in quotes was expected" },
    };
    ts_json_fields f = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *copy;
        REFUSED(read_copy(&f, bad[i].line, strlen(bad[i].line), 1, &copy), TS_ERR_USER,
                bad[i].why);
        free(copy);
    }
    ts_str deep = { 0 };
    OK(ts_str_puts(&deep, "{\"n\":"));
    for (int i = 0; i < 3000; i++)
        OK(ts_str_puts(&deep, "["));
    REFUSED(ts_json_fields_read(&f, deep.s, deep.len, keys, 1), TS_ERR_USER, "nested too deeply");
    ts_str_deinit(&deep);
    ts_json_fields_deinit(&f);
}

static void wants_texts(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } bad[] = {
        { "{\"text\":1,\"b\":\"\"}", "\"text\" is not a string: 1" },
        { "{\"text\":null,\"b\":\"\"}", "\"text\" is not a string: null" },
        { "{\"b\":NaN,\"text\":\"\"}", "\"b\" is not a string: NaN" },
        { "{\"txt\":\"\",\"n\":[1,{}],\"b\":2}",
          "the record has no \"text\" (--json-keys); it has: txt, n, b" },
        { "{}", "it has: nothing" },
    };
    ts_json_fields f = { 0 };
    json_t *o;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSED(ts_json_texts_read(&f, bad[i].line, strlen(bad[i].line), keys, 2, "--json-keys"),
                TS_ERR_USER, bad[i].why);
    static const char line[] = "{\"a\":NaN,\"b\":[1, 2],\"text\":\"\\u0000\"}";
    OK(ts_json_fields_object(&f, line, sizeof line - 1, keys, 2, &o));
    assert_int_equal(json_object_size(o), 2);
    assert_int_equal(json_array_size(json_object_get(o, "b")), 2);
    assert_int_equal(json_string_length(json_object_get(o, "text")), 1);
    json_decref(o);
    static const char large[] = "{\"b\":[1e999]}";
    REFUSED(ts_json_fields_object(&f, large, sizeof large - 1, keys, 2, &o), TS_ERR_USER,
            "\"b\" cannot be read: real number overflow");
    ts_json_fields_deinit(&f);
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

/* Whether a line has something that is read here in fields that nobody wants, and not by the library. */
static bool may_differ(const char *s, size_t n)
{
    int digits = 0;
    for (size_t i = 0; i < n; i++) {
        digits = s[i] >= '0' && s[i] <= '9' ? digits + 1 : 0;
        if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7E || s[i] == '\\' ||
            digits > 17)
            return true;
    }
    return false;
}

/* Lines with random damage: what the library reads is read, with the same texts; and what is read is
 * valid JSON to the library too. */
static void equals_the_library(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"text\": \"Some words, \\\"quoted\\\" and\\n more \\u00e9\", \"b\": \"two\", \"n\": [1, 2.5, null]}",
        "{\"id\":12,\"b\":\"日本\\\\語\",\"text\":\"é \\ud83d\\udc4d\",\"meta\":{\"k\":{\"x\":true}}}",
        "{\"id\":12,\"b\":\"two\",\"text\":\"three\",\"mista\":{\"k\":{\"x\":[false,-0.5]}}}",
    };
    static const char bits[] = "{}[]\",:\\u0123456789abcdDeE+-. \n\ttrufalsn\xC3\xA9\xFF\x01";
    uint64_t x = 7;
    int64_t read = 0, alike = 0;
    ts_json_fields f = { 0 };
    for (int round = 0; round < 300000; round++) {
        char s[256], *copy;
        size_t n = strlen(lines[round % 3]);
        memcpy(s, lines[round % 3], n);
        for (uint64_t k = next(&x) % 3; k > 0; k--) {
            const size_t at = (size_t)(next(&x) % n);
            if (next(&x) % 3 == 0)
                memmove(s + at, s + at + 1, --n - at);
            else
                s[at] = bits[next(&x) % (sizeof bits - 1)];
        }
        const bool got = read_copy(&f, s, n, 2, &copy) == TS_OK;
        json_t *o = json_loadb(s, n, JSON_ALLOW_NUL, NULL);
        if (o && !got)
            fail_msg("'%.*s' was not read: %s", (int)n, s, ts_error_message());
        if (got && !o && !may_differ(s, n))
            fail_msg("'%.*s' was read but is not JSON", (int)n, s);
        for (int k = 0; o && k < 2; k++) {
            const json_t *v = json_object_get(o, keys[k]);
            assert_int_equal(f.v[k].kind, !v                   ? TS_JSON_ABSENT
                                          : json_is_string(v) ? TS_JSON_TEXT
                                                              : TS_JSON_OTHER);
            if (json_is_string(v))
                assert_true(json_string_length(v) == f.v[k].n &&
                            !memcmp(json_string_value(v), f.v[k].s, f.v[k].n));
        }
        read += o != NULL;
        alike += !o && !may_differ(s, n);
        json_decref(o);
        free(copy);
    }
    ts_json_fields_deinit(&f);
    if (read < 100000 || alike < 10000)
        fail_msg("%lld lines were read, %lld were no JSON", (long long)read, (long long)alike);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_is_asked_for),
        cmocka_unit_test(refuses),
        cmocka_unit_test(wants_texts),
        cmocka_unit_test(equals_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
