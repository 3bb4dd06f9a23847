/* What there is under which path, and the answers that need no model. */
#include "serve/site.h"

#include "serve/page.h"

#include <string.h>

static ts_status health(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    (void)rest, (void)body;
    if (atomic_load(&s->is_closing))
        return ts_refuse(r, 503, NULL, "closing", "the server is going down");
    return ts_str_puts(out, "{\"status\": \"ok\"}");
}

static ts_status page(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    (void)s, (void)rest, (void)body, (void)r;
    return ts_str_add(out, ts_serve_page, ts_serve_page_size);
}

static ts_status metrics(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    (void)rest, (void)body, (void)r;
    const ts_worker_figures f = ts_worker_look(s->rules.worker);
    return ts_metrics_write(&s->metrics, &f, s->rules.model, out);
}

static ts_status add_model(const ts_server *s, ts_str *out)
{
    TS_TRY(ts_str_puts(out, "{\"id\": "));
    TS_TRY(ts_str_json(out, s->rules.model, strlen(s->rules.model)));
    return ts_str_printf(out, ", \"object\": \"model\", \"created\": %lld, \"owned_by\": \"tessera\", \"max_model_len\": %lld}",
                         (long long)s->created, (long long)s->rules.max_length);
}

static ts_status models(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    (void)rest, (void)body, (void)r;
    TS_TRY(ts_str_puts(out, "{\"object\": \"list\", \"data\": ["));
    TS_TRY(add_model(s, out));
    return ts_str_puts(out, "]}");
}

static ts_status model(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    (void)body;
    if (strcmp(rest, s->rules.model) != 0)
        return ts_refuse(r, 404, "model", "model_not_found", "there is no model \"%.100s\" here, but \"%.100s\"", rest,
                         s->rules.model);
    return add_model(s, out);
}

static ts_status embeddings(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    (void)s, (void)rest, (void)body, (void)out;
    return ts_refuse(r, 400, "model", "unsupported_value", "this model writes text and makes no embeddings");
}

/* ---- tokens ---- */

static ts_status encode(ts_server *s, json_t *body, ts_ids *ids, ts_refusal *r)
{
    const char *prompt, *content;
    bool special = true;
    if (json_object_get(body, "messages"))
        return ts_wording_chat(&s->wording, body, ids, r);
    TS_TRY(ts_field_text(body, "prompt", &prompt, r));
    TS_TRY(ts_field_text(body, "content", &content, r));
    TS_TRY(ts_field_bool(body, "add_special_tokens", &special, r));
    if (!prompt && !content)
        return ts_refuse_field(r, "prompt", "\"prompt\" (a text) or \"messages\" was expected");
    prompt = prompt ? prompt : content;
    return ts_wording_encode(&s->wording, prompt, strlen(prompt), special, ids, r);
}

static ts_status write_ids(const ts_server *s, const ts_ids *ids, bool has_texts, ts_str *out)
{
    TS_TRY(ts_str_printf(out, "{\"count\": %zu, \"max_model_len\": %lld, \"tokens\": [", ids->n, (long long)s->rules.max_length));
    for (size_t i = 0; i < ids->n; i++)
        TS_TRY(ts_str_printf(out, "%s%d", i ? ", " : "", (int)ids->v[i]));
    TS_TRY(ts_str_puts(out, "]"));
    for (size_t i = 0; has_texts && i < ids->n; i++) {
        const char *token = ts_tokenizer_id_token(s->wording.tok->tok, ids->v[i]);
        TS_TRY(ts_str_puts(out, i ? ", " : ", \"token_strs\": ["));
        TS_TRY(ts_str_json(out, token ? token : "", token ? strlen(token) : 0));
    }
    return ts_str_puts(out, has_texts && ids->n ? "]}" : "}");
}

static ts_status tokenize(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    ts_ids ids = { 0 };
    bool has_texts = false;
    (void)rest;
    ts_status st = ts_field_bool(body, "return_token_strs", &has_texts, r);
    if (st == TS_OK)
        st = encode(s, body, &ids, r);
    if (st == TS_OK)
        st = write_ids(s, &ids, has_texts, out);
    ts_ids_deinit(&ids);
    return st;
}

static ts_status detokenize(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    const json_t *list = json_object_get(body, "tokens");
    ts_ids ids = { 0 };
    ts_str text = { 0 };
    ts_status st = TS_OK;
    (void)rest;
    if (!json_is_array(list) || !s->wording.has_text)
        return ts_refuse_field(r, "tokens", s->wording.has_text ? "tokens: a list of ids was expected" : "the model has no tokenizer");
    for (size_t i = 0; st == TS_OK && i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id >= ts_tokenizer_vocab_size(s->wording.tok->tok))
            st = ts_refuse_field(r, "tokens", "tokens: number %zu is no id below %lld", i,
                                 (long long)ts_tokenizer_vocab_size(s->wording.tok->tok));
        else
            st = ts_ids_add(&ids, (int32_t)id);
    }
    if (st == TS_OK)
        st = ts_tokenizer_decode(s->wording.tok->tok, ids.v, ids.n, false, &text);
    if (st == TS_OK)
        st = ts_str_puts(out, "{\"prompt\": ");
    if (st == TS_OK)
        st = ts_str_json(out, ts_str_text(&text), text.len);
    if (st == TS_OK)
        st = ts_str_puts(out, "}");
    ts_ids_deinit(&ids);
    ts_str_deinit(&text);
    return st;
}

/* ---- the table ---- */

#define JSON "application/json"
static const ts_route routes[] = {
    { "GET", "/", TS_ROUTE_VALUE, page, 0, "text/html; charset=utf-8", true },
    { "GET", "/health", TS_ROUTE_VALUE, health, 0, JSON, true },
    { "GET", "/metrics", TS_ROUTE_VALUE, metrics, 0, "text/plain; version=0.0.4; charset=utf-8", false },
    { "GET", "/v1/models", TS_ROUTE_VALUE, models, 0, JSON, false },
    { "GET", "/v1/models/", TS_ROUTE_VALUE, model, 0, JSON, false },
    { "POST", "/v1/chat/completions", TS_ROUTE_TEXTS, NULL, TS_REQUEST_CHAT, JSON, false },
    { "POST", "/v1/completions", TS_ROUTE_TEXTS, NULL, TS_REQUEST_COMPLETION, JSON, false },
    { "POST", "/v1/responses", TS_ROUTE_TEXTS, NULL, TS_REQUEST_RESPONSE, JSON, false },
    { "POST", "/v1/embeddings", TS_ROUTE_VALUE, embeddings, 0, JSON, false },
    { "POST", "/tokenize", TS_ROUTE_VALUE, tokenize, 0, JSON, false },
    { "POST", "/detokenize", TS_ROUTE_VALUE, detokenize, 0, JSON, false },
};

const ts_route *ts_route_find(const char *method, const char *path, const char **rest, const char **allow, ts_refusal *r)
{
    *allow = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const ts_route *route = &routes[i];
        const size_t n = strlen(route->path);
        const bool has_rest = n > 1 && route->path[n - 1] == '/';
        if (has_rest ? strncmp(path, route->path, n) != 0 || !path[n] : strcmp(path, route->path) != 0)
            continue;
        *rest = path + n;
        if (!strcmp(method, route->method) || (!strcmp(method, "HEAD") && !strcmp(route->method, "GET")))
            return route;
        *allow = route->method;
    }
    if (*allow)
        (void)ts_refuse(r, 405, NULL, "method_not_allowed", "%s is answered to %s, not to %.20s", path, *allow, method);
    else
        (void)ts_refuse(r, 404, NULL, "not_found", "there is nothing at %.200s", path);
    return NULL;
}
