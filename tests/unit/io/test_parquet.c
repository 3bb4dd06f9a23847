/* Parquet files against Apache Arrow (scripts/golden_parquet.py), and what is done to damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "base/json.h"
#include "io/parquet/codec.h"
#include "io/parquet/column.h"
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

/* Lengths in the header of a page (version 2) that no page can have, one so large that their sum wraps round. */
static void lengths_of_levels_are_checked(void **state)
{
    static const unsigned char head[] = {
        0x15, 6, 0x15, 8, 0x15, 8,                      /* DATA_PAGE_V2, 4 bytes, 4 packed */
        0x5C, 0x15, 2, 0x15, 0, 0x15, 2, 0x15, 0, 0x15, /* 1 value, none null, 1 row, plain */
    };
    static const struct {
        unsigned char def;
        int64_t rep;
        bool good;
    } cases[] = { { 0, 0, true }, { 2, INT64_MAX, false }, { 2, -1, false }, { 0, 5, false }, { 0, INT64_MAX, false } };
    const ts_parquet_node node = { .name = (char[]){ "x" }, .type = TS_PARQUET_INT32 };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char page[64];
        size_t n = sizeof head;
        memcpy(page, head, n);
        page[n++] = cases[i].def;
        page[n++] = 0x15;
        uint64_t rep = (uint64_t)cases[i].rep << 1 ^ (uint64_t)(cases[i].rep >> 63);
        for (; rep > 0x7F; rep >>= 7)
            page[n++] = (unsigned char)(rep | 0x80);
        page[n++] = (unsigned char)rep;
        memcpy(page + n, "\x12\0\0\7\0\0", 7); /* plain; the ends of both structs; 7 */
        n += 7;
        const ts_parquet_chunk chunk = { .n_values = 1, .size = (int64_t)n };
        ts_parquet_column c = { 0 };
        if (cases[i].good) {
            OK(ts_parquet_column_read(&c, &node, &chunk, page));
            assert_int_equal(c.values.i[0], 7);
        } else {
            REFUSED(ts_parquet_column_read(&c, &node, &chunk, page), TS_ERR_USER, "a page of the Parquet file is damaged");
        }
        ts_parquet_column_deinit(&c);
    }
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
        cmocka_unit_test(lengths_of_levels_are_checked),
        cmocka_unit_test(snappy_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
