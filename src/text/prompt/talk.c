/* Conversations in OpenAI's form. */
#include "text/prompt/prompt.h"

#include <string.h>

void ts_prompt_talk_deinit(ts_prompt_talk *t)
{
    ts_free(&t->v);
    *t = (ts_prompt_talk){ 0 };
}

ts_status ts_prompt_talk_add(ts_prompt_talk *t, ts_prompt_role role, const char *s, size_t n)
{
    TS_TRY(ts_grow(&t->v, &t->cap, t->n + 1, sizeof *t->v));
    t->v[t->n++] = (ts_prompt_turn){ .role = role, .content = { s, n }, .weight = 1 };
    return TS_OK;
}

/* A text of a message; missing and null are none. */
static ts_status read_text(const json_t *m, size_t i, const char *key, ts_prompt_text *out)
{
    const json_t *v = json_object_get(m, key);
    *out = (ts_prompt_text){ json_string_value(v), json_string_length(v) };
    return !v || json_is_null(v) || json_is_string(v)
               ? TS_OK
               : ts_error(TS_ERR_USER, "message %zu: \"%s\": expected a text", i + 1, key);
}

static ts_status read_turn(const json_t *m, size_t i, ts_prompt_talk *t)
{
    static const struct {
        const char *name;
        ts_prompt_role role;
    } roles[] = { { "user", TS_PROMPT_USER },
                  { "assistant", TS_PROMPT_ASSISTANT },
                  { "tool", TS_PROMPT_OBSERVATION },
                  { "function_call", TS_PROMPT_FUNCTION } };
    const char *role = json_string_value(json_object_get(m, "role"));
    ts_prompt_text content;
    TS_TRY(read_text(m, i, "content", &content));
    if (role && !strcmp(role, "system") && i == 0) {
        t->system = content;
        return TS_OK;
    }
    for (size_t k = 0; role && k < sizeof roles / sizeof *roles; k++) {
        if (strcmp(role, roles[k].name) != 0)
            continue;
        TS_TRY(ts_prompt_talk_add(t, roles[k].role, content.s ? content.s : "", content.n));
        ts_prompt_turn *turn = &t->v[t->n - 1];
        const json_t *calls = json_object_get(m, "tool_calls");
        turn->calls = json_array_size(calls) ? calls : NULL;
        const bool is_answer = turn->role == TS_PROMPT_ASSISTANT || turn->role == TS_PROMPT_FUNCTION;
        TS_TRY(ts_chat_weight_read(m, i, is_answer, &turn->weight));
        TS_TRY(read_text(m, i, "tool_call_id", &turn->call_id));
        return read_text(m, i, "reasoning_content", &turn->thought);
    }
    return ts_error(TS_ERR_USER,
                    "message %zu: \"role\": %s%s%s: expected %suser, assistant, tool or function_call", i + 1,
                    role ? "\"" : "", role ? role : "no text", role ? "\"" : "", i ? "" : "system, ");
}

/* A list as it is, or as text already. */
static ts_status read_tools(const json_t *v, ts_str *memory, ts_prompt_text *out)
{
    *out = (ts_prompt_text){ json_string_value(v), json_string_length(v) };
    if (!v || json_is_null(v) || json_is_string(v))
        return TS_OK;
    ts_str_reset(memory);
    TS_TRY(ts_json_write(v, JSON_COMPACT, "tools", memory));
    *out = (ts_prompt_text){ ts_str_text(memory), memory->len };
    return TS_OK;
}

ts_status ts_prompt_talk_read(const json_t *c, ts_str *memory, ts_prompt_talk *t)
{
    const json_t *messages = json_object_get(c, "messages");
    t->n = 0;
    t->system = (ts_prompt_text){ NULL, 0 };
    if (!json_is_array(messages))
        return ts_error(TS_ERR_USER, "\"messages\": expected a list");
    for (size_t i = 0; i < json_array_size(messages); i++)
        TS_TRY(read_turn(json_array_get(messages, i), i, t));
    return read_tools(json_object_get(c, "tools"), memory, &t->tools);
}
