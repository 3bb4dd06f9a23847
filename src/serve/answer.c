/* Answers to chats and completions. */
#include "serve/request.h"

#include <string.h>

static bool is_chat(const ts_request *e) { return e->kind == TS_REQUEST_CHAT; }

/* {"id": ..., "model": ... of each answer and each event. */
static ts_status begin(const ts_request *e, const char *object, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "{\"id\": \"%s\", \"object\": \"%s\", \"created\": %lld, \"model\": ", e->id,
                         object, (long long)e->created));
    return ts_str_json(out, e->rules->model, strlen(e->rules->model));
}

/* ---- whole ---- */

static ts_status add_message(ts_request *e, size_t i, const char *s, size_t n, ts_str *out)
{
    const bool has_calls = e->sent[i].calls.n > 0;
    TS_TRY(ts_str_puts(out, "\"message\": {\"role\": \"assistant\", \"content\": "));
    TS_TRY(has_calls && !n ? ts_str_puts(out, "null") : ts_str_json(out, s, n));
    TS_TRY(ts_str_puts(out, ", \"refusal\": null"));
    if (has_calls) {
        TS_TRY(ts_str_puts(out, ", \"tool_calls\": "));
        TS_TRY(ts_request_calls(e, i, out));
    }
    return ts_str_puts(out, "}");
}

static ts_status add_text(const ts_request *e, size_t i, const char *s, size_t n, ts_str *out)
{
    ts_str all = { 0 };
    ts_status st = ts_request_echo(e, i, &all);
    if (st == TS_OK)
        st = ts_str_add(&all, s, n);
    if (st == TS_OK)
        st = ts_str_puts(out, "\"text\": ");
    if (st == TS_OK)
        st = ts_str_json(out, ts_str_text(&all), all.len);
    ts_str_deinit(&all);
    return st;
}

static ts_status add_logprobs(const ts_request *e, size_t i, size_t from, ts_str *out)
{
    TS_TRY(ts_str_puts(out, ", \"logprobs\": "));
    if (!e->settings.choice.logprobs)
        return ts_str_puts(out, "null");
    return (is_chat(e) ? ts_request_logprobs : ts_request_token_lists)(e, i, from, out);
}

static ts_status add_choice(ts_request *e, size_t i, ts_str *out)
{
    const char *s;
    size_t n;
    TS_TRY(ts_request_part(e, i, &s, &n));
    TS_TRY(ts_str_printf(out, "%s{\"index\": %zu, ", i ? ", " : "", i));
    TS_TRY(is_chat(e) ? add_message(e, i, s, n, out) : add_text(e, i, s, n, out));
    TS_TRY(add_logprobs(e, i, 0, out));
    return ts_str_printf(out, ", \"finish_reason\": \"%s\"}", ts_request_finish(e, i));
}

ts_status ts_request_whole(ts_request *e, ts_str *out)
{
    if (e->kind == TS_REQUEST_RESPONSE)
        return ts_response_whole(e, out);
    TS_TRY(begin(e, is_chat(e) ? "chat.completion" : "text_completion", out));
    TS_TRY(ts_str_puts(out, ", \"choices\": ["));
    for (size_t i = 0; i < e->n; i++)
        TS_TRY(add_choice(e, i, out));
    TS_TRY(ts_str_puts(out, "], \"usage\": "));
    TS_TRY(ts_request_usage(e, out));
    return ts_str_puts(out, "}");
}

/* ---- piece by piece ---- */

/* The beginning of an event with one choice. */
static ts_status begin_event(const ts_request *e, size_t i, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "data: "));
    TS_TRY(begin(e, is_chat(e) ? "chat.completion.chunk" : "text_completion", out));
    return ts_str_printf(out, ", \"choices\": [{\"index\": %zu, ", i);
}

static ts_status end_event(const ts_request *e, const char *finish, ts_str *out)
{
    TS_TRY(ts_str_puts(out, ", \"finish_reason\": "));
    TS_TRY(finish ? ts_str_printf(out, "\"%s\"}]", finish) : ts_str_puts(out, "null}]"));
    return ts_str_printf(out, "%s}\n\n", e->settings.wants_usage ? ", \"usage\": null" : "");
}

static ts_status first_event(ts_request *e, size_t i, ts_str *out)
{
    if (e->sent[i].is_begun)
        return TS_OK;
    e->sent[i].is_begun = true;
    if (!is_chat(e) && !e->echoes)
        return TS_OK;
    TS_TRY(begin_event(e, i, out));
    if (is_chat(e))
        TS_TRY(
            ts_str_puts(out, "\"delta\": {\"role\": \"assistant\", \"content\": \"\"}, \"logprobs\": null"));
    else {
        TS_TRY(add_text(e, i, "", 0, out));
        TS_TRY(ts_str_puts(out, ", \"logprobs\": null"));
    }
    return end_event(e, NULL, out);
}

static ts_status piece_event(ts_request *e, size_t i, ts_str *out)
{
    ts_request_sent *sent = &e->sent[i];
    const size_t tokens = e->texts[i].n, from = sent->tokens;
    const bool has_logprobs = e->settings.choice.logprobs && tokens > from;
    const char *s;
    size_t n;
    TS_TRY(ts_request_part(e, i, &s, &n));
    sent->tokens = tokens;
    if (!n && !has_logprobs)
        return TS_OK;
    TS_TRY(begin_event(e, i, out));
    TS_TRY(ts_str_puts(out, is_chat(e) ? "\"delta\": {\"content\": " : "\"text\": "));
    TS_TRY(ts_str_json(out, s, n));
    TS_TRY(ts_str_puts(out, is_chat(e) ? "}" : ""));
    TS_TRY(has_logprobs ? add_logprobs(e, i, from, out) : ts_str_puts(out, ", \"logprobs\": null"));
    return end_event(e, NULL, out);
}

static ts_status call_event(ts_request *e, size_t i, ts_str *out)
{
    ts_str pieces = { 0 };
    ts_status st = e->sent[i].is_ended ? TS_OK : ts_request_call_pieces(e, i, &pieces);
    if (st == TS_OK && pieces.len)
        st = begin_event(e, i, out);
    if (st == TS_OK && pieces.len)
        st = ts_str_printf(out, "\"delta\": {\"tool_calls\": [%s]}, \"logprobs\": null", pieces.s);
    if (st == TS_OK && pieces.len)
        st = end_event(e, NULL, out);
    ts_str_deinit(&pieces);
    return st;
}

static ts_status last_events(ts_request *e, size_t i, ts_str *out)
{
    if (!e->texts[i].is_ended || e->sent[i].is_ended)
        return TS_OK;
    e->sent[i].is_ended = true;
    TS_TRY(begin_event(e, i, out));
    TS_TRY(ts_str_puts(out, is_chat(e) ? "\"delta\": {}, \"logprobs\": null"
                                       : "\"text\": \"\", \"logprobs\": null"));
    return end_event(e, ts_request_finish(e, i), out);
}

static ts_status end_stream(ts_request *e, ts_str *out)
{
    e->is_over = true;
    if (e->settings.wants_usage) {
        TS_TRY(ts_str_puts(out, "data: "));
        TS_TRY(begin(e, is_chat(e) ? "chat.completion.chunk" : "text_completion", out));
        TS_TRY(ts_str_puts(out, ", \"choices\": [], \"usage\": "));
        TS_TRY(ts_request_usage(e, out));
        TS_TRY(ts_str_puts(out, "}\n\n"));
    }
    return ts_str_puts(out, "data: [DONE]\n\n");
}

ts_status ts_request_news(ts_request *e, ts_str *out)
{
    if (e->kind == TS_REQUEST_RESPONSE)
        return ts_response_news(e, out);
    for (size_t i = 0; i < e->n; i++) {
        TS_TRY(first_event(e, i, out));
        TS_TRY(piece_event(e, i, out));
        TS_TRY(call_event(e, i, out));
        TS_TRY(last_events(e, i, out));
    }
    return ts_request_is_done(e) ? end_stream(e, out) : TS_OK;
}

ts_status ts_request_failed(ts_request *e, const char *message, ts_str *out)
{
    const ts_refusal none = { 0 };
    if (e->kind == TS_REQUEST_RESPONSE)
        return ts_response_failed(e, message, out);
    e->is_over = true;
    TS_TRY(ts_str_puts(out, "data: "));
    TS_TRY(ts_refusal_json(&none, 500, message, out));
    return ts_str_puts(out, "\n\ndata: [DONE]\n\n");
}
