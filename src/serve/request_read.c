/* The prompts of a body. */
#include "serve/request.h"

#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a request"); }

static ts_status make_prompts(ts_request *e, size_t n, ts_refusal *r)
{
    if (!n || n > TS_SETTINGS_MOST_TEXTS)
        return ts_refuse_field(r, "prompt", "prompt: expected 1 to %d of them, found %zu", TS_SETTINGS_MOST_TEXTS, n);
    TS_TRY(ts_alloc(&e->prompts, n, sizeof *e->prompts));
    e->n_prompts = n;
    return TS_OK;
}

/* ---- completions ---- */

static ts_status read_ids(const ts_request *e, const json_t *list, ts_ids *out, ts_refusal *r)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id >= e->rules->defaults.vocab)
            return ts_refuse_field(r, "prompt", "prompt: token %zu is no id below %lld", i,
                                   (long long)e->rules->defaults.vocab);
        TS_TRY(ts_ids_add(out, (int32_t)id));
    }
    return TS_OK;
}

static ts_status read_one_prompt(const ts_request *e, const json_t *v, ts_ids *out, ts_refusal *r)
{
    if (json_is_array(v))
        return read_ids(e, v, out, r);
    if (json_is_string(v))
        return ts_wording_encode(e->rules->wording, json_string_value(v), json_string_length(v), true, out, r);
    return ts_refuse(r, 400, "prompt", "invalid_type", "prompt: a text, a list of token ids, or a list of such was expected");
}

static ts_status read_completion(ts_request *e, ts_refusal *r)
{
    const json_t *p = json_object_get(e->body, "prompt"), *suffix = json_object_get(e->body, "suffix");
    int64_t best = e->settings.n;
    TS_TRY(ts_field_bool(e->body, "echo", &e->echoes, r));
    TS_TRY(ts_field_int(e->body, "best_of", 1, TS_SETTINGS_MOST_TEXTS, &best, NULL, r));
    if (best != e->settings.n)
        return ts_refuse(r, 400, "best_of", "unsupported_value", "best_of: only the same as n is supported");
    if (json_string_length(suffix))
        return ts_refuse(r, 400, "suffix", "unsupported_value", "suffix is not supported");
    if (e->echoes && !e->rules->wording->has_text)
        return ts_refuse(r, 400, "echo", "no_tokenizer", "echo: the model has no tokenizer, and so no text");
    const bool is_list = json_is_array(p) && !json_is_integer(json_array_get(p, 0));
    TS_TRY(make_prompts(e, is_list ? json_array_size(p) : 1, r));
    for (size_t i = 0; i < e->n_prompts; i++)
        TS_TRY(read_one_prompt(e, is_list ? json_array_get(p, i) : p, &e->prompts[i], r));
    return TS_OK;
}

/* ---- chat ---- */

/* What names a tool, or any, would have to be held to it. */
static ts_status check_tools(ts_request *e, const json_t *body, ts_refusal *r)
{
    const json_t *tools = json_object_get(body, "tools"), *choice = json_object_get(body, "tool_choice");
    const char *word = json_string_value(choice);
    if (tools && !json_is_null(tools) && !json_is_array(tools))
        return ts_refuse(r, 400, "tools", "invalid_type", "tools: a list was expected");
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (!json_is_string(json_object_get(json_object_get(json_array_get(tools, i), "function"), "name")))
            return ts_refuse_field(r, "tools", "tools: each is {\"type\": \"function\", \"function\": {\"name\": ...}}");
    if (choice && !json_is_null(choice) && (!word || (strcmp(word, "auto") != 0 && strcmp(word, "none") != 0)))
        return ts_refuse(r, 400, "tool_choice", "unsupported_value",
                         "tool_choice: only \"auto\" and \"none\" are supported by this server");
    e->has_tools = ts_wording_has_tools(body);
    return TS_OK;
}

static ts_status read_chat(ts_request *e, const json_t *body, ts_refusal *r)
{
    if (e->settings.max_new == 0)
        return ts_refuse_field(r, "max_tokens", "max_tokens is 0; expected 1 or more");
    TS_TRY(check_tools(e, body, r));
    TS_TRY(make_prompts(e, 1, r));
    return ts_wording_chat(e->rules->wording, body, &e->prompts[0], r);
}

/* ---- responses, as the chat that they mean ---- */

static ts_status add_message(json_t *list, const char *role, json_t *content)
{
    json_t *m = json_object();
    const bool failed = !m || json_object_set_new(m, "role", json_string(role)) || json_object_set_new(m, "content", content);
    if (failed || json_array_append(list, m)) {
        json_decref(m);
        return no_memory();
    }
    json_decref(m);
    return TS_OK;
}

static ts_status add_call(json_t *list, const json_t *item, ts_refusal *r)
{
    const json_t *name = json_object_get(item, "name"), *args = json_object_get(item, "arguments"),
                 *id = json_object_get(item, "call_id");
    if (!json_is_string(name) || !json_is_string(args))
        return ts_refuse_field(r, "input", "input: a function_call has \"name\" and \"arguments\", both texts");
    json_t *m = json_pack("{s:s, s:s, s:[{s:s, s:s, s:{s:O, s:O}}]}", "role", "assistant", "content", "", "tool_calls", "id",
                          json_is_string(id) ? json_string_value(id) : "", "type", "function", "function", "name", name,
                          "arguments", args);
    return !m || json_array_append_new(list, m) ? no_memory() : TS_OK;
}

static ts_status add_output(json_t *list, const json_t *item, ts_refusal *r)
{
    const json_t *output = json_object_get(item, "output"), *id = json_object_get(item, "call_id");
    if (!json_is_string(output))
        return ts_refuse_field(r, "input", "input: a function_call_output has \"output\", a text");
    json_t *m = json_pack("{s:s, s:O, s:s}", "role", "tool", "content", output, "tool_call_id",
                          json_is_string(id) ? json_string_value(id) : "");
    return !m || json_array_append_new(list, m) ? no_memory() : TS_OK;
}

static ts_status add_item(json_t *list, json_t *item, ts_refusal *r)
{
    const char *type = json_string_value(json_object_get(item, "type")),
               *role = json_string_value(json_object_get(item, "role"));
    if (role && (!type || !strcmp(type, "message")))
        return add_message(list, role, json_incref(json_object_get(item, "content")));
    if (type && !strcmp(type, "function_call"))
        return add_call(list, item, r);
    if (type && !strcmp(type, "function_call_output"))
        return add_output(list, item, r);
    if (type && !strcmp(type, "reasoning"))
        return TS_OK;
    return ts_refuse(r, 400, "input", "unsupported_value", "input: an item of type \"%.40s\" is not supported", type ? type : "");
}

static ts_status add_input(const ts_request *e, json_t *list, ts_refusal *r)
{
    json_t *input = json_object_get(e->body, "input");
    const char *instructions;
    TS_TRY(ts_field_text(e->body, "instructions", &instructions, r));
    if (instructions)
        TS_TRY(add_message(list, "system", json_string(instructions)));
    if (json_is_string(input))
        return add_message(list, "user", json_incref(input));
    if (!json_array_size(input))
        return ts_refuse_field(r, "input", "input: a text or a list of items was expected");
    for (size_t i = 0; i < json_array_size(input); i++)
        TS_TRY(add_item(list, json_array_get(input, i), r));
    return TS_OK;
}

/* A response's tools have no "function" around what they say. */
static ts_status wrap_tools(const json_t *tools, json_t *chat, ts_refusal *r)
{
    json_t *list = json_array();
    if (!list || json_object_set_new(chat, "tools", list))
        return no_memory();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        json_t *t = json_array_get(tools, i), *f = json_copy(t);
        const char *type = json_string_value(json_object_get(t, "type"));
        if (!type || strcmp(type, "function") != 0) {
            json_decref(f);
            return ts_refuse(r, 400, "tools", "unsupported_value", "tools: only functions are supported");
        }
        if (f)
            json_object_del(f, "type");
        json_t *whole = json_pack("{s:s, s:o}", "type", "function", "function", f);
        if (!whole || json_array_append_new(list, whole))
            return no_memory();
    }
    return TS_OK;
}

static ts_status chat_of(ts_request *e, json_t *chat, ts_refusal *r)
{
    static const char *const same[] = { "tool_choice", "chat_template_kwargs" };
    json_t *list = json_array();
    if (!list || json_object_set_new(chat, "messages", list))
        return no_memory();
    TS_TRY(add_input(e, list, r));
    for (int i = 0; i < 2; i++)
        if (json_object_get(e->body, same[i]) && json_object_set(chat, same[i], json_object_get(e->body, same[i])))
            return no_memory();
    return json_array_size(json_object_get(e->body, "tools")) ? wrap_tools(json_object_get(e->body, "tools"), chat, r) : TS_OK;
}

static ts_status read_response(ts_request *e, ts_refusal *r)
{
    const json_t *before = json_object_get(e->body, "previous_response_id");
    if (before && !json_is_null(before))
        return ts_refuse(r, 400, "previous_response_id", "unsupported_value",
                         "previous_response_id: this server keeps no responses; give the whole conversation as input");
    e->settings.n = 1;
    json_t *chat = json_object();
    ts_status st = chat ? chat_of(e, chat, r) : no_memory();
    if (st == TS_OK)
        st = read_chat(e, chat, r);
    /* calls are looked for among tools as the chat has them */
    if (st == TS_OK && e->has_tools && json_object_set(e->body, "tools", json_object_get(chat, "tools")))
        st = no_memory();
    json_decref(chat);
    return st;
}

ts_status ts_request_read(ts_request *e, ts_refusal *r)
{
    switch (e->kind) {
    case TS_REQUEST_COMPLETION: return read_completion(e, r);
    case TS_REQUEST_CHAT: return read_chat(e, e->body, r);
    case TS_REQUEST_RESPONSE: return read_response(e, r);
    }
    return TS_OK;
}
