#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "text/cache.h"
#include "text/load/json_cut.h"
#include "text/regex/regex.h"
#include "text/trie.h"
#include "text/unicode.h"
#include "text/vocab.h"

#include <string.h>

/* Leftmost, then longest, against trying every text at every place. */
static void search_is_leftmost_longest(void **state)
{
    static const char *const words[] = { "a",     "ab",  "abc", "bca",  "cab",
                                         "bcabc", "aab", "cc",  "ccab", "babab" };
    enum { N = sizeof words / sizeof *words };
    (void)state;
    ts_trie t = { 0 };
    for (int i = 1; i < N; i++)
        OK(ts_trie_add(&t, words[i], strlen(words[i]), i));
    OK(ts_trie_link(&t));
    for (uint32_t seed = 0; seed < 59049; seed++) { /* all texts of 10 letters a, b, c */
        char s[10];
        uint32_t x = seed;
        for (int i = 0; i < 10; i++, x /= 3)
            s[i] = (char)('a' + x % 3);
        size_t start = 0, end = 0, want_start = 0, want_len = 0;
        int want = -1;
        for (size_t at = 0; at < 10 && want < 0; at++)
            for (int i = 1; i < N; i++) {
                const size_t n = strlen(words[i]);
                if (n > want_len && at + n <= 10 && !memcmp(s + at, words[i], n)) {
                    want = i;
                    want_start = at;
                    want_len = n;
                }
            }
        assert_int_equal(ts_trie_search(&t, s, 0, 10, &start, &end), want);
        if (want >= 0) {
            assert_int_equal(start, want_start);
            assert_int_equal(end, want_start + want_len);
        }
    }
    ts_trie_deinit(&t);
}

static void expect_match(const char *pattern, const char *text, size_t start, size_t end)
{
    ts_regex *re = NULL;
    bool found;
    size_t a, b;
    OK(ts_regex_create(pattern, strlen(pattern), TS_DIALECT_ONIGURUMA, "test", &re));
    OK(ts_regex_find(re, text, 0, strlen(text), &found, &a, &b));
    if (found != (end > 0) || (found && (a != start || b != end)))
        fail_msg("%s in '%s': found %d, %zu to %zu", pattern, text, found, a, b);
    ts_regex_destroy(&re);
}

/* Where Oniguruma's syntax is not PCRE2's. */
static void expressions_of_oniguruma(void **state)
{
    (void)state;
    expect_match("\\h+", "xyz12afz", 3, 7);
    expect_match("(?m:a.b)", "a\nb", 0, 3);
    expect_match("a.b", "a\nb", 0, 0);
    expect_match("^b", "a\nb", 2, 3);
    expect_match("[a-z&&[^aeiou]]+", "aeixyz", 3, 6);
    expect_match("[\\p{L}&&[^\\p{Han}]]+", "日a本", 3, 4);
    expect_match("[^a[bc]]", "abcd", 3, 4);
    expect_match("[[a][^b-z]]+", "zza1", 2, 4);
    expect_match("\\s", "\xE1\xA0\x8Ex\xC2\x85", 4, 6); /* U+180E is none, U+0085 is one */
    expect_match("[\\S]+", " ab ", 1, 3);
    expect_match("\\p{Lu}", "\xF0\x90\xB5\x90", 0, 4); /* of Unicode 16 */
    expect_match("[^\\s\\p{L}\\p{N}]+", "ab--", 2, 4);
    expect_match("\\P{L}", "a1", 1, 2);
    expect_match("x++a", "xxa", 0, 3);
    ts_regex *re = NULL;
    REFUSED(ts_regex_create("(a", 2, TS_DIALECT_ONIGURUMA, "some file", &re), TS_ERR_USER,
            "some file");
    REFUSED(ts_regex_create("[a", 2, TS_DIALECT_ONIGURUMA, "some file", &re), TS_ERR_USER,
            "some file");
}

/* A pattern that explodes is an error, not a wait. */
static void exploding_expression(void **state)
{
    (void)state;
    ts_regex *re = NULL;
    bool found;
    size_t a, b;
    char text[64];
    memset(text, 'a', sizeof text);
    OK(ts_regex_create("(?:a|aa|aaa)+$x", 15, TS_DIALECT_ONIGURUMA, "test", &re));
    const ts_status st = ts_regex_find(re, text, 0, sizeof text, &found, &a, &b);
    assert_true(st == TS_ERR_USER || !found);
    ts_regex_destroy(&re);
}

/* Expressions of a hostile file: a match never begins before the place where the search did, and
 * nothing is read behind a backslash at the end. */
static void hostile_expressions(void **state)
{
    (void)state;
    ts_regex *re = NULL;
    bool found;
    size_t a, b;
    const ts_status st =
        ts_regex_create("(?<=\\Ka)b", 9, TS_DIALECT_ONIGURUMA, "test", &re);
    if (st == TS_OK) {
        OK(ts_regex_find(re, "aab", 2, 3, &found, &a, &b));
        assert_true(!found || (a == 2 && b == 3));
    }
    ts_regex_destroy(&re);
    char *ends = malloc(2); /* so that a sanitizer sees what is read behind it */
    memcpy(ends, "a\\", 2);
    REFUSED(ts_regex_create(ends, 2, TS_DIALECT_ONIGURUMA, "some file", &re), TS_ERR_USER,
            "some file");
    free(ends);
}

static void byte_alphabet(void **state)
{
    (void)state;
    for (int b = 0; b < 256; b++)
        assert_int_equal(ts_char_to_byte(ts_byte_to_char((unsigned char)b)), b);
    assert_int_equal(ts_byte_to_char(' '), 0x120);
    assert_int_equal(ts_byte_to_char('\n'), 0x10A);
    assert_int_equal(ts_byte_to_char(0xAD), 0x143);
    assert_int_equal(ts_char_to_byte(0x144), -1);
}

static void ill_formed_text(void **state)
{
    (void)state;
    static const struct { const char *in, *out; } c[] = {
        { "a\xFFz", "a\xEF\xBF\xBDz" },
        { "\xE2\x82", "\xEF\xBF\xBD" },
        { "\xE2\x82\xE2\x82\xAC", "\xEF\xBF\xBD\xE2\x82\xAC" },
        { "\xF0\x9F\x91x", "\xEF\xBF\xBDx" },
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD" },
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        ts_str out = { 0 };
        OK(ts_utf8_lossy(&out, c[i].in, strlen(c[i].in)));
        assert_string_equal(out.s, c[i].out);
        ts_str_deinit(&out);
    }
}

static void json_in_parts(void **state)
{
    (void)state;
    const char *text = "{\"a\":\"model\",\"model\":{\"merges\":[\"x "
                       "y\"],\"z\":{\"vocab\":1},\"vocab\":{\"\\u00e9\\ud83d\\ude00\":7}}}";
    ts_json_cut cut;
    OK(ts_json_cut_init(&cut, text, strlen(text)));
    assert_string_equal(
        cut.rest.s,
        "{\"a\":\"model\",\"model\":{\"merges\":null,\"z\":{\"vocab\":1},\"vocab\":null}}");
    ts_json_reader r = { .p = cut.vocab, .end = cut.vocab_end, .file = "f", .what = "w" };
    const char *s;
    size_t n;
    double v;
    OK(ts_json_reader_expect(&r, '{'));
    OK(ts_json_reader_text(&r, &s, &n));
    assert_int_equal(n, 6);
    assert_memory_equal(s, "é😀", 6);
    OK(ts_json_reader_expect(&r, ':'));
    OK(ts_json_reader_number(&r, &v));
    assert_true(v == 7);
    ts_json_reader_deinit(&r);
    ts_str_deinit(&cut.rest);
    static const char *const bad[] = { "\"\\ud800\"", "\"\\x\"", "\"abc", "\"\xFF\"", "12" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ts_json_reader b = {
            .p = bad[i], .end = bad[i] + strlen(bad[i]), .file = "f", .what = "w"
        };
        assert_int_equal(ts_json_reader_text(&b, &s, &n), TS_ERR_USER);
        ts_json_reader_deinit(&b);
    }
}

/* Words that share a slot, long words, words of many ids, and a full pool. */
static void cache_gives_back(void **state)
{
    (void)state;
    ts_cache c;
    OK(ts_cache_init(&c));
    for (int32_t round = 0; round < 300000; round++) {
        char word[300];
        const size_t n = 1 + (size_t)round * 7919 % 290;
        for (size_t i = 0; i < n; i++)
            word[i] = (char)('a' + (round >> (i % 17)) % 7);
        int32_t ids[8];
        const size_t n_ids = (size_t)(round % 8);
        for (size_t i = 0; i < n_ids; i++)
            ids[i] = round + (int32_t)i;
        const ts_cache_key key = ts_cache_key_of(word, n, round % 2 ? n : sizeof word);
        ts_cache_put(&c, &key, word, n, ids, n_ids);
        size_t got = 0;
        const int32_t *v = ts_cache_find(&c, &key, word, n, &got);
        if (n > TS_CACHE_MAX_WORD)
            continue;
        assert_non_null(v);
        assert_int_equal(got, n_ids);
        for (size_t i = 0; i < got; i++)
            assert_int_equal(v[i], ids[i]);
        word[n - 1]++;
        const ts_cache_key other = ts_cache_key_of(word, n, n);
        assert_true(other.k[0] != key.k[0] || other.k[1] != key.k[1]);
    }
    ts_cache_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_is_leftmost_longest), cmocka_unit_test(expressions_of_oniguruma),
        cmocka_unit_test(exploding_expression),       cmocka_unit_test(hostile_expressions),
        cmocka_unit_test(byte_alphabet),
        cmocka_unit_test(ill_formed_text),            cmocka_unit_test(json_in_parts),
        cmocka_unit_test(cache_gives_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
