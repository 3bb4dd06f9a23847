#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temp.h"
#include "data/textfeed.h"

static const char *text_key[] = { "text" };

static ts_feed_options options(const char **input, const char *separator, size_t piece)
{
    return (ts_feed_options){ .input = { input, 1 },
                              .json_keys = { text_key, 1 },
                              .document_separator = separator,
                              .piece = piece };
}

/* All documents of the options' inputs as "line:text|line:text|". */
static ts_status read_all(const ts_feed_options *o, ts_str *out)
{
    ts_textfeed *f = NULL;
    ts_text_batch b = { 0 };
    double bytes = 0;
    ts_str_reset(out);
    TS_TRY(ts_textfeed_create(o, &f));
    ts_status st;
    while ((st = ts_textfeed_next(f, &b)) == TS_OK && b.n) {
        for (size_t i = 0; i < b.n; i++)
            OK(ts_str_printf(out, "%lld:%.*s|", (long long)b.spans[i].line, (int)b.spans[i].n,
                             b.text.s + b.spans[i].at));
        assert_true(b.position >= bytes);
        bytes = b.position;
    }
    if (st == TS_OK) {
        OK(ts_textfeed_next(f, &b)); /* the end stays the end */
        assert_int_equal(b.n, 0);
        assert_true(bytes <= ts_textfeed_bytes(f) || ts_textfeed_bytes(f) < 0);
    }
    ts_text_batch_deinit(&b);
    ts_textfeed_destroy(&f);
    return st;
}

static ts_status read_input(const char *input, const char *separator, size_t piece, ts_str *out)
{
    const ts_feed_options o = options(&input, separator, piece);
    return read_all(&o, out);
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
        { "a.csv", "a,b\n", "a.csv: expected a .txt, .jsonl, .ndjson or .json file" },
        { "a.txt", "\xFF\xFE" "a\0b", "a.txt: is UTF-16 text; UTF-8 is read" },
        { "a.txt", "PK\3\4 and more", "a.txt: is a zip file" },
        { "a.txt.gz", "text", "a.txt.gz: is not gzip data, though its name says so" },
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
            "absent.txt: cannot be opened: No such file or directory");
    REFUSED(read_input(temp_path(&t, "a.json"), "--", 0, &got), TS_ERR_USER,
            "--document-separator");
    ts_str_deinit(&got);
    temp_remove(&t);
}

/* Everything below a folder that can be read, in the order of the paths, and each file once. */
static void reads_all_of_a_folder(void **state)
{
    (void)state;
    temp t;
    ts_str got = { 0 };
    char elsewhere[96];
    temp_make(&t);
    REFUSED(read_input(t.dir, NULL, 0, &got), TS_ERR_USER, "nothing in this folder can be read");
    temp_write(&t, "d.csv", "x", 1);
    temp_write(&t, ".hidden.txt", "x", 1);
    REFUSED(read_input(t.dir, NULL, 0, &got), TS_ERR_USER, "nothing in this folder can be read");
    OK(ts_mkdirs(temp_path(&t, "sub/deep")));
    temp_write(&t, "b.JSONL", "{\"b\":1}", 7);
    temp_write(&t, "a.jsonl", "{}\n", 3);
    temp_write(&t, "empty.jsonl", "", 0);
    temp_write(&t, "c.txt", "text\nmore", 9);
    temp_write(&t, "sub/deep/e.json", "[1,\n2]", 6);
    temp_write(&t, "sub/d.ndjson", "{\"d\":2}", 7);
    snprintf(elsewhere, sizeof elsewhere, "%s", temp_path(&t, "."));
    assert_int_equal(symlink(elsewhere, temp_path(&t, "sub/loop")), 0);
    assert_int_equal(symlink("../c.txt", temp_path(&t, "sub/same.txt")), 0);
    assert_int_equal(symlink("nothing.txt", temp_path(&t, "dangling.txt")), 0);
    assert_int_equal(mkfifo(temp_path(&t, "pipe.txt"), 0600), 0);
    OK(read_input(t.dir, NULL, 0, &got));
    assert_string_equal(got.s, "1:{}|1:{\"b\":1}|1:text|2:more|1:{\"d\":2}|1:1|2:2|");
    OK(read_input(temp_path(&t, "[a-c].*"), NULL, 0, &got));
    assert_string_equal(got.s, "1:{}|1:{\"b\":1}|1:text|2:more|");
    REFUSED(read_input(temp_path(&t, "x*"), NULL, 0, &got), TS_ERR_USER, "no file has such a name");
    REFUSED(read_input(temp_path(&t, "**/x"), NULL, 0, &got), TS_ERR_USER, "a folder is read");
    ts_str_deinit(&got);
    temp_remove(&t);
}

/* What has no name to tell its kind is told by how it begins; --input-format wins. */
static void tells_kinds_by_content(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { " \n{ \"a\":1}\n{}", "2:{ \"a\":1}|3:{}|" }, { "{}", "1:{}|" },
        { "\n [\n {\"a\":1},\n{}]", "3:{\"a\":1}|4:{}|" }, { "[music]\nla", "1:[music]|2:la|" },
        { "{x}\n", "1:{x}|" },                              { "\xEF\xBB\xBF{\"a\":1}", "1:{\"a\":1}|" },
        { "", "" },
    };
    temp t;
    ts_str got = { 0 };
    temp_make(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        temp_write(&t, "part-0", cases[i].text, strlen(cases[i].text));
        const char *path = temp_path(&t, "part-0");
        for (size_t piece = 1; piece < 20; piece++) {
            ts_feed_options o = options(&path, NULL, piece);
            REFUSED(read_all(&o, &got), TS_ERR_USER, "--input-format");
            o.any_name = true;
            OK(read_all(&o, &got));
            assert_string_equal(ts_str_text(&got), cases[i].want);
            o.input_format = TS_TEXT_TXT;
            o.whole_lines = true;
            OK(read_all(&o, &got));
            if (got.len + 3 < strlen(cases[i].text))
                fail_msg("of '%s' there is '%s'", cases[i].text, ts_str_text(&got));
        }
    }
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
        const char *path = temp_path(&t, names[mode]);
        const ts_feed_options o = options(&path, mode == 2 ? "<sep>" : NULL, 0);
        OK(ts_textfeed_create(&o, &f));
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
        cmocka_unit_test(reads_all_of_a_folder),
        cmocka_unit_test(tells_kinds_by_content),
        cmocka_unit_test(long_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
