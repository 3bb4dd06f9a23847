#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "base/json.h"
#include "text/json_fields.h"

#include <string.h>

static const char *const keys[] = { "text", "b" };

static bool quick(const char *s, size_t n, size_t n_keys, bool unique, ts_json_field *field)
{
    static ts_json_fields f;
    bool found = false;
    char *copy = malloc(n + !n); /* of the exact size, so that a sanitizer sees a step too far */
    assert_non_null(copy);
    memcpy(copy, s, n);
    OK(ts_json_fields_read(&f, copy, n, keys, n_keys, unique, field, &found));
    static char kept[2][512];
    for (size_t k = 0; found && k < n_keys; k++) {
        assert_true(field[k].n < sizeof kept[k]);
        memcpy(kept[k], field[k].s, field[k].n);
        field[k].s = kept[k];
    }
    free(copy);
    ts_json_fields_deinit(&f);
    return found;
}

static void reads_plain_lines(void **state)
{
    (void)state;
    const struct {
        const char *line, *text;
    } good[] = {
        { "{\"text\":\"abc\"}", "abc" },
        { " { \"n\" : -1.5 , \"text\" : \"\" } ", "" },
        { "{\"text\":\"a\\nb\\\"c\\\\ \\u00e9\\ud83d\\udc4d/\\/\\t end\"}", NULL },
        { "{\"meta\":{\"a\":[1,2,{\"x\":null}],\"t\":true},\"text\":\"日本語 and more than that\"}",
          "日本語 and more than that" },
        { "{\"text\":\"x\",\"z\":[[],{},0,false,\"q\\n\"]}\r", "x" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ts_json_field f[1];
        if (!quick(good[i].line, strlen(good[i].line), 1, false, f))
            fail_msg("line %zu was not read", i);
        if (i == 2) /* "//" and the tab stand next to each other */
            assert_memory_equal(f[0].s, "a\nb\"c\\ \xC3\xA9\xF0\x9F\x91\x8D//\t end", f[0].n);
        else
            assert_true(f[0].n == strlen(good[i].text) && !memcmp(f[0].s, good[i].text, f[0].n));
    }
}

static void leaves_the_rest(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"text\":1}",
        "{\"text\":\"a\"",
        "{\"text\":\"a\"}x",
        "{\"text\":\"a\",}",
        "{\"text\":\"a\" \"b\":1}",
        "{\"b\":\"a\"}",
        "{\"text\":\"a\",\"text\":\"b\"}",
        "{\"text\":\"\t\"}",
        "{\"text\":\"\\x\"}",
        "{\"text\":\"\\ud800\"}",
        "{\"text\":\"\\u0000\"}",
        "{\"text\":\"\xFF\"}",
        "{\"text\":\"\xC3\"}",
        "{\"text\":\"a\",\"n\":01}",
        "{\"text\":\"a\",\"n\":1e999}",
        "{\"text\":\"a\",\"n\":-}",
        "{\"text\":\"a\",\"n\":1.}",
        "{\"text\":\"a\",\"n\":tru}",
        "{\"te\\u0078t\":\"a\"}",
        "{\"text\":\"a\",\"n\":[1,]}",
        "{\"text\":\"a\",\"n\":{\"x\"}}",
        "{'text':'a'}",
        "{\"text\":\"abc",
    };
    ts_json_field f[1];
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (quick(odd[i], strlen(odd[i]), 1, false, f))
            fail_msg("'%s' was read", odd[i]);
    static const char nested[] = "{\"text\":\"a\",\"n\":{\"x\":1,\"x\":2}}";
    assert_true(quick(nested, strlen(nested), 1, false, f));
    assert_false(quick(nested, strlen(nested), 1, true, f)); /* two alike, perhaps */
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

/* Lines with random damage: what is read is valid JSON to the library too, with the same texts. */
static void equals_the_library(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"text\": \"Some words, \\\"quoted\\\" and\\n more \\u00e9\", \"b\": \"two\", \"n\": [1, 2.5, null]}",
        "{\"id\":12,\"b\":\"日本\\\\語\",\"text\":\"é \\ud83d\\udc4d\",\"meta\":{\"k\":{\"x\":true}}}",
    };
    static const char bits[] = "{}[]\",:\\u0123456789abcdDeE+-. \n\ttrufalsn\xC3\xA9\xFF\x01";
    uint64_t x = 7;
    int64_t read = 0;
    for (int round = 0; round < 300000; round++) {
        char s[256];
        size_t n = strlen(lines[round & 1]);
        memcpy(s, lines[round & 1], n);
        for (uint64_t k = next(&x) % 3; k > 0; k--) {
            const size_t at = (size_t)(next(&x) % n);
            if (next(&x) % 3 == 0)
                memmove(s + at, s + at + 1, --n - at);
            else
                s[at] = bits[next(&x) % (sizeof bits - 1)];
        }
        ts_json_field f[2];
        if (!quick(s, n, 2, round % 3 == 0, f))
            continue;
        json_t *o = json_loadb(s, n, JSON_ALLOW_NUL, NULL);
        if (!o)
            fail_msg("'%.*s' was read but is not JSON", (int)n, s);
        for (int k = 0; k < 2; k++) {
            const json_t *v = json_object_get(o, keys[k]);
            assert_true(json_is_string(v) && json_string_length(v) == f[k].n &&
                        !memcmp(json_string_value(v), f[k].s, f[k].n));
        }
        json_decref(o);
        read++;
    }
    assert_true(read > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_plain_lines),
                                        cmocka_unit_test(leaves_the_rest),
                                        cmocka_unit_test(equals_the_library) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
