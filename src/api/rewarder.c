#include "api/rewarder.h"

#include "base/file.h"
#include "infer/score.h"
#include "model/open.h"
#include "text/one_token.h"
#include "train/model_files.h"

#include <math.h>
#include <string.h>

#define ROW(type, field, name, help) TS_ROW(type, ts_rewarder_options, field, name, NULL, 0, 0, NULL, "exploring", help)
const ts_option ts_rewarder_rows[] = {
    ROW(TEXT, model, "reward-model",
        "a folder with a head of one number or of two labels (bad, good), with a head of rewards, or with --reward-tokens a language "
        "model: how good an answer, or its beginning, is"),
    ROW(LIST, tokens, "reward-tokens",
        "of a language model, the reward is the probability of the first of these words among them (one: among all)"),
    ROW(TEXT, suffix, "reward-suffix", "what the reward model reads behind an answer, as a question to a judge"),
    ROW(FLAG, no_final_norm, "no-post-layer-norm",
        "with --reward-model: its head of rewards reads the last layer without the final norm, as it was trained"),
};
const size_t ts_rewarder_count = sizeof ts_rewarder_rows / sizeof *ts_rewarder_rows;

/* Without rewards where it can be, and else with them: only one of the two opens. */
static ts_status open_model(const ts_lm *lm, const ts_rewarder_options *o, ts_model *m)
{
    ts_model_use use = { .inference = true, .dev = lm->dev };
    TS_TRY(ts_runtime_dtype(&lm->rt, &use.compute));
    const ts_status st = ts_model_open(o->model, -1, &use, m);
    if (st != TS_ERR_USER)
        return st;
    ts_model_deinit(m);
    use.reward = true, use.no_final_norm = o->no_final_norm;
    return ts_model_open(o->model, -1, &use, m);
}

static ts_status check_model(const ts_rewarder_options *o, const ts_arch *a)
{
    const bool has_words = !a->labels && !a->reward;
    if (o->no_final_norm && !a->reward)
        return ts_error(TS_ERR_USER, "--no-post-layer-norm goes with a head of rewards (rm_head), which --reward-model %s has not",
                        o->model);
    if (o->tokens.n && !has_words)
        return ts_error(TS_ERR_USER, "--reward-tokens: --reward-model %s has a head of its own and tells no words", o->model);
    if (!o->tokens.n && has_words)
        return ts_error(TS_ERR_USER, "--reward-model %s has no head of rewards or labels: a language model judges by --reward-tokens",
                        o->model);
    if (a->labels > 2)
        return ts_error(TS_ERR_USER, "--reward-model %s has a head of %lld labels: expected one number, or a bad and a good one",
                        o->model, (long long)a->labels);
    return TS_OK;
}

/* ---- tokenizers ---- */

static ts_status read_tokenizer(const char *folder, ts_str *out)
{
    ts_str path = { 0 };
    ts_status st = ts_path_join(&path, folder, "tokenizer.json");
    if (st == TS_OK && ts_path_exists(path.s))
        st = ts_file_read(path.s, out);
    ts_str_deinit(&path);
    return st;
}

/* Whether both folders have one tokenizer.json. */
static ts_status is_same_tokenizer(const ts_lm *lm, const char *folder, bool *same)
{
    ts_str a = { 0 }, b = { 0 };
    *same = false;
    ts_status st = lm->model.folder && !ts_text_options_given(&lm->to) ? read_tokenizer(lm->model.folder, &a) : TS_OK;
    if (st == TS_OK)
        st = read_tokenizer(folder, &b);
    *same = a.len && a.len == b.len && !memcmp(a.s, b.s, a.len);
    ts_str_deinit(&a);
    ts_str_deinit(&b);
    return st;
}

static ts_status open_tokenizer(ts_rewarder *r, const char *folder)
{
    ts_text_options own;
    bool found, same;
    TS_TRY(ts_model_tokenizer(&r->model, &own, &r->tok_set, &found));
    if (!found)
        return TS_OK;
    TS_TRY(ts_text_tokenizer_open(&own, &r->tok));
    r->has_tok = true;
    if (!r->tok.tok)
        return TS_OK;
    TS_TRY(ts_tokenizer_scratch_create(r->tok.tok, &r->scratch));
    TS_TRY(is_same_tokenizer(r->lm, folder, &same));
    r->reads_text = !same && ts_lm_has_text(r->lm);
    return TS_OK;
}

/* The words and what stands behind an answer, by its tokenizer or, where it has none, the other model's. */
static ts_status find_words(ts_rewarder *r, const ts_rewarder_options *o)
{
    const ts_tokenizer *tok = r->has_tok ? r->tok.tok : ts_lm_has_text(r->lm) ? r->lm->tok.tok : NULL;
    ts_tokenizer_scratch *scratch;
    r->n_words = o->tokens.n;
    if (r->n_words)
        TS_TRY(ts_alloc(&r->words, (size_t)r->n_words, sizeof *r->words));
    for (int64_t i = 0; i < r->n_words; i++)
        TS_TRY(ts_one_token(tok, "reward-tokens", o->tokens.v[i], r->model.decoder->arch.vocab, &r->words[i]));
    if (!o->suffix)
        return TS_OK;
    if (!tok)
        return ts_error(TS_ERR_USER, "--reward-suffix needs a tokenizer, and neither model has one");
    TS_TRY(ts_tokenizer_scratch_create(tok, &scratch));
    const ts_status st = ts_tokenizer_encode_rest(tok, scratch, o->suffix, strlen(o->suffix), &r->suffix);
    ts_tokenizer_scratch_destroy(&scratch);
    return st;
}

ts_status ts_rewarder_open(const ts_lm *lm, const ts_rewarder_options *o, ts_rewarder *r)
{
    const ts_tape_options to = { 0 };
    r->lm = lm;
    TS_TRY(open_model(lm, o, &r->model));
    TS_TRY(check_model(o, &r->model.decoder->arch));
    TS_TRY(open_tokenizer(r, o->model));
    TS_TRY(find_words(r, o));
    return ts_tape_create(lm->dev, &to, &r->tape);
}

void ts_rewarder_close(ts_rewarder *r)
{
    ts_tape_destroy(&r->tape);
    ts_model_deinit(&r->model);
    ts_tokenizer_scratch_destroy(&r->scratch);
    if (r->has_tok)
        ts_text_tokenizer_close(&r->tok);
    ts_option_set_destroy(&r->tok_set);
    ts_free(&r->words);
    ts_ids_deinit(&r->suffix);
    ts_ids_deinit(&r->ids);
    ts_str_deinit(&r->text);
    *r = (ts_rewarder){ 0 };
}

/* ---- rewards ---- */

static ts_status add_ids(ts_ids *to, const int32_t *ids, size_t n)
{
    TS_TRY(ts_grow(&to->v, &to->cap, to->n + n + 1, sizeof *to->v));
    if (n)
        memcpy(to->v + to->n, ids, n * sizeof *ids);
    to->n += n;
    return TS_OK;
}

/* What it reads. */
static ts_status put_ids(ts_rewarder *r, const ts_prompt *prompt, const int32_t *ids, int64_t n)
{
    const int64_t vocab = r->model.decoder->arch.vocab;
    r->ids.n = 0;
    if (r->reads_text) {
        ts_str_reset(&r->text);
        TS_TRY(ts_tokenizer_decode_written(r->lm->tok.tok, prompt->ids, (size_t)prompt->n, &r->text));
        TS_TRY(ts_tokenizer_decode_written(r->lm->tok.tok, ids, (size_t)n, &r->text));
        TS_TRY(ts_text_encode(&r->tok, r->scratch, ts_str_text(&r->text), r->text.len, &r->ids));
    } else {
        TS_TRY(add_ids(&r->ids, prompt->ids, (size_t)prompt->n));
        TS_TRY(add_ids(&r->ids, ids, (size_t)n));
    }
    TS_TRY(add_ids(&r->ids, r->suffix.v, r->suffix.n));
    for (size_t i = 0; i < r->ids.n; i++)
        if (r->ids.v[i] >= vocab)
            return ts_error(TS_ERR_USER, "the id %d is outside the reward model's vocabulary of %lld", (int)r->ids.v[i],
                            (long long)vocab);
    return r->ids.n ? TS_OK : ts_error(TS_ERR_USER, "the reward model has nothing to read");
}

static ts_status judge(ts_rewarder *r, double *out)
{
    ts_decoder *d = r->model.decoder;
    float *z;
    TS_TRY(ts_alloc(&z, (size_t)d->arch.vocab, sizeof *z));
    const ts_status st = ts_score_next(d, r->tape, r->ids.v, (int64_t)r->ids.n, z);
    if (st == TS_OK)
        *out = ts_score_word(z, d->arch.vocab, r->words, r->n_words);
    ts_free(&z);
    return st;
}

ts_status ts_rewarder_tell(ts_rewarder *r, const ts_prompt *prompt, const int32_t *ids, int64_t n, double *out)
{
    float z[2];
    TS_TRY(put_ids(r, prompt, ids, n));
    if (r->n_words)
        return judge(r, out);
    TS_TRY(ts_score_numbers(r->model.decoder, r->tape, r->ids.v, (int64_t)r->ids.n, NULL, z));
    *out = r->model.decoder->arch.labels == 2 ? 1 / (1 + exp((double)z[0] - (double)z[1])) : (double)z[0];
    return TS_OK;
}
