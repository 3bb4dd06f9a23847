/* A job that compares answers: its reference, and its objective. */
#include "train/job.h"

#include "base/log.h"
#include "base/thread.h"
#include "model/adapters.h"
#include "train/layout.h"
#include "train/look_ahead.h"
#include "train/recompute.h"

#include <math.h>

/* What of the reference is here: as of the model. Where that is in parts so is this, in the same ones. */
static ts_status stage_of_reference(void *job, const ts_arch *a, ts_decoder_stage *out)
{
    const ts_job *j = job;
    const ts_decoder *d = j->model.decoder;
    const bool parts = j->stages.n_stages * j->stages.n_chunks > 1;
    TS_TRY(ts_job_check_layout_of(j->o, a, j->comm->size));
    if (parts && (a->n_layers != d->arch.n_layers || a->hidden != d->arch.hidden))
        return ts_error(TS_ERR_USER, "--ref-model: %lld layers of %lld and a model of %lld layers of %lld do not go through the "
                                     "same stages of a pipeline: both must have the same", (long long)a->n_layers,
                        (long long)a->hidden, (long long)d->arch.n_layers, (long long)d->arch.hidden);
    *out = (ts_decoder_stage){ .experts = d->experts };
    if (parts)
        out->layers = j->layers, out->n = j->stages.n_chunks, out->embeds = d->embeds, out->ends = d->ends;
    return TS_OK;
}

/* What an adapter is beside is there, as it was. Modules that are trained whole are not. */
static bool is_own_reference(const ts_job *j)
{
    const ts_adapters *a = j->model.adapters;
    return a && !j->o->prefer.reference && !ts_names_count(a->saved);
}

static void rest_adapters(void *job, bool rests)
{
    ts_job *j = job;
    j->model.adapters->plan.off = rests;
}

/* The model itself, before its first step, is what it is compared with, and looks at all then. */
static bool looks_as_it_begins(const ts_job *j)
{
    const bool goes_on = j->loaded > 0 && !j->o->train.finetune;
    return j->o->prefer.precompute && !j->o->prefer.reference && !j->model.adapters && !goes_on;
}

/* Which folder it is: as the options say, or where the run began; *step likewise. */
static ts_status find_reference(ts_job *j, const ts_checkpoint *ck, const char **folder, int64_t *step)
{
    const ts_prefer_options *o = &j->o->prefer;
    const json_t *was = ck ? json_object_get(ts_checkpoint_state(ck), "reference") : NULL;
    const bool goes_on = j->loaded > 0 && !j->o->train.finetune;
    *folder = o->reference ? o->reference : goes_on ? json_string_value(json_object_get(was, "folder")) : j->o->runtime.load;
    *step = o->reference ? o->reference_step : goes_on ? json_integer_value(json_object_get(was, "step")) : j->loaded;
    if (*folder)
        return TS_OK;
    return goes_on ? ts_error(TS_ERR_USER, "--load %s: the checkpoint does not say with which model the run compares: give "
                                           "--ref-model, or --finetune to begin anew", j->o->runtime.load)
                   : ts_error(TS_ERR_USER, "--stage dpo and kto compare with a model: give --ref-model, or --load");
}

ts_status ts_job_open_reference(ts_job *j, const ts_checkpoint *ck, const ts_model_use *model_use)
{
    const ts_prefer_rules rules = ts_job_prefer_rules(j);
    const ts_arch *a = &j->model.decoder->arch;
    const ts_model_use use = { .dev = model_use->dev, .compute = model_use->compute, .group = model_use->group,
                               .stage_of = stage_of_reference, .stage_ctx = j };
    const char *folder;
    int64_t step;
    if (!ts_prefer_on(j->o->tuning.stage) || !rules.refers || is_own_reference(j))
        return TS_OK;
    TS_TRY(find_reference(j, ck, &folder, &step));
    TS_TRY(ts_strdup(folder, &j->reference_folder));
    j->compared = (ts_compared){ j->reference_folder, step };
    if (looks_as_it_begins(j))
        return TS_OK;
    const ts_status st = ts_model_open(folder, ts_checkpoint_is(folder) ? step : -1, &use, &j->reference);
    if (st != TS_OK)
        return ts_error_context(st, "while opening the reference %s (--ref-model)", folder);
    if (j->reference.decoder->arch.vocab != a->vocab)
        return ts_error(TS_ERR_USER, "--ref-model %s: a vocabulary of %lld tokens, and the model's has %lld: both must have the "
                                     "same", folder, (long long)j->reference.decoder->arch.vocab, (long long)a->vocab);
    return TS_OK;
}

bool ts_job_keeps_reference(const ts_job *j)
{
    return ts_prefer_on(j->o->tuning.stage) && ts_job_prefer_rules(j).refers && j->o->prefer.precompute;
}

ts_prefer_rules ts_job_prefer_rules(const ts_job *j)
{
    return ts_prefer_options_rules(&j->o->prefer, j->o->tuning.stage, j->o->tuning.padding_side == TS_PADDING_LEFT);
}

ts_objective *ts_job_compare(ts_job *j)
{
    const ts_prefer_rules rules = ts_job_prefer_rules(j);
    const bool has = j->reference.decoder;
    j->objective.base.n_side = 0; /* further tokens are not trained for */
    j->objective.network.predicts = 0;
    if (has) {
        const ts_network network = ts_decoder_network(j->reference.decoder);
        ts_lm_objective_init(&j->compares, &network, &j->o->train, j->objective.has_segments, j->objective.base.spread);
        j->compares.recompute = (ts_recompute_plan){ 0 };
        j->compares.layers = j->objective.layers;
        j->compares.base.parts = j->objective.base.parts;
        j->compares.rows_shared = j->objective.rows_shared;
        j->compares.base.n_side = 0;
        j->compares.network.predicts = 0;
        if (ts_objective_parts(&j->compares.base) == 1)
            j->compares.layers = NULL; /* all that it has */
    }
    ts_prefer_objective_init(&j->prefer, &rules, &j->objective, has ? &j->compares : NULL);
    if (rules.refers && is_own_reference(j))
        j->prefer.as_reference = rest_adapters, j->prefer.as_reference_ctx = j;
    if (j->compared.folder)
        j->prefer.base.compared = &j->compared;
    return &j->prefer.base;
}

/* ---- what the reference finds, once ---- */

static bool lacks(void *kept, const ts_micro_batch *m) { return ts_prefer_lacks(kept, m); }

static ts_status take(void *kept, const ts_micro_batch *m)
{
    ts_prefer_keep(kept, m);
    return TS_OK;
}

static ts_status look_at_all(ts_job *j)
{
    ts_trainer *t = j->trainer;
    TS_TRY(ts_trainer_look_ahead(t, &(ts_look_ahead){ .ctx = &j->kept, .lacks = lacks, .take = take }));
    if (!j->dev->computes)
        return TS_OK;
    return ts_comm_run(t->mesh->comm[TS_MESH_DP],
                       ts_all_reduce(j->kept.logps, j->kept.n * TS_PREFER_ROWS, TS_COMM_F64, TS_COMM_MAX));
}

ts_status ts_job_look_ahead(ts_job *j)
{
    const int64_t n = j->samples ? ts_tuning_source_all(j->samples) : 0;
    if (!ts_job_keeps_reference(j))
        return TS_OK;
    const double began = ts_now();
    j->kept.n = n;
    TS_TRY(ts_alloc(&j->kept.logps, (size_t)(n * TS_PREFER_ROWS) + 1, sizeof *j->kept.logps));
    for (int64_t i = 0; i < n * TS_PREFER_ROWS; i++)
        j->kept.logps[i] = -INFINITY;
    ts_prefer_look_alone(&j->prefer);
    TS_TRY(look_at_all(j));
    ts_prefer_use_kept(&j->prefer, &j->kept);
    ts_model_deinit(&j->reference);
    if (j->comm->rank == 0 && j->dev->computes)
        ts_log(TS_LOG_INFO, "the reference has looked at all samples in %.2f s", ts_now() - began);
    return TS_OK;
}
