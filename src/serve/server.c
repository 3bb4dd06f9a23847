#include "serve/server.h"

#include "infer/lookup.h"
#include "serve/site.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* The folder's own name. */
static ts_status name_model(ts_server *s, const char *load)
{
    if (s->o.model_name)
        return ts_str_puts(&s->name, s->o.model_name);
    size_t n = strlen(load);
    while (n > 1 && load[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && load[from - 1] != '/')
        from--;
    return ts_str_add(&s->name, load + from, n - from);
}

/* Half of the memory that is free, and not more than what all texts of their full length would take. */
static int64_t cache_tokens(const ts_server *s, const ts_decoder *d)
{
    const ts_arch *a = &d->arch;
    const int64_t vector = d->kv_code == TS_KV_PLAIN ? a->head_dim * (int64_t)ts_dtype_size(d->compute) : ts_kv_bytes(a->head_dim);
    const double token = 2.0 * (double)a->n_layers * (double)(a->n_kv_heads * vector);
    const double bytes = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 2;
    const double most = (double)s->o.texts * (double)s->rules.max_length,
                 can = token > 0 ? bytes / token : most;
    const double tokens = can < most ? can : most;
    return tokens < (double)s->rules.max_length ? s->rules.max_length
           : tokens < 1 << 30                   ? (int64_t)tokens
                                                : 1 << 30;
}

static ts_status find_lengths(ts_server *s, const ts_lm *lm)
{
    enum { NO_LIMIT = 4096 };
    const ts_arch *a = &lm->model.decoder->arch;
    const int64_t has = a->max_positions > 0 ? a->max_positions : NO_LIMIT;
    s->rules.max_length = s->o.max_length ? s->o.max_length : has;
    if (a->position == TS_POSITION_LEARNED && s->rules.max_length > a->max_positions)
        return ts_error(TS_ERR_USER, "--max-model-len %lld: the model has %lld positions",
                        (long long)s->o.max_length, (long long)a->max_positions);
    if (!s->o.cache_tokens)
        s->o.cache_tokens = cache_tokens(s, lm->model.decoder);
    if (s->o.cache_tokens < s->rules.max_length)
        return ts_error(TS_ERR_USER,
                        "--kv-cache-tokens %lld is less than one text may have (--max-model-len %lld)",
                        (long long)s->o.cache_tokens, (long long)s->rules.max_length);
    return TS_OK;
}

static ts_status start(ts_server *s, ts_lm *lm, const ts_gen_config *gen, bool is_greedy, int64_t max_new)
{
    TS_TRY(name_model(s, lm->rt.load));
    TS_TRY(find_lengths(s, lm));
    TS_TRY(ts_wording_open(lm, &s->o.chat, &s->wording));
    s->rules.wording = &s->wording;
    s->rules.model = ts_str_text(&s->name);
    ts_gen_config all = *gen;
    if (s->wording.has_chat)
        TS_TRY(ts_lm_chat_stop(&s->wording.chat, &all));
    s->rules.defaults =
        (ts_settings_defaults){ all, is_greedy, max_new ? max_new : -1, lm->model.decoder->arch.vocab };
    s->hidden = lm->model.decoder->arch.hidden;
    if (ts_lm_has_text(lm))
        TS_TRY(ts_lm_list_tokens(lm));
    s->rules.tokens = lm->tokens;
    s->ngram = gen->ngram;
    if (gen->draft)
        return ts_error(TS_ERR_USER,
                        "--draft-model: a server guesses from text that repeats alone (--prompt-lookup-num-tokens)");
    const ts_worker_options w = { .batch = { .texts = s->o.texts, .step_tokens = s->o.step_tokens,
                                             .tokens = s->o.cache_tokens, .reuse = !s->o.no_prefix,
                                             .remembers = !s->o.no_prefix && !s->o.no_memory,
                                             .drafts = gen->drafts, .drafter = ts_lookup_guess,
                                             .drafter_ctx = &s->ngram },
                                  .queue = s->o.queue };
    TS_TRY(ts_worker_start(lm, &w, &s->rules.worker));
    return ts_http_start(s);
}

ts_status ts_server_start(const ts_serve_options *o, ts_lm *lm, const ts_gen_config *gen, bool is_greedy,
                          int64_t max_new, ts_server **out)
{
    ts_server *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->o = *o;
    s->created = (int64_t)time(NULL);
    ts_metrics_init(&s->metrics);
    const ts_status st = start(s, lm, gen, is_greedy, max_new);
    if (st == TS_OK)
        *out = s;
    else
        ts_server_stop(&s);
    return st;
}

const char *ts_server_url(const ts_server *s) { return ts_str_text(&s->url); }

void ts_server_stop(ts_server **server)
{
    ts_server *s = *server;
    if (!s)
        return;
    ts_http_stop(s);
    ts_worker_stop(&s->rules.worker);
    if (s->rules.wording)
        ts_wording_close(&s->wording);
    ts_metrics_deinit(&s->metrics);
    ts_str_deinit(&s->url);
    ts_str_deinit(&s->name);
    ts_free(server);
}
