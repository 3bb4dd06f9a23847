#include "serve/wording.h"

#include "text/chat/template.h"

#include <string.h>

struct ts_wording_work {
    ts_tokenizer_scratch *scratch;
    ts_lm_chat chat;             /* with a work of its own */
    ts_wording_work *next;
};

ts_status ts_wording_open(ts_lm *lm, const ts_lm_chat_options *o, ts_wording *out)
{
    ts_wording t = { .lm = lm, .tok = &lm->tok, .has_text = ts_lm_has_text(lm) };
    const char *folder = lm->model.folder;
    t.has_chat = ts_chat_style_given(&o->style) || (t.has_text && folder && ts_chat_template_is_in(folder));
    if (t.has_chat) {
        const ts_status st = ts_lm_chat_open(lm, o, &t.chat);
        if (st != TS_OK) {
            ts_lm_chat_close(&t.chat);
            return st;
        }
    }
    pthread_mutex_init(&t.lock, NULL);
    *out = t;
    return TS_OK;
}

static void destroy_work(ts_wording_work *w)
{
    ts_tokenizer_scratch_destroy(&w->scratch);
    if (w->chat.work)
        w->chat.encoder->end(w->chat.encoder, &w->chat.work);
    ts_free(&w);
}

void ts_wording_close(ts_wording *t)
{
    while (t->spare) {
        ts_wording_work *w = t->spare;
        t->spare = w->next;
        destroy_work(w);
    }
    ts_lm_chat_close(&t->chat);
    pthread_mutex_destroy(&t->lock);
}

/* ---- work spaces: as many as threads ever were at work at once ---- */

static ts_status borrow(ts_wording *t, ts_wording_work **out)
{
    pthread_mutex_lock(&t->lock);
    ts_wording_work *w = t->spare;
    t->spare = w ? w->next : NULL;
    pthread_mutex_unlock(&t->lock);
    if (!w) {
        TS_TRY(ts_alloc(&w, 1, sizeof *w));
        w->chat = t->chat;
        w->chat.work = NULL;
        ts_status st = ts_tokenizer_scratch_create(t->tok->tok, &w->scratch);
        if (st == TS_OK && t->has_chat)
            st = w->chat.encoder->begin(w->chat.encoder, &w->chat.work);
        if (st != TS_OK) {
            destroy_work(w);
            return st;
        }
    }
    *out = w;
    return TS_OK;
}

static void hand_back(ts_wording *t, ts_wording_work *w)
{
    pthread_mutex_lock(&t->lock);
    w->next = t->spare;
    t->spare = w;
    pthread_mutex_unlock(&t->lock);
}

/* ---- text ---- */

static ts_status need_text(const ts_wording *t, ts_refusal *r)
{
    return t->has_text ? TS_OK : ts_refuse(r, 400, NULL, "no_tokenizer", "the model has no tokenizer: give token ids");
}

ts_status ts_wording_encode(ts_wording *t, const char *text, size_t n, bool special, ts_ids *out, ts_refusal *r)
{
    ts_wording_work *w;
    TS_TRY(need_text(t, r));
    TS_TRY(borrow(t, &w));
    const ts_status st = special ? ts_text_encode(t->tok, w->scratch, text, n, out)
                                 : ts_tokenizer_encode(t->tok->tok, w->scratch, text, n, false, out);
    hand_back(t, w);
    return st == TS_OK ? ts_lm_check_text(t->lm, out) : st;
}

ts_status ts_wording_token(const ts_wording *t, int32_t before, int32_t id, ts_str *out)
{
    const int32_t pair[] = { before, id };
    ts_str one = { 0 }, two = { 0 };
    ts_status st = TS_OK;
    if (before >= 0) {
        st = ts_tokenizer_decode(t->tok->tok, pair, 1, false, &one);
        st = st == TS_OK ? ts_tokenizer_decode(t->tok->tok, pair, 2, false, &two) : st;
    }
    if (st == TS_OK && before >= 0 && two.len >= one.len && !memcmp(ts_str_text(&two), ts_str_text(&one), one.len))
        st = ts_str_add(out, ts_str_text(&two) + one.len, two.len - one.len);
    else /* an id that has no text, or one that changes what stands before it */
        st = id < ts_tokenizer_vocab_size(t->tok->tok) ? ts_tokenizer_decode(t->tok->tok, &id, 1, false, out) : TS_OK;
    ts_str_deinit(&one);
    ts_str_deinit(&two);
    return st;
}

/* ---- conversations ---- */

bool ts_wording_has_tools(const json_t *body)
{
    const json_t *tools = json_object_get(body, "tools"), *choice = json_object_get(body, "tool_choice");
    const bool none = json_is_string(choice) && !strcmp(json_string_value(choice), "none");
    return json_array_size(tools) > 0 && !none;
}

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a conversation"); }

/* {"type": "text" and its like, "text": TEXT}, ... as one text. */
static ts_status join_parts(const json_t *parts, json_t **out, ts_refusal *r)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i), *words = json_object_get(part, "text");
        const char *type = json_string_value(json_object_get(part, "type"));
        const bool is_text = type && (!strcmp(type, "text") || !strcmp(type, "input_text") || !strcmp(type, "output_text"));
        if (!is_text || !json_is_string(words))
            st = ts_refuse(r, 400, "messages", "unsupported_value",
                           "messages: a part of type \"%.40s\" is not supported; expected {\"type\": \"text\", \"text\": ...}",
                           type ? type : "");
        else
            st = ts_str_add(&text, json_string_value(words), json_string_length(words));
    }
    if (st == TS_OK && !(*out = json_stringn(ts_str_text(&text), text.len)))
        st = no_memory();
    ts_str_deinit(&text);
    return st;
}

/* Arguments of calls are text in a request and values in templates. */
static ts_status open_calls(json_t *message, ts_refusal *r)
{
    json_t *calls = json_object_get(message, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *f = json_object_get(json_array_get(calls, i), "function"), *args = json_object_get(f, "arguments"), *v = NULL;
        if (!json_is_object(f) || !json_is_string(json_object_get(f, "name")))
            return ts_refuse_field(r, "messages", "messages: a tool call has no function with a name");
        if (!json_is_string(args))
            continue;
        if (ts_json_parse(json_string_value(args), json_string_length(args), "arguments", &v) != TS_OK)
            return ts_refuse_field(r, "messages", "messages: the arguments of a tool call are not JSON");
        if (json_object_set_new(f, "arguments", v))
            return no_memory();
    }
    return TS_OK;
}

static ts_status ready_message(json_t *m, ts_refusal *r)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    const json_t *content = json_object_get(m, "content");
    json_t *text = NULL;
    if (!json_is_object(m) || !role)
        return ts_refuse_field(r, "messages", "messages: each is an object with a \"role\"");
    if (content && !json_is_null(content) && !json_is_string(content) && !json_is_array(content))
        return ts_refuse_field(r, "messages", "messages: a content is a text or a list of parts");
    if (!strcmp(role, "developer") && json_object_set_new(m, "role", json_string("system")))
        return no_memory();
    if (json_is_array(content)) {
        TS_TRY(join_parts(content, &text, r));
        if (json_object_set_new(m, "content", text))
            return no_memory();
    }
    return open_calls(m, r);
}

/* What the encoder of conversations wants: a copy of the request's own values, made ready. */
static ts_status conversation_of(const json_t *body, json_t **out, ts_refusal *r)
{
    const json_t *messages = json_object_get(body, "messages"), *kwargs = json_object_get(body, "chat_template_kwargs");
    if (!json_array_size(messages))
        return ts_refuse_field(r, "messages", "messages: a list of at least one message was expected");
    if (kwargs && !json_is_null(kwargs) && !json_is_object(kwargs))
        return ts_refuse_field(r, "chat_template_kwargs", "chat_template_kwargs: an object was expected");
    json_t *c = json_object(), *copy = json_deep_copy(messages);
    ts_status st = !c || !copy || json_object_set_new(c, "messages", copy) ? no_memory() : TS_OK;
    for (size_t i = 0; st == TS_OK && i < json_array_size(copy); i++)
        st = ready_message(json_array_get(copy, i), r);
    if (st == TS_OK && ts_wording_has_tools(body) && json_object_set(c, "tools", json_object_get(body, "tools")))
        st = no_memory();
    if (st == TS_OK && json_is_object(kwargs) && json_object_set(c, "chat_template_kwargs", (json_t *)(uintptr_t)kwargs))
        st = no_memory();
    if (st == TS_OK)
        *out = c;
    else
        json_decref(c);
    return st;
}

ts_status ts_wording_chat(ts_wording *t, const json_t *body, ts_ids *out, ts_refusal *r)
{
    json_t *conversation = NULL;
    ts_wording_work *w;
    TS_TRY(need_text(t, r));
    if (!t->has_chat)
        return ts_refuse(r, 400, NULL, "no_chat_template",
                         "the model has no chat template: start the server with --chat-template or --prompt-type, or use /v1/completions");
    TS_TRY(conversation_of(body, &conversation, r));
    ts_status st = borrow(t, &w);
    if (st == TS_OK) {
        st = ts_lm_chat_prompt(t->lm, &w->chat, conversation, out);
        hand_back(t, w);
    }
    json_decref(conversation);
    return st;
}
