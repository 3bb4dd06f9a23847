#include "api/lm.h"

#include "api/words.h"
#include "base/file.h"
#include "infer/follow.h"
#include "infer/kv_codes.h"
#include "infer/score.h"
#include "infer/tell.h"
#include "train/model_files.h"
#include "model/experts_options.h"
#include "model/open.h"

const ts_option ts_lm_option_rows[] = {
    TS_ROW(INT, ts_lm_options, ckpt_step, "ckpt-step", "-1", -1, 9e15, NULL, "model",
           "which of a folder's checkpoints (default: the newest)"),
    TS_ROW(FLAG, ts_lm_options, load_in_8bit, "load-in-8bit", NULL, 0, 0, NULL, "model",
           "hold weights in 8 bits (in groups of 64, each with a scale)"),
    TS_ROW(FLAG, ts_lm_options, load_in_4bit, "load-in-4bit", NULL, 0, 0, NULL, "model",
           "hold the layers' weights in 4 bits (NF4, groups of 64), the output layer in 8"),
    TS_ROW(TEXT, ts_lm_options, lora_load, "lora-load", NULL, 0, 0, NULL, "model",
           "an adapter beside the weights of --load: a folder that PEFT or --save-peft has written"),
};
const size_t ts_lm_option_count = sizeof ts_lm_option_rows / sizeof *ts_lm_option_rows;

const ts_option ts_lm_cache_rows[] = {
    TS_ROW(CHOICE, ts_lm_options, kv_cache_dtype, "kv-cache-dtype", "auto", 0, 0, TS_CHOICES(TS_KV_CODES), "model",
           "hold keys and values of earlier tokens in 8 bits, in groups of 64 with a scale each: less memory (auto: as they are computed)"),
};
const size_t ts_lm_cache_count = sizeof ts_lm_cache_rows / sizeof *ts_lm_cache_rows;

const ts_option ts_lm_reward_rows[] = {
    TS_ROW(FLAG, ts_lm_options, reward, "reward", NULL, 0, 0, NULL, "model",
           "the model has a head of rewards (rm_head) in place of its output layer: a sequence gets one number, at its last token"),
    TS_ROW(FLAG, ts_lm_options, no_final_norm, "no-post-layer-norm", NULL, 0, 0, NULL, "model",
           "with --reward: the head reads the last layer without the final norm, as it was trained"),
};
const size_t ts_lm_reward_count = sizeof ts_lm_reward_rows / sizeof *ts_lm_reward_rows;

/* ---- opening ---- */

static ts_status open_model(ts_lm *lm)
{
    const ts_lora_options lora = { .load = lm->o.lora_load };
    ts_model_use use = { .inference = true, .lora = &lora, .reward = lm->o.reward, .no_final_norm = lm->o.no_final_norm };
    if (lm->o.no_final_norm && !lm->o.reward)
        return ts_error(TS_ERR_USER, "--no-post-layer-norm goes with --reward");
    if (lm->o.load_in_8bit && lm->o.load_in_4bit)
        return ts_error(TS_ERR_USER,
                        "--load-in-8bit and --load-in-4bit contradict each other: give one");
    use.quant = lm->o.load_in_8bit   ? TS_QUANT_INT8
                : lm->o.load_in_4bit ? TS_QUANT_NF4
                                     : TS_QUANT_NONE;
    TS_TRY(ts_runtime_dtype(&lm->rt, &use.compute));
    TS_TRY(ts_runtime_open(&lm->rt, lm->world ? lm->world->local_rank : 0, lm->world ? lm->world->local_size : 1, &lm->dev));
    use.dev = lm->dev;
    if (lm->model_group)
        ts_model_group_use(lm->model_group, &use);
    TS_TRY(ts_model_open(lm->rt.load, lm->o.ckpt_step, &use, &lm->model));
    TS_TRY(ts_engine_use_codes(lm->model.decoder, (ts_kv_code)lm->o.kv_cache_dtype));
    lm->model.decoder->model_group = lm->model_group;
    if (lm->model_group && lm->model.decoder->arch.vision)
        return ts_error(TS_ERR_USER, "%s reads pictures, and such models run on one process: start it without mpirun", lm->rt.load);
    const bool has = lm->model.decoder->arch.labels > 0;
    if (has == lm->o.classes)
        return TS_OK;
    return has ? ts_error(TS_ERR_USER, "%s has a head of labels (score) in place of words, which `tessera score` tells",
                          lm->rt.load)
               : ts_error(TS_ERR_USER, "--head: %s has no head of labels, which `tessera posttrain` trains",
                          lm->rt.load);
}

ts_status ts_lm_begin(ts_lm *lm)
{
    if (!lm->world || !ts_model_group_is_wanted(&lm->cut, lm->world))
        return open_model(lm);
    TS_TRY(ts_model_group_create(&lm->cut, lm->world, &lm->model_group));
    return ts_comm_agree(lm->world, open_model(lm));
}

ts_status ts_lm_follow(ts_lm *lm)
{
    const ts_tape_options to = { 0 };
    if (!lm->tape)
        TS_TRY(ts_tape_create(lm->dev, &to, &lm->tape));
    return ts_follow(lm->model.decoder, lm->tape);
}

ts_status ts_lm_dismiss(ts_lm *lm, ts_status st) { return lm->model_group ? ts_tell_end(lm->model_group, st) : st; }

ts_status ts_lm_need_one(const ts_lm *lm, const char *who)
{
    return !ts_lm_leaders(lm) ? TS_OK
                              : ts_error(TS_ERR_USER,
                                         "%s has one model, and %d processes would have %d: give sizes whose product is %d "
                                         "(--tensor-model-parallel-size, --pipeline-model-parallel-size, "
                                         "--expert-model-parallel-size)",
                                         who, lm->world->size, lm->model_group->models, lm->world->size);
}

void ts_lm_end(ts_lm *lm)
{
    ts_tape_destroy(&lm->tape);
    ts_routes_close(&lm->routes);
    ts_constraint_destroy(&lm->constraint);
    ts_model_deinit(&lm->draft);
    ts_token_list_destroy(&lm->tokens);
    ts_model_deinit(&lm->model);
    ts_model_group_destroy(&lm->model_group);
    ts_device_close(&lm->dev);
    ts_tokenizer_scratch_destroy(&lm->scratch);
    if (lm->has_tok)
        ts_text_tokenizer_close(&lm->tok);
    lm->has_tok = false;
    ts_option_set_destroy(&lm->folder_set);
}

static ts_status open_tokenizer(ts_lm *lm, const ts_text_options *o)
{
    TS_TRY(ts_text_tokenizer_open(o, &lm->tok));
    lm->has_tok = true;
    return lm->tok.tok ? ts_tokenizer_scratch_create(lm->tok.tok, &lm->scratch) : TS_OK;
}

ts_status ts_lm_find_tokenizer(ts_lm *lm)
{
    ts_text_options own;
    bool found;
    if (lm->has_tok)
        return TS_OK;
    if (ts_text_options_given(&lm->to))
        return open_tokenizer(lm, &lm->to);
    TS_TRY(ts_model_tokenizer(&lm->model, &own, &lm->folder_set, &found));
    return found ? open_tokenizer(lm, &own) : TS_OK;
}

ts_status ts_lm_need_tokenizer(ts_lm *lm)
{
    TS_TRY(ts_lm_find_tokenizer(lm));
    return lm->has_tok ? TS_OK
                       : ts_error(TS_ERR_USER,
                                  "%s holds no tokenizer: give \"ids\", or name one "
                                  "(--tokenizer-name-or-path)",
                                  lm->rt.load);
}

ts_status ts_lm_open(const char *folder, const char *const *options, size_t n, ts_lm **out)
{
    ts_lm *lm;
    TS_NEED(folder);
    TS_NEED(out);
    TS_TRY(ts_alloc(&lm, 1, sizeof *lm));
    const ts_option_table tables[] = {
        { ts_runtime_option_rows, ts_runtime_option_count, &lm->rt },
        { ts_text_option_rows, ts_text_option_count, &lm->to },
        { ts_lm_option_rows, ts_lm_option_count, &lm->o },
        { ts_lm_cache_rows, ts_lm_cache_count, &lm->o },
        { ts_lm_reward_rows, ts_lm_reward_count, &lm->o },
    };
    ts_status st = ts_words_parse(tables, sizeof tables / sizeof *tables, options, n, &lm->set);
    if (st == TS_OK && lm->rt.load)
        st = ts_error(TS_ERR_USER, "ts_lm_open: folder %s and --load %s: give one", folder,
                      lm->rt.load);
    lm->rt.load = folder;
    if (st == TS_OK)
        st = ts_lm_begin(lm);
    lm->rt.load = lm->model.folder; /* the caller's text may go */
    if (st == TS_OK)
        st = ts_lm_find_tokenizer(lm);
    if (st == TS_OK)
        *out = lm;
    else
        ts_lm_close(&lm);
    return st;
}

void ts_lm_close(ts_lm **lm)
{
    if (!lm || !*lm)
        return;
    ts_lm_end(*lm);
    ts_option_set_destroy(&(*lm)->set);
    ts_free(lm);
}

int64_t ts_lm_vocab_size(const ts_lm *lm) { return lm ? lm->model.decoder->arch.vocab : 0; }
int64_t ts_lm_parameters(const ts_lm *lm)
{
    return lm ? ts_decoder_parameters(lm->model.decoder) : 0;
}

const char *ts_lm_family(const ts_lm *lm)
{
    return lm && lm->model.family ? lm->model.family->model_type : NULL;
}

bool ts_lm_has_tokenizer(const ts_lm *lm) { return lm && ts_lm_has_text(lm); }

/* ---- text and ids ---- */

ts_status ts_lm_check_ids(const ts_lm *lm, const int32_t *ids, size_t n)
{
    const int64_t vocab = lm->model.decoder->arch.vocab;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return ts_error(TS_ERR_USER, "the id %d is outside the model's vocabulary of %lld",
                            (int)ids[i], (long long)vocab);
    return TS_OK;
}

ts_status ts_lm_check_text(const ts_lm *lm, const ts_ids *ids)
{
    const int64_t vocab = lm->model.decoder->arch.vocab;
    for (size_t i = 0; i < ids->n; i++)
        if (ids->v[i] < 0 || ids->v[i] >= vocab)
            return ts_error(TS_ERR_USER,
                            "the tokenizer's id %d is outside the model's vocabulary of %lld",
                            (int)ids->v[i], (long long)vocab);
    return TS_OK;
}

ts_status ts_lm_add_text(ts_lm *lm, const char *text, size_t n, ts_ids *out)
{
    TS_TRY(ts_lm_need_tokenizer(lm));
    TS_TRY(ts_text_encode(&lm->tok, lm->scratch, text, n, out));
    return ts_lm_check_text(lm, out);
}

ts_status ts_lm_encode(ts_lm *lm, const char *text, size_t n_text, int32_t **ids, size_t *n_ids)
{
    ts_ids out = { 0 };
    TS_NEED(lm);
    TS_NEED(ids);
    TS_NEED(n_ids);
    if (n_text)
        TS_NEED(text);
    ts_status st = ts_grow(&out.v, &out.cap, 1, sizeof *out.v);
    if (st == TS_OK)
        st = ts_lm_add_text(lm, text ? text : "", n_text, &out);
    if (st != TS_OK) {
        ts_ids_deinit(&out);
        return st;
    }
    *ids = out.v;
    *n_ids = out.n;
    return TS_OK;
}

ts_status ts_lm_decode(ts_lm *lm, const int32_t *ids, size_t n_ids, char **text, size_t *n_text)
{
    ts_str out = { 0 };
    TS_NEED(lm);
    TS_NEED(text);
    if (n_ids)
        TS_NEED(ids);
    if (!ts_lm_has_text(lm))
        return ts_error(TS_ERR_USER, "ts_lm_decode: the model has no tokenizer");
    ts_status st = ts_tokenizer_decode(lm->tok.tok, ids, n_ids, true, &out);
    if (st == TS_OK)
        st = ts_give_text(&out, text, n_text);
    ts_str_deinit(&out);
    return st;
}

/* ---- scores ---- */

ts_status ts_lm_explain(const ts_lm *lm, ts_status st)
{
    ts_str why = { 0 };
    if (st == TS_ERR_RUN &&
        ts_model_not_finite(&lm->model, lm->rt.load, lm->o.ckpt_step, &why) == TS_OK)
        st = ts_error_context(st, "%s",
                              why.len ? why.s
                                      : "all weights are finite: the model's values do not fit the "
                                        "type that it computes in (give --bf16, or none of --fp16 "
                                        "and --bf16)");
    ts_str_deinit(&why);
    return st;
}

static ts_status ready_to_score(ts_lm *lm, const char *function, const int32_t *ids, size_t n)
{
    const ts_tape_options to = { 0 };
    if (!n)
        return ts_error(TS_ERR_USER, "%s: there are no tokens to score", function);
    TS_TRY(ts_lm_check_ids(lm, ids, n));
    return lm->tape ? TS_OK : ts_tape_create(lm->dev, &to, &lm->tape);
}

ts_status ts_lm_need_words(const ts_lm *lm, const char *function, bool words)
{
    const bool has = !lm->model.decoder->arch.reward;
    return has == words ? TS_OK
                        : ts_error(TS_ERR_USER, "%s: the model %s", function,
                                   has ? "has no head of rewards (--reward opens it with one)"
                                       : "has a head of rewards (--reward) and no output layer: it tells no words");
}

ts_status ts_lm_reward(ts_lm *lm, const int32_t *ids, size_t n, double *reward)
{
    TS_NEED(lm);
    TS_NEED(ids);
    TS_NEED(reward);
    TS_TRY(ts_lm_need_words(lm, __func__, false));
    TS_TRY(ready_to_score(lm, __func__, ids, n));
    float x;
    TS_TRY(ts_score_numbers(lm->model.decoder, lm->tape, ids, (int64_t)n, lm->routes, &x));
    *reward = (double)x;
    return TS_OK;
}

ts_status ts_lm_labels(ts_lm *lm, const int32_t *ids, size_t n, float *logits)
{
    TS_TRY(ready_to_score(lm, __func__, ids, n));
    return ts_score_numbers(lm->model.decoder, lm->tape, ids, (int64_t)n, lm->routes, logits);
}

ts_status ts_lm_vector(ts_lm *lm, const int32_t *ids, size_t n, const ts_sentence *how, float *out)
{
    TS_TRY(ready_to_score(lm, __func__, ids, n));
    return ts_score_vector(lm->model.decoder, lm->tape, ids, (int64_t)n, how, out);
}

ts_status ts_lm_score(ts_lm *lm, const int32_t *ids, size_t n, double *logprobs, bool *greedy)
{
    bool *own = NULL;
    TS_NEED(lm);
    TS_NEED(ids);
    TS_NEED(logprobs);
    TS_TRY(ts_lm_need_words(lm, __func__, true));
    TS_TRY(ready_to_score(lm, __func__, ids, n));
    if (!greedy)
        TS_TRY(ts_alloc(&own, n, sizeof *own));
    const ts_status st =
        ts_score_ids(lm->model.decoder, lm->tape, ids, (int64_t)n, lm->pictures, lm->routes, logprobs, greedy ? greedy : own);
    ts_free(&own);
    return st;
}

ts_status ts_lm_routing(ts_lm *lm, const char *record, const char *replay)
{
    const ts_expert_options o = { .record = record, .replay = replay };
    const ts_routes_shape any = { 0 };
    TS_NEED(lm);
    if (record && replay)
        return ts_error(TS_ERR_USER, "choices that are replayed cannot be recorded: record %s or replay %s", record, replay);
    if ((record || replay) && ts_model_group_is_many(lm->model_group))
        return ts_error(TS_ERR_USER, "choices of experts are recorded and replayed by one process that has all of a model: leave "
                                     "--tensor-model-parallel-size, --pipeline-model-parallel-size and "
                                     "--expert-model-parallel-size out");
    if ((record || replay) && !lm->model.decoder->arch.n_experts)
        return ts_error(TS_ERR_USER, "%s: this model has no experts whose choices could be %s", lm->rt.load,
                        record ? "recorded" : "replayed");
    if (lm->routes)
        TS_TRY(ts_routes_finish(lm->routes));
    ts_routes_close(&lm->routes);
    return ts_expert_options_routes(&o, &lm->model.decoder->arch, &any, 0, 0, false, true, &lm->routes);
}

ts_status ts_lm_logits(ts_lm *lm, const int32_t *ids, size_t n, float *logits)
{
    TS_NEED(lm);
    TS_NEED(ids);
    TS_NEED(logits);
    TS_TRY(ts_lm_need_words(lm, __func__, true));
    TS_TRY(ready_to_score(lm, __func__, ids, n));
    return ts_score_logits(lm->model.decoder, lm->tape, ids, (int64_t)n, lm->pictures, logits);
}
