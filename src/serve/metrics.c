#include "serve/metrics.h"

#include <string.h>

static const double bounds[TS_METRICS_BUCKETS] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                   1,     2.5,  5,     10,   30,  60,   300 };

void ts_metrics_init(ts_metrics *m)
{
    *m = (ts_metrics){ 0 };
    pthread_mutex_init(&m->lock, NULL);
}

void ts_metrics_deinit(ts_metrics *m)
{
    ts_free(&m->v);
    pthread_mutex_destroy(&m->lock);
}

static void add(ts_histogram *h, double seconds, uint64_t times)
{
    int i = 0;
    while (i < TS_METRICS_BUCKETS && seconds > bounds[i])
        i++;
    h->count[i] += times;
    h->sum += seconds * (double)times;
}

void ts_metrics_answer(ts_metrics *m, const char *path, int code)
{
    size_t i = 0;
    pthread_mutex_lock(&m->lock);
    while (i < m->n && (m->v[i].path != path || m->v[i].code != code))
        i++;
    if (i < m->n || ts_grow(&m->v, &m->cap, m->n + 1, sizeof *m->v) == TS_OK) {
        if (i == m->n)
            m->v[m->n++] = (ts_route_count){ path, code, 0 };
        m->v[i].n++;
    }
    pthread_mutex_unlock(&m->lock);
}

void ts_metrics_text(ts_metrics *m, const ts_writing *x)
{
    pthread_mutex_lock(&m->lock);
    m->given_up += x->is_cancelled;
    if (x->n) {
        add(&m->first, x->first - x->began, 1);
        add(&m->whole, x->last - x->began, 1);
    }
    if (x->n > 1)
        add(&m->between, (x->last - x->first) / (double)(x->n - 1), x->n - 1);
    pthread_mutex_unlock(&m->lock);
}

static ts_status head(ts_str *out, const char *name, const char *type, const char *help)
{
    return ts_str_printf(out, "# HELP tessera_%s %s\n# TYPE tessera_%s %s\n", name, help, name, type);
}

static ts_status one(ts_str *out, const char *name, const char *type, double v, const char *help)
{
    TS_TRY(head(out, name, type, help));
    return ts_str_printf(out, "tessera_%s %.15g\n", name, v);
}

static ts_status histogram(ts_str *out, const char *name, const ts_histogram *h, const char *help)
{
    uint64_t n = 0;
    TS_TRY(head(out, name, "histogram", help));
    for (int i = 0; i < TS_METRICS_BUCKETS; i++) {
        n += h->count[i];
        TS_TRY(ts_str_printf(out, "tessera_%s_bucket{le=\"%g\"} %llu\n", name, bounds[i],
                             (unsigned long long)n));
    }
    n += h->count[TS_METRICS_BUCKETS];
    return ts_str_printf(out,
                         "tessera_%s_bucket{le=\"+Inf\"} %llu\ntessera_%s_sum %.9g\ntessera_%s_count %llu\n",
                         name, (unsigned long long)n, name, h->sum, name, (unsigned long long)n);
}

static ts_status write_locked(const ts_metrics *m, ts_str *out)
{
    TS_TRY(head(out, "http_requests_total", "counter", "Answers by path and HTTP status."));
    for (size_t i = 0; i < m->n; i++)
        TS_TRY(ts_str_printf(out, "tessera_http_requests_total{path=\"%s\",code=\"%d\"} %llu\n", m->v[i].path,
                             m->v[i].code, (unsigned long long)m->v[i].n));
    TS_TRY(one(out, "texts_given_up_total", "counter", (double)m->given_up,
               "Texts whose client went before their end."));
    TS_TRY(histogram(out, "time_to_first_token_seconds", &m->first,
                     "From a request's arrival to its first token."));
    TS_TRY(histogram(out, "text_seconds", &m->whole, "From a request's arrival to its last token."));
    return histogram(out, "time_between_tokens_seconds", &m->between,
                     "Mean time from token to token of a text, by token.");
}

/* A model's name as the value of a label. */
static ts_status info(ts_str *out, const char *model)
{
    TS_TRY(head(out, "model_info", "gauge", "The model that is served."));
    TS_TRY(ts_str_puts(out, "tessera_model_info{model="));
    TS_TRY(ts_str_json(out, model, strlen(model)));
    return ts_str_puts(out, "} 1\n");
}

ts_status ts_metrics_write(ts_metrics *m, const ts_worker_figures *f, const char *model, ts_str *out)
{
    const ts_scheduler_figures *b = &f->batch;
    const double room = (double)b->tokens_room;
    TS_TRY(info(out, model));
    TS_TRY(one(out, "texts_running", "gauge", (double)b->writing, "Texts that are being written."));
    TS_TRY(one(out, "texts_waiting", "gauge", (double)f->queued, "Texts that wait for their turn."));
    TS_TRY(one(out, "prompt_tokens_total", "counter", (double)b->prompt_tokens,
               "Tokens of prompts that were computed."));
    TS_TRY(one(out, "prompt_tokens_reused_total", "counter", (double)b->reused_tokens,
               "Tokens of prompts that were there."));
    TS_TRY(one(out, "answer_tokens_remembered_total", "counter", (double)b->remembered_tokens,
               "Tokens of ended answers that were computed as prompts are."));
    TS_TRY(
        one(out, "generation_tokens_total", "counter", (double)b->new_tokens, "Tokens that were written."));
    TS_TRY(one(out, "preemptions_total", "counter", (double)b->preempted,
               "Times that a text had to make room."));
    TS_TRY(one(out, "kv_cache_usage_ratio", "gauge", room > 0 ? (double)b->tokens_held / room : 0,
               "Share of the cache that texts hold."));
    pthread_mutex_lock(&m->lock);
    const ts_status st = write_locked(m, out);
    pthread_mutex_unlock(&m->lock);
    return st;
}
