#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cases.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_same_ids), cmocka_unit_test(gives_the_same_ids_from_its_files),
        cmocka_unit_test(knows_roles), cmocka_unit_test(fills_in_what_is_missing),
        cmocka_unit_test(refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
