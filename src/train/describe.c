#include "train/job.h"

#include "base/log.h"
#include "base/str.h"
#include "model/adapters.h"

#include <stdio.h>

static void say_origin(const ts_job *j)
{
    const char *load = j->o->runtime.load;
    if (j->loaded < 0 && load && j->model.folder)
        ts_log(TS_LOG_INFO, "beginning with the weights of %s", load);
    else if (j->loaded < 0)
        ts_log(TS_LOG_INFO, "beginning with random weights (--seed %lld)",
               (long long)j->o->train.seed);
    else if (j->o->train.finetune)
        ts_log(TS_LOG_INFO, "beginning with the weights of iteration %lld of %s (--finetune)",
               (long long)j->loaded, load);
    else
        ts_log(TS_LOG_INFO, "continuing from iteration %lld of %s%s", (long long)j->loaded, load,
               j->o->train.no_load_optim ? ", without its moments (--no-load-optim)" : "");
}

static void say_size(const ts_job *j)
{
    const ts_trainer *t = j->trainer;
    const bool alone = j->o->train.skip_train;
    const bool is_done = !alone && t->iteration >= j->train_iters;
    char steps[96], group[64] = "";
    if (j->mesh->size[TS_MESH_TP] > 1)
        snprintf(group, sizeof group, ", %d to a layer", j->mesh->size[TS_MESH_TP]);
    if (j->o->train.freeze.n || j->model.adapters)
        ts_log(TS_LOG_INFO, "%lld of the parameters are trained (%s)", (long long)ts_decoder_trained(j->model.decoder),
               j->model.adapters ? "adapters" : "--freeze");
    snprintf(steps, sizeof steps,
             alone     ? "evaluation alone (--skip-train)"
             : is_done ? "iterations: none"
                       : "iterations %lld to %lld",
             (long long)t->iteration + 1, (long long)j->train_iters);
    ts_log(TS_LOG_INFO,
           "%lld parameters, %s, %d process%s%s, global batch %lld = %s%lld x %d x %lld micro-batches, "
           "%s",
           (long long)ts_decoder_parameters(j->model.decoder), ts_dtype_name(j->compute),
           j->comm->size, j->comm->size > 1 ? "es" : "", group, (long long)t->feed.global,
           t->feed.begin ? "up to " : "", (long long)t->feed.micro, t->feed.size, (long long)t->feed.n_micro, steps);
    if (is_done)
        ts_log(TS_LOG_INFO,
               "nothing is left to train: the run has done %lld iterations, and %s asks for %lld",
               (long long)t->iteration,
               j->o == &j->counted ? "--num-train-epochs" : j->o->train.train_iters ? "--train-iters" : "--train-samples",
               (long long)j->train_iters);
}

/* Where the vocabulary may have grown. */
static void say_tokens(const ts_job *j)
{
    const ts_adapters *a = j->model.adapters;
    const long long ids = (long long)j->rows.ids, rows = (long long)j->model.decoder->arch.vocab;
    const char *whole = a && ts_names_count(a->saved) ? "; the embedding is trained whole, and saved with the adapter" : "";
    if (ids && j->model.rows_grown)
        ts_log(TS_LOG_INFO, "the vocabulary grows from %lld rows to %lld, for %lld ids of the tokenizer%s",
               (long long)j->model.rows_grown, rows, ids, whole);
    else if (ids)
        ts_log(TS_LOG_INFO, "the tokenizer's %lld ids have rows: there are %lld%s", ids, rows, whole);
}

static void warn_of_parts(const ts_job *j)
{
    const ts_arch *a = &j->model.decoder->arch;
    const ts_train_options *o = &j->o->train;
    if (ts_option_is_on(j->set, "eval-iters") && o->eval_iters > 0 &&
        !ts_job_data(j, TS_DATA_VALID))
        ts_log(TS_LOG_WARN, "--eval-iters %lld has no effect without validation data (%s)",
               (long long)o->eval_iters,
               j->o->data.train_data_path.n ? "--valid-data-path" : "the second number of --split");
    ts_expert_options_warn(&j->o->experts, j->set, a, j->o->model.moe_model == TS_MODEL_MOE_DEEPSPEED);
    ts_option_warn_alone(j->set, "reset-position-ids", a->position != TS_POSITION_NONE,
                         "positions, which this model has none of");
    if (a->position == TS_POSITION_ROPE && a->max_positions > 0 &&
        o->seq_length > a->max_positions)
        ts_log(TS_LOG_WARN,
               "--seq-length %lld is longer than the %lld positions that %s was made for "
               "(max_position_embeddings)",
               (long long)o->seq_length, (long long)a->max_positions,
               j->o->runtime.load ? j->o->runtime.load : "the model");
}

ts_status ts_job_describe(const ts_job *j)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    if (j->comm->rank)
        return TS_OK;
    say_origin(j);
    say_tokens(j);
    for (int p = 0; st == TS_OK && p < TS_DATA_PARTS; p++) {
        if (!ts_job_data(j, (ts_data_part)p))
            continue;
        ts_str_reset(&text);
        st = j->media     ? ts_mm_source_describe(j->media, &text)
             : j->samples ? ts_tuning_source_describe(j->samples, (ts_data_part)p, &text)
                          : ts_data_source_describe(j->source, (ts_data_part)p, &text);
        if (st == TS_OK)
            ts_log(TS_LOG_INFO, "%s", text.s);
    }
    ts_str_deinit(&text);
    warn_of_parts(j);
    say_size(j);
    return st;
}
