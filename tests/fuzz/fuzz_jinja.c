#include "fuzz.h"
#include "text/jinja/jinja.h"

#include <string.h>

/* A rendering is UTF-8, and its spans lie in it. */
static void check_text(const ts_jinja_text *t)
{
    const char *s = ts_str_text(&t->text);
    if (ts_utf8_check(s, t->text.len) != t->text.len)
        abort();
    for (size_t i = 0; i < t->n_spans; i++)
        if (t->spans[i].begin > t->spans[i].end)
            abort();
}

/* A template, a NUL, and its variables as JSON (without those: a conversation). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char chat[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"H\\u00e9 <b>\"}, {\"role\": \"assistant\", \"content\": null,"
        "\"tool_calls\": [{\"name\": \"f\", \"arguments\": {\"x\": [1, 2.5, true]}}]}], \"n\": -3, \"bos_token\": \"<s>\"}";
    const uint8_t *nul = memchr(data, 0, size);
    const size_t n = nul ? (size_t)(nul - data) : size;
    const char *json = nul ? (const char *)nul + 1 : chat;
    const struct tm now = { .tm_year = 125, .tm_mday = 1 };
    ts_jinja *t = NULL;
    ts_jinja_text out = { 0 };
    json_t *vars = NULL;
    if (ts_jinja_parse("t.jinja", (const char *)data, n, &t) != TS_OK) {
        if (strncmp(ts_error_message(), "t.jinja:", 8))
            abort();
        return 0;
    }
    if (ts_json_load(json, nul ? size - n - 1 : sizeof chat - 1, JSON_ALLOW_NUL, "vars", &vars) == TS_OK) {
        if (ts_jinja_render(t, vars, &now, &out) == TS_OK)
            check_text(&out);
        else if (strncmp(ts_error_message(), "t.jinja:", 8))
            abort();
    }
    json_decref(vars);
    ts_jinja_text_deinit(&out);
    ts_jinja_destroy(&t);
    return 0;
}
