/* Calls of tools in what models write, in the forms of their templates; and what of a text may be shown while it comes. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "serve/calls.h"

#include <string.h>

static const char tools_json[] = "[{\"type\": \"function\", \"function\": {\"name\": \"add\"}},"
                                 " {\"type\": \"function\", \"function\": {\"name\": \"look\"}}]";

typedef struct call_case {
    const char *text, *content;
    const char *calls; /* NAME ARGUMENTS; ... */
} call_case;

static const call_case cases[] = {
    { "Hello.", "Hello.", "" },
    { "", "", "" },
    /* Hermes and Qwen */
    { "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>", "", "add {\"a\": 1};" },
    { "I see.\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"look\", \"arguments\": "
      "{\"at\": \"</x>\"}}</tool_call>",
      "I see.\n", "add {};look {\"at\": \"</x>\"};" },
    { "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1}}", "", "add {\"a\": 1};" },
    { "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1</tool_call>",
      "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1</tool_call>", "" },
    { "<tool_call>{\"name\": \"none\", \"arguments\": {}}</tool_call>",
      "<tool_call>{\"name\": \"none\", \"arguments\": {}}</tool_call>", "" },
    { "a <tool_call> b", "a <tool_call> b", "" },
    /* Llama 3 */
    { "{\"name\": \"add\", \"parameters\": {\"a\": [1, 2]}}", "", "add {\"a\": [1, 2]};" },
    { "<|python_tag|>{\"name\": \"add\", \"parameters\": {}}; {\"name\": \"look\", \"parameters\": {}}", "",
      "add {};look {};" },
    { "{\"name\": \"add\", \"parameters\": {}} and more", "{\"name\": \"add\", \"parameters\": {}} and more",
      "" },
    { "{\"name\": \"add\"}", "{\"name\": \"add\"}", "" },
    { "{\"a\": 1}", "{\"a\": 1}", "" },
    /* Mistral */
    { "[TOOL_CALLS] [{\"name\": \"add\", \"arguments\": {\"a\": 1}}, {\"name\": \"look\", \"arguments\": {}}]",
      "", "add {\"a\": 1};look {};" },
    { " [{\"name\": \"add\", \"arguments\": {\"a\": 1}}]", "", "add {\"a\": 1};" },
    { "[{\"name\": \"add\", \"arguments\": {}}, 7]", "[{\"name\": \"add\", \"arguments\": {}}, 7]", "" },
    { "[]", "[]", "" },
};

static void test_forms(void **state)
{
    (void)state;
    json_t *tools = NULL;
    OK(ts_json_parse(tools_json, strlen(tools_json), "tools", &tools));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const call_case *c = &cases[i];
        ts_tool_calls got;
        ts_str calls = { 0 };
        OK(ts_tool_calls_find(c->text, strlen(c->text), tools, &got));
        for (size_t k = 0; k < got.n; k++)
            OK(ts_str_printf(&calls, "%s %s;", got.v[k].name, got.v[k].arguments));
        if (strcmp(ts_str_text(&calls), c->calls) != 0 || strcmp(ts_str_text(&got.content), c->content) != 0)
            fail_msg("%s: calls \"%s\", content \"%s\"", c->text, ts_str_text(&calls),
                     ts_str_text(&got.content));
        ts_str_deinit(&calls);
        ts_tool_calls_deinit(&got);
    }
    json_decref(tools);
}

/* Whatever piece of a text is there, what is shown of it begins its content; and a text without calls is not held back
 * for longer than a mark may still come. */
static void test_pieces(void **state)
{
    (void)state;
    json_t *tools = NULL;
    OK(ts_json_parse(tools_json, strlen(tools_json), "tools", &tools));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const call_case *c = &cases[i];
        for (size_t n = 0; n <= strlen(c->text); n++) {
            const size_t shown = ts_tool_calls_none(c->text, n);
            assert_true(shown <= n);
            if (strncmp(c->text, c->content, shown) != 0)
                fail_msg("%s: \"%.*s\" is shown and is no content", c->text, (int)shown, c->text);
        }
    }
    assert_int_equal(ts_tool_calls_none("Hello <to", 9), 6);
    assert_int_equal(ts_tool_calls_none("Hello <b>", 9), 9);
    json_decref(tools);
}

/* NAME ARGUMENTS; ... of what a text's first n bytes have begun. */
static void begun(const char *text, size_t n, const json_t *tools, ts_str *out)
{
    ts_tool_calls got;
    OK(ts_tool_calls_begun(text, n, tools, &got));
    ts_str_reset(out);
    for (size_t k = 0; k < got.n; k++)
        OK(ts_str_printf(out, "%s%s %s", k ? ";" : "", got.v[k].name, got.v[k].arguments));
    ts_tool_calls_deinit(&got);
}

typedef struct begun_case {
    const char *text, *calls;
} begun_case;

static const begun_case begun_cases[] = {
    { "<tool_call>{\"name\": \"add", "" },
    { "<tool_call>{\"name\": \"add\", \"arguments\": ", "" },
    { "x<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": \"}\\\"{", "add {\"a\": \"}\\\"{" },
    { "<tool_call>{\"name\": \"none\", \"arguments\": {}", "" },
    { "{\"name\":\"add\",\"parameters\":{\"a\":[1,{}]}}", "add {\"a\":[1,{}]}" },
    { "{\"arguments\": {}, \"name\": \"add\"}", "" },
    { "{\"name\": \"add\", \"more\": 1, \"arguments\": {}}", "" },
};

/* What has begun is never taken back, and what is a call in the end has begun as the same one. */
static void test_begun(void **state)
{
    (void)state;
    json_t *tools = NULL;
    ts_str now = { 0 }, last = { 0 };
    OK(ts_json_parse(tools_json, strlen(tools_json), "tools", &tools));
    for (size_t i = 0; i < sizeof begun_cases / sizeof *begun_cases; i++) {
        begun(begun_cases[i].text, strlen(begun_cases[i].text), tools, &now);
        assert_string_equal(ts_str_text(&now), begun_cases[i].calls);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t all = strlen(cases[i].text);
        begun(cases[i].text, all, tools, &last);
        for (size_t n = 0; n <= all; n++) {
            begun(cases[i].text, n, tools, &now);
            if (strncmp(ts_str_text(&now), ts_str_text(&last), now.len) != 0)
                fail_msg("%.*s: %s, in the end %s", (int)n, cases[i].text, ts_str_text(&now), ts_str_text(&last));
        }
        if (*cases[i].calls) {
            OK(ts_str_puts(&last, ";"));
            assert_string_equal(last.s, cases[i].calls);
        }
    }
    ts_str_deinit(&now);
    ts_str_deinit(&last);
    json_decref(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_forms), cmocka_unit_test(test_pieces),
                                        cmocka_unit_test(test_begun) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
