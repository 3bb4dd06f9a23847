/* Errors, options, tokenizers and data through the public interface. */
#include "api.h"

#include <pthread.h>

static const char bytes_tokenizer[] = "tests/golden/text/byte_level";

/* ---- status, log, version, options ---- */

static void test_small_things(void **state)
{
    char *text;
    (void)state;
    assert_int_equal(ts_status_exit_code(TS_OK), 0);
    assert_int_equal(ts_status_exit_code(TS_ERR_USER), 2);
    assert_int_equal(ts_status_exit_code(TS_ERR_IO), 1);
    ts_memory_free(NULL);
    assert_non_null(strchr(ts_version(), '.'));
    REFUSED(ts_build_info(NULL), "json must not be NULL");
    OK(ts_build_info(&text));
    assert_non_null(strstr(text, ts_version()));
    char *said = program("info --json");
    assert_non_null(strstr(said, "\"kernels\""));
    ts_memory_free(text);
    free(said);
}

static void test_options(void **state)
{
    char *text;
    size_t n = 0;
    (void)state;
    for (; ts_options_subject(n); n++) {
        OK(ts_options_help(ts_options_subject(n), &text));
        assert_non_null(strstr(text, "--"));
        ts_memory_free(text);
        OK(ts_options_defaults(ts_options_subject(n), &text));
        assert_int_equal(text[0], '{');
        ts_memory_free(text);
    }
    assert_int_equal(n, 9);
    OK(ts_options_defaults("train", &text));
    assert_non_null(strstr(text, "\"micro-batch-size\""));
    ts_memory_free(text);
    REFUSED(ts_options_help("weather", &text), "weather");
    REFUSED(ts_options_help(NULL, &text), "subject");
    REFUSED(ts_options_defaults("train", NULL), "json");
}

/* Every way to say the same. */
static void test_words(void **state)
{
    place p;
    char config[600];
    (void)state;
    place_make(&p);
    spill(at(&p, "c.yaml"), "tokenizer-type: NullTokenizer\nvocab-size: 96\n");
    snprintf(config, sizeof config, "--config=%s", at(&p, "c.yaml"));
    const char *ways[][4] = {
        { "--tokenizer-type", "NullTokenizer", "--vocab-size", "96" },
        { "--tokenizer-type NullTokenizer", "--vocab-size   96" },
        { "--tokenizer-type=NullTokenizer", "--vocab-size=96" },
        { "--config", p.text },
        { config },
        { "--vocab-size", "96", config }, /* the file ranks below */
    };
    for (size_t i = 0; i < N(ways); i++) {
        ts_codec *c = NULL;
        size_t n = 0;
        while (n < 4 && ways[i][n])
            n++;
        OK(ts_codec_open(NULL, ways[i], n, &c));
        assert_int_equal(ts_codec_vocab_size(c), 97);
        ts_codec_close(&c);
        assert_null(c);
    }
    ts_codec *c = NULL;
    const char *hole[] = { "--vocab-size", NULL };
    REFUSED(ts_codec_open(NULL, hole, 2, &c), "options[1] is NULL");
    REFUSED(ts_codec_open(NULL, NULL, 2, &c), "options is NULL");
    REFUSED(ts_codec_open(NULL, (const char *[]){ "--vocab-sise", "3" }, 2, &c), "vocab-size");
    REFUSED(ts_codec_open(NULL, (const char *[]){ "--vocab-size", "many" }, 2, &c), "many");
    REFUSED(ts_codec_open(NULL, (const char *[]){ "--vocab-size" }, 1, &c), "missing");
    REFUSED(ts_codec_open(NULL, (const char *[]){ "--config /no/such.yaml" }, 1, &c), "/no/such");
    assert_null(c);
    place_remove(&p);
}

static void hear(void *ctx, ts_log_level level, const char *text)
{
    if (level >= TS_LOG_INFO)
        strncat(ctx, text, 1000 - strlen(ctx));
}

/* ---- tokenizers ---- */

static void test_codec_like_program(void **state)
{
    static const char *const folders[] = { "byte_level", "fallback", "unigram", "wordpiece" };
    static const char text[] = "The quick  brown f\xC3\xB6x, 123 times.";
    place p;
    (void)state;
    place_make(&p);
    spill(at(&p, "in.jsonl"), "{\"text\": \"The quick  brown f\xC3\xB6x, 123 times.\"}\n");
    for (size_t i = 0; i < 2 * N(folders); i++) {
        const bool special = i >= N(folders);
        char path[128], line[4096] = "{\"ids\":[", *said;
        int32_t *ids;
        size_t n;
        ts_codec *c = NULL;
        snprintf(path, sizeof path, "tests/golden/text/%s", folders[i % N(folders)]);
        OK(ts_codec_open(path, NULL, 0, &c));
        OK(ts_codec_encode(c, text, sizeof text - 1, special ? TS_CODEC_ADD_SPECIAL : 0, &ids, &n));
        for (size_t k = 0; k < n; k++)
            snprintf(line + strlen(line), sizeof line - strlen(line), "%s%d", k ? "," : "",
                     (int)ids[k]);
        strcat(line, "]}\n");
        said = program("tokenize --tokenizer %s --input %s %s", path, at(&p, "in.jsonl"),
                       special ? "--add-special-tokens" : "");
        assert_string_equal(line, said);
        free(said);
        ts_memory_free(ids);
        ts_codec_close(&c);
    }
    place_remove(&p);
}

static void test_codec_back(void **state)
{
    static const char text[] = "Zero\0inside, and \xE2\x82\xAC 5.";
    ts_codec *c;
    int32_t *ids;
    char *back;
    size_t n, m;
    (void)state;
    OK(ts_codec_open(bytes_tokenizer, NULL, 0, &c));
    OK(ts_codec_encode(c, text, sizeof text - 1, TS_CODEC_ADD_SPECIAL, &ids, &n));
    OK(ts_codec_decode(c, ids, n, TS_CODEC_SKIP_SPECIAL, &back, &m));
    assert_int_equal(m, sizeof text - 1);
    assert_memory_equal(back, text, m + 1);
    ts_memory_free(back);
    const int32_t first = ids[0];
    assert_true(ts_codec_is_special(c, first));
    assert_int_equal(ts_codec_token_id(c, ts_codec_token(c, first)), first);
    assert_int_equal(ts_codec_token_id(c, "no such token at all"), -1);
    assert_null(ts_codec_token(c, 1 << 30));
    assert_true(ts_codec_role_id(c, TS_CODEC_EOS) < ts_codec_vocab_size(c));
    ts_memory_free(ids);
    OK(ts_codec_encode(c, NULL, 0, 0, &ids, &n));
    assert_non_null(ids);
    assert_int_equal(n, 0);
    OK(ts_codec_decode(c, ids, 0, 0, &back, NULL));
    assert_string_equal(back, "");
    ts_memory_free(back);
    ts_memory_free(ids);
    ts_codec_close(&c);
}

static void test_numbers(void **state)
{
    const char *options[] = { "--tokenizer-type NullTokenizer", "--vocab-size 96" };
    ts_codec *c;
    int32_t *ids;
    char *back;
    size_t n;
    (void)state;
    OK(ts_codec_open(NULL, options, N(options), &c));
    OK(ts_codec_encode(c, "1 22 95", 7, 0, &ids, &n));
    assert_int_equal(n, 3);
    assert_int_equal(ids[1], 22);
    OK(ts_codec_decode(c, ids, n, 0, &back, NULL));
    assert_string_equal(back, "1 22 95");
    assert_int_equal(ts_codec_role_id(c, TS_CODEC_EOS), 96);
    assert_int_equal(ts_codec_role_id(c, TS_CODEC_UNK), -1);
    REFUSED(ts_codec_encode(c, "1 x", 3, 0, &ids, &n), "byte 2");
    ts_memory_free(back);
    ts_memory_free(ids);
    ts_codec_close(&c);
}

static void test_codec_refusals(void **state)
{
    const char *of_type[] = { "--tokenizer-type PretrainedFromHF", "--tokenizer-name-or-path x" };
    const int32_t far[] = { 1 << 24 };
    ts_codec *c = NULL;
    int32_t *ids = NULL;
    char *text = NULL;
    size_t n;
    (void)state;
    REFUSED(ts_codec_open(bytes_tokenizer, NULL, 0, NULL), "out must not be NULL");
    REFUSED(ts_codec_open("no/such/folder", NULL, 0, &c), "no/such/folder");
    REFUSED(ts_codec_open(NULL, NULL, 0, &c), "no tokenizer");
    REFUSED(ts_codec_open(bytes_tokenizer, of_type, 2, &c), "give one");
    assert_null(c);
    OK(ts_codec_open(bytes_tokenizer, NULL, 0, &c));
    REFUSED(ts_codec_encode(NULL, "a", 1, 0, &ids, &n), "codec");
    REFUSED(ts_codec_encode(c, NULL, 1, 0, &ids, &n), "text");
    REFUSED(ts_codec_encode(c, "a", 1, 0, NULL, &n), "ids");
    REFUSED(ts_codec_encode(c, "a", 1, 0, &ids, NULL), "n_ids");
    REFUSED(ts_codec_encode(c, "a", 1, 64, &ids, &n), "64");
    REFUSED(ts_codec_encode(c, "ab\xFF", 3, 0, &ids, &n), "2");
    REFUSED(ts_codec_decode(c, far, 1, 0, &text, &n), "16777216");
    REFUSED(ts_codec_decode(c, NULL, 1, 0, &text, &n), "ids");
    REFUSED(ts_codec_decode(c, far, 1, 0, NULL, &n), "text");
    REFUSED(ts_codec_decode(NULL, far, 1, 0, &text, &n), "codec");
    assert_null(ids);
    assert_null(text);
    assert_int_equal(ts_codec_vocab_size(NULL), 0);
    assert_int_equal(ts_codec_token_id(NULL, "a"), -1);
    assert_int_equal(ts_codec_token_id(c, NULL), -1);
    assert_null(ts_codec_token(NULL, 0));
    assert_false(ts_codec_is_special(NULL, 0));
    assert_int_equal(ts_codec_role_id(NULL, TS_CODEC_BOS), -1);
    ts_codec_close(&c);
    ts_codec_close(&c);
    ts_codec_close(NULL);
}

typedef struct share {
    const ts_codec *codec;
    size_t n;
    int64_t sum;
} share;

static void *encode_often(void *ctx)
{
    share *s = ctx;
    static const char text[] = "one two three, one two four and something longer behind it";
    for (int i = 0; i < 200; i++) {
        int32_t *ids;
        if (ts_codec_encode(s->codec, text, sizeof text - 1 - (size_t)(i % 7), 0, &ids, &s->n))
            return NULL;
        for (size_t k = 0; k < s->n; k++)
            s->sum += ids[k] * (int64_t)(k + 1);
        ts_memory_free(ids);
    }
    return s;
}

static void test_threads(void **state)
{
    pthread_t thread[4];
    share s[5] = { { 0 } };
    ts_codec *c;
    void *fine;
    (void)state;
    OK(ts_codec_open(bytes_tokenizer, NULL, 0, &c));
    for (int i = 0; i < 5; i++)
        s[i].codec = c;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, encode_often, &s[i]), 0);
    assert_non_null(encode_often(&s[4]));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], &fine), 0);
        assert_non_null(fine);
        assert_int_equal(s[i].sum, s[4].sum);
    }
    ts_codec_close(&c);
}

static void test_tokenizer_train(void **state)
{
    place p;
    char one[128], two[128], said[1024] = "";
    (void)state;
    place_make(&p);
    snprintf(one, sizeof one, "%s/one", p.dir);
    snprintf(two, sizeof two, "%s/two", p.dir);
    const char *options[] = { "--input",          "README.md", "STYLE.md",
                              "--vocab-size 300", "--output",  one };
    ts_log_to(TS_LOG_INFO, hear, said);
    OK(ts_tokenizer_train(options, N(options)));
    ts_log_to(TS_LOG_INFO, NULL, NULL);
    assert_non_null(strstr(said, "300 tokens"));
    free(program("train-tokenizer --input README.md STYLE.md --vocab-size 300 --output %s", two));
    strcat(one, "/tokenizer.json");
    strcat(two, "/tokenizer.json");
    same_files(one, two);
    REFUSED(ts_tokenizer_train(options, 4), "--output");
    REFUSED(ts_tokenizer_train((const char *[]){ "--input /no/such", "--output", p.dir }, 3),
            "/no/such");
    place_remove(&p);
}

/* ---- data ---- */

static void test_token_files(void **state)
{
    place p;
    const int32_t ids[] = { 5, 6, 7, 65535 };
    int32_t got[4] = { 0 };
    ts_token_writer *w = NULL;
    ts_token_file *f = NULL;
    (void)state;
    place_make(&p);
    for (int bytes = 2; bytes <= 4; bytes += 2) {
        OK(ts_token_writer_open(at(&p, "d"), bytes, &w));
        OK(ts_token_writer_add(w, ids, 4));
        OK(ts_token_writer_add(w, ids + 1, 2));
        REFUSED(ts_token_writer_add(w, (const int32_t[]){ 3, -1 }, 2), "ids[1] is -1");
        OK(ts_token_writer_finish(w));
        REFUSED(ts_token_writer_finish(w), "finished before");
        REFUSED(ts_token_writer_add(w, ids, 1), "finished before");
        ts_token_writer_close(&w);
        OK(ts_token_file_open(at(&p, "d"), &f));
        assert_int_equal(ts_token_file_sequences(f), 2);
        assert_int_equal(ts_token_file_documents(f), 2);
        assert_int_equal(ts_token_file_tokens(f), 6);
        assert_int_equal(ts_token_file_length(f, 1), 2);
        assert_int_equal(ts_token_file_length(f, 2), -1);
        assert_int_equal(ts_token_file_first(f, 2), 2);
        assert_int_equal(ts_token_file_first(f, 3), -1);
        OK(ts_token_file_read(f, 0, 1, 3, got));
        assert_memory_equal(got, ids + 1, 3 * sizeof *got);
        OK(ts_token_file_read(f, 0, 4, 0, NULL));
        REFUSED(ts_token_file_read(f, 0, 2, 3, got), "4 tokens");
        REFUSED(ts_token_file_read(f, 0, INT64_MAX, 1, got), "4 tokens");
        REFUSED(ts_token_file_read(f, -1, 0, 1, got), "no sequence -1");
        REFUSED(ts_token_file_read(f, 0, 0, 1, NULL), "ids");
        ts_token_file_close(&f);
    }
    OK(ts_token_writer_open(at(&p, "gone"), 2, &w));
    REFUSED(ts_token_writer_add(w, (const int32_t[]){ 65536 }, 1), "65536");
    REFUSED(ts_token_writer_add(w, NULL, 1), "ids");
    REFUSED(ts_token_writer_add(w, ids, -1), "-1");
    ts_token_writer_close(&w);
    assert_int_not_equal(access(at(&p, "gone.bin"), F_OK), 0);
    REFUSED(ts_token_file_open(at(&p, "gone"), &f), "gone");
    REFUSED(ts_token_file_open(NULL, &f), "prefix");
    REFUSED(ts_token_file_read(NULL, 0, 0, 1, got), "f must");
    REFUSED(ts_token_writer_open(at(&p, "x"), 3, &w), "2 or 4");
    REFUSED(ts_token_writer_open(NULL, 4, &w), "prefix");
    REFUSED(ts_token_writer_add(NULL, ids, 1), "w must");
    REFUSED(ts_token_writer_finish(NULL), "w must");
    assert_int_equal(ts_token_file_tokens(NULL) + ts_token_file_sequences(NULL), 0);
    assert_int_equal(ts_token_file_documents(NULL), 0);
    ts_token_file_close(&f);
    ts_token_writer_close(&w);
    place_remove(&p);
}

static void test_preprocess(void **state)
{
    place p;
    char one[128], two[128], line[1024];
    ts_preprocess_totals t;
    (void)state;
    place_make(&p);
    snprintf(one, sizeof one, "%s/one", p.dir);
    snprintf(two, sizeof two, "%s/two", p.dir);
    spill(at(&p, "in.txt"), "first line\nsecond, longer line\n\nlast\n");
    const char *options[] = { "--input",   p.text, "--tokenizer-name-or-path", bytes_tokenizer,
                              "--workers", "1",    "--output-prefix",          one };
    OK(ts_data_preprocess(options, N(options), &t));
    options[N(options) - 1] = two;
    free(program("preprocess %s", words(options, N(options), line, sizeof line)));
    same_files(strcat(one, "_text_document.bin"), strcat(two, "_text_document.bin"));
    ts_token_file *f;
    one[strlen(one) - 4] = 0;
    OK(ts_token_file_open(one, &f));
    assert_int_equal(ts_token_file_tokens(f), t.tokens);
    assert_int_equal(ts_token_file_documents(f), t.documents);
    ts_token_file_close(&f);
    OK(ts_data_preprocess(options, N(options), NULL));
    REFUSED(ts_data_preprocess(options, 2, &t), "tokenizer");
    options[1] = "/no/such.txt";
    REFUSED(ts_data_preprocess(options, N(options), &t), "/no/such.txt");
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_things),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_words),           cmocka_unit_test(test_codec_like_program),
        cmocka_unit_test(test_codec_back),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_codec_refusals),  cmocka_unit_test(test_threads),
        cmocka_unit_test(test_tokenizer_train), cmocka_unit_test(test_token_files),
        cmocka_unit_test(test_preprocess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
