#include "infer/scheduled.h"

#include "infer/draft.h"
#include "infer/lookup.h"

typedef struct run run;

typedef struct text {
    run *of;
    const ts_gen_line *line;
    ts_gen_text text;
} text;

struct run {
    const ts_gen_config *c;
    const ts_gen_hooks *hooks;
    text *texts; /* [n] */
    ts_status st; /* the first that failed */
    int64_t new_tokens;
};

static ts_status on_token(void *ctx, const ts_choice *c, bool *stop)
{
    text *x = ctx;
    ts_gen_text *t = &x->text;
    const run *r = x->of;
    TS_TRY(ts_grow(&t->ids, &t->cap_ids, t->n + 1, sizeof *t->ids));
    if (r->c->logprobs) {
        TS_TRY(ts_grow(&t->logprobs, &t->cap_logprobs, t->n + 1, sizeof *t->logprobs));
        t->logprobs[t->n] = c->logprob;
    }
    t->ids[t->n++] = c->id;
    x->of->new_tokens++;
    return r->hooks->token ? r->hooks->token(r->hooks->ctx, x->line, t, stop) : TS_OK;
}

static void on_done(void *ctx, ts_status st, bool is_stopped)
{
    text *x = ctx;
    run *r = x->of;
    x->text.is_stopped = is_stopped;
    if (st == TS_OK)
        st = r->hooks->done(r->hooks->ctx, x->line, &x->text);
    if (r->st == TS_OK)
        r->st = st;
    ts_gen_text_deinit(&x->text);
}

/* Room for the longest lines side by side. */
static int64_t tokens_for(const ts_gen_line *lines, int64_t n, int64_t batch)
{
    int64_t most = 0;
    for (int64_t i = 0; i < n; i++)
        most = lines[i].prompt.n + lines[i].max_new > most ? lines[i].prompt.n + lines[i].max_new : most;
    return (most + TS_ENGINE_PAGE) * batch;
}

static ts_status add_lines(ts_scheduler *s, run *r, const ts_gen_line *lines, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        ts_scheduled *one;
        text *x = &r->texts[i];
        *x = (text){ .of = r, .line = &lines[i] };
        const ts_scheduler_request q = {
            .prompt = lines[i].prompt.ids, .n_prompt = lines[i].prompt.n, .max_new = lines[i].max_new,
            .choice = { .sampling = r->c->sampling, .line = lines[i].number, .logprobs = r->c->logprobs },
            .constraint = r->c->constraint,
            .ctx = x, .token = on_token, .done = on_done,
        };
        TS_TRY(ts_scheduler_add(s, &q, &one));
    }
    return TS_OK;
}

ts_status ts_generate_scheduled(ts_decoder *d, const ts_gen_config *c, int64_t batch, const ts_gen_line *lines, int64_t n,
                                const ts_gen_hooks *hooks, ts_scheduler_figures *f)
{
    enum { STEP = 4096 };
    run r = { .c = c, .hooks = hooks };
    ts_scheduler *s = NULL;
    ts_draft *draft = NULL;
    int64_t ngram = c->ngram;
    ts_scheduler_options o = { .texts = ts_gen_slots(c, batch, n), .step_tokens = STEP, .reuse = true, .drafts = c->drafts,
                               .drafter = ts_lookup_guess, .drafter_ctx = &ngram };
    o.tokens = tokens_for(lines, n, o.texts);
    ts_status st = ts_alloc(&r.texts, (size_t)n, sizeof *r.texts);
    if (st == TS_OK && c->draft)
        st = ts_draft_create(c->draft, &draft);
    if (draft)
        o.drafter = ts_draft_guess, o.drafter_ctx = draft;
    if (st == TS_OK)
        st = ts_scheduler_create(d, &o, &s);
    if (st == TS_OK)
        st = add_lines(s, &r, lines, n);
    while (st == TS_OK && !ts_scheduler_is_idle(s)) {
        st = ts_scheduler_step(s);
        st = st == TS_OK ? r.st : st;
        if (hooks->progress)
            hooks->progress(hooks->ctx, r.new_tokens);
    }
    if (f && s)
        *f = ts_scheduler_look(s);
    ts_scheduler_destroy(&s);
    ts_draft_destroy(&draft);
    for (int64_t i = 0; r.texts && i < n; i++)
        ts_gen_text_deinit(&r.texts[i].text);
    ts_free(&r.texts);
    return st;
}
