#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "data/indexed.h"
#include "data/preprocess.h"

/* Numbers 0 to 99 as text; 100 ends a document. */
static ts_text_tokenizer numbers = { .vocab_size = 101, .eod = 100, .pad = -1, .bos = -1 };

static const char *text_key[] = { "text" }, *two_keys[] = { "text", "more" };

/* input: stays with the options */
static ts_preprocess_options options_of(const char **input, const char *prefix)
{
    return (ts_preprocess_options){ .feed = { .input = { input, *input != NULL },
                                              .json_keys = { text_key, 1 } },
                                    .output_prefix = prefix,
                                    .workers = 2,
                                    .log_interval = 1000000000 };
}

#define options(input, prefix) options_of((const char *[]){ input }, prefix)

/* A data set as "1 2 3|4|". */
static void show(const char *prefix, ts_str *out)
{
    ts_indexed *d = NULL;
    ts_str_reset(out);
    OK(ts_indexed_open(prefix, &d));
    assert_int_equal(ts_indexed_documents(d), ts_indexed_count(d));
    assert_int_equal(ts_indexed_type(d), TS_INDEXED_I32);
    for (int64_t i = 0; i < ts_indexed_count(d); i++) {
        int32_t v[64];
        const int64_t n = ts_indexed_length(d, i);
        OK(ts_indexed_read(d, i, 0, n, 0, 1000, v));
        for (int64_t j = 0; j < n; j++)
            OK(ts_str_printf(out, j ? " %d" : "%d", v[j]));
        OK(ts_str_puts(out, "|"));
    }
    ts_indexed_destroy(&d);
}

static void writes_documents(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"text\":\"1 2 3\",\"more\":\"7\"}\n\n{\"text\":\"\",\"more\":\"8 9\",\"id\":18446744073709551616}\n"
        "{\"more\":\"\",\"text\":\"4\"}";
    temp t;
    ts_str got = { 0 };
    char input[96], prefix[96];
    ts_preprocess_totals totals;
    temp_make(&t);
    snprintf(input, sizeof input, "%s", temp_path(&t, "in.jsonl"));
    snprintf(prefix, sizeof prefix, "%s", temp_path(&t, "out"));
    temp_write(&t, "in.jsonl", lines, sizeof lines - 1);
    ts_preprocess_options o = options(input, prefix);
    OK(ts_preprocess(&o, &numbers, &totals));
    assert_int_equal(totals.documents, 3);
    assert_int_equal(totals.tokens, 4);
    assert_true(totals.bytes == sizeof lines - 1);
    show(temp_path(&t, "out_text_document"), &got);
    assert_string_equal(got.s, "1 2 3|4|");
    o.append_eod = true;
    o.feed.json_keys = (ts_option_list){ two_keys, 2 };
    OK(ts_preprocess(&o, &numbers, &totals));
    show(temp_path(&t, "out_text_document"), &got);
    assert_string_equal(got.s, "1 2 3 100|4 100|");
    show(temp_path(&t, "out_more_document"), &got);
    assert_string_equal(got.s, "7 100|8 9 100|");
    o.pad_to_multiple_of = 4; /* a full document gets a whole block more */
    OK(ts_preprocess(&o, &numbers, &totals));
    show(temp_path(&t, "out_text_document"), &got);
    assert_string_equal(got.s, "1 2 3 100 101 101 101 101|4 100 101 101|");
    temp_write(&t, "in.txt", "1 2\n3\n", 6);
    snprintf(input, sizeof input, "%s", temp_path(&t, "in.txt"));
    o = options(input, prefix);
    o.feed.document_separator = "\\n3";
    OK(ts_preprocess(&o, &numbers, &totals));
    show(temp_path(&t, "out_text_document"), &got);
    assert_string_equal(got.s, "1 2|");
    ts_str_deinit(&got);
    temp_remove(&t);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        { "a.jsonl", "{\"text\":\"1\"}\n{\"text\":\"1}\n", "a.jsonl:2: not valid JSON" },
        { "a.jsonl", "\n\n{\"txt\":\"1\",\"n\":2}\n",
          "a.jsonl:3: the record has no \"text\" (--json-keys); it has: txt, n" },
        { "a.jsonl", "{\"text\":5}\n", "a.jsonl:1: \"text\" is not a string" },
        { "a.jsonl", "[1]\n", "a.jsonl:1: expected a JSON object" },
        { "a.jsonl", "{\"text\":null}\n", "a.jsonl:1: \"text\" is not a string: null" },
        { "a.jsonl", "{\"text\":\"1 \\udc80\"}\n", "\"text\", column 12: half of a surrogate pair" },
        { "a.jsonl", "\xFF\xFE{\0", "a.jsonl: is UTF-16 text" },
        { "a.jsonl", "{\"text\":\"\xFF\"}\n", "a.jsonl:1: not valid JSON" },
        { "a.json", "[{\"text\":\"1\"},\n{\"text\":}]", "a.json:2: not valid JSON" },
        { "a.txt", "1\n\xC3\x28\n", "a.txt:2: not UTF-8 at byte 0" },
        { "a.txt", "1\n2 x\n", "a.txt:2: byte 2 of the text: NullTokenizer expects numbers" },
        { "a.txt", "101\n", "a.txt:1: byte 0" },
        { "a.txt", "\n", "no documents" },
    };
    temp t;
    char input[96], prefix[96], **names = NULL;
    size_t n;
    ts_preprocess_totals totals = { 0 };
    temp_make(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(input, sizeof input, "%s", temp_path(&t, cases[i].name));
        snprintf(prefix, sizeof prefix, "%s", temp_path(&t, "out"));
        temp_write(&t, cases[i].name, cases[i].text, strlen(cases[i].text));
        const ts_preprocess_options o = options(input, prefix);
        REFUSED(ts_preprocess(&o, &numbers, &totals), TS_ERR_USER, cases[i].message);
        OK(ts_remove_tree(input));
        OK(ts_dir_list(t.dir, &names, &n));
        assert_int_equal(n, 0); /* nothing is left */
        ts_free(&names);
    }
    temp_remove(&t);
}

static void refuses_options(void **state)
{
    (void)state;
    temp t;
    char input[96];
    ts_preprocess_totals totals = { 0 };
    ts_text_tokenizer endless = numbers;
    temp_make(&t);
    temp_write(&t, "a.txt", "1\n", 2);
    snprintf(input, sizeof input, "%s", temp_path(&t, "a.txt"));
    ts_preprocess_options o = options(NULL, "x");
    REFUSED(ts_preprocess(&o, &numbers, &totals), TS_ERR_USER, "--input");
    o = options(input, NULL);
    REFUSED(ts_preprocess(&o, &numbers, &totals), TS_ERR_USER, "--output-prefix");
    o = options(input, "/nowhere/x");
    REFUSED(ts_preprocess(&o, &numbers, &totals), TS_ERR_USER, "/nowhere/x_text_document.bin: cannot be made");
    o = options(input, temp_path(&t, "x"));
    o.handler.name = "AlpacaStyleInstructionHandler";
    REFUSED(ts_preprocess(&o, &numbers, &totals), TS_ERR_USER, "--handler-name");
    o = options(input, temp_path(&t, "x"));
    o.feed.json_keys = (ts_option_list){ two_keys, 2 };
    REFUSED(ts_preprocess(&o, &numbers, &totals), TS_ERR_USER, "--json-keys");
    o = options(input, temp_path(&t, "x"));
    o.append_eod = true;
    endless.eod = -1;
    REFUSED(ts_preprocess(&o, &endless, &totals), TS_ERR_USER, "--append-eod");
    temp_remove(&t);
}

/* The same bytes from any number of workers, over many batches. */
static void workers_do_not_matter(void **state)
{
    (void)state;
    temp t;
    ts_str file = { 0 }, first = { 0 }, again = { 0 };
    char input[96], prefix[96];
    ts_preprocess_totals totals;
    uint32_t x = 3;
    temp_make(&t);
    snprintf(prefix, sizeof prefix, "%s", temp_path(&t, "out"));
    snprintf(input, sizeof input, "%s", temp_path(&t, "in.jsonl"));
    for (int i = 0; i < 60000; i++) {
        OK(ts_str_puts(&file, "{\"text\":\""));
        for (uint32_t n = (x = x * 1664525u + 1013904223u) >> 27; n; n--)
            OK(ts_str_printf(&file, "%u ", (x = x * 1664525u + 1013904223u) % 100));
        OK(ts_str_puts(&file, "\"}\n"));
    }
    temp_write(&t, "in.jsonl", file.s, file.len);
    for (int workers = 1; workers <= 7; workers += 3) {
        ts_preprocess_options o = options(input, prefix);
        o.workers = workers;
        o.append_eod = true;
        OK(ts_preprocess(&o, &numbers, &totals));
        assert_int_equal(totals.documents, 60000);
        ts_str both = { 0 };
        OK(ts_file_read(temp_path(&t, "out_text_document.bin"), &both));
        OK(ts_file_read(temp_path(&t, "out_text_document.idx"), &again));
        OK(ts_str_add(&both, again.s, again.len));
        if (workers == 1) {
            OK(ts_str_add(&first, both.s, both.len));
        } else {
            assert_int_equal(both.len, first.len);
            assert_memory_equal(both.s, first.s, first.len);
        }
        ts_str_deinit(&both);
    }
    ts_str_deinit(&file);
    ts_str_deinit(&first);
    ts_str_deinit(&again);
    temp_remove(&t);
}

static void merges_groups(void **state)
{
    (void)state;
    static const char *const names[] = { "b_text", "a_text", "a_more" };
    static const char *keys[] = { "text", "absent" };
    temp t;
    ts_str got = { 0 };
    char prefix[96];
    ts_preprocess_totals totals = { 0 };
    temp_make(&t);
    for (int32_t i = 0; i < 3; i++) {
        ts_indexed_builder *b = NULL;
        OK(ts_indexed_builder_create(temp_path(&t, names[i]), TS_INDEXED_I32, &b));
        OK(ts_indexed_builder_add(b, &i, 1));
        OK(ts_indexed_builder_end_document(b));
        OK(ts_indexed_builder_finish(b));
        ts_indexed_builder_destroy(&b);
    }
    snprintf(prefix, sizeof prefix, "%s", temp_path(&t, "out"));
    ts_preprocess_options o = options(t.dir, prefix);
    o.merge_group_keys = (ts_option_list){ keys, 1 };
    OK(ts_preprocess_merge(&o, &totals));
    assert_int_equal(totals.tokens, 2);
    show(temp_path(&t, "out_text"), &got);
    assert_string_equal(got.s, "1|0|");
    o.merge_group_keys = (ts_option_list){ keys + 1, 1 };
    REFUSED(ts_preprocess_merge(&o, &totals), TS_ERR_USER, "--merge-group-keys absent");
    ts_str_deinit(&got);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_documents),      cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_options),       cmocka_unit_test(workers_do_not_matter),
        cmocka_unit_test(merges_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
