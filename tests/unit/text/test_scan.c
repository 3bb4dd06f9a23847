#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "text/pretoken/scan.h"
#include "text/regex/regex.h"

#include <string.h>

/* Every scanner cuts as its pattern does, by PCRE2, on random text full of the characters that
 * matter. */
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
static const char *const patterns[] = {
    ts_scan_gpt2_pattern,
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" TAIL,
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" TAIL,
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
    "+" CONTRACTIONS "?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}"
    "\\p{Lo}\\p{M}]*" CONTRACTIONS
    "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};

static const char *const deepseek[] = {
    "\\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./"
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
};

static const char *const bits[] = {
    "a",
    "b",
    "s",
    "t",
    "L",
    "l",
    "LL",
    "re",
    "'",
    "'",
    "S",
    "ſ",
    "É",
    "é",
    "ǅ",
    "ʰ",
    "日",
    "か",
    "ー",
    "\xCC\x81",
    "\xE0\xA5\x8D",
    " ",
    " ",
    " ",
    "\n",
    "\r",
    "\t",
    "\xC2\xA0",
    "\xE3\x80\x80",
    "\xC2\x85",
    "\xE2\x80\x8D",
    "1",
    "23",
    "½",
    "Ⅷ",
    "٣",
    ".",
    ",",
    "/",
    "-",
    "(",
    "!",
    "€",
    "+",
    "👍",
    "\x01",
    "\xEE\x80\x80",
    "한",
};

static size_t random_text(uint64_t seed, char *out, size_t cap)
{
    size_t n = 0;
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    const size_t parts = 1 + (size_t)(seed % 24);
    for (size_t i = 0; i < parts; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        const char *b = bits[x % (sizeof bits / sizeof *bits)];
        if (n + strlen(b) < cap) {
            memcpy(out + n, b, strlen(b));
            n += strlen(b);
        }
    }
    return n;
}

/* ---- characters of all kinds ---- */

enum { KINDS = 8, CHARS = 4096, LONG_TEXT = 2000 };
static const char *const kinds[KINDS] = { "\\p{L}",           "\\p{N}", "\\s",
                                          "\\p{M}",           "\\p{P}", "\\p{S}",
                                          "[\\p{Lu}\\p{Lt}]", "\\p{Ll}" };
static const unsigned kind_flag[KINDS] = { TS_UC_L, TS_UC_N, TS_UC_WS,    TS_UC_M,
                                           TS_UC_P, TS_UC_S, TS_UC_UPPER, TS_UC_LOWER };

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
    return *x;
}

static bool same_kind(ts_regex *const *re, const ts_unicode *u, uint32_t c)
{
    char s[4];
    const size_t n = (size_t)ts_utf8_encode(c, s);
    for (int k = 0; k < KINDS; k++) {
        size_t start, end;
        bool found;
        OK(ts_regex_find(re[k], s, 0, n, &found, &start, &end));
        if (found != ((ts_unicode_flags(u, c) & kind_flag[k]) != 0))
            return false;
    }
    return true;
}

/* Characters from all of Unicode; the two sides know the same of each. */
static void pick_chars(const ts_unicode *u, uint32_t c[CHARS])
{
    static const uint32_t most[] = { 0x80, 0x250, 0x3000, 0x10000, 0x20000, 0x110000 };
    ts_regex *re[KINDS] = { NULL };
    uint64_t x = 99;
    size_t n = 0;
    for (int k = 0; k < KINDS; k++)
        OK(ts_regex_create(kinds[k], strlen(kinds[k]), TS_DIALECT_ONIGURUMA, "test", &re[k]));
    while (n < CHARS) {
        const uint32_t v = (uint32_t)(next(&x) % most[next(&x) % 6]);
        if (v == 0 || (v >= 0xD800 && v < 0xE000))
            continue;
        assert_true(same_kind(re, u, v));
        c[n++] = v;
    }
    for (int k = 0; k < KINDS; k++)
        ts_regex_destroy(&re[k]);
}

/* Stretches of one kind of content: letters in runs of all lengths, any characters, the bits
 * above. */
static size_t long_text(const uint32_t *c, uint64_t *x, char *out, size_t cap)
{
    size_t n = 0;
    while (n + 80 < cap) {
        const uint64_t what = next(x) % 8, many = next(x) % 20;
        for (uint64_t i = 0; i < many && n + 8 < cap; i++) {
            if (what < 4) {
                out[n++] = (char)((what & 1 ? 'a' : 'A') + next(x) % 26);
            } else if (what < 6) {
                n += (size_t)ts_utf8_encode(c[next(x) % CHARS], out + n);
            } else {
                const char *b = bits[next(x) % (sizeof bits / sizeof *bits)];
                memcpy(out + n, b, strlen(b));
                n += strlen(b);
            }
        }
        if (next(x) % 3)
            out[n++] = " \n'_9."[next(x) % 6];
    }
    return n;
}

/* Marks the ends of the pieces of s[from..n): matches and gaps between them. */
static void cut_by_regex(const ts_regex *re, const char *s, size_t from, size_t n, bool *ends)
{
    size_t at = from, start, end;
    bool found;
    while (at < n) {
        /* The text is cut off at n and begins at from, as a piece of its own. */
        OK(ts_regex_find(re, s + from, at - from, n - from, &found, &start, &end));
        if (!found)
            break;
        ends[from + start] = ends[from + end] = true;
        at = from + end;
    }
    ends[n] = true;
}

/* The block at a piece's begin: its ends are those up to the last of them. */
static void compare_block(ts_block_fn *block, const char *s, size_t at, size_t n, const bool *ends)
{
    if (!block || n - at < TS_BLOCK_ROOM)
        return;
    const uint64_t found = block((const unsigned char *)s + at);
    for (size_t k = 1; k < TS_BLOCK && found >> k; k++)
        if ((found >> k & 1) != ends[at + k])
            fail_msg("'%.*s': a block from %zu has %s end at %zu", (int)n, s, at,
                     ends[at + k] ? "no" : "an", at + k);
    assert_int_equal(found & 1, 0);
}

static void compare(ts_scan_fn *scan, const ts_unicode *u, const char *s, size_t n,
                    const bool *ends)
{
    for (size_t i = 0; i < n;) {
        compare_block(ts_scan_block(scan), s, i, n, ends);
        const size_t len = scan(u, (const unsigned char *)s + i, (const unsigned char *)s + n);
        assert_true(len > 0 && i + len <= n);
        for (size_t k = i + 1; k < i + len; k++)
            if (ends[k])
                fail_msg("'%.*s': a piece goes from %zu to %zu, expected an end at %zu", (int)n, s,
                         i, i + len, k);
        i += len;
        if (!ends[i])
            fail_msg("'%.*s': a piece ends at %zu, where none should", (int)n, s, i);
    }
}

static void scanners_equal_patterns(void **state)
{
    (void)state;
    ts_unicode *u = NULL;
    OK(ts_unicode_create(&u));
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        ts_scan_fn *scan = ts_scan_find(patterns[k]);
        ts_regex *re = NULL;
        assert_true(scan != NULL);
        OK(ts_regex_create(patterns[k], strlen(patterns[k]), TS_DIALECT_ONIGURUMA, "test", &re));
        for (uint64_t seed = 1; seed < 20000; seed++) {
            char s[256];
            bool ends[257] = { false };
            const size_t n = random_text(seed, s, sizeof s);
            cut_by_regex(re, s, 0, n, ends);
            compare(scan, u, s, n, ends);
        }
        ts_regex_destroy(&re);
    }
    ts_unicode_destroy(&u);
}

/* Two million characters of all kinds through each scanner. */
static void all_of_unicode(void **state)
{
    (void)state;
    static char s[LONG_TEXT];
    static uint32_t c[CHARS];
    ts_unicode *u = NULL;
    OK(ts_unicode_create(&u));
    pick_chars(u, c);
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        ts_regex *re = NULL;
        uint64_t x = 12345 + k;
        OK(ts_regex_create(patterns[k], strlen(patterns[k]), TS_DIALECT_ONIGURUMA, "test", &re));
        for (int round = 0; round < 1500; round++) {
            bool ends[LONG_TEXT + 1] = { false };
            const size_t n = long_text(c, &x, s, sizeof s);
            cut_by_regex(re, s, 0, n, ends);
            compare(ts_scan_find(patterns[k]), u, s, n, ends);
        }
        ts_regex_destroy(&re);
    }
    ts_unicode_destroy(&u);
}

/* Blocks beside scanners on what blocks are for: ASCII with much white space, quotes and digits. */
static void blocks_equal_scanners(void **state)
{
    (void)state;
    static const char often[] = "    \n\n\r\t''sStTdmlLvrReEeaZ019(./;\v\x7f";
    ts_unicode *u = NULL;
    OK(ts_unicode_create(&u));
    size_t found = 0;
    for (uint64_t seed = 1; seed < 6000; seed++) {
        static char s[LONG_TEXT];
        uint64_t x = seed * 0x9e3779b97f4a7c15u;
        const size_t many = 2 + seed % (sizeof often - 3), from = next(&x) % (sizeof often - 1);
        for (size_t i = 0; i < sizeof s; i++)
            s[i] = next(&x) % 400 == 0 ? 0 : often[(from + next(&x) % many) % (sizeof often - 1)];
        for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
            ts_scan_fn *scan = ts_scan_find(patterns[k]);
            bool ends[LONG_TEXT + 1] = { false };
            for (size_t i = 0; i < sizeof s; ends[i] = true)
                i += scan(u, (const unsigned char *)s + i, (const unsigned char *)s + sizeof s);
            compare(scan, u, s, sizeof s, ends);
            found += ts_scan_block(scan) && ts_scan_block(scan)((const unsigned char *)s);
        }
    }
    assert_true(found > 10000); /* a block mostly has some */
    ts_unicode_destroy(&u);
}

static void classes_of_bytes(void **state)
{
    (void)state;
    uint64_t x = 99;
    for (int round = 0; round < 2000; round++) {
        unsigned char p[TS_BLOCK];
        ts_block_sets a, b;
        for (size_t i = 0; i < sizeof p; i++)
            p[i] = (unsigned char)(round < 4 ? 64 * (unsigned)round + i : next(&x));
        ts_block_classify(p, &a);
        ts_block_classify_plain(p, &b);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

/* The three patterns one after the other, by PCRE2. */
static void cut_in_stages(ts_regex *const *re, const char *s, size_t n, bool *ends)
{
    static bool now[LONG_TEXT + 1];
    memset(ends, 0, n + 1);
    ends[n] = true;
    for (int i = 0; i < 3; i++) {
        memcpy(now, ends, n + 1);
        for (size_t from = 0, to; from < n; from = to) {
            for (to = from + 1; !now[to]; to++)
                continue;
            cut_by_regex(re[i], s, from, to, ends);
        }
    }
}

static void three_stages(void **state)
{
    (void)state;
    ts_unicode *u = NULL;
    ts_regex *re[3] = { NULL };
    ts_scan_fn *scan = ts_scan_find3(deepseek[0], deepseek[1], deepseek[2]);
    assert_true(scan != NULL);
    OK(ts_unicode_create(&u));
    for (int i = 0; i < 3; i++)
        OK(ts_regex_create(deepseek[i], strlen(deepseek[i]), TS_DIALECT_ONIGURUMA, "test", &re[i]));
    static char s[LONG_TEXT];
    static bool ends[LONG_TEXT + 1];
    static uint32_t c[CHARS];
    uint64_t x = 54321;
    for (uint64_t seed = 1; seed < 40000; seed++) {
        const size_t n = random_text(seed, s, 256);
        cut_in_stages(re, s, n, ends);
        compare(scan, u, s, n, ends);
    }
    pick_chars(u, c);
    for (int round = 0; round < 1000; round++) {
        const size_t n = long_text(c, &x, s, sizeof s);
        cut_in_stages(re, s, n, ends);
        compare(scan, u, s, n, ends);
    }
    for (int i = 0; i < 3; i++)
        ts_regex_destroy(&re[i]);
    ts_unicode_destroy(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(scanners_equal_patterns),
                                        cmocka_unit_test(blocks_equal_scanners),
                                        cmocka_unit_test(classes_of_bytes),
                                        cmocka_unit_test(all_of_unicode),
                                        cmocka_unit_test(three_stages) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
