/* Parquet files against Apache Arrow (scripts/golden_parquet.py), and what is done to damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "base/json.h"
#include "io/parquet/codec.h"
#include "io/parquet/parquet.h"

#include <string.h>

#define GOLDEN "tests/golden/parquet/"

/* All rows of a file, a line each. */
static ts_status read_all(const char *path, ts_str *out)
{
    ts_parquet *p;
    bool found = true;
    TS_TRY(ts_parquet_open(path, &p));
    ts_status st = TS_OK;
    while (st == TS_OK && found) {
        st = ts_parquet_next(p, out, &found);
        if (st == TS_OK && found)
            st = ts_str_puts(out, "\n");
    }
    ts_parquet_close(&p);
    return st;
}

static void same_rows(const char *path, const ts_str *got, const ts_str *want)
{
    const char *a = ts_str_text(got), *b = want->s;
    for (int row = 1; *b; row++) {
        const char *const a_end = strchr(a, '\n'), *const b_end = strchr(b, '\n');
        json_t *x, *y;
        if (!a_end)
            fail_msg("%s ends before row %d", path, row);
        OK(ts_json_parse(a, (size_t)(a_end - a), path, &x));
        OK(ts_json_parse(b, (size_t)(b_end - b), "rows.jsonl", &y));
        if (!json_equal(x, y))
            fail_msg("%s, row %d: %.*s, expected %.*s", path, row, (int)(a_end - a), a, (int)(b_end - b), b);
        json_decref(x);
        json_decref(y);
        a = a_end + 1;
        b = b_end + 1;
    }
    assert_int_equal(*a, 0);
}

static const char *const names[] = { "plain", "snappy", "gzip", "zstd", "delta" };
enum { N_NAMES = sizeof names / sizeof *names };

static void rows_are_arrows(void **state)
{
    ts_str want = { 0 }, got = { 0 };
    char path[64];
    (void)state;
    OK(ts_file_read(GOLDEN "rows.jsonl", &want));
    for (int i = 0; i < N_NAMES; i++) {
        snprintf(path, sizeof path, GOLDEN "%s.parquet", names[i]);
        assert_true(ts_parquet_is(path));
        ts_str_reset(&got);
        OK(read_all(path, &got));
        same_rows(path, &got, &want);
    }
    REFUSED(read_all(GOLDEN "brotli.parquet", &got), TS_ERR_USER, "is packed with Brotli");
    ts_str_deinit(&want);
    ts_str_deinit(&got);
}

/* Whatever stands in the file, it is read or refused with its name. */
static void damage_is_refused(void **state)
{
    temp t;
    ts_str file = { 0 }, got = { 0 };
    uint32_t x = 7;
    int64_t refused = 0;
    (void)state;
    temp_make(&t);
    for (int i = 0; i < N_NAMES; i++) {
        char path[64];
        snprintf(path, sizeof path, GOLDEN "%s.parquet", names[i]);
        ts_str_reset(&file);
        OK(ts_file_read(path, &file));
        for (int k = 0; k < 60; k++) {
            x = x * 1664525u + 1013904223u;
            const size_t at = (size_t)(x >> 4) % file.len;
            const char was = file.s[at];
            file.s[at] = (char)(was ^ (1 << (x % 8)));
            const size_t n = k % 10 == 9 ? at : file.len;
            temp_write(&t, "x.parquet", file.s, n);
            file.s[at] = was;
            ts_str_reset(&got);
            const ts_status st = read_all(temp_path(&t, "x.parquet"), &got);
            assert_true(st == TS_OK || st == TS_ERR_USER);
            if (st != TS_OK && !strstr(ts_error_message(), "x.parquet"))
                fail_msg("no name: %s", ts_error_message());
            refused += st != TS_OK;
        }
    }
    assert_true(refused > 60);
    REFUSED(read_all(GOLDEN "rows.jsonl", &got), TS_ERR_USER, "no whole Parquet file");
    ts_str_deinit(&file);
    ts_str_deinit(&got);
    temp_remove(&t);
}

static void snappy_copies(void **state)
{
    static const struct {
        const char *packed, *text; /* NULL: damaged */
        size_t n;
    } cases[] = {
        { "\x05\x10hello", "hello", 7 },
        { "\x09\x08"
          "abc"
          "\x09\x03",
          "abcabcabc", 7 }, /* six from three before, overlapping */
        { "\x07\x08"
          "abc"
          "\x0e\x02\x00",
          "abcbcbc", 8 },
        { "\x07\x08"
          "abc"
          "\x0f\x03\x00\x00\x00",
          "abcabca", 10 },
        { "\x05\x10hell", NULL, 6 },
        { "\x06\x10hello", NULL, 7 },
        { "\x09\x08"
          "abc"
          "\x09\x04",
          NULL, 7 }, /* from before the beginning */
        { "\x08\x08"
          "abc"
          "\x09\x03",
          NULL, 7 },
    };
    unsigned char out[16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t size = (size_t)cases[i].packed[0];
        const bool good = ts_parquet_unpack(1 /* Snappy */, (const unsigned char *)cases[i].packed, cases[i].n, out, size);
        assert_int_equal(good, cases[i].text != NULL);
        if (good)
            assert_memory_equal(out, cases[i].text, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_arrows),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(snappy_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
