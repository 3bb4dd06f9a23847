#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cases.h"
#include "io/gguf/write.h"
#include "text/gguf/gguf_put.h"
#include "text/gguf/gguf_tokenizer.h"
#include "text/hf_files.h"

/* Tokenizers in GGUF files against the libraries that they came from; made by scripts/golden_gguf.py. */
static const char *const names[] = { "smollm", "llama-bpe", "qwen2", "tekken", "deepseek-v3", "default", "pieces",
                                     "pieces-bare" };
enum { N_NAMES = sizeof names / sizeof *names };

static const char *in(const char *name, const char *end, char to[128])
{
    snprintf(to, 128, "tests/golden/gguf/tokenizers/%s%s", name, end);
    return to;
}

static void gives_the_same_ids(void **state)
{
    char file[128], cases[128];
    (void)state;
    for (int i = 0; i < N_NAMES; i++)
        assert_true(run_cases(in(names[i], ".gguf", file), in(names[i], ".jsonl", cases)) > 200);
}

/* The files that a converted folder gets, without the GGUF file. */
static void gives_the_same_ids_from_its_files(void **state)
{
    temp t;
    char file[128], cases[128];
    (void)state;
    temp_make(&t);
    for (int i = 0; i < N_NAMES; i++) {
        ts_side_files files = { 0 };
        OK(ts_hf_files_read(in(names[i], ".gguf", file), &files));
        OK(ts_side_files_write(&files, t.dir));
        assert_true(run_cases(t.dir, in(names[i], ".jsonl", cases)) > 200);
        assert_non_null(ts_side_files_find(&files, "generation_config.json"));
        const ts_side_file *chat = ts_side_files_find(&files, "chat_template.jinja");
        assert_int_equal(chat != NULL, i < 6);
        if (chat)
            assert_string_equal(ts_str_text(&chat->text), "{{ bos_token }}{{ messages[0].content }}");
        ts_side_files_deinit(&files);
    }
    temp_remove(&t);
}

static void knows_roles(void **state)
{
    char file[128];
    ts_tokenizer *tok;
    (void)state;
    OK(ts_tokenizer_open(in("smollm", ".gguf", file), NULL, &tok));
    assert_int_equal(ts_tokenizer_bos(tok), 1);
    assert_int_equal(ts_tokenizer_eos(tok), 2);
    assert_int_equal(ts_tokenizer_pad(tok), -1);
    assert_true(ts_tokenizer_is_special(tok, 1));
    ts_tokenizer_destroy(&tok);
    assert_true(ts_hf_files_have_tokenizer(file));
    assert_false(ts_hf_files_have_tokenizer("tests/golden/gguf/blocks.gguf"));
}

/* ---- files made by hand ---- */

typedef struct made {
    char b[2048];
    size_t n;
} made;

static void put(made *m, const void *p, size_t n)
{
    memcpy(m->b + m->n, p, n);
    m->n += n;
}

static void put_text(made *m, const char *s)
{
    put(m, &(uint64_t){ strlen(s) }, 8);
    put(m, s, strlen(s));
}

static void put_string(made *m, const char *key, const char *s)
{
    put_text(m, key);
    put(m, &(uint32_t){ 8 }, 4);
    put_text(m, s);
}

static void put_strings(made *m, const char *key, const char *const *s, uint64_t n)
{
    put_text(m, key);
    put(m, &(uint32_t[]){ 9, 8 }, 8);
    put(m, &n, 8);
    for (uint64_t i = 0; i < n; i++)
        put_text(m, s[i]);
}

static void put_count(made *m, const char *key, uint32_t v)
{
    put_text(m, key);
    put(m, &(uint32_t[]){ 4, v }, 8);
}

enum { NO_MERGES = 1, NO_BOS = 2 };

/* "a", "b", "ab", "<s>", of which the last begins texts; no types. */
static void make(temp *t, const char *pre, unsigned without, made *m)
{
    static const char *const tokens[] = { "a", "b", "ab", "<s>" }, *const merges[] = { "a b" };
    m->n = 0;
    put(m, "GGUF\3\0\0\0", 8);
    put(m, &(uint64_t[]){ 0, (uint64_t)2 + (pre != NULL) + !(without & NO_MERGES) + !(without & NO_BOS) }, 16);
    put_string(m, "tokenizer.ggml.model", "gpt2");
    put_strings(m, "tokenizer.ggml.tokens", tokens, 4);
    if (pre)
        put_string(m, "tokenizer.ggml.pre", pre);
    if (!(without & NO_MERGES))
        put_strings(m, "tokenizer.ggml.merges", merges, 1);
    if (!(without & NO_BOS))
        put_count(m, "tokenizer.ggml.bos_token_id", 3);
    temp_write(t, "x.gguf", m->b, m->n);
}

static size_t count_ids(temp *t, int32_t *first)
{
    ts_tokenizer *tok;
    ts_tokenizer_scratch *scratch;
    ts_ids ids = { 0 };
    OK(ts_tokenizer_open(temp_path(t, "x.gguf"), NULL, &tok));
    OK(ts_tokenizer_scratch_create(tok, &scratch));
    OK(ts_tokenizer_encode(tok, scratch, "ab", 2, true, &ids));
    const size_t n = ids.n;
    *first = ids.v[0];
    ts_ids_deinit(&ids);
    ts_tokenizer_scratch_destroy(&scratch);
    ts_tokenizer_destroy(&tok);
    return n;
}

/* What files leave out: the way to cut words (llama.cpp's default), types of tokens, whether a beginning is added (it is
 * where that way's models have one, and there is a token for it; llama.cpp takes token 11 where there is none). */
static void fills_in_what_is_missing(void **state)
{
    temp t;
    made m;
    int32_t first;
    (void)state;
    temp_make(&t);
    make(&t, NULL, 0, &m);
    assert_int_equal(count_ids(&t, &first), 1);
    make(&t, "llama-bpe", 0, &m);
    assert_int_equal(count_ids(&t, &first), 2);
    assert_int_equal(first, 3);
    make(&t, "llama-bpe", NO_BOS, &m);
    assert_int_equal(count_ids(&t, &first), 1);
    make(&t, "qwen2", 0, &m);
    assert_int_equal(count_ids(&t, &first), 1);
    temp_remove(&t);
}

static void refuses_what_it_does_not_know(void **state)
{
    temp t;
    made m;
    ts_tokenizer *tok = NULL;
    (void)state;
    temp_make(&t);
    make(&t, "my-model", 0, &m);
    REFUSED(ts_tokenizer_open(temp_path(&t, "x.gguf"), NULL, &tok), TS_ERR_USER, "tokenizer.ggml.pre is my-model");
    make(&t, "gpt-2", NO_MERGES, &m);
    REFUSED(ts_tokenizer_open(temp_path(&t, "x.gguf"), NULL, &tok), TS_ERR_USER, "tokenizer.ggml.merges is missing");
    make(&t, "gpt-2", 0, &m);
    memcpy(memmem(m.b, m.n, "gpt2", 4), "bert", 4);
    temp_write(&t, "x.gguf", m.b, m.n);
    REFUSED(ts_tokenizer_open(temp_path(&t, "x.gguf"), NULL, &tok), TS_ERR_USER, "tokenizer.ggml.model is bert");
    assert_null(tok);
    temp_remove(&t);
}

/* ---- the other way ---- */

/* The files that a GGUF file's keys become, as keys again. */
static void write_again(const ts_gguf *g, const char *file)
{
    ts_gguf_writer *w;
    ts_gguf_keys keys = { 0 };
    ts_side_files files = { 0 };
    const ts_gguf_put_options o = { .path = "folder", .files = &files, .rows = ts_gguf_find(g, "tokenizer.ggml.tokens")->n };
    OK(ts_gguf_tokenizer_files(g, &files));
    OK(ts_gguf_put_tokenizer(&o, &keys));
    OK(ts_gguf_writer_create("--outfile", file, &w));
    OK(ts_gguf_writer_begin(w, &keys));
    OK(ts_gguf_writer_finish(w));
    ts_gguf_writer_destroy(&w);
    ts_gguf_keys_deinit(&keys);
    ts_side_files_deinit(&files);
}

static size_t bytes_of(const ts_gguf_value *v)
{
    const unsigned char *at = v->data;
    if (v->kind != TS_GGUF_LIST)
        return v->kind == TS_GGUF_TEXT ? (size_t)v->n : v->kind == TS_GGUF_BOOL ? 1 : 4;
    for (int64_t i = 0; v->of == TS_GGUF_TEXT && i < v->n; i++) {
        size_t n;
        ts_gguf_next_text(&at, &n);
    }
    return v->of == TS_GGUF_TEXT ? (size_t)(at - v->data) : (size_t)v->n * 4;
}

static void same_key(const ts_gguf *got, const ts_gguf *want, const char *key)
{
    const ts_gguf_value *a = ts_gguf_find(got, key), *b = ts_gguf_find(want, key);
    if (b && (!a || a->kind != b->kind || a->n != b->n || bytes_of(a) != bytes_of(b) || memcmp(a->data, b->data, bytes_of(b))))
        fail_msg("%s: the key %s is missing or another", ts_gguf_path(want), key);
}

/* Scores of pieces are made anew from the merges: they say the same in other numbers. */
static void comes_back(void **state)
{
    static const char *const keys[] = { "model", "pre", "tokens", "token_type", "merges", "bos_token_id", "eos_token_id",
                                        "add_space_prefix", "add_eos_token" };
    temp t;
    char file[128], cases[128], key[64];
    (void)state;
    temp_make(&t);
    for (int i = 0; i < N_NAMES; i++) {
        ts_gguf *got, *want;
        OK(ts_gguf_open(in(names[i], ".gguf", file), &want));
        write_again(want, temp_path(&t, "got.gguf"));
        OK(ts_gguf_open(t.path.s, &got));
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            snprintf(key, sizeof key, "tokenizer.ggml.%s", keys[k]);
            same_key(got, want, key);
        }
        same_key(got, want, "tokenizer.chat_template");
        assert_true(run_cases(t.path.s, in(names[i], ".jsonl", cases)) > 200);
        ts_gguf_close(&got);
        ts_gguf_close(&want);
    }
    temp_remove(&t);
}

/* Ways to cut words that have no name, tokenizers of other kinds, a folder without one. */
static void refuses_to_write(void **state)
{
    static const struct {
        const char *json, *said;
    } cases[] = {
        { "{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}}", "of the kind WordPiece, which is not written to GGUF files" },
        { "{\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"[a-c]+\"}, \"behavior\": \"Isolated\"}, "
          "\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}", "has no name in GGUF files: expression [a-c]+" },
        { "{\"pre_tokenizer\": {\"type\": \"Whitespace\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}",
          "a step Whitespace" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_side_files files = { 0 };
        ts_gguf_keys keys = { 0 };
        const ts_gguf_put_options o = { .path = "folder", .files = &files, .rows = 10 };
        OK(ts_side_files_put(&files, "tokenizer.json", cases[i].json, strlen(cases[i].json)));
        REFUSED(ts_gguf_put_tokenizer(&o, &keys), TS_ERR_USER, cases[i].said);
        ts_gguf_keys_deinit(&keys);
        ts_side_files_deinit(&files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_same_ids), cmocka_unit_test(comes_back), cmocka_unit_test(refuses_to_write), cmocka_unit_test(gives_the_same_ids_from_its_files),
        cmocka_unit_test(knows_roles), cmocka_unit_test(fills_in_what_is_missing),
        cmocka_unit_test(refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
