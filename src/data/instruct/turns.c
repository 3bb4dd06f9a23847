#include "data/instruct/turns.h"

#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a conversation"); }

static ts_status append(json_t *messages, json_t *message)
{
    return json_array_append_new(messages, message) == 0 ? TS_OK : no_memory();
}

ts_status ts_message_add(const char *role, const json_t *text, const char *name, json_t *messages)
{
    if (!json_is_string(text))
        return ts_error(TS_ERR_USER, "\"%s\": expected a text", name);
    return append(messages, json_pack("{s:s, s:O}", "role", role, "content", text));
}

/* ---- calls of functions ---- */

/* What stands in a text of JSON. */
static ts_status parse_text(const json_t *text, const char *name, json_t **out)
{
    return ts_json_load(json_string_value(text), json_string_length(text), JSON_ALLOW_NUL | JSON_DECODE_ANY, name,
                        out);
}

static ts_status add_call(const json_t *call, const char *name, json_t *calls)
{
    const json_t *function = json_object_get(call, "name");
    json_t *arguments = json_object_get(call, "arguments");
    if (!json_is_string(function) || !arguments)
        return ts_error(TS_ERR_USER, "\"%s\": a call is {\"name\", \"arguments\"}", name);
    json_t *o =
        json_pack("{s:s, s:{s:O, s:O}}", "type", "function", "function", "name", function, "arguments", arguments);
    return json_array_append_new(calls, o) == 0 ? TS_OK : no_memory();
}

/* Adds the calls of a JSON text: one, or a list of them. */
static ts_status add_calls(const json_t *text, const char *name, json_t *calls)
{
    json_t *o;
    if (!json_is_string(text))
        return ts_error(TS_ERR_USER, "\"%s\": expected a call of a function as JSON text", name);
    TS_TRY(parse_text(text, name, &o));
    ts_status st = json_is_array(o) ? TS_OK : add_call(o, name, calls);
    for (size_t i = 0; i < json_array_size(o) && st == TS_OK; i++)
        st = add_call(json_array_get(o, i), name, calls);
    json_decref(o);
    return st;
}

static ts_status add_function_turn(const json_t *content, const char *name, json_t *messages)
{
    json_t *calls = json_array();
    ts_status st = calls ? add_calls(content, name, calls) : no_memory();
    if (st == TS_OK)
        st =
            append(messages, json_pack("{s:s, s:s, s:O}", "role", "assistant", "content", "", "tool_calls", calls));
    json_decref(calls);
    return st;
}

ts_status ts_tools_read(const json_t *field, const char *name, json_t **out)
{
    json_t *list = NULL, *tools;
    *out = NULL;
    if (!field || json_is_null(field) || (json_is_string(field) && !json_string_length(field)))
        return TS_OK;
    if (json_is_string(field))
        TS_TRY(parse_text(field, name, &list));
    else
        list = json_incref((json_t *)(uintptr_t)field);
    tools = json_array();
    ts_status st = !tools ? no_memory()
                   : json_is_array(list) || json_is_null(list)
                       ? TS_OK
                       : ts_error(TS_ERR_USER, "\"%s\": expected a list of tools, or its JSON text", name);
    for (size_t i = 0; i < json_array_size(list) && st == TS_OK; i++) {
        json_t *tool = json_array_get(list, i);
        const bool is_bare = json_object_get(tool, "name") && !json_object_get(tool, "function");
        json_t *one = is_bare ? json_pack("{s:s, s:O}", "type", "function", "function", tool) : json_incref(tool);
        st = append(tools, one);
    }
    json_decref(list);
    if (st != TS_OK)
        json_decref(tools);
    else
        *out = tools;
    return st;
}

/* ---- turns ---- */

/* Whether a turn says that it is trained or not; "weight" in the message. */
static ts_status take_weight(const json_t *turn, bool is_answer, json_t *message)
{
    static const char *const keys[] = { "weight", "loss_weight", "train" };
    json_t *v = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !v; i++)
        v = json_object_get(turn, keys[i]);
    if (!v || json_is_null(v))
        return TS_OK;
    const bool is_off = json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0);
    if (!is_answer && is_off) {
        json_object_del(message, "weight");
        return TS_OK;
    }
    json_t *weight = json_is_boolean(v) ? json_integer(json_is_true(v)) : json_incref(v);
    return json_object_set_new(message, "weight", weight) == 0 ? TS_OK : no_memory();
}

/* Adds a text to what a message has under the key. */
static ts_status add_text(json_t *message, const char *key, const json_t *text)
{
    const json_t *was = json_object_get(message, key);
    if (!json_is_string(text))
        return ts_error(TS_ERR_USER, "\"content\": a part's \"value\" is no text");
    json_t *all = was ? json_sprintf("%s%s", json_string_value(was), json_string_value(text))
                      : json_copy((json_t *)(uintptr_t)text);
    return json_object_set_new(message, key, all) == 0 ? TS_OK : no_memory();
}

/* Typed parts with a "value" each: text, reasoning, calls. */
static ts_status join_parts(const json_t *parts, json_t *message)
{
    json_t *calls = json_array();
    ts_status st = calls && json_object_del(message, "content") == 0 ? TS_OK : no_memory();
    for (size_t i = 0; i < json_array_size(parts) && st == TS_OK; i++) {
        const json_t *part = json_array_get(parts, i), *value = json_object_get(part, "value");
        const char *type = json_string_value(json_object_get(part, "type"));
        st = type && !strcmp(type, "text")        ? add_text(message, "content", value)
             : type && !strcmp(type, "reasoning") ? add_text(message, "reasoning_content", value)
             : type && !strcmp(type, "tool_call")
                 ? add_calls(value, "content", calls)
                 : ts_error(TS_ERR_USER, "\"content\": a part of type \"%s\" is not trained on", type ? type : "?");
    }
    if (st == TS_OK && !json_object_get(message, "content"))
        st = json_object_set_new(message, "content", json_string("")) == 0 ? TS_OK : no_memory();
    if (st == TS_OK && json_array_size(calls))
        st = json_object_set(message, "tool_calls", calls) == 0 ? TS_OK : no_memory();
    json_decref(calls);
    return st;
}

static bool is_word(const json_t *v, const char *word)
{
    return word && json_is_string(v) && !strcmp(json_string_value(v), word);
}

/* The role's name in OpenAI's form; NULL: a call of a function. *known: it is one of the tags. */
static const char *role_of(const ts_record_form *f, const json_t *role, bool *known)
{
    *known = true;
    if (is_word(role, f->tag[TS_TAG_USER]))
        return "user";
    if (is_word(role, f->tag[TS_TAG_ASSISTANT]))
        return "assistant";
    if (is_word(role, f->tag[TS_TAG_OBSERVATION]))
        return "tool";
    if (is_word(role, f->tag[TS_TAG_SYSTEM]))
        return "system";
    if (is_word(role, f->tag[TS_TAG_FUNCTION]))
        return NULL;
    *known = false;
    return json_string_value(role);
}

/* A message of OpenAI's form as it is, but for the names of roles, typed parts and weights. */
static ts_status add_message(const char *role, const json_t *turn, json_t *messages)
{
    const json_t *content = json_object_get(turn, "content"), *first = json_array_get(content, 0);
    json_t *m = json_copy((json_t *)(uintptr_t)turn);
    ts_status st = m && json_object_set_new(m, "role", json_string(role)) == 0 ? TS_OK : no_memory();
    if (st == TS_OK && json_object_get(first, "value"))
        st = join_parts(content, m);
    if (st == TS_OK)
        st = take_weight(turn, !strcmp(role, "assistant"), m);
    if (st == TS_OK)
        return append(messages, m);
    json_decref(m);
    return st;
}

ts_status ts_turn_add(const ts_record_form *f, const json_t *turn, const char *name, json_t *messages)
{
    bool known;
    const json_t *word = json_object_get(turn, f->tag[TS_TAG_ROLE]),
                 *content = json_object_get(turn, f->tag[TS_TAG_CONTENT]);
    if (json_is_string(turn))
        return ts_message_add("assistant", turn, name, messages);
    if (!json_is_string(word))
        return ts_error(TS_ERR_USER, "\"%s\": a turn is {\"%s\", \"%s\"}", name, f->tag[TS_TAG_ROLE],
                        f->tag[TS_TAG_CONTENT]);
    const char *role = role_of(f, word, &known);
    if (!role)
        return add_function_turn(content, name, messages);
    if (!strcmp(f->tag[TS_TAG_ROLE], "role") && !strcmp(f->tag[TS_TAG_CONTENT], "content"))
        return add_message(role, turn, messages);
    if (!known)
        return ts_error(TS_ERR_USER, "\"%s\": \"%s\": \"%s\" is none of %s, %s, %s, %s, %s", name,
                        f->tag[TS_TAG_ROLE], role, f->tag[TS_TAG_USER], f->tag[TS_TAG_ASSISTANT],
                        f->tag[TS_TAG_OBSERVATION], f->tag[TS_TAG_FUNCTION], f->tag[TS_TAG_SYSTEM]);
    TS_TRY(ts_message_add(role, content, name, messages));
    return take_weight(turn, !strcmp(role, "assistant"), json_array_get(messages, json_array_size(messages) - 1));
}

/* In the lists of ShareGPT those who speak to the model and the model itself take turns. */
static ts_status check_order(const json_t *messages, size_t from, const char *name)
{
    for (size_t k = from, turn = 0; k < json_array_size(messages); k++) {
        const json_t *m = json_array_get(messages, k);
        const bool is_model = is_word(json_object_get(m, "role"), "assistant");
        if (is_word(json_object_get(m, "role"), "system") && k == from)
            continue;
        if (is_model != (turn++ % 2 == 1))
            return ts_error(TS_ERR_USER, "\"%s\": turn %zu is %s, where %s was expected", name, k - from + 1,
                            is_model ? "the model's" : "not the model's",
                            is_model ? "who speaks to it" : "the model");
    }
    return TS_OK;
}

ts_status ts_turns_add(const ts_record_form *f, const json_t *turns, const char *name, json_t *messages)
{
    const size_t from = json_array_size(messages);
    if (!json_is_array(turns))
        return ts_error(TS_ERR_USER, "\"%s\": expected a list of turns", name);
    for (size_t i = 0; i < json_array_size(turns); i++)
        TS_TRY(ts_turn_add(f, json_array_get(turns, i), name, messages));
    return strcmp(f->tag[TS_TAG_ROLE], "role") ? check_order(messages, from, name) : TS_OK;
}
