/* Answers of the responses endpoint: one message and calls of functions, whole or as events that are told by name and
 * number. */
#include "serve/request.h"

#include <string.h>

static const char *own_id(const ts_request *e) { return e->id + strlen("resp_"); }

static ts_status text_part(const char *s, size_t n, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{\"type\": \"output_text\", \"text\": "));
    TS_TRY(ts_str_json(out, s, n));
    return ts_str_puts(out, ", \"annotations\": [], \"logprobs\": []}");
}

static ts_status message_item(const ts_request *e, const char *status, const char *s, size_t n, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "{\"type\": \"message\", \"id\": \"msg_%s\", \"status\": \"%s\", \"role\": \"assistant\", "
                              "\"content\": [", own_id(e), status));
    if (s)
        TS_TRY(text_part(s, n, out));
    return ts_str_puts(out, "]}");
}

static ts_status call_item(const ts_request *e, size_t i, ts_str *out)
{
    const ts_tool_call *c = &e->sent[0].calls.v[i];
    TS_TRY(ts_str_printf(out, "{\"type\": \"function_call\", \"id\": \"fc_%s%zu\", \"call_id\": \"call_%s%zu\", \"status\": "
                              "\"completed\", \"name\": ", own_id(e), i, own_id(e), i));
    TS_TRY(ts_str_json(out, c->name, strlen(c->name)));
    TS_TRY(ts_str_puts(out, ", \"arguments\": "));
    TS_TRY(ts_str_json(out, c->arguments, strlen(c->arguments)));
    return ts_str_puts(out, "}");
}

/* All that was written so far, as far as it is no call. */
static void written(const ts_request *e, const char **s, size_t *n)
{
    const ts_str *text = e->sent[0].calls.n ? &e->sent[0].calls.content : &e->texts[0].text;
    *s = ts_str_text(text);
    *n = text->len;
}

static bool has_message(const ts_request *e) { return !e->sent[0].calls.n || e->sent[0].text > 0; }

static ts_status output_items(const ts_request *e, ts_str *out)
{
    const char *s;
    size_t n;
    written(e, &s, &n);
    if (has_message(e))
        TS_TRY(message_item(e, e->texts[0].is_stopped ? "completed" : "incomplete", s, n, out));
    for (size_t i = 0; i < e->sent[0].calls.n; i++) {
        TS_TRY(ts_str_puts(out, i || has_message(e) ? ", " : ""));
        TS_TRY(call_item(e, i, out));
    }
    return TS_OK;
}

/* The object; error: a sentence, or NULL. */
static ts_status response_object(const ts_request *e, const char *status, const char *error, ts_str *out)
{
    const bool is_ready = !strcmp(status, "completed") || !strcmp(status, "incomplete");
    const ts_sampling *s = &e->settings.choice.sampling;
    TS_TRY(ts_str_printf(out, "{\"id\": \"%s\", \"object\": \"response\", \"created_at\": %lld, \"status\": \"%s\", \"model\": ",
                         e->id, (long long)e->created, status));
    TS_TRY(ts_str_json(out, e->rules->model, strlen(e->rules->model)));
    TS_TRY(ts_str_puts(out, ", \"error\": "));
    if (error) {
        TS_TRY(ts_str_puts(out, "{\"code\": \"server_error\", \"message\": "));
        TS_TRY(ts_str_json(out, error, strlen(error)));
    }
    TS_TRY(ts_str_puts(out, error ? "}" : "null"));
    TS_TRY(ts_str_printf(out, ", \"incomplete_details\": %s, \"output\": [",
                         !strcmp(status, "incomplete") ? "{\"reason\": \"max_output_tokens\"}" : "null"));
    if (is_ready)
        TS_TRY(output_items(e, out));
    TS_TRY(ts_str_puts(out, "], \"usage\": "));
    TS_TRY(is_ready ? ts_request_usage(e, out) : ts_str_puts(out, "null"));
    TS_TRY(ts_str_puts(out, ", \"temperature\": "));
    TS_TRY(ts_str_json_real(out, s->do_sample ? s->temperature : 0, 9));
    TS_TRY(ts_str_puts(out, ", \"top_p\": "));
    TS_TRY(ts_str_json_real(out, s->top_p, 9));
    return ts_str_puts(out, ", \"parallel_tool_calls\": true, \"tool_choice\": \"auto\", \"tools\": [], \"metadata\": {}, "
                            "\"instructions\": null, \"previous_response_id\": null, \"store\": false, "
                            "\"text\": {\"format\": {\"type\": \"text\"}}, \"truncation\": \"disabled\"}");
}

static const char *end_status(const ts_request *e)
{
    return e->texts[0].is_stopped || e->sent[0].calls.n ? "completed" : "incomplete";
}

ts_status ts_response_whole(ts_request *e, ts_str *out)
{
    const char *s;
    size_t n;
    TS_TRY(ts_request_part(e, 0, &s, &n));
    return response_object(e, end_status(e), NULL, out);
}

/* ---- events ---- */

static ts_status begin(ts_request *e, const char *type, ts_str *out)
{
    return ts_str_printf(out, "event: %s\ndata: {\"type\": \"%s\", \"sequence_number\": %lld", type, type,
                         (long long)e->number++);
}

static ts_status object_event(ts_request *e, const char *type, const char *status, const char *error, ts_str *out)
{
    TS_TRY(begin(e, type, out));
    TS_TRY(ts_str_puts(out, ", \"response\": "));
    TS_TRY(response_object(e, status, error, out));
    return ts_str_puts(out, "}\n\n");
}

/* Of the message's text: ", "item_id": ...". */
static ts_status begin_text(ts_request *e, const char *type, ts_str *out)
{
    TS_TRY(begin(e, type, out));
    return ts_str_printf(out, ", \"item_id\": \"msg_%s\", \"output_index\": 0, \"content_index\": 0", own_id(e));
}

static ts_status first_events(ts_request *e, ts_str *out)
{
    if (e->sent[0].is_begun)
        return TS_OK;
    e->sent[0].is_begun = true;
    TS_TRY(object_event(e, "response.created", "in_progress", NULL, out));
    return object_event(e, "response.in_progress", "in_progress", NULL, out);
}

static ts_status open_message(ts_request *e, ts_str *out)
{
    TS_TRY(begin(e, "response.output_item.added", out));
    TS_TRY(ts_str_puts(out, ", \"output_index\": 0, \"item\": "));
    TS_TRY(message_item(e, "in_progress", NULL, 0, out));
    TS_TRY(ts_str_puts(out, "}\n\n"));
    TS_TRY(begin_text(e, "response.content_part.added", out));
    TS_TRY(ts_str_puts(out, ", \"part\": "));
    TS_TRY(text_part("", 0, out));
    return ts_str_puts(out, "}\n\n");
}

static ts_status close_message(ts_request *e, ts_str *out)
{
    const char *s;
    size_t n;
    written(e, &s, &n);
    TS_TRY(begin_text(e, "response.output_text.done", out));
    TS_TRY(ts_str_puts(out, ", \"logprobs\": [], \"text\": "));
    TS_TRY(ts_str_json(out, s, n));
    TS_TRY(ts_str_puts(out, "}\n\n"));
    TS_TRY(begin_text(e, "response.content_part.done", out));
    TS_TRY(ts_str_puts(out, ", \"part\": "));
    TS_TRY(text_part(s, n, out));
    TS_TRY(ts_str_puts(out, "}\n\n"));
    TS_TRY(begin(e, "response.output_item.done", out));
    TS_TRY(ts_str_puts(out, ", \"output_index\": 0, \"item\": "));
    TS_TRY(message_item(e, e->texts[0].is_stopped ? "completed" : "incomplete", s, n, out));
    return ts_str_puts(out, "}\n\n");
}

static ts_status call_events(ts_request *e, size_t i, ts_str *out)
{
    static const char *const types[] = { "response.output_item.added", "response.output_item.done" };
    const ts_tool_call *c = &e->sent[0].calls.v[i];
    const size_t index = i + has_message(e);
    for (int k = 0; k < 2; k++) {
        TS_TRY(begin(e, types[k], out));
        TS_TRY(ts_str_printf(out, ", \"output_index\": %zu, \"item\": ", index));
        TS_TRY(call_item(e, i, out));
        TS_TRY(ts_str_puts(out, "}\n\n"));
        if (k)
            break;
        for (int done = 0; done < 2; done++) {
            TS_TRY(begin(e, done ? "response.function_call_arguments.done" : "response.function_call_arguments.delta", out));
            TS_TRY(ts_str_printf(out, ", \"item_id\": \"fc_%s%zu\", \"output_index\": %zu, \"%s\": ", own_id(e), i, index,
                                 done ? "arguments" : "delta"));
            TS_TRY(ts_str_json(out, c->arguments, strlen(c->arguments)));
            TS_TRY(ts_str_puts(out, "}\n\n"));
        }
    }
    return TS_OK;
}

ts_status ts_response_news(ts_request *e, ts_str *out)
{
    ts_request_sent *sent = &e->sent[0];
    const bool had = sent->text > 0;
    const char *s;
    size_t n;
    TS_TRY(first_events(e, out));
    TS_TRY(ts_request_part(e, 0, &s, &n));
    sent->tokens = e->texts[0].n;
    const bool opens = !had && (n > 0 || (e->texts[0].is_ended && !sent->calls.n));
    if (opens)
        TS_TRY(open_message(e, out));
    if (n) {
        TS_TRY(begin_text(e, "response.output_text.delta", out));
        TS_TRY(ts_str_puts(out, ", \"logprobs\": [], \"delta\": "));
        TS_TRY(ts_str_json(out, s, n));
        TS_TRY(ts_str_puts(out, "}\n\n"));
    }
    if (!e->texts[0].is_ended)
        return TS_OK;
    sent->is_ended = e->is_over = true;
    if (had || opens)
        TS_TRY(close_message(e, out));
    for (size_t i = 0; i < sent->calls.n; i++)
        TS_TRY(call_events(e, i, out));
    const char *status = end_status(e);
    return object_event(e, !strcmp(status, "completed") ? "response.completed" : "response.incomplete", status, NULL, out);
}

ts_status ts_response_failed(ts_request *e, const char *message, ts_str *out)
{
    e->is_over = true;
    return object_event(e, "response.failed", "failed", message, out);
}
