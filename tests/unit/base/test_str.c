/* Strings, UTF-8, names that are nearly right, memory. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/arena.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

static void growing(void **state)
{
    (void)state;
    ts_str b = { 0 };
    assert_string_equal(ts_str_text(&b), "");
    OK(ts_str_puts(&b, "ab"));
    OK(ts_str_add(&b, "c\0d", 3));
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.s, "abc\0d", 6);
    ts_str_reset(&b);
    assert_string_equal(b.s, "");
    size_t want = 0;
    for (int i = 0; i < 2000; i++) {
        OK(ts_str_printf(&b, "%d,", i));
        want += (size_t)snprintf(NULL, 0, "%d,", i);
        assert_int_equal(b.len, want);
        assert_int_equal(strlen(b.s), want);
    }
    assert_memory_equal(b.s, "0,1,2,3,", 8);
    ts_str_deinit(&b);
    assert_null(b.s);
    OK(ts_str_add(&b, NULL, 0));
    assert_string_equal(b.s, "");
    ts_str_deinit(&b);
}

static void json_texts(void **state)
{
    (void)state;
    ts_str b = { 0 };
    OK(ts_str_json(&b, "a\"b\\c\n\t\r\x01\x1f\xc3\xa9", 12));
    assert_string_equal(b.s, "\"a\\\"b\\\\c\\n\\t\\r\\u0001\\u001f\xc3\xa9\"");
    ts_str_reset(&b);
    OK(ts_str_json(&b, "\0x !", 4));
    assert_string_equal(b.s, "\"\\u0000x !\"");
    ts_str_reset(&b);
    OK(ts_str_json(&b, "", 0));
    assert_string_equal(b.s, "\"\"");
    ts_str_reset(&b);
    OK(ts_str_json(&b, "caf\xe9 \xed\xa0\x80", 8)); /* Latin-1, a surrogate */
    assert_string_equal(b.s, "\"caf\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    ts_str_deinit(&b);
}

static void json_numbers(void **state)
{
    (void)state;
    ts_str b = { 0 };
    OK(ts_str_json_real(&b, 0.1, 17));
    assert_string_equal(b.s, "0.10000000000000001");
    ts_str_reset(&b);
    OK(ts_str_json_real(&b, (double)-NAN, 9));
    OK(ts_str_json_real(&b, (double)INFINITY, 9));
    OK(ts_str_json_real(&b, -(double)INFINITY, 9));
    assert_string_equal(b.s, "nullnullnull");
    ts_str_deinit(&b);
}

/* Every code point there and back; what is not one is refused. */
static void utf8_points(void **state)
{
    (void)state;
    char s[5] = "";
    for (uint32_t c = 0; c < 0x110000; c++) {
        const int n = ts_utf8_encode(c, s);
        const bool is_surrogate = c >= 0xD800 && c < 0xE000;
        assert_int_equal(n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
        assert_int_equal(ts_utf8_len(s, (size_t)n), is_surrogate ? 0 : n);
        assert_int_equal(ts_utf8_decode(s, n), c);
        for (int cut = 0; cut < n; cut++)
            assert_int_equal(ts_utf8_len(s, (size_t)cut), 0);
    }
}

/* Every pair of bytes followed by two good tails, against the table of Unicode (3-7). */
static int by_table(const unsigned char *p)
{
    static const unsigned char rows[][8] = {
        { 0x00, 0x7F, 0x00, 0xFF, 1 }, { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 }
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (p[0] >= rows[i][0] && p[0] <= rows[i][1] && p[1] >= rows[i][2] && p[1] <= rows[i][3])
            return rows[i][4];
    return 0;
}

static void utf8_bytes(void **state)
{
    (void)state;
    unsigned char p[4] = { 0, 0, 0x80, 0xBF };
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            p[0] = (unsigned char)a, p[1] = (unsigned char)b;
            assert_int_equal(ts_utf8_len((char *)p, 4), by_table(p));
        }
    assert_int_equal(ts_utf8_len("\xe2\x82\x41", 3), 0);
    assert_int_equal(ts_utf8_len("\xf0\x9f\x98\x41", 4), 0);
    assert_int_equal(ts_utf8_check("abc\xc3\xa9", 5), 5);
    assert_int_equal(ts_utf8_check("abc\xc3", 4), 3);
    assert_int_equal(ts_utf8_check("\xff", 1), 0);
    assert_int_equal(ts_utf8_check("", 0), 0);
}

static void distances(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int d;
    } t[] = { { "", "", 0 },
              { "", "abc", 3 },
              { "abc", "abc", 0 },
              { "abc", "abd", 1 },
              { "abc", "acb", 1 },
              { "seq-lenght", "seq-length", 1 },
              { "kitten", "sitting", 3 },
              { "ab", "ba", 1 },
              { "abcd", "badc", 2 },
              { "ca", "abc", 3 } };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        assert_int_equal(ts_edit_distance(t[i].a, t[i].b), t[i].d);
        assert_int_equal(ts_edit_distance(t[i].b, t[i].a), t[i].d);
    }
    char big[300];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    assert_true(ts_edit_distance(big, "y") > 0);
}

static void human(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(ts_human_bytes(0, buf), "0 B");
    assert_string_equal(ts_human_bytes(999, buf), "999 B");
    assert_string_equal(ts_human_bytes(1000, buf), "1.0 kB");
    assert_string_equal(ts_human_bytes(640e6, buf), "640.0 MB");
    assert_string_equal(ts_human_bytes(1.5e9, buf), "1.5 GB");
    assert_string_equal(ts_human_bytes(2e18, buf), "2000.0 PB");
}

static void memory(void **state)
{
    (void)state;
    size_t n = 7;
    assert_false(ts_mul_size(SIZE_MAX, 2, &n));
    assert_false(ts_add_size(SIZE_MAX, 1, &n));
    assert_int_equal(n, 7);
    assert_true(ts_mul_size(6, 7, &n) && n == 42 && ts_add_size(SIZE_MAX, 0, &n) && n == SIZE_MAX);
    int *p = NULL;
    const int *none = NULL;
    assert_int_equal(ts_alloc(&p, SIZE_MAX / 2, 8), TS_ERR_NOMEM);
    assert_ptr_equal(p, none);
    OK(ts_alloc(&p, 0, 4));
    assert_non_null(p);
    ts_free(&p);
    assert_null(p);
    ts_free(&p);
    size_t cap = 0;
    for (size_t need = 1; need < 1000; need += 37) {
        OK(ts_grow(&p, &cap, need, sizeof *p));
        assert_true(cap >= need && p[need - 1] == 0 && p[cap - 1] == 0);
        p[need - 1] = 5;
        for (size_t i = 0; i < need; i++)
            assert_int_equal(p[i], i % 37 == 0 ? 5 : 0);
    }
    const size_t was = cap;
    assert_int_equal(ts_grow(&p, &cap, SIZE_MAX / 4, sizeof *p), TS_ERR_NOMEM);
    assert_int_equal(cap, was);
    assert_int_equal(p[0], 5);
    ts_free(&p);
}

static void arenas(void **state)
{
    (void)state;
    ts_arena a = { 0 };
    unsigned char *p[200];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 200; i++) {
            const size_t n = i % 7 ? i * 31 : 100000 * (i % 4);
            OK(ts_arena_alloc(&a, n, &p[i]));
            assert_int_equal((uintptr_t)p[i] % 16, 0);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(p[i][k], 0);
            memset(p[i], (int)i, n);
        }
        for (size_t i = 0; i < 200; i++) {
            const size_t n = i % 7 ? i * 31 : 100000 * (i % 4);
            for (size_t k = 0; k < n; k += 997)
                assert_int_equal(p[i][k], (unsigned char)i);
        }
        ts_arena_reset(&a);
    }
    ts_arena_deinit(&a);
    ts_arena_deinit(&a);
}

static void errors(void **state)
{
    (void)state;
    assert_int_equal(ts_error(TS_ERR_USER, "%s %d", "first", 1), TS_ERR_USER);
    assert_string_equal(ts_error_message(), "first 1");
    assert_int_equal(ts_error_context(TS_ERR_USER, "while %s", "reading"), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "first 1"));
    assert_non_null(strstr(ts_error_message(), "while reading"));
    char big[20000];
    memset(big, 'z', sizeof big - 1);
    big[sizeof big - 1] = 0;
    assert_int_equal(ts_error(TS_ERR_IO, "%s", big), TS_ERR_IO);
    assert_int_equal(ts_error_context(TS_ERR_IO, "%s", big), TS_ERR_IO);
    assert_int_equal(ts_status_exit_code(TS_OK), 0);
    assert_int_equal(ts_status_exit_code(TS_ERR_USER), 2);
    assert_int_equal(ts_status_exit_code(TS_ERR_IO), 1);
    assert_int_equal(ts_status_exit_code(TS_ERR_RUN), 1);
    assert_int_equal(ts_status_exit_code(TS_ERR_NOMEM), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing), cmocka_unit_test(json_texts),
        cmocka_unit_test(json_numbers), cmocka_unit_test(utf8_points),
        cmocka_unit_test(utf8_bytes), cmocka_unit_test(distances), cmocka_unit_test(human),
        cmocka_unit_test(memory), cmocka_unit_test(arenas), cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
