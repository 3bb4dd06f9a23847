/* Runs a tokenizer over a file of cases. Include after cmocka.h. */
#ifndef TS_TESTS_TEXT_CASES_H
#define TS_TESTS_TEXT_CASES_H
#include "../temp.h"
#include "base/json.h"
#include "text/tokenizer.h"

#include <string.h>

typedef struct case_run {
    ts_tokenizer *tok;
    ts_tokenizer_scratch *scratch;
    ts_ids ids;
    ts_str text;
    int64_t checked;
} case_run;

static inline void check_ids(case_run *r, const json_t *o, const char *where, const char *text,
                             size_t n, bool special, const json_t *want)
{
    (void)o;
    r->ids.n = 0;
    OK(ts_tokenizer_encode(r->tok, r->scratch, text, n, special, &r->ids));
    if (r->ids.n != json_array_size(want))
        fail_msg("%s: '%s' gives %zu ids, expected %zu", where, text, r->ids.n,
                 json_array_size(want));
    for (size_t i = 0; i < r->ids.n; i++)
        if (r->ids.v[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s: '%s': id %zu is %d, expected %lld", where, text, i, (int)r->ids.v[i],
                     (long long)json_integer_value(json_array_get(want, i)));
    r->checked++;
}

/* That the bytes which its tokens add are the text, but for how one begins and ends: without a blank, or with a mark of being
 * inside a word. */
static inline void check_bytes(case_run *r, const char *where)
{
    ts_str bytes = { 0 };
    for (size_t i = 0; i < r->ids.n; i++)
        OK(ts_tokenizer_bytes(r->tok, r->ids.v[i], &bytes));
    const char *s = ts_str_text(&bytes), *text = ts_str_text(&r->text);
    const bool is_text = ts_utf8_check(s, bytes.len) == bytes.len;
    if (bytes.len == r->text.len + 1 && *s != ' ' && s[bytes.len - 1] == ' ')
        bytes.s[--bytes.len] = 0;
    s += bytes.len == r->text.len + 1 && *s == ' ';
    text += bytes.len + 2 == r->text.len && !strncmp(text, "##", 2) ? 2 : 0;
    if (is_text && strcmp(s, text) != 0)
        fail_msg("%s: the bytes of tokens are '%s', of all together '%s'", where, s, text);
    ts_str_deinit(&bytes);
}

static inline void check_text(case_run *r, const char *where, const json_t *ids, bool skip,
                              const json_t *want)
{
    r->ids.n = 0;
    for (size_t i = 0; i < json_array_size(ids); i++)
        OK(ts_ids_add(&r->ids, (int32_t)json_integer_value(json_array_get(ids, i))));
    ts_str_reset(&r->text);
    OK(ts_tokenizer_decode(r->tok, r->ids.v, r->ids.n, skip, &r->text));
    if (r->text.len != json_string_length(want) ||
        memcmp(ts_str_text(&r->text), json_string_value(want), r->text.len))
        fail_msg("%s: decodes to '%s', expected '%s'", where, ts_str_text(&r->text),
                 json_string_value(want));
    if (skip && !strstr(where, "wordlevel/")) /* whose decoder makes one of equals in a row */
        check_bytes(r, where);
    r->checked++;
}

static inline json_t *first_of(const json_t *o, const char *a, const char *b)
{
    json_t *v = json_object_get(o, a);
    return v ? v : json_object_get(o, b);
}

/* One line: text, ids, and where given special / ids_special, decoded, skipped /
 * decoded_skip_special. */
static inline void check_case(case_run *r, const json_t *o, const char *where)
{
    const json_t *text = json_object_get(o, "text"), *ids = json_object_get(o, "ids");
    const json_t *special = first_of(o, "special", "ids_special");
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    check_ids(r, o, where, s, n, false, ids);
    check_ids(r, o, where, s, n, false, ids); /* from the cache */
    if (special)
        check_ids(r, o, where, s, n, true, special);
    if (json_object_get(o, "skipped")) /* our own cases decode the ids with special tokens */
        check_text(r, where, special, false, json_object_get(o, "decoded"));
    else if (json_object_get(o, "decoded"))
        check_text(r, where, ids, false, json_object_get(o, "decoded"));
    const json_t *skipped = first_of(o, "skipped", "decoded_skip_special");
    if (skipped)
        check_text(r, where, special ? special : ids, true, skipped);
}

static inline int64_t run_cases(const char *tokenizer, const char *file)
{
    case_run r = { 0 };
    ts_str all = { 0 };
    OK(ts_tokenizer_open(tokenizer, NULL, &r.tok));
    OK(ts_tokenizer_scratch_create(r.tok, &r.scratch));
    OK(ts_file_read(file, &all));
    size_t line = 1;
    for (char *s = all.s; s && *s; line++) {
        char *nl = strchr(s, '\n'), where[160];
        json_t *o = NULL;
        snprintf(where, sizeof where, "%.120s:%zu", file, line);
        OK(ts_json_parse(s, nl ? (size_t)(nl - s) : strlen(s), where, &o));
        check_case(&r, o, where);
        json_decref(o);
        s = nl ? nl + 1 : NULL;
    }
    ts_str_deinit(&all);
    ts_str_deinit(&r.text);
    ts_ids_deinit(&r.ids);
    ts_tokenizer_scratch_destroy(&r.scratch);
    ts_tokenizer_destroy(&r.tok);
    assert_true(r.checked > 0);
    return r.checked;
}
#endif
