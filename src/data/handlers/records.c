/* Raw records as conversations: Alpaca's, ShareGPT's and OpenAI's forms. */
#include "data/handlers/inside.h"

#include <string.h>

static const ts_json_field *field(const ts_handler *h, const ts_handler_work *w, int c)
{
    const int at = h->at[c];
    return at >= 0 && w->fields.v[at].kind != TS_JSON_ABSENT ? &w->fields.v[at] : NULL;
}

static bool is_null(const ts_json_field *f)
{
    return !f || (f->kind == TS_JSON_OTHER && f->n == 4 && !memcmp(f->s, "null", 4));
}

static const char *name_of(const ts_handler *h, int c) { return h->form.column[c]; }

/* A text; missing and null are none. */
static ts_status column_text(const ts_handler *h, const ts_handler_work *w, int c, ts_prompt_text *out)
{
    const ts_json_field *f = field(h, w, c);
    *out = (ts_prompt_text){ NULL, 0 };
    if (is_null(f))
        return TS_OK;
    if (f->kind != TS_JSON_TEXT)
        return ts_error(TS_ERR_USER, "%s: expected a text", name_of(h, c));
    *out = (ts_prompt_text){ f->s, f->n };
    return TS_OK;
}

ts_status ts_record_value(ts_handler_work *w, const ts_json_field *f, const char *key, json_t **out)
{
    *out = NULL;
    if (is_null(f) || f->kind == TS_JSON_ABSENT)
        return TS_OK;
    if (f->kind == TS_JSON_TEXT)
        *out = json_stringn(f->s, f->n);
    else
        TS_TRY(ts_json_load(f->s, f->n, JSON_ALLOW_NUL | JSON_DECODE_ANY, key, out));
    if (!*out)
        return ts_error(TS_ERR_NOMEM, "no memory for a record");
    TS_ASSERT(w->n_held < sizeof w->held / sizeof *w->held, "values of a record");
    w->held[w->n_held++] = *out;
    return TS_OK;
}

static ts_status column_value(const ts_handler *h, ts_handler_work *w, int c, json_t **out)
{
    const ts_json_field *f = field(h, w, c);
    *out = NULL;
    return f ? ts_record_value(w, f, name_of(h, c), out) : TS_OK;
}

static ts_status add(ts_handler_work *w, ts_prompt_role role, const json_t *text, const char *key)
{
    if (!json_is_string(text))
        return ts_error(TS_ERR_USER, "%s: expected a text", key);
    return ts_prompt_talk_add(&w->talk, role, json_string_value(text), json_string_length(text));
}

/* ---- Alpaca ---- */

/* Pairs of a question and an answer that came before. */
static ts_status add_history(const ts_handler *h, ts_handler_work *w)
{
    json_t *history;
    const char *key = name_of(h, TS_COLUMN_HISTORY);
    TS_TRY(column_value(h, w, TS_COLUMN_HISTORY, &history));
    for (size_t i = 0; i < json_array_size(history); i++) {
        const json_t *pair = json_array_get(history, i);
        if (json_array_size(pair) != 2)
            return ts_error(TS_ERR_USER, "%s: expected pairs of a question and an answer", key);
        TS_TRY(add(w, TS_PROMPT_USER, json_array_get(pair, 0), key));
        TS_TRY(add(w, TS_PROMPT_ASSISTANT, json_array_get(pair, 1), key));
    }
    return TS_OK;
}

/* Instruction and input, each on lines of its own. */
static ts_status add_question(const ts_handler *h, ts_handler_work *w)
{
    ts_prompt_text prompt, query;
    TS_TRY(column_text(h, w, TS_COLUMN_PROMPT, &prompt));
    TS_TRY(column_text(h, w, TS_COLUMN_QUERY, &query));
    if (!prompt.n || !query.n) {
        const ts_prompt_text one = prompt.n ? prompt : query;
        return ts_prompt_talk_add(&w->talk, TS_PROMPT_USER, one.n ? one.s : "", one.n);
    }
    char *both;
    TS_TRY(ts_arena_alloc(&w->arena, prompt.n + query.n + 2, &both));
    memcpy(both, prompt.s, prompt.n);
    both[prompt.n] = '\n';
    memcpy(both + prompt.n + 1, query.s, query.n);
    return ts_prompt_talk_add(&w->talk, TS_PROMPT_USER, both, prompt.n + query.n + 1);
}

/* The answer in a column: a text, or item `which` of a list of n. */
static ts_status add_answer(const ts_handler *h, ts_handler_work *w, int c, size_t which, size_t n)
{
    json_t *v;
    ts_prompt_text text;
    const char *key = name_of(h, c);
    const ts_json_field *f = field(h, w, c);
    if (is_null(f))
        return ts_error(TS_ERR_USER, "there is no answer: %s%s", key ? key : "no column is named for it",
                        key ? " is missing" : "");
    if (f->kind == TS_JSON_TEXT) {
        TS_TRY(column_text(h, w, c, &text));
        return ts_prompt_talk_add(&w->talk, TS_PROMPT_ASSISTANT, text.s, text.n);
    }
    TS_TRY(column_value(h, w, c, &v));
    if (json_array_size(v) != n)
        return ts_error(TS_ERR_USER, "%s: expected a text%s", key, n == 1 ? "" : ", or a list of two");
    return add(w, TS_PROMPT_ASSISTANT, json_array_get(v, which), key);
}

static void take_rejected(ts_handler_work *w) { w->rejected = w->talk.v[--w->talk.n]; }

static ts_status read_alpaca(const ts_handler *h, ts_handler_work *w)
{
    TS_TRY(column_text(h, w, TS_COLUMN_SYSTEM, &w->talk.system));
    TS_TRY(add_history(h, w));
    TS_TRY(add_question(h, w));
    if (h->kind->output != TS_OUTPUT_PAIR)
        return add_answer(h, w, TS_COLUMN_RESPONSE, 0, 1);
    TS_TRY(add_answer(h, w, TS_COLUMN_REJECTED, 1, 2));
    take_rejected(w);
    return add_answer(h, w, TS_COLUMN_CHOSEN, 0, 2);
}

/* ---- ShareGPT ---- */

/* Whose a role's tag is; -1: nobody's. */
static int role_of(const ts_record_form *c, const char *tag)
{
    static const ts_prompt_role roles[] = { TS_PROMPT_USER, TS_PROMPT_ASSISTANT, TS_PROMPT_OBSERVATION,
                                            TS_PROMPT_FUNCTION };
    for (int i = 0; i < 4; i++)
        if (c->tag[TS_TAG_USER + i] && !strcmp(c->tag[TS_TAG_USER + i], tag))
            return (int)roles[i];
    return -1;
}

/* A message that must be a question or an answer, by its place. */
static ts_status add_message(const ts_handler *h, ts_handler_work *w, const json_t *m, bool is_answer,
                             const char *what)
{
    const ts_record_form *c = &h->form;
    const char *tag = json_string_value(json_object_get(m, c->tag[TS_TAG_ROLE]));
    const int role = tag ? role_of(c, tag) : -1;
    const bool answers = role == (int)TS_PROMPT_ASSISTANT || role == (int)TS_PROMPT_FUNCTION;
    if (!tag)
        return ts_error(TS_ERR_USER, "%s: no \"%s\"", what, c->tag[TS_TAG_ROLE]);
    if (role < 0 || answers != is_answer)
        return ts_error(TS_ERR_USER, "%s: \"%s\" is \"%s\": expected %s%s%s", what, c->tag[TS_TAG_ROLE], tag,
                        c->tag[is_answer ? TS_TAG_ASSISTANT : TS_TAG_USER],
                        c->tag[is_answer ? TS_TAG_FUNCTION : TS_TAG_OBSERVATION] ? " or " : "",
                        c->tag[is_answer ? TS_TAG_FUNCTION : TS_TAG_OBSERVATION]
                            ? c->tag[is_answer ? TS_TAG_FUNCTION : TS_TAG_OBSERVATION]
                            : "");
    const json_t *text = json_object_get(m, c->tag[TS_TAG_CONTENT]);
    if (!json_is_string(text))
        return ts_error(TS_ERR_USER, "%s: \"%s\": expected a text", what, c->tag[TS_TAG_CONTENT]);
    return ts_prompt_talk_add(&w->talk, (ts_prompt_role)role, json_string_value(text),
                              json_string_length(text));
}

static ts_status read_messages(const ts_handler *h, ts_handler_work *w, json_t **out)
{
    const char *key = name_of(h, TS_COLUMN_MESSAGES);
    TS_TRY(column_value(h, w, TS_COLUMN_MESSAGES, out));
    return json_array_size(*out) ? TS_OK
                                 : ts_error(TS_ERR_USER, "%s: expected a list of messages",
                                            key ? key : "no column is named for messages");
}

/* The tools: a list as text, or as it is. */
static ts_status read_tools(const ts_handler *h, ts_handler_work *w)
{
    const ts_json_field *f = field(h, w, TS_COLUMN_TOOLS);
    w->talk.tools = is_null(f) ? (ts_prompt_text){ NULL, 0 } : (ts_prompt_text){ f->s, f->n };
    return TS_OK;
}

static ts_status read_sharegpt(const ts_handler *h, ts_handler_work *w)
{
    const ts_record_form *c = &h->form;
    const bool is_pair = h->kind->output == TS_OUTPUT_PAIR;
    char what[32];
    json_t *messages, *chosen, *rejected;
    TS_TRY(column_text(h, w, TS_COLUMN_SYSTEM, &w->talk.system));
    TS_TRY(read_tools(h, w));
    TS_TRY(read_messages(h, w, &messages));
    const json_t *first = json_array_get(messages, 0);
    const char *tag = json_string_value(json_object_get(first, c->tag[TS_TAG_ROLE]));
    const size_t skip = tag && c->tag[TS_TAG_SYSTEM] && !strcmp(tag, c->tag[TS_TAG_SYSTEM]);
    const json_t *system = skip ? json_object_get(first, c->tag[TS_TAG_CONTENT]) : NULL;
    if (skip)
        w->talk.system = (ts_prompt_text){ json_string_value(system), json_string_length(system) };
    for (size_t i = skip; i < json_array_size(messages); i++) {
        snprintf(what, sizeof what, "message %zu", i + 1);
        TS_TRY(add_message(h, w, json_array_get(messages, i), (i - skip) % 2, what));
    }
    if (w->talk.n % 2 != (is_pair ? 1 : 0) || !w->talk.n)
        return ts_error(
            TS_ERR_USER, "%s: %zu messages: expected %s", name_of(h, TS_COLUMN_MESSAGES), w->talk.n,
            is_pair ? "an odd number, a question the last" : "an even number, an answer the last");
    if (!is_pair)
        return TS_OK;
    TS_TRY(column_value(h, w, TS_COLUMN_CHOSEN, &chosen));
    TS_TRY(column_value(h, w, TS_COLUMN_REJECTED, &rejected));
    TS_TRY(add_message(h, w, rejected, true, "rejected"));
    take_rejected(w);
    return add_message(h, w, chosen, true, "chosen");
}

/* ---- OpenAI ---- */

static ts_status read_openai(const ts_handler *h, ts_handler_work *w)
{
    json_t *messages;
    ts_prompt_text system;
    TS_TRY(read_messages(h, w, &messages));
    json_t *conversation = json_pack("{sO}", "messages", messages);
    if (!conversation)
        return ts_error(TS_ERR_NOMEM, "no memory for a record");
    w->held[w->n_held++] = conversation;
    TS_TRY(ts_prompt_talk_read(conversation, &w->text, &w->talk));
    TS_TRY(column_text(h, w, TS_COLUMN_SYSTEM, &system));
    if (!w->talk.system.s)
        w->talk.system = system;
    return read_tools(h, w);
}

ts_status ts_record_read(const ts_handler *h, ts_handler_work *w)
{
    while (w->n_held)
        json_decref(w->held[--w->n_held]);
    ts_arena_reset(&w->arena);
    w->talk.n = 0;
    w->talk.system = w->talk.tools = (ts_prompt_text){ NULL, 0 };
    return h->is_openai                         ? read_openai(h, w)
           : h->form.style == TS_STYLE_FIELDS ? read_alpaca(h, w)
                                              : read_sharegpt(h, w);
}
