#include "api/lm.h"

#include "api/words.h"
#include "base/log.h"
#include "infer/detok.h"
#include "infer/scheduled.h"
#include "model/open.h"

#include <string.h>

const ts_option ts_lm_batch_rows[] = {
    TS_ROW(INT, ts_lm_batch_options, batch_size, "batch-size", "8", 1, TS_ENGINE_MOST_SLOTS, NULL,
           "generation", "lines that are generated side by side; changes speed, never a result"),
};
const size_t ts_lm_batch_count = sizeof ts_lm_batch_rows / sizeof *ts_lm_batch_rows;

typedef struct run {
    ts_lm *lm;
    const ts_gen_config *c;
    const ts_lm_hooks *hooks;
    ts_detok *detoks; /* by number of the line, of those at work; NULL: nobody needs text as it comes */
    ts_str text;
} run;

static ts_status status_of(int answer) { return answer < 0 ? (ts_status)answer : TS_OK; }

static int tell(const run *r, const ts_gen_line *line, const ts_gen_text *t, bool is_last)
{
    ts_lm_piece p = {
        .prompt = (size_t)line->number, .ids = t->ids, .n_ids = t->n, .is_last = is_last
    };
    if (!r->hooks->piece)
        return 0;
    if (r->detoks)
        p.text = ts_detok_next(&r->detoks[line->number], is_last, &p.n_text);
    return r->hooks->piece(r->hooks->ctx, &p);
}

static ts_status on_token(void *ctx, const ts_gen_line *line, const ts_gen_text *t, bool *stop)
{
    run *r = ctx;
    if (r->detoks) {
        ts_detok *d = &r->detoks[line->number];
        if (t->n == 1)
            ts_detok_init(d, r->lm->tok.tok, r->c->stop, r->c->n_stop);
        TS_TRY(ts_detok_add(d, t->ids, t->n));
        *stop = d->is_stopped;
    }
    const int answer = tell(r, line, t, false);
    *stop = *stop || answer > 0;
    return status_of(answer);
}

/* What was held back, and with beams everything. */
static ts_status last_piece(run *r, const ts_gen_line *line, const ts_gen_text *t)
{
    if (!r->hooks->piece)
        return TS_OK;
    if (r->detoks) {
        ts_detok *d = &r->detoks[line->number];
        if (r->c->num_beams > 1)
            ts_detok_init(d, r->lm->tok.tok, NULL, 0);
        TS_TRY(ts_detok_end(d, t->ids, t->n));
    }
    return status_of(tell(r, line, t, true));
}

static ts_status whole_text(run *r, const ts_gen_line *line, const ts_gen_text *t)
{
    const ts_detok *d = r->detoks ? &r->detoks[line->number] : NULL;
    ts_str_reset(&r->text);
    if (r->c->n_stop && d && d->is_stopped)
        return ts_str_add(&r->text, ts_str_text(&d->text), d->text.len);
    TS_TRY(ts_str_add(&r->text, "", 0));
    return ts_tokenizer_decode_written(r->lm->tok.tok, t->ids, t->n, &r->text);
}

static ts_status on_done(void *ctx, const ts_gen_line *line, const ts_gen_text *t)
{
    run *r = ctx;
    ts_lm_answer a = { .prompt = (size_t)line->number,
                       .ids = t->ids,
                       .n_ids = t->n,
                       .logprobs = t->logprobs,
                       .is_stopped = t->is_stopped };
    TS_TRY(last_piece(r, line, t));
    if (r->hooks->done && ts_lm_has_text(r->lm)) {
        TS_TRY(whole_text(r, line, t));
        a.text = ts_str_text(&r->text);
        a.n_text = r->text.len;
    }
    const ts_status st = r->hooks->done ? status_of(r->hooks->done(r->hooks->ctx, &a)) : TS_OK;
    if (r->detoks)
        ts_detok_deinit(&r->detoks[line->number]);
    return st;
}

static void on_progress(void *ctx, int64_t new_tokens)
{
    const run *r = ctx;
    if (r->hooks->progress)
        r->hooks->progress(r->hooks->ctx, new_tokens);
}

/* --add-eos-token: each must be one token. */
static ts_status add_ends(ts_lm *lm, const ts_gen_options *o, ts_sampling *s)
{
    for (int64_t i = 0; i < o->add_eos.n; i++) {
        TS_TRY(ts_lm_need_tokenizer(lm));
        const int32_t id = lm->tok.tok ? ts_tokenizer_token_id(lm->tok.tok, o->add_eos.v[i]) : -1;
        if (id < 0)
            return ts_error(TS_ERR_USER, "--add-eos-token %s: the tokenizer has no such token (--stop TEXT ends at any text)",
                            o->add_eos.v[i]);
        TS_TRY(ts_sampling_add_eos(s, id));
    }
    return TS_OK;
}

/* --draft-model. */
static ts_status open_draft(ts_lm *lm, const char *folder)
{
    ts_model_use use = { .inference = true, .dev = lm->dev };
    if (lm->draft.decoder)
        return TS_OK;
    TS_TRY(ts_runtime_dtype(&lm->rt, &use.compute));
    TS_TRY(ts_model_open(folder, -1, &use, &lm->draft));
    const int64_t a = lm->model.decoder->arch.vocab, b = lm->draft.decoder->arch.vocab;
    if (lm->draft.decoder->arch.labels || lm->draft.decoder->arch.reward)
        return ts_error(TS_ERR_USER, "--draft-model %s: it tells no words", folder);
    if (a > 2 * b || b > 2 * a)
        return ts_error(TS_ERR_USER, "--draft-model %s: it has %lld tokens and the model %lld: they are to have one tokenizer", folder,
                        (long long)b, (long long)a);
    return TS_OK;
}

ts_status ts_lm_list_tokens(ts_lm *lm)
{
    if (lm->tokens)
        return TS_OK;
    TS_TRY(ts_lm_need_tokenizer(lm));
    if (!lm->tok.tok)
        return ts_error(TS_ERR_USER, "grammars and schemas need a tokenizer of texts, not NullTokenizer");
    return ts_token_list_create(lm->tok.tok, lm->model.decoder->arch.vocab, &lm->tokens);
}

ts_status ts_lm_gen_config(ts_lm *lm, const ts_gen_options *o, const ts_option_set *set,
                           ts_gen_config *out)
{
    ts_grammar *g = NULL;
    ts_constraint_destroy(&lm->constraint);
    TS_TRY(ts_gen_config_resolve(o, set, lm->model.folder, &lm->model.decoder->arch, out));
    if (!o->ignore_eos)
        TS_TRY(add_ends(lm, o, &out->sampling));
    if (o->draft_model) {
        TS_TRY(open_draft(lm, o->draft_model));
        out->draft = lm->draft.decoder;
    }
    TS_TRY(ts_gen_grammar(o, &g));
    if (!g)
        return TS_OK;
    ts_status st = ts_lm_list_tokens(lm);
    if (st == TS_OK)
        st = ts_constraint_create(&g, lm->tokens, &lm->constraint);
    ts_grammar_destroy(&g);
    out->constraint = lm->constraint;
    return st;
}

ts_status ts_lm_check_stop(const ts_lm *lm, const ts_gen_config *c)
{
    if (c->n_stop && !ts_lm_has_text(lm))
        return ts_error(TS_ERR_USER, "--stop needs a tokenizer, and %s has none",
                        lm->model.folder ? lm->model.folder : "the checkpoint");
    return TS_OK;
}

static ts_status run_guessing(run *r, int64_t batch, const ts_gen_line *lines, size_t n, const ts_gen_hooks *hooks)
{
    ts_scheduler_figures f = { 0 };
    if (!ts_engine_has_pages(r->lm->model.decoder))
        ts_log(TS_LOG_WARN, "guesses are left out: the model keeps more than keys and values of its texts");
    /* a draft model has one text at hand */
    const ts_status st =
        ts_generate_scheduled(r->lm->model.decoder, r->c, r->c->draft ? 1 : batch, lines, (int64_t)n, hooks, &f);
    if (st == TS_OK && f.drafted)
        ts_log(TS_LOG_INFO, "%lld of %lld guesses were right: %.2f tokens a step", (long long)f.accepted, (long long)f.drafted,
               (double)f.new_tokens / (double)f.steps);
    return st;
}

ts_status ts_lm_run(ts_lm *lm, const ts_gen_config *c, int64_t batch, const ts_gen_line *lines,
                    size_t n, const ts_lm_hooks *hooks)
{
    run r = { .lm = lm, .c = c, .hooks = hooks };
    const bool watches = hooks->piece || c->n_stop;
    const ts_gen_hooks inside = { &r, watches ? on_token : NULL, on_done, on_progress };
    ts_engine *engine = NULL;
    ts_status st = TS_OK;
    int64_t most = 0;
    TS_TRY(ts_lm_need_words(lm, "ts_lm_generate", true));
    TS_TRY(ts_lm_check_stop(lm, c));
    for (size_t i = 0; i < n; i++)
        most = lines[i].number >= most ? lines[i].number + 1 : most;
    if (watches && ts_lm_has_text(lm))
        st = ts_alloc(&r.detoks, (size_t)most, sizeof *r.detoks);
    if (st == TS_OK && c->drafts) {
        st = run_guessing(&r, batch, lines, n, &inside);
    } else if (st == TS_OK) {
        st = ts_engine_create(lm->model.decoder, ts_gen_slots(c, batch, (int64_t)n), &engine);
        if (st == TS_OK)
            st = ts_generate(engine, &lm->model.decoder->arch, c, lines, (int64_t)n, &inside);
    }
    ts_engine_destroy(&engine);
    for (int64_t i = 0; r.detoks && i < most; i++)
        ts_detok_deinit(&r.detoks[i]);
    ts_free(&r.detoks);
    ts_str_deinit(&r.text);
    return st;
}

/* ---- the public function ---- */

static ts_status read_prompt(ts_lm *lm, const ts_lm_prompt *p, ts_ids *ids)
{
    if (p->ids) {
        TS_TRY(ts_lm_check_ids(lm, p->ids, p->n_ids));
        TS_TRY(ts_grow(&ids->v, &ids->cap, p->n_ids + 1, sizeof *ids->v));
        memcpy(ids->v, p->ids, p->n_ids * sizeof *ids->v);
        ids->n = p->n_ids;
    } else if (p->text) {
        TS_TRY(ts_lm_add_text(lm, p->text, p->n_text, ids));
    } else {
        return ts_error(TS_ERR_USER, "it has neither ids nor text");
    }
    return ids->n ? TS_OK : ts_error(TS_ERR_USER, "it has no tokens");
}

/* lines [n] and their ids, which are the lines' own. */
static ts_status read_prompts(ts_lm *lm, const ts_gen_config *c, const ts_lm_prompt *prompts,
                              size_t n, ts_ids *ids, ts_gen_line *lines)
{
    for (size_t i = 0; i < n; i++) {
        ts_status st = read_prompt(lm, &prompts[i], &ids[i]);
        lines[i] = (ts_gen_line){ .number = (int64_t)i, .prompt = { ids[i].v, (int64_t)ids[i].n } };
        if (st == TS_OK)
            st = ts_gen_limit(c, &lm->model.decoder->arch, (int64_t)ids[i].n, &lines[i].max_new);
        if (st != TS_OK)
            return ts_error_context(st, "in prompt %zu", i);
    }
    return TS_OK;
}

static ts_status generate(ts_lm *lm, const ts_lm_prompt *prompts, size_t n, const ts_gen_config *c,
                          int64_t batch, const ts_lm_hooks *hooks)
{
    ts_ids *ids = NULL;
    ts_gen_line *lines = NULL;
    ts_status st = ts_alloc(&ids, n, sizeof *ids);
    if (st == TS_OK)
        st = ts_alloc(&lines, n, sizeof *lines);
    if (st == TS_OK)
        st = read_prompts(lm, c, prompts, n, ids, lines);
    if (st == TS_OK)
        st = ts_lm_run(lm, c, batch, lines, n, hooks);
    for (size_t i = 0; ids && i < n; i++)
        ts_ids_deinit(&ids[i]);
    ts_free(&ids);
    ts_free(&lines);
    return st;
}

ts_status ts_lm_generate(ts_lm *lm, const ts_lm_prompt *prompts, size_t n_prompts,
                         const char *const *options, size_t n, const ts_lm_hooks *hooks)
{
    ts_gen_options o = { 0 };
    ts_lm_batch_options b = { 0 };
    ts_gen_config c;
    ts_option_set *set;
    const ts_option_table tables[] = { { ts_gen_option_rows, ts_gen_option_count, &o },
                                       { ts_lm_batch_rows, ts_lm_batch_count, &b } };
    TS_NEED(lm);
    TS_NEED(hooks);
    if (hooks->size < sizeof *hooks)
        return ts_error(TS_ERR_USER, "ts_lm_generate: hooks->size is %zu, expected %zu or more",
                        hooks->size, sizeof *hooks);
    if (n_prompts)
        TS_NEED(prompts);
    TS_TRY(ts_words_parse(tables, 2, options, n, &set));
    ts_status st = ts_lm_gen_config(lm, &o, set, &c);
    if (st == TS_OK && n_prompts)
        st = generate(lm, prompts, n_prompts, &c, b.batch_size, hooks);
    ts_option_set_destroy(&set);
    return st;
}
