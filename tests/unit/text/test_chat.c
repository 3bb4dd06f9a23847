/* Places of tokens in texts, and conversations by chat templates, against transformers (scripts/golden_chat.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "text/chat/hf_encoder.h"
#include "text/chat/template.h"

#include <string.h>

#define GOLDEN "tests/golden/"

/* Calls fn for each line of a file. */
static void each_line(const char *path, void (*fn)(const json_t *line, void *ctx), void *ctx)
{
    ts_str text = { 0 };
    OK(ts_file_read(path, &text));
    for (char *s = text.s, *nl; (nl = strchr(s, '\n')); s = nl + 1) {
        json_t *o;
        OK(ts_json_parse(s, (size_t)(nl - s), path, &o));
        fn(o, ctx);
        json_decref(o);
    }
    ts_str_deinit(&text);
}

static const char *word(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

/* The tokenizer of the line, opened when it changes. */
typedef struct bench {
    char name[64];
    ts_tokenizer *tok;
    ts_tokenizer_scratch *scratch;
    int64_t checked;
} bench;

static void bench_close(bench *b)
{
    ts_tokenizer_scratch_destroy(&b->scratch);
    ts_tokenizer_destroy(&b->tok);
}

static void bench_open(bench *b, const char *name)
{
    char path[256];
    if (!strcmp(b->name, name))
        return;
    bench_close(b);
    snprintf(b->name, sizeof b->name, "%s", name);
    snprintf(path, sizeof path, GOLDEN "text/%s", name);
    OK(ts_tokenizer_open(path, NULL, &b->tok));
    OK(ts_tokenizer_scratch_create(b->tok, &b->scratch));
}

/* ---- offsets ---- */

enum { MOST = 256 };

static size_t bound(const json_t *offsets, size_t token, int which)
{
    return (size_t)json_integer_value(json_array_get(json_array_get(offsets, token), (size_t)which));
}

/* A mark at every character of the text: both of its tokens are those of the offsets. */
static void check_offsets(const json_t *line, void *ctx)
{
    bench *b = ctx;
    const json_t *offsets = json_object_get(line, "offsets");
    const char *text = word(line, "text");
    const size_t n = strlen(text), n_tokens = json_array_size(offsets);
    ts_text_mark mark[MOST];
    ts_ids ids = { 0 };
    size_t n_marks = 0;
    bench_open(b, word(line, "tokenizer"));
    for (size_t i = 0; i <= n; i++)
        if (i == n || ((unsigned char)text[i] & 0xC0) != 0x80)
            mark[n_marks++] = (ts_text_mark){ .at = i };
    assert_true(n_marks <= MOST);
    OK(ts_tokenizer_encode_marked(b->tok, b->scratch, text, n, mark, n_marks, &ids));
    assert_int_equal(ids.n, n_tokens);
    for (size_t c = 0; c < n_marks; c++) {
        size_t over = 0, from = 0;
        while (over < n_tokens && bound(offsets, over, 1) <= c)
            over++;
        while (from < n_tokens && bound(offsets, from, 0) < c)
            from++;
        if (mark[c].over != over || mark[c].from != from)
            fail_msg("%s, character %zu of '%s': tokens %zu and %zu, expected %zu and %zu", b->name, c, text,
                     mark[c].over, mark[c].from, over, from);
        b->checked++;
    }
    ts_ids_deinit(&ids);
}

static void offsets_are_the_librarys(void **state)
{
    bench b = { 0 };
    (void)state;
    each_line(GOLDEN "chat/offsets.jsonl", check_offsets, &b);
    assert_true(b.checked > 1000);
    bench_close(&b);
}

/* ---- conversations ---- */

static void check_numbers(const json_t *line, const char *key, const ts_ids *got)
{
    const json_t *want = json_object_get(line, key);
    char *text = json_dumps(json_object_get(line, "conversation"), 0);
    if (got->n != json_array_size(want))
        fail_msg("%s, %s, %s: %zu %s, expected %zu: %s", word(line, "tokenizer"), word(line, "template"),
                 word(line, "train"), got->n, key, json_array_size(want), text);
    for (size_t i = 0; i < got->n; i++)
        if (got->v[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s, %s, %s: number %zu of %s is %d, expected %lld: %s", word(line, "tokenizer"),
                     word(line, "template"), word(line, "train"), i, key, (int)got->v[i],
                     (long long)json_integer_value(json_array_get(want, i)), text);
    free(text);
}

static void check_case(const json_t *line, void *ctx)
{
    bench *b = ctx;
    char template[256];
    ts_chat_encoder *e;
    ts_chat_tokens tokens = { 0 };
    void *work;
    bench_open(b, word(line, "tokenizer"));
    snprintf(template, sizeof template, GOLDEN "chat/%s.jinja", word(line, "template"));
    OK(ts_chat_hf_encoder_create(GOLDEN "chat", template, NULL, b->tok, &e));
    OK(e->begin(e, &work));
    const ts_chat_train train = strcmp(word(line, "train"), "last") ? TS_CHAT_ANSWERS : TS_CHAT_LAST_ANSWER;
    const ts_status st = e->encode(e, work, json_object_get(line, "conversation"), train, &tokens);
    if (json_object_get(line, "error")) {
        assert_int_equal(st, TS_ERR_USER);
        assert_non_null(strstr(ts_error_message(), template));
    } else {
        OK(st);
        check_numbers(line, "ids", &tokens.ids);
        check_numbers(line, "labels", &tokens.labels);
    }
    b->checked++;
    ts_chat_tokens_deinit(&tokens);
    e->end(e, &work);
    ts_chat_encoder_destroy(&e);
}

static void conversations_are_transformers(void **state)
{
    bench b = { 0 };
    (void)state;
    each_line(GOLDEN "chat/cases.jsonl", check_case, &b);
    assert_true(b.checked > 100);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_the_librarys),
        cmocka_unit_test(conversations_are_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
