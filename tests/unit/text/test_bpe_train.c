#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "base/file.h"
#include "base/json.h"
#include "text/bpe/bpe_train.h"

#include <string.h>

/* The lines of a text with their ends, all at once or one by one. */
static void feed_lines(ts_bpe_trainer *t, const ts_str *text, bool at_once)
{
    ts_bpe_text *lines = NULL;
    size_t n = 0, cap = 0;
    for (const char *s = text->s, *nl; s < text->s + text->len; s = nl) {
        nl = strchr(s, '\n');
        nl = nl ? nl + 1 : text->s + text->len;
        OK(ts_grow(&lines, &cap, n + 1, sizeof *lines));
        lines[n++] = (ts_bpe_text){ s, (size_t)(nl - s) };
    }
    for (size_t i = 0; !at_once && i < n; i++)
        OK(ts_bpe_trainer_feed(t, &lines[i], 1));
    if (at_once)
        OK(ts_bpe_trainer_feed(t, lines, n));
    ts_free(&lines);
}

/* The merges of one run are those of the Hugging Face trainer (scripts/golden_bpe_train.py). */
static void check_run(const json_t *run, const ts_str *text)
{
    const char *special[8];
    const json_t *names = json_object_get(run, "special"), *want = json_object_get(run, "merges");
    const size_t n = json_array_size(names);
    for (size_t i = 0; i < n; i++)
        special[i] = json_string_value(json_array_get(names, i));
    ts_bpe_trainer *t = NULL;
    ts_str out = { 0 };
    json_t *root = NULL;
    OK(ts_bpe_trainer_create(&t));
    if (json_is_true(json_object_get(run, "whole")))
        OK(ts_bpe_trainer_feed(t, &(const ts_bpe_text){ text->s, text->len }, 1));
    else
        feed_lines(t, text, true);
    OK(ts_bpe_trainer_run(t, json_integer_value(json_object_get(run, "vocab_size")),
                          json_integer_value(json_object_get(run, "min_frequency")), special, n,
                          NULL, NULL));
    OK(ts_bpe_trainer_json(t, &out));
    OK(ts_json_parse(out.s, out.len, "result", &root));
    const json_t *model = json_object_get(root, "model"), *got = json_object_get(model, "merges");
    assert_int_equal(json_object_size(json_object_get(model, "vocab")), ts_bpe_trainer_tokens(t));
    for (size_t i = 0; i < json_array_size(want); i++)
        if (!json_equal(json_array_get(got, i), json_array_get(want, i)))
            fail_msg("merge %zu of the run with %zu special tokens differs", i, n);
    assert_int_equal(json_array_size(got), json_array_size(want));
    json_decref(root);
    ts_str_deinit(&out);
    ts_bpe_trainer_destroy(&t);
}

static void equals_reference(void **state)
{
    (void)state;
    ts_str text = { 0 };
    json_t *runs = NULL;
    OK(ts_file_read("tests/golden/bpe_train/text.txt", &text));
    OK(ts_json_read("tests/golden/bpe_train/runs.json", &runs));
    assert_true(json_array_size(runs) > 0);
    for (size_t i = 0; i < json_array_size(runs); i++)
        check_run(json_array_get(runs, i), &text);
    json_decref(runs);
    ts_str_deinit(&text);
}

/* Many texts are counted in shares by threads: the same as counting them one by one. */
static void shares_do_not_matter(void **state)
{
    (void)state;
    ts_str text = { 0 }, json[2] = { { 0 }, { 0 } };
    ts_bpe_trainer *t[2] = { NULL };
    for (int i = 0; i < 60000; i++)
        OK(ts_str_printf(&text, "line %d of%*s text%s", i % 977, i % 5, "", i % 7 ? "\n" : " - "));
    for (int k = 0; k < 2; k++)
        OK(ts_bpe_trainer_create(&t[k]));
    feed_lines(t[0], &text, true);
    feed_lines(t[1], &text, false);
    for (int k = 0; k < 2; k++) {
        OK(ts_bpe_trainer_run(t[k], 1000, 1, NULL, 0, NULL, NULL));
        OK(ts_bpe_trainer_json(t[k], &json[k]));
        ts_bpe_trainer_destroy(&t[k]);
    }
    assert_string_equal(json[0].s, json[1].s);
    ts_str_deinit(&text);
    ts_str_deinit(&json[0]);
    ts_str_deinit(&json[1]);
}

static void refusals(void **state)
{
    (void)state;
    static const char *const twice[] = { "<s>", "<s>" }, *const byte[] = { "!" };
    const struct {
        const char *const *special;
        size_t n;
        int64_t size;
    } bad[] = { { twice, 2, 1000 }, { byte, 1, 1000 }, { twice, 1, 256 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ts_bpe_trainer *t = NULL;
        OK(ts_bpe_trainer_create(&t));
        assert_int_equal(
            ts_bpe_trainer_run(t, bad[i].size, 1, bad[i].special, bad[i].n, NULL, NULL),
            TS_ERR_USER);
        ts_bpe_trainer_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_reference),
                                        cmocka_unit_test(shares_do_not_matter),
                                        cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
