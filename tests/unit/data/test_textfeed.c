#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "data/textfeed.h"

/* All documents of an input as "line:text|line:text|". */
static ts_status read_input(const char *input, const char *separator, size_t piece, ts_str *out)
{
    ts_textfeed *f = NULL;
    ts_text_batch b = { 0 };
    double bytes = 0;
    ts_str_reset(out);
    TS_TRY(ts_textfeed_create(input, separator, piece, &f));
    ts_status st;
    while ((st = ts_textfeed_next(f, &b)) == TS_OK && b.n) {
        for (size_t i = 0; i < b.n; i++)
            OK(ts_str_printf(out, "%lld:%.*s|", (long long)b.spans[i].line, (int)b.spans[i].n,
                             b.text.s + b.spans[i].at));
        bytes += (double)b.bytes;
    }
    if (st == TS_OK) {
        OK(ts_textfeed_next(f, &b)); /* the end stays the end */
        assert_int_equal(b.n, 0);
        assert_true(bytes <= ts_textfeed_bytes(f));
    }
    ts_text_batch_deinit(&b);
    ts_textfeed_destroy(&f);
    return st;
}

static void cuts_documents(void **state)
{
    (void)state;
    static const struct {
        const char *name, *separator, *text, *want;
    } cases[] = {
        { "a.txt", NULL, "one\n\n  \ntwo\r\nthree", "1:one|4:two|5:three|" },
        { "a.txt", NULL, "\xEF\xBB\xBFone\n", "1:one|" },
        { "a.txt", NULL, "\n \n", "" },
        { "a.txt", "--", "a\nb--c----\n--d", "1:a\nb|2:c|3:d|" },
        { "a.txt", "\n\n", "a\nb\n\nc\n\n\nd\n", "1:a\nb|4:c|6:\nd\n|" },
        { "a.jsonl", NULL, "{\"a\":1}\n{\"a\":\n\n{}", "1:{\"a\":1}|2:{\"a\":|4:{}|" },
        { "a.jsonl", NULL, "[1]\n", "1:[1]|" },
        { "a.json", NULL, "{\"a\":1}\n{}\n", "1:{\"a\":1}|2:{}|" },
        { "a.json", NULL, " \n[{\"a\":\n[1,{}]}\n,\n{\"b]\\\"}\":2} , 3,\"x,]\", null]\n ",
          "2:{\"a\":\n[1,{}]}|5:{\"b]\\\"}\":2}|5:3|5:\"x,]\"|5:null|" },
        { "a.json", NULL, "[]", "" },
        { "a.json", NULL, "[1,22,[],{}]", "1:1|1:22|1:[]|1:{}|" },
        { "a.json", NULL, "", "" },
    };
    temp t;
    ts_str got = { 0 };
    temp_make(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp_write(&t, cases[i].name, cases[i].text, strlen(cases[i].text));
        for (size_t piece = 0; piece < 40; piece++) {
            OK(read_input(temp_path(&t, cases[i].name), cases[i].separator, piece, &got));
            assert_string_equal(ts_str_text(&got), cases[i].want);
        }
    }
    ts_str_deinit(&got);
    temp_remove(&t);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        { "a.json", "[1", "a.json:1: not valid JSON: the list is not closed" },
        { "a.json", "[\n{\"a\":[}\n", "the list is not closed" },
        { "a.json", "[1\n2]", "a.json:2: not valid JSON: expected a comma or ]" },
        { "a.json", "[1,\n]", "a.json:2: not valid JSON: expected a value" },
        { "a.json", "[,1]", "expected a value" },
        { "a.json", "[1]\n[2]", "a.json:2: not valid JSON: expected nothing after the list" },
        { "a.csv", "a,b\n", "a.csv: expected a .txt, .json or .jsonl file" },
    };
    temp t;
    ts_str got = { 0 };
    temp_make(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp_write(&t, cases[i].name, cases[i].text, strlen(cases[i].text));
        REFUSED(read_input(temp_path(&t, cases[i].name), NULL, 0, &got), TS_ERR_USER,
                cases[i].message);
    }
    REFUSED(read_input(temp_path(&t, "absent.txt"), NULL, 0, &got), TS_ERR_USER,
            "absent.txt: cannot be opened");
    REFUSED(read_input(temp_path(&t, "a.json"), "--", 0, &got), TS_ERR_USER,
            "--document-separator");
    ts_str_deinit(&got);
    temp_remove(&t);
}

static void reads_the_commonest_kind_of_a_folder(void **state)
{
    (void)state;
    temp t;
    ts_str got = { 0 };
    temp_make(&t);
    REFUSED(read_input(t.dir, NULL, 0, &got), TS_ERR_USER, "no .txt, .json or .jsonl");
    temp_write(&t, "b.jsonl", "{\"b\":1}", 7);
    temp_write(&t, "a.jsonl", "{}\n", 3);
    temp_write(&t, "empty.jsonl", "", 0);
    temp_write(&t, "c.txt", "text", 4);
    temp_write(&t, "d.csv", "x", 1);
    OK(read_input(t.dir, NULL, 0, &got));
    assert_string_equal(got.s, "1:{}|1:{\"b\":1}|");
    ts_str_deinit(&got);
    temp_remove(&t);
}

/* Documents over the borders of the pieces, and one longer than several. */
static void long_files(void **state)
{
    (void)state;
    static const char *const names[] = { "a.txt", "a.json", "s.txt" };
    temp t;
    temp_make(&t);
    for (int mode = 0; mode < 3; mode++) {
        ts_str file = { 0 };
        ts_textfeed *f = NULL;
        ts_text_batch b = { 0 };
        uint32_t x = 7;
        OK(ts_str_puts(&file, mode == 1 ? "[" : ""));
        for (int i = 0; i < 3000; i++) {
            const int n =
                i == 1500 ? 3500000 : (int)((x = x * 1664525u + 1013904223u) >> 16) % 3000 + 1;
            OK(ts_str_puts(&file, i == 0 ? "" : mode == 0 ? "\n" : mode == 1 ? ",\n" : "<sep>"));
            OK(ts_str_printf(&file, mode == 1 ? "{\"%d\":\n\"%0*d\"}" : "%d %0*d", i, n, 7));
        }
        OK(ts_str_puts(&file, mode == 1 ? "]" : ""));
        temp_write(&t, names[mode], file.s, file.len);
        OK(ts_textfeed_create(temp_path(&t, names[mode]), mode == 2 ? "<sep>" : NULL, 0, &f));
        int next = 0;
        double bytes = 0;
        for (;;) {
            OK(ts_textfeed_next(f, &b));
            bytes += (double)b.bytes;
            if (!b.n)
                break;
            for (size_t i = 0; i < b.n; i++, next++) {
                const char *s = b.text.s + b.spans[i].at + 2 * (mode == 1);
                assert_int_equal(atoi(s), next);
                assert_int_equal(b.spans[i].line, mode == 2   ? 1
                                                  : mode == 1 ? 2 * next + 1
                                                              : next + 1);
                assert_int_equal(s[b.spans[i].n - 1 - 4 * (mode == 1)], '7');
            }
        }
        assert_int_equal(next, 3000);
        assert_true(bytes == (double)file.len);
        ts_text_batch_deinit(&b);
        ts_textfeed_destroy(&f);
        ts_str_deinit(&file);
    }
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_documents),
        cmocka_unit_test(refuses),
        cmocka_unit_test(reads_the_commonest_kind_of_a_folder),
        cmocka_unit_test(long_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
