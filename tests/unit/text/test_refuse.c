#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "base/log.h"
#include "text/tokenizer.h"

#include <string.h>

static void refuse_file(temp *t, const char *name, const char *data, const char *text)
{
    ts_tokenizer *tok = NULL;
    temp_write(t, name, data, strlen(data));
    REFUSED(ts_tokenizer_open(temp_path(t, name), NULL, &tok), TS_ERR_USER, text);
    assert_non_null(strstr(ts_error_message(), name));
    assert_null(tok);
}

#define BPE(more)                                                                                  \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}" more \
    "}"

/* Damaged tokenizers are refused with the file and what is wrong. */
static void damaged_files(void **state)
{
    static const char *const json[][2] = {
        { "{", "not valid JSON" },
        { "{}", "no model" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}",
          "the id of 'a' is -1" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1e12},\"merges\":[]}}", "the id of 'a'" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0.5},\"merges\":[]}}", "the id of 'a'" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a c\"]}}",
          "second part" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}}",
          "result" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}",
          "one blank between" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "merges" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":[1],\"merges\":[]}}", "expected {" },
        { "{\"model\":{\"type\":\"Magic\",\"vocab\":{}}}", "'Magic'" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0.5]],\"unk_id\":3}}",
          "unk_id is 3" },
        { BPE(",\"normalizer\":{\"type\":\"Magic\"}"), "normalizer 'Magic'" },
        { BPE(",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AQAAAA==\"}"),
          "character map" },
        { BPE(",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":"
              "\"\"}"),
          "regular expression" },
        { BPE(",\"pre_tokenizer\":{\"type\":\"Magic\"}"), "pre-tokenizer 'Magic'" },
        { BPE(",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" "
              "\"},\"behavior\":\"Odd\"}"),
          "'Odd'" },
        { BPE(",\"post_processor\":{\"type\":\"Magic\"}"), "post-processor 'Magic'" },
        { BPE(",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
              "\"id\":\"x\"}}]}"),
          "'x'" },
        { BPE(",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
              "\"CAAAAAAEAAABAAAA/wA=\"}"),
          "not UTF-8" },
        { BPE(",\"decoder\":{\"type\":\"Magic\"}"), "decoder 'Magic'" },
        { BPE(",\"added_tokens\":[{\"id\":3}]"), "added token 0" },
    };
    (void)state;
    temp t;
    temp_make(&t);
    for (size_t i = 0; i < sizeof json / sizeof *json; i++)
        refuse_file(&t, "tokenizer.json", json[i][0], json[i][1]);
    refuse_file(&t, "x.model", "\x0a\x05zz", "not a SentencePiece model");
    refuse_file(&t, "x.model", "", "no pieces");
    refuse_file(&t, "x.model", "\x0a\x05\x0a\x01u\x18\x02\x12\x04\xe2\x02\x01\x80",
                "unk_surface is not UTF-8");
    refuse_file(&t, "x.tiktoken", "YQ== 0\nYg==\n", "x.tiktoken:2");
    refuse_file(&t, "x.tiktoken", "YQ== 0\nY?== 1\n", "x.tiktoken:2");
    refuse_file(&t, "x.tiktoken", "YQ== -1\n", "rank '-1'");
    refuse_file(&t, "x.tiktoken", "YQ== 0\nYg== 0\n", "x.tiktoken:2: rank 0 is that of another token");
    refuse_file(&t, "x.tiktoken", "", "no token");
    temp_remove(&t);
}

static void missing_files(void **state)
{
    (void)state;
    ts_tokenizer *tok = NULL;
    temp t;
    temp_make(&t);
    REFUSED(ts_tokenizer_open(t.dir, NULL, &tok), TS_ERR_USER, "no tokenizer in this folder");
    REFUSED(ts_tokenizer_open(temp_path(&t, "nothing.json"), NULL, &tok), TS_ERR_USER,
            "nothing.json");
    temp_remove(&t);
}

/* Text and ids that do not fit are the user's mistakes too. */
static void bad_text_and_ids(void **state)
{
    (void)state;
    const char *json = BPE(",\"added_tokens\":[{\"id\":3,\"content\":\"<x>\",\"special\":true}]");
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *sc = NULL;
    ts_ids ids = { 0 };
    ts_str out = { 0 };
    temp t;
    temp_make(&t);
    temp_write(&t, "tokenizer.json", json, strlen(json));
    const char *config =
        "{\"eos_token\":{\"content\":\"<x>\"},\"model_max_length\":1000000000000000000000}";
    temp_write(&t, "tokenizer_config.json", config, strlen(config));
    OK(ts_tokenizer_open(t.dir, NULL, &tok));
    OK(ts_tokenizer_scratch_create(tok, &sc));
    REFUSED(ts_tokenizer_encode(tok, sc, "a\xFF", 2, false, &ids), TS_ERR_USER, "byte 1");
    const int32_t bad[] = { 0, 4 };
    REFUSED(ts_tokenizer_decode(tok, bad, 2, false, &out), TS_ERR_USER, "id 4 (number 2)");
    OK(ts_tokenizer_encode(tok, sc, "ab<x>a", 6, false, &ids));
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.v[1], 3);
    assert_int_equal(ts_tokenizer_eos(tok), 3);
    assert_int_equal(ts_tokenizer_bos(tok), -1);
    assert_int_equal(ts_tokenizer_vocab_size(tok), 4);
    assert_true(ts_tokenizer_is_special(tok, 3));
    assert_false(ts_tokenizer_is_special(tok, 2));
    assert_int_equal(ts_tokenizer_token_id(tok, "ab"), 2);
    assert_string_equal(ts_tokenizer_id_token(tok, 3), "<x>");
    assert_null(ts_tokenizer_id_token(tok, 9));
    ts_ids_deinit(&ids);
    ts_str_deinit(&out);
    ts_tokenizer_scratch_destroy(&sc);
    ts_tokenizer_destroy(&tok);
    temp_remove(&t);
}

static char warned[512];

static void keep_warning(void *ctx, ts_log_level level, const char *text)
{
    (void)ctx;
    if (level == TS_LOG_WARN)
        snprintf(warned, sizeof warned, "%s", text);
}

/* Two added tokens that are one text when normalized: the first is found, and that is said. */
static void equal_when_normalized(void **state)
{
    (void)state;
    const char *json = BPE(",\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":["
                           "{\"id\":3,\"content\":\"TOK\"},{\"id\":4,\"content\":\"tok\"},"
                           "{\"id\":5,\"content\":\"Tok\",\"normalized\":false}]");
    ts_tokenizer *tok = NULL;
    ts_tokenizer_scratch *sc = NULL;
    ts_ids ids = { 0 };
    temp t;
    temp_make(&t);
    temp_write(&t, "tokenizer.json", json, strlen(json));
    ts_log_to(TS_LOG_INFO, keep_warning, NULL);
    OK(ts_tokenizer_open(t.dir, NULL, &tok));
    ts_log_to(TS_LOG_INFO, NULL, NULL);
    assert_non_null(strstr(warned, "tokenizer.json: the added tokens 'TOK' (id 3) and 'tok' (id 4)"));
    OK(ts_tokenizer_scratch_create(tok, &sc));
    OK(ts_tokenizer_encode(tok, sc, "tokTOKTok", 9, false, &ids));
    assert_int_equal(ids.n, 3);
    assert_int_equal(ids.v[0], 3);
    assert_int_equal(ids.v[1], 3);
    assert_int_equal(ids.v[2], 5);
    ts_ids_deinit(&ids);
    ts_tokenizer_scratch_destroy(&sc);
    ts_tokenizer_destroy(&tok);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equal_when_normalized),
                                        cmocka_unit_test(damaged_files),
                                        cmocka_unit_test(missing_files),
                                        cmocka_unit_test(bad_text_and_ids) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
