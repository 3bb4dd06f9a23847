/* Text as it comes is, put together, the text of all ids; no character is ever shown in halves;
 * stop texts. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "base/json.h"
#include "infer/detok.h"
#include "io/jsonl.h"

#include <string.h>

static void open_tok(const char *name, ts_tokenizer **tok, ts_tokenizer_scratch **scratch)
{
    char path[256];
    snprintf(path, sizeof path, "tests/golden/text/%s", name);
    OK(ts_tokenizer_open(path, NULL, tok));
    OK(ts_tokenizer_scratch_create(*tok, scratch));
}

static void check_text(const ts_tokenizer *tok, ts_detok *d, const int32_t *ids, size_t n)
{
    ts_str shown = { 0 }, whole = { 0 };
    size_t k;
    ts_detok_reset(d);
    for (size_t i = 1; i <= n; i++) {
        OK(ts_detok_add(d, ids, i));
        const char *s = ts_detok_next(d, false, &k);
        assert_int_equal(ts_utf8_check(s, k), k);
        OK(ts_str_add(&shown, s, k));
    }
    OK(ts_detok_end(d, ids, n));
    const char *s = ts_detok_next(d, true, &k);
    OK(ts_str_add(&shown, s, k));
    OK(ts_tokenizer_decode(tok, ids, n, true, &whole));
    if (strcmp(ts_str_text(&shown), ts_str_text(&whole)))
        fail_msg("shown \"%s\", the whole is \"%s\"", ts_str_text(&shown), ts_str_text(&whole));
    /* ids of rows that pad a model's vocabulary are as if they were not there */
    int32_t more[512];
    assert_true(n < sizeof more / sizeof *more / 2);
    for (size_t i = 0; i < n; i++)
        more[2 * i] = (int32_t)ts_tokenizer_vocab_size(tok) + (int32_t)i, more[2 * i + 1] = ids[i];
    ts_str_reset(&shown);
    OK(ts_tokenizer_decode_written(tok, more, 2 * n, &shown));
    assert_string_equal(ts_str_text(&shown), ts_str_text(&whole));
    ts_str_deinit(&shown);
    ts_str_deinit(&whole);
}

static void check_tokenizer(const char *name)
{
    static const char *const texts[] = {
        "Hello world, hello  there!",
        "na\xC3\xAFve \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80\xF0\x9F\x8F\xBD end",
        " leading and trailing ",
        "\xF0\x9F\x98\x80",
        "\n\n\ta\n",
    };
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *scratch = NULL;
    ts_detok d;
    open_tok(name, &tok, &scratch);
    ts_detok_init(&d, tok, NULL, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ts_ids ids = { 0 };
        OK(ts_tokenizer_encode(tok, scratch, texts[i], strlen(texts[i]), false, &ids));
        check_text(tok, &d, ids.v, ids.n);
        ts_ids_deinit(&ids);
    }
    ts_detok_deinit(&d);
    ts_tokenizer_scratch_destroy(&scratch);
    ts_tokenizer_destroy(&tok);
}

static void test_text(void **state)
{
    (void)state;
    static const char *const names[] = { "byte_level", "fallback", "sp_bpe",
                                         "sp_unigram", "kimi",     "unigram_bytes" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_tokenizer(names[i]);
}

/* What may still become a stop text is held back; what comes is cut away. */
static void test_stop(void **state)
{
    (void)state;
    static const char text[] = "One two thrice three four";
    static const char *const stop[] = { "four", "three" };
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *scratch = NULL;
    ts_detok d;
    ts_ids ids = { 0 };
    ts_str shown = { 0 };
    size_t k, i = 0;
    open_tok("byte_level", &tok, &scratch);
    OK(ts_tokenizer_encode(tok, scratch, text, strlen(text), false, &ids));
    ts_detok_init(&d, tok, stop, 2);
    while (i < ids.n && !d.is_stopped) {
        OK(ts_detok_add(&d, ids.v, ++i));
        const char *s = ts_detok_next(&d, false, &k);
        OK(ts_str_add(&shown, s, k));
        assert_null(strstr(ts_str_text(&shown), "three"));
    }
    assert_true(d.is_stopped);
    assert_true(i < ids.n);
    assert_string_equal(shown.s, "One two thrice ");
    assert_string_equal(d.text.s, "One two thrice ");
    ts_str_deinit(&shown);
    ts_detok_deinit(&d);
    ts_ids_deinit(&ids);
    ts_tokenizer_scratch_destroy(&scratch);
    ts_tokenizer_destroy(&tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_text), cmocka_unit_test(test_stop) };
    return cmocka_run_group_tests_name("infer detok", tests, NULL, NULL);
}
