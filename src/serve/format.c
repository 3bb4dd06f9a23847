/* What the answers to a request must fit. */
#include "serve/settings.h"

#include <string.h>

/* What a request asks for, as GBNF. */
typedef struct format {
    ts_str grammar;
    const char *field; /* that says it; NULL: none does */
} format;

static const json_t *find(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

static ts_status invalid(ts_refusal *r, const char *field, const char *what)
{
    return ts_refuse(r, 400, field, "invalid_type", "%s: %s", field, what);
}

/* A schema or grammar that cannot be one is the client's. */
static ts_status judged(ts_status st, const char *field, ts_refusal *r)
{
    return st == TS_ERR_USER ? ts_refuse_field(r, field, "%s", ts_error_message()) : st;
}

/* Takes down that the field says it; a second one is refused. */
static ts_status begin(format *f, const char *field, ts_refusal *r)
{
    if (f->field)
        return ts_refuse_field(r, field, "%s and %s both say what the answer is to fit: give one", f->field, field);
    f->field = field;
    return TS_OK;
}

static ts_status of_schema(format *f, const char *field, const json_t *schema, ts_refusal *r)
{
    if (!json_is_object(schema) && !json_is_true(schema))
        return invalid(r, field, "a JSON schema (an object) was expected");
    return judged(ts_grammar_of_schema(schema, field, &f->grammar), field, r);
}

static ts_status of_text(format *f, const char *field, const json_t *v, bool is_regex, ts_refusal *r)
{
    const char *s = json_string_value(v);
    if (!s || strlen(s) != json_string_length(v))
        return invalid(r, field, "a string (without NUL) was expected");
    return is_regex ? judged(ts_grammar_of_regex(s, "root", &f->grammar), field, r) : ts_str_puts(&f->grammar, s);
}

/* {"type": "text" | "json_object" | "json_schema", ...}; the schema stands in it, or in its json_schema. */
static ts_status of_type(format *f, const char *field, const json_t *v, ts_refusal *r)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    const json_t *inner = json_object_get(v, "json_schema"), *schema = json_object_get(inner ? inner : v, "schema");
    if (!type)
        return invalid(r, field, "an object with \"type\" was expected");
    if (!strcmp(type, "text"))
        return TS_OK;
    TS_TRY(begin(f, field, r));
    if (!strcmp(type, "json_object") && !schema)
        return ts_str_puts(&f->grammar, ts_grammar_json_object);
    if (!strcmp(type, "json_object") || !strcmp(type, "json_schema"))
        return of_schema(f, field, schema, r);
    return ts_refuse(r, 400, field, "unsupported_value", "%s: the type %.40s is not known; text, json_object and json_schema are",
                     field, type);
}

/* One of a list of texts. */
static ts_status of_choice(format *f, const json_t *list, ts_refusal *r)
{
    static const char field[] = "structured_outputs";
    ts_str text = { 0 };
    ts_status st = json_array_size(list) ? TS_OK : invalid(r, field, "choice: a list of texts was expected");
    for (size_t i = 0; i < json_array_size(list) && st == TS_OK; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        for (st = s ? TS_OK : invalid(r, field, "choice: a list of texts was expected"); st == TS_OK && *s; s++)
            st = strchr("\\.[]{}()*+?^$|", *s) ? ts_str_printf(&text, "\\%c", *s) : ts_str_add(&text, s, 1);
        if (st == TS_OK && i + 1 < json_array_size(list))
            st = ts_str_puts(&text, "|");
    }
    if (st == TS_OK)
        st = judged(ts_grammar_of_regex(ts_str_text(&text), "root", &f->grammar), field, r);
    ts_str_deinit(&text);
    return st;
}

static ts_status of_outputs(format *f, const json_t *v, ts_refusal *r)
{
    static const char field[] = "structured_outputs";
    const json_t *json = find(v, "json"), *regex = find(v, "regex"), *grammar = find(v, "grammar"), *choice = find(v, "choice");
    if (!json_is_object(v) || !!json + !!regex + !!grammar + !!choice != 1)
        return invalid(r, field, "an object with one of json, regex, choice and grammar was expected");
    TS_TRY(begin(f, field, r));
    return json     ? of_schema(f, field, json, r)
           : choice ? of_choice(f, choice, r)
                    : of_text(f, field, regex ? regex : grammar, regex != NULL, r);
}

static ts_status read_body(format *f, const json_t *body, ts_refusal *r)
{
    const json_t *v, *text = find(body, "text");
    if ((v = find(body, "response_format")))
        TS_TRY(of_type(f, "response_format", v, r));
    if (json_is_object(text) && (v = find(text, "format")))
        TS_TRY(of_type(f, "text.format", v, r));
    if ((v = find(body, "json_schema"))) {
        TS_TRY(begin(f, "json_schema", r));
        TS_TRY(of_schema(f, "json_schema", v, r));
    }
    if ((v = find(body, "grammar"))) {
        TS_TRY(begin(f, "grammar", r));
        TS_TRY(of_text(f, "grammar", v, false, r));
    }
    return (v = find(body, "structured_outputs")) ? of_outputs(f, v, r) : TS_OK;
}

ts_status ts_settings_read_format(const json_t *body, const ts_token_list *tokens, ts_constraint **out, ts_refusal *r)
{
    format f = { 0 };
    ts_grammar *g = NULL;
    *out = NULL;
    ts_status st = read_body(&f, body, r);
    if (st == TS_OK && f.field && !tokens)
        st = ts_refuse_field(r, f.field, "%s: the model has no tokenizer, and so no text", f.field);
    if (st == TS_OK && f.field)
        st = judged(ts_grammar_parse(ts_str_text(&f.grammar), f.grammar.len, f.field, &g), f.field, r);
    if (st == TS_OK && f.field)
        st = ts_constraint_create(&g, tokens, out);
    ts_grammar_destroy(&g);
    ts_str_deinit(&f.grammar);
    return st;
}
