#include "serve/request.h"

#include "infer/score.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* ---- making ---- */

/* PREFIX and 24 random letters and digits. */
static void make_id(const char *prefix, char *out, size_t n)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned char random[24];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        memset(random, 0, sizeof random);
    size_t at = (size_t)snprintf(out, n, "%s", prefix);
    for (size_t i = 0; i < sizeof random && at + 1 < n; i++)
        out[at++] = letters[random[i] % (sizeof letters - 1)];
    out[at] = 0;
}

static const char *prefix_of(ts_request_kind kind)
{
    return kind == TS_REQUEST_CHAT ? "chatcmpl-" : kind == TS_REQUEST_COMPLETION ? "cmpl-" : "resp_";
}

/* How many tokens its answer may have. */
static ts_status find_room(const ts_request *e, const ts_ids *prompt, int64_t *max_new, ts_refusal *r)
{
    const int64_t room = e->rules->max_length - (int64_t)prompt->n, wanted = e->settings.max_new;
    if (!prompt->n)
        return ts_refuse_field(r, e->kind == TS_REQUEST_COMPLETION ? "prompt" : "messages", "the prompt has no tokens");
    if (room < (wanted > 0 ? wanted : 1))
        return ts_refuse(r, 400, e->kind == TS_REQUEST_COMPLETION ? "prompt" : "messages", "context_length_exceeded",
                         "this server's texts have at most %lld tokens; the prompt has %zu, and %lld were asked for",
                         (long long)e->rules->max_length, prompt->n, (long long)(wanted > 0 ? wanted : 1));
    *max_new = wanted >= 0 ? wanted : e->kind == TS_REQUEST_COMPLETION && room > 16 ? 16 : room;
    return TS_OK;
}

static ts_status make_texts(ts_request *e, ts_refusal *r)
{
    e->n = e->n_prompts * (size_t)e->settings.n;
    if (e->n > TS_SETTINGS_MOST_TEXTS)
        return ts_refuse_field(r, "n", "%zu texts were asked for; a request has at most %d", e->n, TS_SETTINGS_MOST_TEXTS);
    TS_TRY(ts_alloc(&e->texts, e->n, sizeof *e->texts));
    TS_TRY(ts_alloc(&e->list, e->n, sizeof *e->list));
    TS_TRY(ts_alloc(&e->sent, e->n, sizeof *e->sent));
    for (size_t i = 0; i < e->n; i++) {
        ts_writing *x = e->list[i] = &e->texts[i];
        const ts_ids *p = ts_request_prompt(e, i);
        TS_TRY(find_room(e, p, &x->max_new, r));
        x->prompt = p->v, x->n_prompt = (int64_t)p->n;
        x->choice = e->settings.choice;
        x->choice.line = (int64_t)(i % (size_t)e->settings.n);
        x->stop = e->settings.stop, x->n_stop = e->settings.n_stop;
        x->waiter = &e->waiter;
    }
    return TS_OK;
}

static ts_status create(ts_request *e, ts_refusal *r)
{
    TS_TRY(ts_waiter_init(&e->waiter));
    e->has_waiter = true;
    TS_TRY(ts_settings_read(e->body, &e->rules->defaults, &e->settings, r));
    TS_TRY(ts_request_read(e, r));
    if (e->settings.n_stop && !e->rules->wording->has_text)
        return ts_refuse_field(r, "stop", "stop: the model has no tokenizer, and so no text to look in");
    return make_texts(e, r);
}

ts_status ts_request_create(const ts_request_rules *rules, ts_request_kind kind, json_t *body, ts_refusal *r, ts_request **out)
{
    ts_request *e;
    ts_status st = ts_alloc(&e, 1, sizeof *e);
    if (st != TS_OK) {
        json_decref(body);
        return st;
    }
    e->rules = rules, e->kind = kind, e->body = body;
    e->created = (int64_t)time(NULL);
    make_id(prefix_of(kind), e->id, sizeof e->id);
    st = create(e, r);
    if (st != TS_OK)
        ts_request_destroy(&e);
    else
        *out = e;
    return st;
}

void ts_request_destroy(ts_request **request)
{
    ts_request *e = *request;
    if (!e)
        return;
    if (e->is_asked)
        ts_worker_cancel(e->rules->worker, e->list, e->n);
    for (size_t i = 0; e->texts && i < e->n; i++)
        ts_writing_deinit(&e->texts[i]);
    for (size_t i = 0; e->sent && i < e->n; i++)
        ts_tool_calls_deinit(&e->sent[i].calls);
    for (size_t i = 0; i < e->n_prompts; i++) {
        ts_ids_deinit(&e->prompts[i]);
        if (e->scores)
            ts_free(&e->scores[i].v);
    }
    ts_free(&e->prompts);
    ts_free(&e->scores);
    ts_free(&e->texts);
    ts_free(&e->list);
    ts_free(&e->sent);
    ts_settings_deinit(&e->settings);
    if (e->has_waiter)
        ts_waiter_deinit(&e->waiter);
    json_decref(e->body);
    ts_free(request);
}

/* ---- asking ---- */

/* Scores of the prompts, on the worker's thread. */
static ts_status score(void *ctx, ts_lm *lm)
{
    ts_request *e = ctx;
    const ts_tape_options o = { 0 };
    if (!lm->tape)
        TS_TRY(ts_tape_create(lm->dev, &o, &lm->tape));
    for (size_t i = 0; i < e->n_prompts; i++) {
        const ts_ids *p = &e->prompts[i];
        TS_TRY(ts_alloc(&e->scores[i].v, p->n, sizeof *e->scores[i].v));
        TS_TRY(ts_score_choices(lm->model.decoder, lm->tape, p->v, (int64_t)p->n, e->settings.choice.top, e->scores[i].v));
    }
    return TS_OK;
}

ts_status ts_request_ask(ts_request *e, ts_refusal *r)
{
    bool taken;
    if (e->echoes && e->settings.choice.logprobs) {
        TS_TRY(ts_alloc(&e->scores, e->n_prompts, sizeof *e->scores));
        TS_TRY(ts_worker_call(e->rules->worker, score, e));
    }
    if (e->settings.max_new == 0) { /* prompts alone */
        for (size_t i = 0; i < e->n; i++)
            e->texts[i].is_ended = true;
        return TS_OK;
    }
    TS_TRY(ts_worker_write(e->rules->worker, e->list, e->n, &taken));
    e->is_asked = taken;
    return taken ? TS_OK : ts_refuse(r, 429, NULL, "queue_full", "too many requests wait already: try again later");
}

/* ---- waiting ---- */

static bool has_news(const ts_request *e)
{
    bool all = true;
    for (size_t i = 0; i < e->n; i++) {
        const ts_writing *x = &e->texts[i];
        if ((x->is_ended && !e->sent[i].is_ended) || x->n > e->sent[i].tokens)
            return true;
        all = all && x->is_ended;
    }
    return all;
}

bool ts_request_wait(ts_request *e, double seconds)
{
    ts_worker_lock(e->rules->worker);
    bool news = e->settings.streams ? has_news(e) : ts_request_is_done(e);
    if (!news) {
        ts_worker_wait(e->rules->worker, &e->waiter, seconds);
        news = e->settings.streams ? has_news(e) : ts_request_is_done(e);
    }
    ts_worker_unlock(e->rules->worker);
    return news;
}

bool ts_request_is_done(ts_request *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (!e->texts[i].is_ended)
            return false;
    return true;
}

ts_status ts_request_result(ts_request *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->texts[i].st != TS_OK)
            return ts_error(e->texts[i].st, "%s", ts_str_text(&e->texts[i].error));
    return TS_OK;
}
