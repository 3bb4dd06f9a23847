/* Grammars: which texts they hold; ranges of whole numbers one by one, characters one by one, regular expressions against
 * PCRE2, JSON schemas by examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "text/grammar/rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

static ts_grammar *open_grammar(const char *text)
{
    ts_grammar *g = NULL;
    OK(ts_grammar_parse(text, strlen(text), "g", &g));
    return g;
}

/* Whether the whole text fits. */
static bool fits(ts_grammar *g, const char *s, size_t n)
{
    int32_t at = ts_grammar_start(g);
    for (size_t i = 0; i < n && at != TS_GRAMMAR_DEAD; i++)
        OK(ts_grammar_step(g, at, (unsigned char)s[i], &at));
    return at != TS_GRAMMAR_DEAD && ts_grammar_may_end(g, at);
}

static void expect(ts_grammar *g, const char *text, bool want)
{
    if (fits(g, text, strlen(text)) != want)
        fail_msg("\"%s\": expected to %s", text, want ? "fit" : "be refused");
}

/* ---- notation ---- */

static void notation(void **state)
{
    static const struct {
        const char *grammar;
        const char *good[6], *bad[6]; /* ending in NULL */
    } cases[] = {
        { "root ::= \"a\" b* | [c-e]+\nb ::= \"b\" | (\"x\" \"y\")?", { "a", "abb", "axyb", "cde", NULL }, { "", "ax", "b", "ca", NULL } },
        { "root ::= x{2,3} \".\" # end\nx ::= [0-9] # a digit", { "12.", "123.", NULL }, { "1.", "1234.", "12", NULL } },
        { "root ::= \"a\"{2} | \"b\"{,2} \"!\" | \"c\"{2,}", { "aa", "!", "bb!", "cc", "ccccc", NULL }, { "a", "aaa", "bbb!", "c", NULL } },
        { "root ::=\n  list\nlist ::= \"[\" (item (\",\" item)*)? \"]\"\nitem ::= list | \"1\"", { "[]", "[1,[1,[]],1]", NULL },
          { "[", "[1,]", "[]]", NULL } },
        { "root ::= [^\"\\\\\\x00-\\x1F]* \"\\\"\"", { "\"", "h\xC3\xA9\xE6\xBC\xA2\xF0\x9F\x98\x80\"", NULL }, { "\n\"", "\\\"", "\xC3\"", NULL } },
        { "root ::= \"\\u00e9\" . | \"\\t\" [\\]\\[-]", { "\xC3\xA9\xE2\x82\xAC", "\t]", "\t[", "\t-", NULL }, { "\xC3\xA9", "\t\\", NULL } },
        { "root ::= a \"c\"\na ::= b b\nb ::= \"x\"*", { "c", "xc", "xxxc", NULL }, { "x", "cx", NULL } },
        { "root ::= (\"a\"* \"b\"?)* | \"\"{100000}", { "", "ab", "aabba", NULL }, { "c", NULL } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_grammar *g = open_grammar(cases[i].grammar);
        for (int k = 0; cases[i].good[k]; k++)
            expect(g, cases[i].good[k], true);
        for (int k = 0; cases[i].bad[k]; k++)
            expect(g, cases[i].bad[k], false);
        ts_grammar_destroy(&g);
    }
}

static void wrong_notation(void **state)
{
    static const char *const cases[][2] = {
        { "a ::= \"x\"", "there is no rule root" },
        { "root ::= b", "g:1: there is no rule b" },
        { "root ::= \"a\"\nroot ::= \"b\"", "g:2: this rule is there twice" },
        { "root ::= root \"a\"", "rule root begins with itself" },
        { "root ::= a \"x\"\na ::= \"y\"? b\nb ::= a | \"z\"", "begins with itself" },
        { "root ::= \"a", "do not end on their line" },
        { "root ::= [z-a]", "ends before it begins" },
        { "root ::= \"\\q\"", "unknown escape" },
        { "root ::= \"a\"{3,2}", "is below the first" },
        { "root ::= \"a\"{100001}", "above 100000" },
        { "root ::= (\"ab\"{1000}){1000}", "too large" },
        { "root ::= <think>", "tokens (<NAME>) are not known here" },
        { "root ::= (\"a\"", "expected )" },
        { "root \"a\"", "expected NAME ::=" },
        { "root ::= [\\uD800-\\uDFFF]", "there is no character" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_grammar *g = NULL;
        REFUSED(ts_grammar_parse(cases[i][0], strlen(cases[i][0]), "g", &g), TS_ERR_USER, cases[i][1]);
    }
}

/* Every character, in a range and its complement, around the places where encodings change. */
static void characters(void **state)
{
    static const uint32_t ends[][2] = { { 0x41, 0x5A },     { 0x7F, 0x80 },       { 0x50, 0x10FFFF }, { 0x7FE, 0x801 },
                                        { 0x3FF, 0x2345 },  { 0xABCD, 0x12345 },  { 0xFFFF, 0x10000 }, { 0x1F600, 0x1F64F },
                                        { 0xD7FF, 0xE000 }, { 0x123, 0x10FFFE } };
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char text[64], utf8[4];
        snprintf(text, sizeof text, "root ::= [\\U%08X-\\U%08X]", ends[i][0], ends[i][1]);
        ts_grammar *in = open_grammar(text);
        snprintf(text, sizeof text, "root ::= [^\\U%08X-\\U%08X]", ends[i][0], ends[i][1]);
        ts_grammar *out = i == 2 ? NULL : open_grammar(text);
        for (uint32_t c = 0; c <= 0x10FFFF; c += c > 0x3000 ? 7 : 1) {
            for (int k = 0; k < 2; k++) { /* the ends themselves, too */
                const uint32_t at = c >= 2 ? c : ends[i][c] + (uint32_t)k;
                if ((at >= 0xD800 && at < 0xE000) || at > 0x10FFFF)
                    continue;
                const size_t n = (size_t)ts_utf8_encode(at, utf8);
                const bool want = at >= ends[i][0] && at <= ends[i][1];
                if (fits(in, utf8, n) != want || (out && fits(out, utf8, n) == want))
                    fail_msg("U+%04X in U+%04X to U+%04X", at, ends[i][0], ends[i][1]);
            }
        }
        ts_grammar_destroy(&in);
        ts_grammar_destroy(&out);
    }
}

static void whole_numbers(void **state)
{
    static const int64_t ranges[][2] = { { 0, 0 },     { 3, 7 },     { 0, 120 },  { 17, 345 },        { -25, 31 },  { -340, -17 }, { 100, 199 },
                                         { 99, 1001 }, { 1, 1 << 9 }, { -7, 0 }, { INT64_MIN, 12 }, { 5, INT64_MAX } };
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        ts_str text = { 0 };
        char digits[24];
        OK(ts_str_puts(&text, "root ::= "));
        OK(ts_gbnf_whole(ranges[i][0], ranges[i][1], &text));
        ts_grammar *g = open_grammar(text.s);
        for (int64_t v = -1100; v <= 1100; v++) {
            snprintf(digits, sizeof digits, "%lld", (long long)v);
            expect(g, digits, v >= ranges[i][0] && v <= ranges[i][1]);
        }
        expect(g, "01", false);
        expect(g, "-0", false);
        expect(g, "", false);
        ts_grammar_destroy(&g);
        ts_str_deinit(&text);
    }
}

/* ---- regular expressions ---- */

static void regexes_are_pcre2s(void **state)
{
    static const char *const cases[] = { "a(b|cd)*e?",    "^[a-c]{2,3}$", "\\.\\*?a", "\\d+(\\.\\d{1,2})?", "[^ab]b.", "(?:ab|a)b*", "\\w\\s\\W?", "[\\]b-]+",
                                         "(a|b|)c{0,2}d*", "\\.\\*a\\\\?", "a{2}b{1,}?",  ".+c", "\\D[\\d.]\\S*" };
    static const char letters[] = "abcde. 1-]\\*\n";
    uint32_t x = 5;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_str text = { 0 }, whole = { 0 };
        int error, matched = 0;
        PCRE2_SIZE where;
        OK(ts_grammar_of_regex(cases[i], "root", &text));
        OK(ts_str_printf(&whole, "\\A(?:%s)\\z", cases[i]));
        ts_grammar *g = open_grammar(text.s);
        pcre2_code *re = pcre2_compile((PCRE2_SPTR)whole.s, whole.len, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error, &where, NULL);
        assert_non_null(re);
        pcre2_match_data *m = pcre2_match_data_create(4, NULL);
        for (int k = 0; k < 20000; k++) {
            char s[8];
            x = x * 1664525u + 1013904223u;
            const size_t n = (x >> 16) % 7;
            for (size_t j = 0; j < n; j++) {
                x = x * 1664525u + 1013904223u;
                s[j] = letters[(x >> 16) % (sizeof letters - 1)];
            }
            const bool want = pcre2_match(re, (PCRE2_SPTR)s, n, 0, 0, m, NULL) > 0;
            matched += want;
            if (fits(g, s, n) != want)
                fail_msg("%s: \"%.*s\" should%s match", cases[i], (int)n, s, want ? "" : " not");
        }
        if (!matched)
            fail_msg("%s: no text matched", cases[i]);
        pcre2_match_data_free(m);
        pcre2_code_free(re);
        ts_grammar_destroy(&g);
        ts_str_deinit(&text);
        ts_str_deinit(&whole);
    }
}

static void wrong_regexes(void **state)
{
    static const char *const cases[][2] = { { "a^b", "^ and $" },      { "(?=a)", "looking ahead" }, { "(a", "expected )" }, { "a)", "expected its end" },
                                            { "*a", "nothing to repeat" }, { "\\bx", "this escape" },   { "[a", "do not end" },  { "a{x}", "expected {m}" }, { "a{1,2,3}", "expected {m}" }, { "a{,}", "expected {m}" } };
    ts_str out = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        REFUSED(ts_grammar_of_regex(cases[i][0], "root", &out), TS_ERR_USER, cases[i][1]);
    ts_str_deinit(&out);
}

/* ---- schemas ---- */

static ts_status schema_grammar(const char *schema, ts_grammar **out)
{
    json_t *v;
    ts_str text = { 0 };
    TS_TRY(ts_json_parse(schema, strlen(schema), "schema", &v));
    ts_status st = ts_grammar_of_schema(v, "schema", &text);
    if (st == TS_OK)
        st = ts_grammar_parse(text.s, text.len, "schema", out);
    ts_str_deinit(&text);
    json_decref(v);
    return st;
}

static void schemas(void **state)
{
    static const struct {
        const char *schema;
        const char *good[7], *bad[7];
    } cases[] = {
        { "{}", { "{}", "[1, -2.5e3, \"a\\u00e9\", {\"b\": [null]}]", "0", "\"\\ud83d\\ude00\"", NULL },
          { "01", "[1,]", "\"\\ud83d\"", "tru", "{\"a\" 1}", " 1", NULL } },
        { "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": \"string\"}, \"c\": {\"type\": \"null\"}}, "
          "\"required\": [\"b\"]}",
          { "{\"a\": 1, \"b\": \"x\", \"c\": null}", "{\"b\":\"\"}", "{ \"b\": \"x\",\"c\":null }", "{\"a\":-3,\"b\":\"\"}", NULL },
          { "{}", "{\"a\": 1}", "{\"b\": \"x\", \"a\": 1}", "{\"b\": \"x\",}", "{\"b\": \"x\", \"d\": 1}", "{\"a\": 1.5, \"b\": \"\"}", NULL } },
        { "{\"properties\": {\"a\": {\"type\": \"boolean\"}, \"b\": {\"const\": 3}}}", { "{}", "{\"a\":true}", "{\"b\":3}", "{\"a\":false,\"b\":3}", NULL },
          { "{\"b\":3,\"a\":true}", "{,\"b\":3}", "{\"b\":4}", NULL } },
        { "{\"type\": \"object\", \"properties\": {\"ab\": {\"type\": \"integer\"}}, \"required\": [\"ab\"], \"additionalProperties\": {\"type\": \"string\"}}",
          { "{\"ab\":1}", "{\"ab\":1,\"abc\":\"x\"}", "{\"ab\":1,\"a\":\"x\",\"\":\"\"}", NULL }, { "{\"ab\":1,\"ab\":\"x\"}", "{\"ab\":1,\"c\":2}", "{\"c\":\"x\"}", NULL } },
        { "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"integer\"}}", { "{}", "{\"x\":1,\"y\":2}", NULL }, { "{\"x\":\"1\"}", NULL } },
        { "{\"type\": \"array\", \"items\": {\"enum\": [\"x\", 2, null]}, \"minItems\": 1, \"maxItems\": 3}", { "[\"x\"]", "[2, null,\"x\"]", NULL },
          { "[]", "[2,2,2,2]", "[3]", NULL } },
        { "{\"type\": \"array\", \"prefixItems\": [{\"type\": \"integer\"}, {\"type\": \"boolean\"}], \"items\": {\"type\": \"string\"}, \"maxItems\": 3}",
          { "[1,true]", "[1,false,\"a\"]", NULL }, { "[1]", "[1,true,\"a\",\"b\"]", "[1,true,2]", NULL } },
        { "{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}", { "\"ab\"", "\"\xC3\xA9\\n\xE6\xBC\xA2\"", NULL }, { "\"a\"", "\"abcd\"", NULL } },
        { "{\"type\": \"string\", \"pattern\": \"^[A-Z]{2}\\\\d\\\"?$\"}", { "\"AB1\"", "\"AB1\\\"\"", NULL }, { "\"AB\"", "\"AB1\"\"", NULL } },
        { "{\"type\": \"string\", \"format\": \"date-time\"}", { "\"2026-11-30T23:59:59Z\"", "\"2026-01-02T00:00:00.5+01:00\"", NULL },
          { "\"2026-13-01T00:00:00Z\"", "\"2026-11-30\"", NULL } },
        { "{\"type\": [\"integer\", \"null\"], \"minimum\": 3, \"exclusiveMaximum\": 11}", { "3", "10", "null", NULL }, { "2", "11", "3.0", NULL } },
        { "{\"type\": \"number\", \"minimum\": 0}", { "0", "1.5", "2e-3", NULL }, { "-1", ".5", NULL } },
        { "{\"anyOf\": [{\"type\": \"integer\"}, {\"$ref\": \"#/$defs/tree\"}], \"$defs\": {\"tree\": {\"type\": \"object\", \"properties\": {\"v\": {\"type\": "
          "\"integer\"}, \"sub\": {\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/tree\"}}}, \"required\": [\"v\"]}}}",
          { "5", "{\"v\":1}", "{\"v\":1,\"sub\":[{\"v\":2,\"sub\":[]}]}", NULL }, { "\"5\"", "{\"v\":1,\"sub\":[5]}", NULL } },
        { "{\"allOf\": [{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}}, \"required\": [\"a\"]}, {\"type\": \"object\", \"properties\": "
          "{\"b\": {\"type\": \"null\"}}, \"required\": [\"b\"]}]}",
          { "{\"a\":1,\"b\":null}", NULL }, { "{\"a\":1}", NULL } },
        { "{\"type\": \"boolean\", \"nullable\": true, \"title\": \"t\", \"x-y\": 1}", { "true", "null", NULL }, { "1", NULL } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_grammar *g = NULL;
        OK(schema_grammar(cases[i].schema, &g));
        for (int k = 0; cases[i].good[k]; k++)
            expect(g, cases[i].good[k], true);
        for (int k = 0; cases[i].bad[k]; k++)
            expect(g, cases[i].bad[k], false);
        ts_grammar_destroy(&g);
    }
    ts_grammar *g = open_grammar(ts_grammar_json_object);
    expect(g, "{\"a\": [1, {}]}", true);
    expect(g, "[1]", false);
    ts_grammar_destroy(&g);
}

static void wrong_schemas(void **state)
{
    static const char *const cases[][2] = {
        { "{\"type\": \"array\", \"uniqueItems\": true}", "\"uniqueItems\": this word" },
        { "{\"type\": \"text\"}", "expected the type" },
        { "{\"$ref\": \"#/$defs/x\"}", "is not in the schema" },
        { "{\"type\": \"object\", \"properties\": {}, \"required\": [\"a\"]}", "is required, but no property" },
        { "{\"type\": \"number\", \"maximum\": 3}", "is supported for" },
        { "{\"type\": \"integer\", \"minimum\": 4, \"maximum\": 3}", "no whole number" },
        { "{\"enum\": []}", "expected a list with values" },
        { "{\"type\": \"array\", \"minItems\": 3, \"maxItems\": 2}", "no list fits" },
        { "{\"$ref\": \"#\"}", "begins with itself" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ts_grammar *g = NULL;
        REFUSED(schema_grammar(cases[i][0], &g), TS_ERR_USER, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notation),      cmocka_unit_test(wrong_notation),     cmocka_unit_test(characters), cmocka_unit_test(whole_numbers),
        cmocka_unit_test(regexes_are_pcre2s), cmocka_unit_test(wrong_regexes), cmocka_unit_test(schemas),    cmocka_unit_test(wrong_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
