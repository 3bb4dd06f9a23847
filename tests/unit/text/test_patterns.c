#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cases.h"
#include "text/pretoken/pretoken.h"
#include "text/regex/charset.h"

#include <stdio.h>

/* What the libraries themselves make of patterns; made by scripts/golden_patterns.py and
 * scripts/unicode_sets.py. */
#define GOLDEN "tests/golden/patterns/"

typedef void line_fn(const json_t *line, const json_t *texts, void *ctx);

/* Calls fn for every line but the first, which has the texts. */
static void each_line(const char *path, line_fn *fn, void *ctx)
{
    ts_str data = { 0 };
    json_t *texts = NULL;
    OK(ts_file_read(path, &data));
    for (char *s = data.s, *nl; (nl = strchr(s, '\n')) != NULL; s = nl + 1) {
        json_t *line = NULL;
        OK(ts_json_parse(s, (size_t)(nl - s), path, &line));
        if (texts)
            fn(line, json_object_get(texts, "texts"), ctx);
        else
            texts = json_incref(line);
        json_decref(line);
    }
    json_decref(texts);
    ts_str_deinit(&data);
}

/* ---- tokenizer.json ---- */

typedef struct splits {
    ts_unicode *unicode;
    int same, refused;
} splits;

/* The ends of the pieces; with begins where pieces were left out. */
static void check_pieces(const splits *sp, const ts_pretoken *p, const json_t *text,
                         const json_t *want, const char *pattern, bool begins)
{
    ts_pre_work w = { 0 };
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    const ts_pieces *pieces;
    size_t k = 0;
    OK(ts_pretokenize(p, sp->unicode, &w, s, n, true, false, &s, &pieces));
    for (size_t i = 0; i < pieces->n; i++) {
        const size_t at[2] = { pieces->v[i].off, pieces->v[i].off + pieces->v[i].len };
        for (int e = begins ? 0 : 1; e < 2; e++, k++)
            if ((json_int_t)at[e] != json_integer_value(json_array_get(want, k)))
                fail_msg("%s: piece %zu of '%s' is at %zu to %zu", pattern, i, s, at[0], at[1]);
    }
    if (k != json_array_size(want))
        fail_msg("%s: %zu pieces of '%s'", pattern, pieces->n, s);
    ts_pre_work_deinit(&w);
}

static void check_split(const json_t *line, const json_t *texts, void *ctx)
{
    splits *sp = ctx;
    const json_t *pattern = json_object_get(line, "pattern"), *ends = json_object_get(line, "ends");
    json_t *behavior = json_object_get(line, "behavior");
    json_t *o = json_pack("{s:s, s:{s:O}, s:O, s:O}", "type", "Split", "pattern", "Regex", pattern,
                          "behavior", behavior, "invert", json_object_get(line, "invert"));
    ts_pretoken p = { 0 };
    assert_non_null(o);
    const ts_status st = ts_pretoken_load(&p, o, "some file");
    if (st != TS_OK) { /* in words that name the file and the pattern */
        assert_int_equal(st, TS_ERR_USER);
        assert_non_null(strstr(ts_error_message(), "some file: cannot use the regular expression"));
        assert_non_null(strstr(ts_error_message(), json_string_value(pattern)));
        sp->refused += ends != NULL;
    } else if (ends) {
        for (size_t i = 0; i < json_array_size(texts); i++)
            check_pieces(sp, &p, json_array_get(texts, i), json_array_get(ends, i),
                         json_string_value(pattern),
                         strcmp(json_string_value(behavior), "Removed") == 0);
        sp->same++;
    }
    ts_pretoken_deinit(&p);
    json_decref(o);
}

static void patterns_of_tokenizers(void **state)
{
    (void)state;
    splits sp = { 0 };
    OK(ts_unicode_create(&sp.unicode));
    each_line(GOLDEN "tokenizers.jsonl", check_split, &sp);
    assert_true(sp.same > 420);
    assert_true(sp.refused < 24); /* what the next test names */
    ts_unicode_destroy(&sp.unicode);
}

/* What cannot be done in the same way is refused by its name. */
static void refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "a\\X", "a text segment (\\X, \\y, \\Y) at byte 1 ('\\X')" },
        { "\\y", "a text segment" },
        { "\\X0123456789abc日", "('\\X0123456789abc...')" }, /* cut before a character */
        { "(a)\\g<1>", "a call of a group (\\g) at byte 3" },
        { "(?~ab)", "a group of a kind" },
        { "(a)?(?(1)b|c)", "a group of a kind" },
        { "(?{x})", "a group of a kind" },
        { "(*FAIL)", "(*..)" },
        { "(?i)(a)\\1", "a back reference where case does not count at byte 7" },
        { "(?=a\\Kb)", "\\K in a look-around" },
        { "(?<=a+)b", "lookbehind" },
        { "\\p{Foo}", "a property that is not known here at byte 0 ('\\p{Foo}')" },
        { "[[:foo:]]", "a [:name:] that is not known" },
        { "\\x{110000}", "the number of no character" },
        { "\\xC3", "bytes by number that make no character" },
        { "a{70000}", "a repeat of more than 65535 times" },
        { "[b-a]", "a range that ends before it begins" },
        { "[\\w-b]", "a range that begins with a class" },
        { "[a", "a class without its closing bracket" },
        { "(a", "a parenthesis that is not closed" },
        { "a)", "a parenthesis that was not opened at byte 1" },
        { "*a", "a repeat of nothing or of a place" },
    };
    ts_regex *re = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        REFUSED(ts_regex_create(cases[i][0], strlen(cases[i][0]), TS_DIALECT_ONIGURUMA, "f.json",
                                &re),
                TS_ERR_USER, cases[i][1]);
    assert_null(re);
}

/* ---- tiktoken ---- */

static void check_ranks(const json_t *line, const json_t *texts, void *ctx)
{
    const char *pattern = json_string_value(json_object_get(line, "pattern"));
    const json_t *ids = json_object_get(line, "ids");
    const ts_tokenizer_options how = { .tiktoken_pattern = pattern };
    case_run r = { 0 };
    if (!ids)
        return;
    OK(ts_tokenizer_open(GOLDEN "ranks.tiktoken", &how, &r.tok));
    OK(ts_tokenizer_scratch_create(r.tok, &r.scratch));
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *text = json_array_get(texts, i);
        check_ids(&r, NULL, pattern, json_string_value(text), json_string_length(text), false,
                  json_array_get(ids, i));
    }
    *(int64_t *)ctx += r.checked;
    ts_ids_deinit(&r.ids);
    ts_tokenizer_scratch_destroy(&r.scratch);
    ts_tokenizer_destroy(&r.tok);
}

static void patterns_of_tiktoken(void **state)
{
    (void)state;
    int64_t n = 0;
    each_line(GOLDEN "tiktoken.jsonl", check_ranks, &n);
    assert_true(n > 200);
}

/* ---- properties ---- */

static void properties(void **state)
{
    (void)state;
    ts_str data = { 0 };
    char name[80];
    unsigned long long count, sum;
    int n = 0;
    OK(ts_file_read(GOLDEN "properties.txt", &data));
    for (char *s = data.s, *nl; (nl = strchr(s, '\n')) != NULL; s = nl + 1, n++) {
        ts_charset set = { 0 };
        bool found;
        unsigned long long have = 0, total = 0;
        *nl = 0;
        assert_int_equal(sscanf(s, "%79s %llu %llu", name, &count, &sum), 3);
        OK(ts_charset_add_property(&set, TS_DIALECT_ONIGURUMA, name, strlen(name), &found));
        assert_true(found);
        for (size_t i = 0; i < set.n; i++)
            for (uint64_t c = set.r[i].lo; c <= set.r[i].hi; c++)
                if (c < 0xD800 || c > 0xDFFF) {
                    have++;
                    total += c;
                }
        if (have != count || total != sum)
            fail_msg("%s: %llu characters, expected %llu", name, have, count);
        ts_charset_deinit(&set);
    }
    assert_true(n > 600);
    ts_str_deinit(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties), cmocka_unit_test(refused_by_name),
        cmocka_unit_test(patterns_of_tokenizers), cmocka_unit_test(patterns_of_tiktoken)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
