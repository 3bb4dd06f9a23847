/* A job that tells something of whole texts: its objective, and whether its model has what that asks for. */
#include "train/job.h"

#include "model/sentence.h"
#include "text/one_token.h"
#include "train/model_files.h"

static ts_status check_labels(const ts_job *j)
{
    const ts_arch *a = &j->model.decoder->arch;
    const bool tells = ts_head_labels(&j->o->head, j->o->tuning.stage) > 0;
    if (a->labels && !tells)
        return ts_error(TS_ERR_USER, "the model has a head of %lld labels in place of words: `tessera posttrain` trains it "
                                     "(stages cls, reg, rerank)", (long long)a->labels);
    return TS_OK;
}

/* ---- steps ---- */

/* Tokens of the mark and the labels, by the run's tokenizer or the model's. */
static ts_status find_tokens(ts_job *j, const ts_tokenizer *tok)
{
    const ts_option_list words = ts_head_reward_tokens(&j->o->head);
    const int64_t vocab = j->model.decoder->arch.vocab;
    TS_TRY(ts_one_token(tok, "placeholder-token", j->o->head.placeholder, vocab, &j->steps.mark));
    TS_TRY(ts_alloc(&j->step_tokens, (size_t)words.n, sizeof *j->step_tokens));
    for (int64_t i = 0; i < words.n; i++)
        TS_TRY(ts_one_token(tok, "reward-tokens", words.v[i], vocab, &j->step_tokens[i]));
    j->steps.tokens = j->step_tokens, j->steps.n = words.n;
    return TS_OK;
}

static ts_status open_steps(ts_job *j)
{
    const ts_arch *a = &j->model.decoder->arch;
    ts_text_options text = j->o->text;
    ts_text_tokenizer tok = { 0 };
    ts_option_set *set = NULL;
    bool found = true;
    if (j->teacher.decoder || a->bias_head || a->unit_head || a->logit_softcap > 0)
        return ts_error(TS_ERR_USER, j->teacher.decoder ? "--stage prm: a teacher tells all words, not labels of steps: leave it out"
                                                        : "--stage prm: this model's output layer has a bias, a cap, or rows of "
                                                          "length one, which words chosen among some do not go through here");
    ts_status st = ts_text_options_given(&text) ? TS_OK : ts_model_tokenizer(&j->model, &text, &set, &found);
    if (st == TS_OK && found)
        st = ts_text_tokenizer_open(&text, &tok);
    found = found && st == TS_OK;
    if (st == TS_OK)
        st = find_tokens(j, found ? tok.tok : NULL);
    if (found)
        ts_text_tokenizer_close(&tok);
    ts_option_set_destroy(&set);
    return st;
}

ts_objective *ts_job_restrict(ts_job *j)
{
    if (j->steps.n)
        ts_lm_objective_restrict(&j->objective, j->steps.tokens, j->steps.n);
    return &j->objective.base;
}

/* ---- heads and vectors ---- */

ts_status ts_job_check_heads(ts_job *j)
{
    TS_TRY(check_labels(j));
    if (j->o->tuning.stage == TS_STAGE_PROCESS)
        return open_steps(j);
    if (!ts_head_on(j->o->tuning.stage))
        return TS_OK;
    if (j->teacher.decoder)
        return ts_error(TS_ERR_USER, "a teacher tells words, not what --stage cls, reg, embed and rerank train for: leave it out");
    if (j->o->tuning.stage == TS_STAGE_EMBED)
        return ts_head_dims(&j->o->head, j->model.decoder->arch.hidden, &j->dims, &j->n_dims);
    return TS_OK;
}

ts_status ts_job_note_vectors(ts_job *j)
{
    const ts_sentence s = { .pooling = (ts_pooling)j->o->head.pooling, .unit = j->o->head.unit,
                            .width = j->model.decoder->arch.hidden, .length = j->o->train.seq_length };
    return j->o->tuning.stage == TS_STAGE_EMBED ? ts_sentence_files(&s, &j->model.hf_files) : TS_OK;
}

ts_objective *ts_job_pool(ts_job *j)
{
    ts_pooled_rules rules = ts_head_rules(&j->o->head, j->o->tuning.stage, j->o->tuning.padding_side == TS_PADDING_LEFT);
    if (j->model.decoder->arch.labels)
        rules.passed = j->model.decoder->arch.pad;
    rules.dims = j->dims, rules.n_dims = j->n_dims;
    rules.peers = j->o->head.gathers ? j->mesh->comm[TS_MESH_DP] : NULL;
    j->objective.base.n_side = 0; /* further tokens are not trained for */
    j->objective.network.predicts = 0;
    ts_pooled_objective_init(&j->pooled, &rules, &j->objective);
    return &j->pooled.base;
}
