#include "api/words.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/processes.h"
#include "serve/server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: tessera serve --load DIR [--host 127.0.0.1] [--port 8000] [--api-key KEY] [options]\n\n"
    "Answers OpenAI's HTTP requests for a model: /v1/chat/completions, /v1/completions, /v1/responses, /v1/models,\n"
    "/tokenize, /detokenize, /health, /metrics; / is a page for chatting. Many requests are written side by side, and\n"
    "each is what it would be alone. SIGTERM or SIGINT: no new requests, those that run end.\n"
    "example: tessera serve --load models/my-model --bf16 --port 8000";

typedef struct server_options {
    ts_serve_options o;
    ts_gen_options go;
    ts_gen_config config;
    ts_lm lm;
} server_options;

static ts_status check(const server_options *s)
{
    if (!s->lm.rt.load)
        return ts_error(TS_ERR_USER, "--load is missing");
    if (s->config.num_beams > 1)
        return ts_error(TS_ERR_USER, "--num-beams: a server searches no beams");
    if (s->config.n_stop)
        return ts_error(TS_ERR_USER, "--stop: requests to a server say it (\"stop\")");
    if (s->o.api_key && !*s->o.api_key)
        return ts_error(TS_ERR_USER, "--api-key: the key is empty");
    return TS_OK;
}

/* Until SIGTERM or SIGINT; which all threads that are made later leave to this one. */
static int wait_for_signal(const sigset_t *set)
{
    int sig = 0;
    while (sigwait(set, &sig))
        ;
    return sig;
}

/* From the process that leads. */
static ts_status serve(server_options *s, const ts_option_set *set, const sigset_t *ends)
{
    ts_server *server;
    TS_TRY(ts_lm_need_words(&s->lm, "tessera serve", true));
    TS_TRY(ts_lm_gen_config(&s->lm, &s->go, set, &s->config));
    TS_TRY(check(s));
    TS_TRY(ts_lm_find_tokenizer(&s->lm));
    const int64_t max_new = ts_option_given(set, "max-new-tokens") ? s->go.max_new_tokens : 0;
    TS_TRY(ts_server_start(&s->o, &s->lm, &s->config, s->go.greedy, max_new, &server));
    ts_log(TS_LOG_INFO, "serving %s at %s", s->lm.rt.load, ts_server_url(server));
    const int sig = wait_for_signal(ends);
    ts_log(TS_LOG_INFO, "%s: no new requests; those that run have %lld s", strsignal(sig),
           (long long)s->o.drain);
    ts_server_stop(&server);
    return TS_OK;
}

/* Signals come to all processes of a job, and the one that leads ends them. */
static ts_status begin(server_options *s, const ts_option_set *set)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN); /* clients may go */
    if (!s->lm.rt.load)
        return check(s);
    TS_TRY(ts_lm_begin(&s->lm));
    TS_TRY(ts_lm_need_one(&s->lm, "serve"));
    return ts_lm_follows(&s->lm) ? ts_lm_follow(&s->lm) : ts_lm_dismiss(&s->lm, serve(s, set, &ends));
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_serve = { "serve", "answer OpenAI's HTTP requests", run };

static ts_status run(int argc, char *const *argv)
{
    server_options s = { 0 };
    const ts_option_table tables[] = {
        { ts_serve_option_rows, ts_serve_option_count, &s.o },
        { ts_lm_chat_option_rows, ts_lm_chat_option_count, &s.o.chat },
        { ts_gen_option_rows, ts_gen_option_count, &s.go },
        { ts_lm_option_rows, ts_lm_option_count, &s.lm.o },
        { ts_lm_cache_rows, ts_lm_cache_count, &s.lm.o },
        { ts_model_group_option_rows, ts_model_group_option_count, &s.lm.cut },
        { ts_text_option_rows, ts_text_option_count, &s.lm.to },
        { ts_runtime_option_rows, ts_runtime_option_count, &s.lm.rt },
    };
    ts_option_set *set;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_serve, usage, tables, sizeof tables / sizeof *tables, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = ts_comm_world(&s.lm.world);
    if (st == TS_OK) {
        ts_processes_log((ts_log_level)s.lm.rt.log_level, s.lm.world);
        ts_words_log_notes(set);
        st = begin(&s, set);
        st = ts_device_explain(s.lm.dev, st);
        ts_lm_end(&s.lm);
        st = ts_processes_end(&s.lm.world, st);
    }
    ts_option_set_destroy(&set);
    return st;
}
