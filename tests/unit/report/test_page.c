#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/page.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int words(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

/* Well formed: each tag is closed by its own name, values are quoted, & begins one of the entities that are
 * written here. */
static void assert_well_formed(const char *text)
{
    enum { DEEPEST = 64 };
    char open[DEEPEST][32];
    int depth = 0;
    for (const char *at = text; *at; at++) {
        if (*at == '&')
            assert_true(!strncmp(at, "&amp;", 5) || !strncmp(at, "&lt;", 4) ||
                        !strncmp(at, "&gt;", 4) || !strncmp(at, "&quot;", 6) ||
                        !strncmp(at, "&#39;", 5));
        if (*at != '<' || at[1] == '!')
            continue;
        const bool closes = at[1] == '/';
        char name[32];
        int n = 0;
        for (at += closes ? 2 : 1; isalnum((unsigned char)*at); at++)
            name[n < 31 ? n++ : n] = *at;
        name[n] = 0;
        assert_true(n > 0);
        bool is_quoted = false;
        for (; *at && (is_quoted || *at != '>'); at++) {
            is_quoted = is_quoted != (*at == '"');
            assert_true(*at != '<');
        }
        assert_int_equal(*at, '>');
        if (closes)
            assert_string_equal(open[--depth], name);
        else if (at[-1] != '/')
            strcpy(open[depth++], name);
        assert_true(depth >= 0 && depth < DEEPEST);
    }
    assert_int_equal(depth, 0);
}

static void take(ts_report_run *r, const char *text)
{
    json_t *line;
    assert_int_equal(ts_json_parse(text, strlen(text), "test", &line), TS_OK);
    assert_int_equal(ts_report_take_line(r, line, "test:1"), TS_OK);
    json_decref(line);
}

static void steps(ts_report_run *r, int64_t from, int64_t to)
{
    char text[512];
    for (int64_t x = from; x <= to; x++) {
        snprintf(
            text, sizeof text,
            "{\"iteration\": %lld, \"consumed_samples\": 1, \"lm_loss\": %s, \"skipped\": %s, \"load\": [%lld, %lld],"
            " \"traffic\": {\"tp\": {\"calls\": 3, \"bytes\": 80, \"by\": {\"all-reduce\": {\"bytes\": 80}}}}}",
            (long long)x, x == 7 ? "null" : "2.5", x == 9 ? "true" : "false", (long long)x,
            3 * (long long)x);
        take(r, text);
    }
}

static void name(ts_report_run *r, const char *text)
{
    assert_int_equal(ts_strdup(text, &r->name), TS_OK);
    assert_int_equal(ts_strdup(text, &r->path), TS_OK);
}

/* A run that began again, one whose name would end the page if it could, and a plan. */
static void page(void **state)
{
    (void)state;
    ts_report_run runs[2] = { 0 };
    const ts_report r = { "<title> & \"more\"", runs, 2 };
    static const char plan[] =
        "{\"ranks\": [{\"rank\": 0, \"memory\": {\"peak_bytes\": 5}, \"traffic\": {\"tp\": "
        "{\"bytes\": 80}}}, {\"rank\": 1, \"memory\": {\"peak_bytes\": 7}}], \"step_seconds\": 1}";
    ts_str out = { 0 };
    name(&runs[0], "</script><script>alert(1)</script>\x01\xff");
    name(&runs[1], "it's");
    steps(&runs[0], 1, 100);
    steps(&runs[0], 51, 120);
    steps(&runs[1], 1, 10);
    const ts_series *loss = ts_series_find(&runs[0].series, "lm_loss");
    assert_int_equal(loss->n, 120);
    for (size_t i = 0; i < loss->n; i++)
        assert_int_equal(loss->v[i].x, i + 1);
    assert_int_equal(ts_json_parse(plan, sizeof plan - 1, "plan", &runs[0].plan), TS_OK);
    runs[0].options = json_pack("{s:i, s:s}", "micro-batch-size", 4, "data-path", "<here>");
    runs[1].options = json_pack("{s:i, s:s}", "micro-batch-size", 2, "data-path", "<here>");
    assert_int_equal(ts_report_note(&runs[1], "a <note>"), TS_OK);
    assert_int_equal(ts_report_page(&r, &out), TS_OK);
    assert_well_formed(out.s);
    assert_int_equal(words(out.s, "http"), 0);
    assert_int_equal(words(out.s, "src="), 0);
    assert_int_equal(words(out.s, "url("), 0);
    assert_int_equal(words(out.s, "<script"), 1);
    /* a line for each run and curve: the loss, three of the load, the traffic */
    assert_int_equal(words(out.s, "<figure"), 5);
    assert_int_equal(words(out.s, "<polyline"), 2 * 5);
    assert_int_equal(words(out.s, "<path class=\"seam c0\""), 5);
    assert_int_equal(words(out.s, "no number in step 7"), 2);
    assert_int_equal(words(out.s, "began again with step 51; 50 steps"), 1);
    assert_int_equal(words(out.s, "1 skipped steps: 9</li>"), 2);
    assert_int_equal(words(out.s, "a &lt;note&gt;"), 1);
    const char *differs = strstr(out.s, "What differs"),
               *rest = strstr(out.s, "The rest of the layout");
    assert_true(differs && strstr(differs, "micro-batch-size") < rest);
    assert_true(strstr(differs, "data-path") > rest);
    assert_non_null(strstr(
        out.s,
        "<td class=\"num\">80 B</td><td class=\"num\">80 B</td><td class=\"num\">the same</td>"));
    assert_non_null(
        strstr(out.s, "by the account</td><td class=\"num\">7 B</td>")); /* the largest process */
    ts_str_deinit(&out);
    ts_report_run_deinit(&runs[0]);
    ts_report_run_deinit(&runs[1]);
}

static void numbers(void **state)
{
    (void)state;
    char b[48];
    assert_string_equal(ts_report_number(TS_NUMBER_COUNT, 12345, 0, b), "12.35k");
    assert_string_equal(ts_report_number(TS_NUMBER_BYTES, 2e9, 0.5e9, b), "2.0 GB");
    assert_string_equal(ts_report_number(TS_NUMBER_BYTES, 1e6, 0, b), "1 MB");
    assert_string_equal(ts_report_number(TS_NUMBER_SECONDS, 0.015, 0.005, b), "15 ms");
    assert_string_equal(ts_report_number(TS_NUMBER_SHARE, 0.5, 0.1, b), "50 %");
    assert_string_equal(ts_report_number(TS_NUMBER_PLAIN, 4.5671, 1e-4, b), "4.5671");
    assert_string_equal(ts_report_number(TS_NUMBER_PLAIN, 0.0, 0.1, b), "0");
    assert_string_equal(ts_report_number(TS_NUMBER_BYTES, 1.0 / 0.0, 0, b), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
