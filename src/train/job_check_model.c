/* What a job asks of the model that it trains, and of the folders that it is written to: see train/job.h. */
#include "train/job.h"

#include "model/adapters.h"
#include "parallel/context.h"
#include "train/model_files.h"

#include <stdio.h>

/* A folder that is written at the end takes nothing else's place. */
static ts_status check_place(const ts_job *j, const char *folder, const char *option, bool with_data)
{
    const ts_train_options *o = &j->o->train;
    const struct {
        const char *option, *path;
    } others[] = { { "--save", o->save },
                   { "--save-hf", o->save_hf },
                   { "--save-peft", j->o->lora.save_peft },
                   { "--tensorboard-dir", o->tensorboard_dir },
                   { "--metrics-jsonl", o->metrics_jsonl } };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].path && others[i].path != folder)
            TS_TRY(ts_model_folder_apart(folder, option, others[i].path, others[i].option));
    return with_data ? ts_weights_may_save(folder, option) : TS_OK;
}

/* What is written at the end must be known to work before the first step. */
static ts_status check_folder(ts_job *j, const char *folder, const char *option, bool with_data)
{
    TS_TRY(check_place(j, folder, option, with_data));
    const ts_weights_source s = ts_model_source(&j->model);
    char why[512];
    const ts_status st = ts_weights_check(&s);
    if (st != TS_ERR_USER)
        return st;
    snprintf(why, sizeof why, "%s", ts_error_message());
    return ts_error(st,
                    "%s %s: %s. Without %s it can be trained, and its checkpoints "
                    "(--save) scored and generated with",
                    option, folder, why, option);
}

static ts_status check_adapter(const ts_job *j, bool with_data)
{
    const ts_lora_options *o = &j->o->lora;
    const ts_adapters *a = j->model.adapters;
    if (o->save_peft && !a)
        return ts_error(TS_ERR_USER, "--save-peft %s: there is no adapter: give --lora-r or --lora-load", o->save_peft);
    if (o->save_peft && !a->n)
        return ts_error(TS_ERR_USER, "--save-peft %s: no Hugging Face class describes the model, so that its layers have no names "
                                     "there", o->save_peft);
    if (o->alone && a && !j->model.nf4_base)
        return ts_error(TS_ERR_USER, "--lora-ckpt-filter: the model's weights are read again from the folder that the run began "
                                     "with: give --load, a Hugging Face folder");
    return o->save_peft ? check_place(j, o->save_peft, "--save-peft", with_data) : TS_OK;
}

ts_status ts_job_check_save_hf(ts_job *j, bool with_data)
{
    const ts_train_options *o = &j->o->train;
    TS_TRY(check_adapter(j, with_data));
    if (o->save_hf)
        TS_TRY(check_folder(j, o->save_hf, "--save-hf", with_data));
    return o->save_ema_hf ? check_folder(j, o->save_ema_hf, "--save-ema-hf", with_data) : TS_OK;
}

/* A bias of the output layer stands behind the layers, a weight that the embedding is before them: both
 * would have to be here at once. */
static ts_status check_head(const ts_job *j)
{
    const ts_arch *a = &j->model.decoder->arch;
    if (j->sharers.sharing.level != TS_SHARD_VALUES || !a->tied || !a->bias_head)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "%s: this model's output layer has the embedding's weights and a bias of its own, which "
                    "are not used together: share out less (--use-distributed-optimizer)",
                    j->sharers.sharing.option);
}

/* Whether smaller weights make smaller scores, and one process has all heads that share keys. */
static ts_status check_clip(const ts_job *j)
{
    const ts_attention_layer *a = &j->model.decoder->block[0].attention;
    if (!j->o->train.qk_clip)
        return TS_OK;
    if (ts_arch_has(&j->model.decoder->arch, TS_ATTENTION_COMPRESSED))
        return ts_error(TS_ERR_USER, "--qk-clip: queries and keys of compressed attention (compress_rates, --compress-ratios) are "
                                     "normed, so that their size does not hang on their weights: leave it out");
    if (j->model.decoder->arch.kv_lora_rank)
        return ts_error(TS_ERR_USER, "--qk-clip: queries and keys of latent attention have no weights of their "
                                     "own to be brought back: leave it out");
    if (a->qk_norm)
        return ts_error(TS_ERR_USER, "--qk-clip: this model normalizes queries and keys (--qk-layernorm), whose size "
                                     "does not hang on their weights: leave it out");
    if (a->qkv.parts.slots)
        return ts_error(TS_ERR_USER, "--qk-clip: --tensor-model-parallel-size %d is more than the heads of keys and "
                                     "values, so that several processes have one: give at most their number",
                        j->mesh->size[TS_MESH_TP]);
    return TS_OK;
}

/* Which layers can take a sequence's queries in slices. */
static ts_status check_slices(const ts_job *j)
{
    const ts_decoder *d = j->model.decoder;
    if (j->o->parallel.slices < 2 || !d->experts.comm)
        return TS_OK;
    if (j->sharers.sharing.level == TS_SHARD_VALUES)
        return ts_error(TS_ERR_USER, "--ampipe-degree: attention and experts of a layer run by turns, whose values %s would bring "
                                     "again each time: leave one of the two out", j->sharers.sharing.option);
    for (int64_t i = 0; i < ts_arch_blocks(&d->arch); i++) {
        const ts_block *b = &d->block[i];
        const bool plain = b->mixer.module == &b->attention && b->feed.module == &b->experts && b->pre_mlp_norm.present &&
                           !b->cross.forward && !b->inject.forward && !b->parallel && !b->altup.inputs &&
                           !b->mixer_hyper.op.streams && !b->experts.by_token;
        if (d->here[i] && b->experts.experts && !(plain && ts_attention_has_slices(&b->attention)))
            return ts_error(TS_ERR_USER, "--ampipe-degree: layer %lld is not one of softmax attention without gates and, behind it "
                                         "and a norm, experts: leave it out", (long long)i);
    }
    return TS_OK;
}

ts_status ts_job_check_model(const ts_job *j)
{
    TS_TRY(check_slices(j));
    const ts_decoder *d = j->model.decoder;
    for (int64_t i = 0; j->spread.comm && i < ts_arch_blocks(&d->arch); i++) {
        const ts_attention_layer *attention = &d->block[i].attention;
        const int64_t latent = d->block[i].latent.n_heads; /* which have keys of their own */
        const int64_t compressed = d->block[i].compressed.n_heads;
        if (compressed)
            TS_TRY(ts_context_check_heads(&j->spread, compressed, 1));
        if (latent || attention->n_q)
            TS_TRY(ts_context_check_heads(&j->spread, latent ? latent : attention->n_q,
                                          latent ? latent : attention->n_kv));
    }
    TS_TRY(check_head(j));
    return check_clip(j);
}
