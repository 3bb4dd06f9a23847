/* A tokenizer's files: taken, opened again elsewhere, and in the form that transformers reads, with the
 * ids that its own library gives. */
#include "../cmocka_all.h"

#include "cases.h"
#include "text/tokenizer_files.h"

/* Both forms of what the options name, in folders raw and hf of t. */
static json_t *take(temp *t, const ts_text_options *o)
{
    ts_side_files files = { 0 }, hf = { 0 };
    ts_text_tokenizer tok;
    json_t *note = NULL;
    OK(ts_text_tokenizer_open(o, &tok));
    OK(ts_tokenizer_files_take(o, &tok, &files, &note));
    ts_text_tokenizer_close(&tok);
    OK(ts_tokenizer_files_hf(&files, note, &hf));
    OK(ts_mkdirs(temp_path(t, "raw")));
    OK(ts_side_files_write(&files, temp_path(t, "raw")));
    OK(ts_mkdirs(temp_path(t, "hf")));
    OK(ts_side_files_write(&hf, temp_path(t, "hf")));
    ts_side_files_deinit(&files);
    ts_side_files_deinit(&hf);
    return note;
}

static void same_ids(const ts_text_tokenizer *a, const ts_text_tokenizer *b, const char *text)
{
    ts_tokenizer_scratch *s[2];
    ts_ids x = { 0 }, y = { 0 };
    OK(ts_tokenizer_scratch_create(a->tok, &s[0]));
    OK(ts_tokenizer_scratch_create(b->tok, &s[1]));
    OK(ts_text_encode(a, s[0], text, strlen(text), &x));
    OK(ts_text_encode(b, s[1], text, strlen(text), &y));
    if (x.n != y.n || (x.n && memcmp(x.v, y.v, x.n * sizeof *x.v)))
        fail_msg("'%s' gives other ids", text);
    ts_ids_deinit(&x);
    ts_ids_deinit(&y);
    ts_tokenizer_scratch_destroy(&s[0]);
    ts_tokenizer_scratch_destroy(&s[1]);
}

/* The original, what the note makes of the copied files, and the form for transformers. */
static void check_alike(const ts_text_options *o)
{
    static const char *const texts[] = { "",
                                         "The cat's  hats, 12345 of them",
                                         " leading and trailing ",
                                         "na\xC3\xAFve \xE4\xB8\x96\xE7\x95\x8C\n\n  end<|endoftext|>x" };
    temp t;
    ts_text_tokenizer a, b, c;
    ts_text_options again, folder = { .type = "PretrainedFromHF" };
    ts_option_set *set = NULL;
    temp_make(&t);
    json_t *note = take(&t, o);
    OK(ts_text_tokenizer_open(o, &a));
    OK(ts_tokenizer_files_options(note, temp_path(&t, "raw"), &again, &set));
    OK(ts_text_tokenizer_open(&again, &b));
    folder.name_or_path = temp_path(&t, "hf");
    OK(ts_text_tokenizer_open(&folder, &c));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        same_ids(&a, &b, texts[i]);
        same_ids(&a, &c, texts[i]);
    }
    assert_int_equal(a.eod, b.eod);
    assert_int_equal(a.eod, c.eod);
    assert_int_equal(a.vocab_size, c.vocab_size);
    ts_text_tokenizer_close(&a);
    ts_text_tokenizer_close(&b);
    ts_text_tokenizer_close(&c);
    ts_option_set_destroy(&set);
    json_decref(note);
    temp_remove(&t);
}

/* Where tokenizers itself cannot do what SentencePiece does: texts of control pieces and of the user's
 * symbols are found before anything else, and character maps go by the grapheme. */
static bool differs_there(const char *s)
{
    bool plain = true;
    for (const char *c = s; *c; c++)
        plain = plain && *c > 0;
    return strstr(s, "<s>") || strstr(s, "tok") || !plain;
}

/* SentencePiece's own ids by the tokenizer.json that stands for its model. */
static void check_cases(temp *t, const char *file, bool by_users)
{
    ts_text_options o = { .type = "PretrainedFromHF", .name_or_path = temp_path(t, "hf") };
    ts_text_tokenizer tok;
    ts_tokenizer_scratch *scratch;
    ts_str all = { 0 };
    int64_t same = 0, other = 0;
    OK(ts_text_tokenizer_open(&o, &tok));
    OK(ts_tokenizer_scratch_create(tok.tok, &scratch));
    OK(ts_file_read(file, &all));
    for (char *s = all.s, *nl; s && *s; s = nl ? nl + 1 : NULL) {
        json_t *line = NULL;
        ts_ids ids = { 0 };
        nl = strchr(s, '\n');
        OK(ts_json_parse(s, nl ? (size_t)(nl - s) : strlen(s), file, &line));
        const json_t *text = json_object_get(line, "text"), *want = json_object_get(line, "ids");
        const char *words = json_string_value(text);
        OK(ts_text_encode(&tok, scratch, words, json_string_length(text), &ids));
        bool equal = ids.n == json_array_size(want);
        for (size_t i = 0; equal && i < ids.n; i++)
            equal = ids.v[i] == json_integer_value(json_array_get(want, i));
        const size_t n = strlen(words);
        const bool ends = n && (strchr(" \n", words[0]) || strchr(" \n\r", words[n - 1]));
        if (!equal && !differs_there(words) && !(by_users && ends))
            fail_msg("%s: '%s' has other ids than SentencePiece gives", file, words);
        same += equal;
        other += !equal;
        ts_ids_deinit(&ids);
        json_decref(line);
    }
    assert_true(same > 95 && other < (by_users ? 17 : 3));
    ts_tokenizer_scratch_destroy(&scratch);
    ts_text_tokenizer_close(&tok);
    ts_str_deinit(&all);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    static const char *const names[] = { "sp_bpe", "sp_bpe_plain", "sp_unigram" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char model[96], cases[96];
        temp t;
        snprintf(model, sizeof model, "tests/golden/text/%s/tokenizer.model", names[i]);
        snprintf(cases, sizeof cases, "tests/golden/text/%s/cases.jsonl", names[i]);
        const ts_text_options o = { .type = "GPTSentencePieceTokenizer", .model = model };
        temp_make(&t);
        json_decref(take(&t, &o));
        assert_true(ts_path_exists(temp_path(&t, "hf/tokenizer.model")));
        check_cases(&t, cases, strcmp(names[i], "sp_bpe_plain"));
        temp_remove(&t);
    }
    const ts_text_options plain = { .type = "Llama2Tokenizer",
                                    .model = "tests/golden/text/sp_bpe_plain/tokenizer.model" };
    check_alike(&plain);
}

/* Every byte, and a few longer tokens: " t" "he" " the" "12" "123", and "  " as the last. */
static void write_ranks(temp *t, int last)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char *const more = "IHQ= 256\naGU= 257\nIHRoZQ== 258\nMTI= 259\nMTIz 260\n";
    ts_str s = { 0 };
    for (int b = 0; b < 256; b++)
        OK(ts_str_printf(&s, "%c%c== %d\n", digits[b >> 2], digits[(b & 3) << 4], b));
    OK(ts_str_printf(&s, "%sICA= %d\n", more, last));
    temp_write(t, "x.tiktoken", s.s, s.len);
    ts_str_deinit(&s);
}

static void append(temp *t, const char *line)
{
    FILE *f = fopen(temp_path(t, "x.tiktoken"), "a");
    assert_true(f && fputs(line, f) >= 0 && fclose(f) == 0);
}

static void test_tiktoken(void **state)
{
    (void)state;
    static const char *special[] = { "<|endoftext|>" };
    static const char pattern[] = "\\p{N}{1,3}+|\\s+(?!\\S)| ?\\p{L}+|[^\\s\\p{L}\\p{N}]+|\\s+";
    temp t;
    temp_make(&t);
    write_ranks(&t, 261);
    ts_text_options o = { .type = "TikTokenizer", .model = temp_path(&t, "x.tiktoken") };
    check_alike(&o);
    o.tiktoken_special = (ts_option_list){ special, 1 };
    check_alike(&o);
    o.tiktoken_pattern = "\\p{L}+| "; /* what it does not match has no tokens */
    check_alike(&o);
    o.tiktoken_pattern = pattern;
    check_alike(&o);
    write_ranks(&t, 263); /* with ranks that nothing has, as files of p50k_base have them */
    check_alike(&o);
    append(&t, "aGU= 300\n"); /* another rank for "he": the last one counts */
    check_alike(&o);
    temp_remove(&t);
}

static void test_null(void **state)
{
    (void)state;
    const ts_text_options o = { .type = "NullTokenizer", .vocab_size = 12 };
    ts_text_options again;
    ts_option_set *set = NULL;
    ts_text_tokenizer b;
    temp t;
    temp_make(&t);
    json_t *note = take(&t, &o);
    OK(ts_tokenizer_files_options(note, "nowhere", &again, &set));
    OK(ts_text_tokenizer_open(&again, &b));
    assert_int_equal(b.eod, 12);
    assert_false(ts_path_exists(temp_path(&t, "hf/tokenizer_config.json")));
    ts_option_set_destroy(&set);
    json_decref(note);
    temp_remove(&t);
}

/* A folder's files stay as they are; what --tokenizer-kwargs changes is changed in them too. */
static void test_folder(void **state)
{
    (void)state;
    static const char config[] = "{\"model_max_length\": 1000000000000000019884624838656, "
                                 "\"eos_token\": \"<unk>\", \"chat_template\": \"{{ messages }}\"}";
    static const char *kwargs[] = { "eos_token", "a" };
    temp t;
    ts_str text = { 0 }, path = { 0 };
    temp_make(&t);
    OK(ts_mkdirs(temp_path(&t, "mine")));
    OK(ts_file_read("tests/golden/text/byte_level/tokenizer.json", &text));
    temp_write(&t, "mine/tokenizer.json", text.s, text.len);
    temp_write(&t, "mine/tokenizer_config.json", config, strlen(config));
    temp_write(&t, "mine/chat_template.jinja", "{{ x }}", 7);
    OK(ts_str_puts(&path, temp_path(&t, "mine")));
    ts_text_options o = { .type = "PretrainedFromHF", .name_or_path = path.s };
    check_alike(&o);
    json_decref(take(&t, &o));
    OK(ts_file_read(temp_path(&t, "hf/tokenizer_config.json"), &text));
    assert_string_equal(text.s, config);
    OK(ts_file_read(temp_path(&t, "hf/chat_template.jinja"), &text));
    assert_string_equal(text.s, "{{ x }}");
    o.kwargs = (ts_option_list){ kwargs, 2 };
    check_alike(&o);
    json_decref(take(&t, &o));
    OK(ts_file_read(temp_path(&t, "hf/tokenizer_config.json"), &text));
    assert_non_null(strstr(text.s, "\"eos_token\": \"a\""));
    assert_non_null(strstr(text.s, "{{ messages }}"));
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentencepiece),
        cmocka_unit_test(test_tiktoken),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
