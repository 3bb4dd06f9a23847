/* DeepSeek-V4's conversations: what deepseek4.jinja renders, cut at its answers. */
#include "text/prompt/template.h"

#include <string.h>

static json_t *string(ts_prompt_text t) { return json_stringn(t.s ? t.s : "", t.n); }

static ts_status no_memory(void)
{
    return ts_error(TS_ERR_NOMEM, "no memory for the text of a conversation");
}

static ts_status set(json_t *o, const char *key, json_t *v)
{
    return !v || json_object_set_new(o, key, v) ? no_memory() : TS_OK;
}

static bool is_blank(char c) { return c && strchr(" \t\n\r\f\v", c); }

static ts_prompt_text stripped(ts_prompt_text t)
{
    for (; t.n && is_blank(*t.s); t.n--)
        t.s++;
    while (t.n && is_blank(t.s[t.n - 1]))
        t.n--;
    return t;
}

/* Cuts a thought off the front of an answer. */
static void split_thought(ts_prompt_text *content, ts_prompt_text *thought)
{
    static const char open[] = "<think>", close[] = "</think>";
    ts_prompt_text t = *content;
    for (; t.n && is_blank(*t.s); t.n--)
        t.s++;
    if (t.n < sizeof open - 1 || memcmp(t.s, open, sizeof open - 1) != 0)
        return;
    const char *inner = t.s + sizeof open - 1, *const end = t.s + t.n;
    const char *till = memmem(inner, (size_t)(end - inner), close, sizeof close - 1);
    if (!till)
        return;
    *thought = stripped((ts_prompt_text){ inner, (size_t)(till - inner) });
    for (till += sizeof close - 1; till < end && is_blank(*till);)
        till++;
    *content = (ts_prompt_text){ till, (size_t)(end - till) };
}

/* Arguments that are no object become one of that name. */
static ts_status make_objects(json_t *calls)
{
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *call = json_array_get(calls, i), *v = json_object_get(call, "arguments");
        if (!json_is_object(v))
            TS_TRY(set(call, "arguments", json_pack("{sO}", "arguments", v)));
    }
    return TS_OK;
}

/* {id of a call: its number} */
static ts_status set_order(const ts_prompt_turn *t, json_t *m)
{
    json_t *order = json_object();
    TS_TRY(set(m, "order", order));
    for (size_t i = 0; i < json_array_size(t->calls); i++) {
        const json_t *call = json_array_get(t->calls, i);
        const char *id = json_string_value(json_object_get(call, "id"));
        if (!id || !*id)
            id = json_string_value(json_object_get(json_object_get(call, "function"), "id"));
        if (id && *id)
            TS_TRY(set(order, id, json_integer((json_int_t)i)));
    }
    return TS_OK;
}

static ts_status set_answer(const ts_prompt_turn *t, json_t *m)
{
    ts_prompt_text content = t->content, thought = t->thought;
    json_t *calls = NULL;
    if (t->role == TS_PROMPT_ASSISTANT && !thought.s)
        split_thought(&content, &thought);
    if (t->role == TS_PROMPT_FUNCTION || t->calls) {
        TS_TRY(ts_prompt_calls_of(t, content, &calls));
        TS_TRY(set(m, "calls", calls));
        TS_TRY(make_objects(calls));
        TS_TRY(set_order(t, m));
    }
    TS_TRY(set(m, "role", json_string("assistant")));
    TS_TRY(set(m, "thought", string(thought)));
    return set(m, "content", t->role == TS_PROMPT_FUNCTION ? json_string("") : string(content));
}

/* The message that a question is part of: the one before where that is one too. */
static ts_status question(json_t *list, json_t **parts)
{
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    *parts = json_object_get(last, "parts");
    if (*parts)
        return TS_OK;
    json_t *m = json_pack("{sss[]}", "role", "user", "parts");
    if (!m || json_array_append_new(list, m))
        return no_memory();
    *parts = json_object_get(m, "parts");
    return TS_OK;
}

static ts_status add_message(const ts_prompt_turn *t, json_t *list)
{
    const bool is_answer = t->role == TS_PROMPT_ASSISTANT || t->role == TS_PROMPT_FUNCTION;
    json_t *m, *to = list;
    if (!is_answer)
        TS_TRY(question(list, &to));
    m = json_object();
    if (!m || json_array_append_new(to, m))
        return no_memory();
    if (is_answer)
        return set_answer(t, m);
    TS_TRY(set(m, "role", json_string(t->role == TS_PROMPT_USER ? "user" : "tool")));
    TS_TRY(set(m, "call_id", string(t->call_id)));
    return set(m, "content", string(t->content));
}

static ts_status set_vars(const ts_prompt_template *p, const ts_prompt_talk *t, bool last, json_t *vars)
{
    const bool thinks = p->thinking == TS_PROMPT_THINKING_TRUE;
    json_t *messages = json_array(), *tools = NULL;
    TS_TRY(set(vars, "messages", messages));
    for (size_t i = 0; i < t->n; i++)
        TS_TRY(add_message(&t->v[i], messages));
    if (t->tools.n)
        TS_TRY(ts_json_load(t->tools.s, t->tools.n, JSON_ALLOW_NUL, "tools", &tools));
    const bool has_tools = json_array_size(tools) > 0, cuts = p->drops && thinks && !has_tools;
    TS_TRY(set(vars, "tools", tools ? tools : json_null()));
    TS_TRY(set(vars, "system", string(t->system)));
    TS_TRY(set(vars, "thinking", json_boolean(thinks)));
    TS_TRY(set(vars, "cuts", json_boolean(cuts)));
    TS_TRY(set(vars, "keeps", json_boolean(!(last ? p->drops : cuts))));
    return set(vars, "effort_max", json_boolean(p->effort == TS_PROMPT_EFFORT_MAX));
}

/* The text up to each answer and the answer; last: of the last one alone. */
static ts_status put_spans(const ts_prompt_template *p, ts_prompt_work *w, bool last)
{
    const ts_jinja_text *r = &w->rendering;
    size_t at = 0;
    for (size_t i = last ? r->n_spans - 1 : 0; i < r->n_spans; i++) {
        TS_TRY(ts_prompt_put(p, w, r->text.s + at, r->spans[i].begin - at));
        TS_TRY(ts_prompt_end(w));
        TS_TRY(ts_prompt_put(p, w, r->text.s + r->spans[i].begin, r->spans[i].end - r->spans[i].begin));
        TS_TRY(ts_prompt_end(w));
        at = r->spans[i].end;
    }
    return TS_OK;
}

ts_status ts_prompt_render_whole(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, bool last)
{
    const struct tm now = { .tm_mday = 1 }; /* no date is shown */
    json_t *vars = json_object();
    ts_status st = vars ? set_vars(p, t, last, vars) : no_memory();
    if (st == TS_OK)
        st = ts_jinja_render(p->whole, vars, &now, &w->rendering);
    json_decref(vars);
    return st == TS_OK ? put_spans(p, w, last) : st;
}
