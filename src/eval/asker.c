#include "eval/asker.h"

#include "eval/pyregex.h"
#include "infer/detok.h"
#include "infer/generate.h"
#include "infer/scheduled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NEW = 256 }; /* lm-evaluation-harness's default */

void ts_eval_asker_deinit(ts_eval_asker *a)
{
    ts_loglik_destroy(&a->loglik);
    ts_engine_destroy(&a->engine);
    ts_ids_deinit(&a->whole);
    ts_ids_deinit(&a->context);
    ts_str_deinit(&a->text);
}

void ts_eval_tokens_deinit(ts_eval_tokens *t)
{
    for (size_t i = 0; i < t->n; i++)
        ts_free(&t->r[i].ids);
    ts_free(&t->r);
    t->n = 0;
}

/* ---- tokens ---- */

/* What stands in front of all texts: the beginning of a text, or its end where there is no such. */
static int32_t first_token(const ts_text_tokenizer *tok)
{
    const int32_t bos = ts_tokenizer_bos(tok->tok);
    return bos >= 0 ? bos : ts_tokenizer_eos(tok->tok);
}

/* With the tokenizer's own special tokens, unless the text begins with one that is in front of all. */
static ts_status encode(const ts_eval_asker *a, const char *s, size_t n, bool special, ts_ids *out)
{
    ts_text_tokenizer tok = *a->m->tok;
    const int32_t id = first_token(&tok);
    const char *first = id >= 0 ? ts_tokenizer_id_token(tok.tok, id) : NULL;
    if (!special || (first && *first && n >= strlen(first) && !memcmp(s, first, strlen(first))))
        tok.with_special = tok.with_bos = false;
    out->n = 0;
    return ts_text_encode(&tok, a->m->scratch, s, n, out);
}

static ts_status append(ts_ids *to, const int32_t *ids, size_t n)
{
    TS_TRY(ts_grow(&to->v, &to->cap, to->n + n + 1, sizeof *to->v));
    memcpy(to->v + to->n, ids, n * sizeof *ids);
    to->n += n;
    return TS_OK;
}

/* Tokens of prompt and choice into a->whole; *from: of the prompt. White space at the prompt's end goes to the choice; the
 * choice's tokens are those of both together behind as many as the prompt alone has. */
static ts_status encode_pair(ts_eval_asker *a, const char *prompt, size_t n, const char *choice, size_t *from)
{
    const char *bare = prompt;
    size_t kept = n;
    ts_py_strip(&bare, &kept);
    kept += (size_t)(bare - prompt);
    kept = bare == prompt + n ? 0 : kept;
    ts_str_reset(&a->text);
    TS_TRY(ts_str_add(&a->text, prompt, n));
    TS_TRY(ts_str_puts(&a->text, choice));
    TS_TRY(encode(a, ts_str_text(&a->text), kept, true, &a->context));
    TS_TRY(encode(a, a->text.s, a->text.len, true, &a->whole));
    *from = a->context.n;
    for (size_t i = 0; i < a->context.n && i < a->whole.n; i++)
        a->whole.v[i] = a->context.v[i];
    return TS_OK;
}

/* Where there is no prompt: behind the token that is in front of all texts. */
static ts_status encode_behind_nothing(ts_eval_asker *a, const char *choice, size_t *from)
{
    const int32_t first = first_token(a->m->tok);
    TS_TRY(encode(a, choice, strlen(choice), false, &a->context));
    a->whole.n = 0;
    if (first >= 0 && (!a->context.n || a->context.v[0] != first))
        TS_TRY(ts_ids_add(&a->whole, first));
    *from = 1;
    return append(&a->whole, a->context.v, a->context.n);
}

/* A conversation and the beginning of an answer to it. */
static ts_status encode_conversation(ts_eval_asker *a, const json_t *conversation, const char *choice,
                                     size_t *from)
{
    TS_TRY(a->m->encoder->prompt(a->m->encoder, a->m->encoder_work, conversation, &a->whole));
    *from = a->whole.n;
    return ts_tokenizer_encode_rest(a->m->tok->tok, a->m->scratch, choice, strlen(choice), &a->whole);
}

/* choice NULL: the prompt alone. */
static ts_status encode_prompt(ts_eval_asker *a, const json_t *prompt, const char *choice, size_t *from)
{
    const char *s = json_string_value(prompt);
    const size_t n = json_string_length(prompt);
    if (!s)
        return encode_conversation(a, prompt, choice ? choice : "", from);
    if (!choice) {
        TS_TRY(encode(a, s, n, true, &a->whole));
        *from = a->whole.n;
        return TS_OK;
    }
    return n ? encode_pair(a, s, n, choice, from) : encode_behind_nothing(a, choice, from);
}

/* a->whole as a request of at most `most` tokens, the last ones. */
static ts_status keep(const ts_eval_asker *a, size_t from, int64_t most, ts_loglik_request *out)
{
    const int64_t n = (int64_t)a->whole.n, cut = most > 0 && n > most ? n - most : 0;
    TS_TRY(ts_alloc(&out->ids, (size_t)(n - cut), sizeof *out->ids));
    memcpy(out->ids, a->whole.v + cut, (size_t)(n - cut) * sizeof *out->ids);
    out->n = n - cut;
    out->from = (int64_t)from - cut;
    return TS_OK;
}

static int64_t max_new(const ts_eval_asker *a, const ts_eval_task *t)
{
    const json_t *kwargs = json_object_get(t->def, "generation_kwargs"),
                 *own = json_object_get(kwargs, "max_gen_toks");
    return a->o->max_new_tokens   ? a->o->max_new_tokens
           : json_is_integer(own) ? json_integer_value(own)
                                  : MAX_NEW;
}

static ts_status encode_one(ts_eval_asker *a, const ts_eval_unit *u, const ts_eval_sample *s, size_t i,
                            ts_loglik_request *out)
{
    const ts_arch *arch = &a->m->decoder->arch;
    const json_t *prompt = json_array_get(s->prompts, json_array_size(s->prompts) > 1 ? i : 0);
    const char *choice = NULL;
    ts_str text = { 0 };
    size_t from = 0;
    ts_status st = TS_OK;
    if (s->choices) {
        st = ts_str_printf(&text, "%s%s", s->between, json_string_value(json_array_get(s->choices, i)));
        choice = ts_str_text(&text);
    }
    if (st == TS_OK)
        st = encode_prompt(a, prompt, choice, &from);
    ts_str_deinit(&text);
    TS_TRY(st);
    for (size_t k = 0; k < a->whole.n; k++)
        if (a->whole.v[k] < 0 || a->whole.v[k] >= arch->vocab)
            return ts_error(TS_ERR_USER, "the tokenizer's id %d is outside the model's vocabulary of %lld",
                            (int)a->whole.v[k], (long long)arch->vocab);
    const int64_t room = s->choices ? arch->max_positions + 1 : arch->max_positions - max_new(a, u->task);
    if (arch->max_positions && room < 1)
        return ts_error(TS_ERR_USER,
                        "%lld new tokens are more than the model's %lld positions: give --max-new-tokens",
                        (long long)max_new(a, u->task), (long long)arch->max_positions);
    TS_TRY(keep(a, from, arch->max_positions ? room : 0, out));
    if (out->n < 1 || (choice && (out->from < 1 || out->from >= out->n)))
        return ts_error(
            TS_ERR_USER,
            choice ? "choice %zu has no tokens of its own behind the prompt" : "the prompt has no tokens", i);
    return TS_OK;
}

ts_status ts_eval_encode(ts_eval_asker *a, const ts_eval_unit *u, size_t sample, ts_eval_tokens *out)
{
    const ts_eval_sample *s = &u->sample[sample];
    const size_t n = s->choices ? json_array_size(s->choices) : 1;
    *out = (ts_eval_tokens){ .sample = sample };
    TS_TRY(ts_alloc(&out->r, n, sizeof *out->r));
    for (out->n = 0; out->n < n;) {
        ts_loglik_request *r = &out->r[out->n];
        const ts_status st = encode_one(a, u, s, out->n, r);
        if (st != TS_OK) {
            ts_free(&r->ids);
            ts_str place = { 0 };
            const ts_status named = ts_eval_place(&u->records, sample, &place);
            const ts_status why = ts_error_context(st, "of %s", named == TS_OK ? place.s : "a record");
            ts_str_deinit(&place);
            ts_eval_tokens_deinit(out);
            return why;
        }
        r->group = (int64_t)sample;
        out->longest = r->n > out->longest ? r->n : out->longest;
        out->n++;
    }
    return TS_OK;
}

/* ---- choices ---- */

/* All requests of these samples, one after another. */
static ts_status gather(const ts_eval_tokens *t, size_t n, ts_loglik_request **out, size_t *n_out)
{
    size_t all = 0;
    for (size_t i = 0; i < n; i++)
        all += t[i].n;
    TS_TRY(ts_alloc(out, all, sizeof **out));
    *n_out = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t[i].n; k++)
            (*out)[(*n_out)++] = t[i].r[k];
    return TS_OK;
}

ts_status ts_eval_ask_begin(ts_eval_asker *a, const ts_eval_unit *u, const ts_eval_tokens *t, size_t n)
{
    ts_loglik_request *r;
    size_t all;
    if (!u->task->is_choice || !n)
        return TS_OK;
    if (!a->loglik)
        TS_TRY(ts_loglik_create(a->m->decoder, a->m->tape, a->o->batch, &a->loglik));
    TS_TRY(gather(t, n, &r, &all));
    const ts_status st = ts_loglik_begin(a->loglik, r, (int64_t)all);
    ts_free(&r);
    return st;
}

static ts_status ask_choices(ts_eval_asker *a, const ts_eval_unit *u, const ts_eval_tokens *t, size_t n,
                             json_t **lines)
{
    ts_loglik_request *r;
    double *sums = NULL;
    int64_t *tokens = NULL;
    size_t all, at = 0;
    TS_TRY(gather(t, n, &r, &all));
    ts_status st = ts_alloc(&sums, all, sizeof *sums);
    if (st == TS_OK)
        st = ts_alloc(&tokens, all, sizeof *tokens);
    if (st == TS_OK)
        st = ts_loglik_run(a->loglik, r, (int64_t)all);
    for (size_t i = 0; i < all && st == TS_OK; i++) {
        sums[i] = r[i].sum, tokens[i] = r[i].n - r[i].from;
        if (!isfinite(sums[i]))
            st = ts_error(TS_ERR_RUN, "sample %lld: a log-likelihood is not a number", (long long)r[i].group);
    }
    for (size_t i = 0; i < n && st == TS_OK; at += t[i++].n)
        st = ts_eval_judge_choices(u->judging, &u->sample[t[i].sample], sums + at, tokens + at, lines[i]);
    ts_free(&sums);
    ts_free(&tokens);
    ts_free(&r);
    return st;
}

/* ---- texts ---- */

/* Of one chunk of texts. */
typedef struct writing {
    ts_eval_asker *a;
    const ts_eval_unit *u;
    const ts_eval_tokens *t; /* [n] */
    json_t **lines;          /* [n] */
    ts_detok *detok;         /* [n] */
    const json_t *until;     /* a text, or a list of such */
} writing;

static const char *until_at(const writing *w, size_t i)
{
    return json_is_array(w->until) ? json_string_value(json_array_get(w->until, i))
           : i                     ? NULL
                                   : json_string_value(w->until);
}

static ts_status on_token(void *ctx, const ts_gen_line *line, const ts_gen_text *t, bool *stop)
{
    writing *w = ctx;
    const ts_tokenizer *tok = w->a->m->tok->tok;
    ts_detok *d = &w->detok[line->number];
    const int32_t id = t->ids[t->n - 1];
    const char *s, *special = ts_tokenizer_is_special(tok, id) ? ts_tokenizer_id_token(tok, id) : NULL;
    *stop = id == ts_tokenizer_eos(tok); /* which ends a text whatever the model's own settings say */
    if (t->n == 1)
        ts_detok_init(d, tok, NULL, 0);
    const size_t before = d->text.len;
    TS_TRY(ts_detok_add(d, t->ids, t->n));
    for (size_t i = 0; !*stop && (s = until_at(w, i)); i++) {
        const size_t n = strlen(s), from = before > n ? before - n : 0;
        *stop = n > 0 && ((special && strstr(special, s)) || strstr(ts_str_text(&d->text) + from, s));
    }
    return TS_OK;
}

static ts_status on_done(void *ctx, const ts_gen_line *line, const ts_gen_text *t)
{
    writing *w = ctx;
    const ts_eval_tokens *of = &w->t[line->number];
    ts_str text = { 0 }, place = { 0 };
    const char *s;
    ts_detok_deinit(&w->detok[line->number]);
    ts_status st = ts_tokenizer_decode_written(w->a->m->tok->tok, t->ids, t->n, &text);
    for (size_t i = 0; st == TS_OK && (s = until_at(w, i)); i++) {
        const char *cut = *s ? strstr(ts_str_text(&text), s) : NULL;
        if (cut)
            text.s[text.len = (size_t)(cut - text.s)] = 0;
    }
    if (st == TS_OK)
        st = ts_eval_place(&w->u->records, of->sample, &place);
    if (st == TS_OK)
        st = ts_eval_judge_text(w->u->judging, &w->u->sample[of->sample], w->u->records.v[of->sample],
                                place.s, ts_str_text(&text), text.len, w->lines[line->number]);
    ts_str_deinit(&text);
    ts_str_deinit(&place);
    return st;
}

/* The model's settings with what the task says of its own. */
static ts_status settings(const ts_eval_asker *a, const ts_eval_task *t, ts_gen_config *out)
{
    const json_t *kwargs = json_object_get(t->def, "generation_kwargs");
    *out = *a->m->gen;
    out->max_new_tokens = max_new(a, t);
    TS_TRY(ts_json_int(kwargs, t->name, "num_beams", 1, 1, TS_ENGINE_MOST_SLOTS, &out->num_beams));
    return ts_json_real(kwargs, t->name, "length_penalty", out->length_penalty, &out->length_penalty);
}

/* In pages where that can be, so that examples that all prompts begin with go through the model once. */
static ts_status write_texts(ts_eval_asker *a, const ts_gen_config *c, const ts_gen_line *line, int64_t n, const ts_gen_hooks *hooks)
{
    const int64_t slots = ts_gen_slots(c, a->o->batch, a->o->batch);
    if (c->num_beams == 1 && ts_engine_has_pages(a->m->decoder))
        return ts_generate_scheduled(a->m->decoder, c, a->o->batch, line, n, hooks, NULL);
    if (a->slots != slots) {
        ts_engine_destroy(&a->engine);
        a->slots = slots;
        TS_TRY(ts_engine_create(a->m->decoder, slots, &a->engine));
    }
    return ts_generate(a->engine, &a->m->decoder->arch, c, line, n, hooks);
}

static ts_status ask_texts(ts_eval_asker *a, const ts_eval_unit *u, const ts_eval_tokens *t, size_t n,
                           json_t **lines)
{
    writing w = { .a = a, .u = u, .t = t, .lines = lines };
    const ts_gen_hooks hooks = { &w, on_token, on_done, NULL };
    ts_gen_config c;
    ts_gen_line *line = NULL;
    w.until = json_object_get(json_object_get(u->task->def, "generation_kwargs"), "until");
    TS_TRY(settings(a, u->task, &c));
    ts_status st = ts_alloc(&line, n, sizeof *line);
    if (st == TS_OK)
        st = ts_alloc(&w.detok, n, sizeof *w.detok);
    for (size_t i = 0; i < n && st == TS_OK; i++) {
        line[i] = (ts_gen_line){ .number = (int64_t)i, .prompt = { t[i].r[0].ids, t[i].r[0].n } };
        st = ts_gen_limit(&c, &a->m->decoder->arch, t[i].r[0].n, &line[i].max_new);
    }
    if (st == TS_OK)
        st = write_texts(a, &c, line, (int64_t)n, &hooks);
    for (size_t i = 0; w.detok && i < n; i++)
        ts_detok_deinit(&w.detok[i]);
    ts_free(&w.detok);
    ts_free(&line);
    return st;
}

ts_status ts_eval_ask(ts_eval_asker *a, const ts_eval_unit *u, const ts_eval_tokens *t, size_t n,
                      json_t **lines)
{
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++)
        lines[i] = NULL;
    for (size_t i = 0; i < n && st == TS_OK; i++)
        st = ts_eval_line_begin(u, t[i].sample, &lines[i]);
    if (st != TS_OK)
        return st;
    return u->task->is_choice ? ask_choices(a, u, t, n, lines) : ask_texts(a, u, t, n, lines);
}
