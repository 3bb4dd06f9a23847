/* What an answer must fit: the form of a response (JSON, a schema's JSON, a grammar), or a call of a tool
 * that has to come. */
#include "serve/request.h"

#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a request"); }

/* The grammar's text becomes the request's constraint. What is wrong with it is this field's fault. */
static ts_status constrain(ts_request *e, const ts_str *text, const char *field, ts_refusal *r)
{
    ts_grammar *g = NULL;
    if (e->constraint)
        return ts_refuse_field(r, field, "%s: the request asks for another form already", field);
    if (!e->rules->wording->has_text)
        return ts_refuse(r, 400, field, "no_tokenizer", "%s: the model has no tokenizer", field);
    ts_status st = ts_grammar_parse(ts_str_text(text), text->len, field, &g);
    if (st == TS_OK)
        st = ts_constraint_create(&g, e->rules->tokens, &e->constraint);
    ts_grammar_destroy(&g);
    if (st == TS_ERR_USER)
        *r = (ts_refusal){ 400, field, "invalid_value" };
    return st;
}

static ts_status of_schema(ts_request *e, const json_t *schema, const char *field, ts_refusal *r)
{
    ts_str text = { 0 };
    if (!schema)
        return ts_refuse_field(r, field, "%s: the schema is missing", field);
    ts_status st = ts_grammar_of_schema(schema, field, &text);
    if (st == TS_ERR_USER)
        *r = (ts_refusal){ 400, field, "invalid_schema" };
    if (st == TS_OK)
        st = constrain(e, &text, field, r);
    ts_str_deinit(&text);
    return st;
}

/* {"type": "text" | "json_object" | "json_schema", ...}; schema: where the latter's is. */
static ts_status of_format(ts_request *e, const json_t *format, const json_t *schema, const char *field,
                           ts_refusal *r)
{
    const char *type = json_string_value(json_object_get(format, "type"));
    if (!format || json_is_null(format) || (type && !strcmp(type, "text")))
        return TS_OK;
    if (type && !strcmp(type, "json_schema"))
        return of_schema(e, schema, field, r);
    if (!type || strcmp(type, "json_object") != 0)
        return ts_refuse(r, 400, field, "unsupported_value",
                         "%s: a type \"text\", \"json_object\" or \"json_schema\" was expected", field);
    ts_str text = { 0 };
    ts_status st = ts_str_puts(&text, ts_grammar_json_object);
    if (st == TS_OK)
        st = constrain(e, &text, field, r);
    ts_str_deinit(&text);
    return st;
}

static ts_status of_grammar(ts_request *e, ts_refusal *r)
{
    const char *grammar;
    TS_TRY(ts_field_text(e->body, "grammar", &grammar, r));
    if (!grammar)
        return TS_OK;
    const ts_str text = { (char *)(uintptr_t)grammar, strlen(grammar), 0 };
    return constrain(e, &text, "grammar", r);
}

/* ---- calls that have to come ---- */

/* The schema of a call of a function. */
static json_t *call_schema(const json_t *function)
{
    json_t *parameters = json_object_get(function, "parameters");
    json_t *arguments =
        json_is_object(parameters) ? json_incref(parameters) : json_pack("{s:s}", "type", "object");
    return json_pack("{s:s, s:{s:{s:O}, s:o}, s:[s, s], s:b}", "type", "object", "properties", "name",
                     "const", json_object_get(function, "name"), "arguments", arguments, "required", "name",
                     "arguments", "additionalProperties", 0);
}

/* The name that a tool_choice wants; NULL: any. */
static const char *wanted_name(const json_t *choice)
{
    const json_t *f = json_object_get(choice, "function");
    return json_string_value(json_object_get(f ? f : choice, "name"));
}

static ts_status of_tool_choice(ts_request *e, ts_refusal *r)
{
    const json_t *choice = json_object_get(e->body, "tool_choice"),
                 *tools = json_object_get(e->body, "tools");
    const char *word = json_string_value(choice), *name = wanted_name(choice);
    if (!json_is_object(choice) && (!word || strcmp(word, "required") != 0))
        return TS_OK;
    if (!e->has_tools || e->constraint)
        return ts_refuse_field(r, "tool_choice", "tool_choice: %s",
                               e->constraint ? "the request asks for another form too"
                                             : "there are no tools");
    json_t *calls = json_array();
    bool failed = !calls;
    for (size_t i = 0; !failed && i < json_array_size(tools); i++) {
        const json_t *f = json_object_get(json_array_get(tools, i), "function");
        if (!name || !strcmp(name, json_string_value(json_object_get(f, "name"))))
            failed = json_array_append_new(calls, call_schema(f)) != 0;
    }
    const bool none = !failed && !json_array_size(calls);
    json_t *schema = failed || none ? NULL : json_pack("{s:O}", "anyOf", calls);
    json_decref(calls);
    if (none)
        return ts_refuse_field(r, "tool_choice", "tool_choice: there is no such tool");
    const ts_status st = schema ? of_schema(e, schema, "tools", r) : no_memory();
    json_decref(schema);
    return st;
}

ts_status ts_request_constrain(ts_request *e, ts_refusal *r)
{
    const json_t *format = json_object_get(e->body, "response_format"),
                 *text = json_object_get(e->body, "text"), *of_text = json_object_get(text, "format");
    TS_TRY(of_format(e, format, json_object_get(json_object_get(format, "json_schema"), "schema"),
                     "response_format", r));
    if (e->kind == TS_REQUEST_RESPONSE)
        TS_TRY(of_format(e, of_text, json_object_get(of_text, "schema"), "text", r));
    TS_TRY(of_grammar(e, r));
    return e->kind == TS_REQUEST_COMPLETION ? TS_OK : of_tool_choice(e, r);
}
