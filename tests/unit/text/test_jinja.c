/* The Jinja engine: renderings of Jinja2 (scripts/golden_jinja.py), of real chat templates, limits. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "text/jinja/jinja.h"

#include <string.h>

/* Tuesday, 3 June 2025, 04:05:06: what the goldens' clock shows. */
static const struct tm golden_now = { .tm_year = 125, .tm_mon = 5, .tm_mday = 3, .tm_hour = 4, .tm_min = 5,
                                      .tm_sec = 6, .tm_wday = 2, .tm_yday = 153 };

static ts_status render(const char *name, const char *text, size_t n, const json_t *vars,
                        const struct tm *now, ts_jinja_text *out)
{
    ts_jinja *t = NULL;
    ts_status st = ts_jinja_parse(name, text, n, &t);
    if (st == TS_OK)
        st = ts_jinja_render(t, vars, now, out);
    ts_jinja_destroy(&t);
    return st;
}

static void check_spans(const json_t *row, const ts_jinja_text *out, int line)
{
    const json_t *want = json_object_get(row, "spans");
    if (out->n_spans != json_array_size(want))
        fail_msg("line %d: %zu spans, expected %zu", line, out->n_spans, json_array_size(want));
    for (size_t i = 0; i < out->n_spans; i++) {
        const json_t *pair = json_array_get(want, i);
        assert_int_equal(out->spans[i].begin, json_integer_value(json_array_get(pair, 0)));
        assert_int_equal(out->spans[i].end, json_integer_value(json_array_get(pair, 1)));
    }
}

/* A row's text, or an error of its kind at a line of the template. */
static void check_row(const json_t *row, const json_t *vars, int line, ts_jinja_text *out)
{
    const json_t *template = json_object_get(row, "template"), *text = json_object_get(row, "text");
    const char *error = json_string_value(json_object_get(row, "error"));
    const ts_status st = render("case", json_string_value(template), json_string_length(template), vars,
                                &golden_now, out);
    if (error) {
        if (st != TS_ERR_USER || !strstr(ts_error_message(), error))
            fail_msg("line %d: expected %s, found %s", line, error,
                     st == TS_OK ? ts_str_text(&out->text) : ts_error_message());
        assert_int_equal(strncmp(ts_error_message(), "case:", 5), 0);
        assert_true(ts_error_message()[5] >= '1' && ts_error_message()[5] <= '9');
        return;
    }
    if (st != TS_OK)
        fail_msg("line %d: %s", line, ts_error_message());
    if (out->text.len != json_string_length(text) ||
        memcmp(ts_str_text(&out->text), json_string_value(text), out->text.len))
        fail_msg("line %d: found    %s\nexpected %s", line, ts_str_text(&out->text),
                 json_string_value(text));
    check_spans(row, out, line);
}

/* The objects of a file of JSON lines, as a list. */
static json_t *read_rows(const char *path)
{
    ts_str text = { 0 };
    json_t *rows = json_array(), *row;
    OK(ts_file_read(path, &text));
    for (char *s = text.s, *end; s && *s; s = end + 1) {
        end = strchr(s, '\n');
        OK(ts_json_parse(s, (size_t)(end - s), path, &row));
        json_array_append_new(rows, row);
    }
    ts_str_deinit(&text);
    return rows;
}

static void goldens(void **state)
{
    ts_jinja_text out = { 0 };
    (void)state;
    json_t *rows = read_rows("tests/golden/jinja.jsonl");
    const json_t *vars = json_object_get(json_array_get(rows, 0), "vars");
    assert_true(json_array_size(rows) > 100);
    for (size_t i = 1; i < json_array_size(rows); i++)
        check_row(json_array_get(rows, i), vars, (int)i + 1, &out);
    json_decref(rows);
    ts_jinja_text_deinit(&out);
}

#define DATA "../shared/data/chat-templates/"

/* Published chat templates on conversations: a row of refs.dev.jsonl is rendered with its own keys. */
static void published(void **state)
{
    static const struct tm now = { .tm_year = 125, .tm_mon = 5, .tm_mday = 30, .tm_wday = 1, .tm_yday = 180 };
    (void)state;
    if (!ts_path_exists(DATA "refs.dev.jsonl")) {
        print_message("skipped: " DATA "refs.dev.jsonl is not there\n");
        skip();
    }
    json_t *rows = read_rows(DATA "refs.dev.jsonl"), *row;
    ts_jinja_text out = { 0 };
    size_t i;
    json_array_foreach(rows, i, row) {
        char path[200];
        ts_jinja *t = NULL;
        const json_t *want = json_object_get(row, "text");
        snprintf(path, sizeof path, DATA "%s.jinja", json_string_value(json_object_get(row, "template")));
        OK(ts_jinja_read(path, &t));
        const ts_status st = ts_jinja_render(t, row, &now, &out);
        if (!want)
            assert_int_equal(st, TS_ERR_USER);
        else if (st != TS_OK || strcmp(ts_str_text(&out.text), json_string_value(want)))
            fail_msg("%s: row %zu: %s", path, i, st == TS_OK ? ts_str_text(&out.text) : ts_error_message());
        ts_jinja_destroy(&t);
    }
    assert_true(i > 400);
    json_decref(rows);
    ts_jinja_text_deinit(&out);
}

static void refused(const char *text, const char *why)
{
    ts_jinja_text out = { 0 };
    json_t *vars = json_object();
    REFUSED(render("t.jinja", text, strlen(text), vars, &golden_now, &out), TS_ERR_USER, why);
    assert_int_equal(out.text.len, 0);
    json_decref(vars);
    ts_jinja_text_deinit(&out);
}

/* Messages name template, line and what; what is not supported says so. */
static void messages(void **state)
{
    (void)state;
    refused("a\n\n{{ 'a' + 1 }}", "t.jinja:3: TypeError: can only concatenate str (not \"int\") to str");
    refused("{% if true %}\n{{ x.y }}\n{% endif %}", "t.jinja:2: UndefinedError: 'x' is undefined");
    refused("{{ {}.y.z }}", "'dict object' has no attribute 'y'");
    refused("\n{% if %}", "t.jinja:2: TemplateSyntaxError: expected an expression");
    refused("{% include 'x' %}", "'include' is not supported");
    refused("{% autoescape true %}{% endautoescape %}", "'autoescape' is not supported");
    refused("{{ raise_exception('é no') }}", "t.jinja:1: TemplateError: é no");
    refused("\xFF", "byte 0 is not UTF-8");
    refused("{{ 9223372036854775807 + 1 }}", "64 bits");
    refused("{{ 99999999999999999999 }}", "64 bits");
}

/* What would take for ever, or all memory, or all of the stack. */
static void limits(void **state)
{
    char deep[2001];
    (void)state;
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    memcpy(deep, "{{", 2);
    refused(deep, "nested too deep");
    for (int i = 0; i + 4 < 2000; i += 4)
        memcpy(deep + i, i ? "not " : "{{  ", 4);
    refused(deep, "nested deeper");
    refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError");
    refused("{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}"
            "{{ n.x }}",
            "RecursionError");
    refused("{{ 'a' * 999999999999 }}", "MemoryError");
    refused("{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
            "MemoryError");
    refused("{{ range(100000) | list * 90000 }}", "MemoryError");
}

static void generation(void **state)
{
    ts_jinja *t = NULL;
    (void)state;
    OK(ts_jinja_parse("t", "{% generation %}{% endgeneration %}", 35, &t));
    assert_true(ts_jinja_has_generation(t));
    ts_jinja_destroy(&t);
    OK(ts_jinja_parse("t", "generation", 10, &t));
    assert_false(ts_jinja_has_generation(t));
    ts_jinja_destroy(&t);
    ts_jinja_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens), cmocka_unit_test(published),  cmocka_unit_test(messages),
        cmocka_unit_test(limits),  cmocka_unit_test(generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
