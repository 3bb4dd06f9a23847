#include "fuzz.h"
#include "text/grammar/grammar.h"

/* Reads a text as far as it fits; the machine stays in its states. */
static void walk(ts_grammar *g, const char *text)
{
    int32_t at = ts_grammar_start(g);
    for (; *text && at != TS_GRAMMAR_DEAD; text++) {
        if (at < 0 || at >= ts_grammar_states(g))
            abort();
        if (ts_grammar_must_end(g, at) && !ts_grammar_may_end(g, at))
            abort();
        if (ts_grammar_step(g, at, (unsigned char)*text, &at) != TS_OK)
            return;
    }
}

/* A grammar that was made from a schema or an expression is one, but where it is too large or no text fits it. */
static void parse(const ts_str *text, bool is_own, const char *read)
{
    ts_grammar *g = NULL;
    if (ts_grammar_parse(ts_str_text(text), text->len, "fuzz", &g) == TS_OK)
        walk(g, read);
    else if (is_own && !strstr(ts_error_message(), "too large") && !strstr(ts_error_message(), "begins with itself") &&
             !strstr(ts_error_message(), "no character") && !strstr(ts_error_message(), "ends before it begins") && !strstr(ts_error_message(), "too many") &&
             !strstr(ts_error_message(), "100000") && !strstr(ts_error_message(), "too deep") && !strstr(ts_error_message(), "{ }"))
        abort();
    ts_grammar_destroy(&g);
}

/* First byte: a grammar, a schema or a regular expression; then its text, a NUL, and a text to read by it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
    ts_str out = { 0 };
    json_t *schema = NULL;
    if (size < 1)
        return 0;
    char *text = fuzz_text(data + 1, nul ? (size_t)(nul - data) - 1 : size - 1),
         *read = nul ? fuzz_text(nul + 1, size - (size_t)(nul + 1 - data)) : fuzz_text("{\"a\": [1]}", 10);
    switch (data[0] % 3) {
    case 0:
        if (ts_str_puts(&out, text) == TS_OK)
            parse(&out, false, read);
        break;
    case 1:
        if (ts_json_parse(text, strlen(text), "fuzz", &schema) == TS_OK &&
            ts_grammar_of_schema(schema, "fuzz", &out) == TS_OK)
            parse(&out, true, read);
        json_decref(schema);
        break;
    default:
        if (ts_grammar_of_regex(text, "root", &out) == TS_OK)
            parse(&out, true, read);
    }
    ts_str_deinit(&out);
    free(text);
    free(read);
    return 0;
}
