/* A job that tells something of whole texts: its objective, and whether its model has what that asks for. */
#include "train/job.h"

#include "model/sentence.h"

static ts_status check_labels(const ts_job *j)
{
    const ts_arch *a = &j->model.decoder->arch;
    const bool tells = ts_head_labels(&j->o->head, j->o->tuning.stage) > 0;
    if (a->labels && !tells)
        return ts_error(TS_ERR_USER, "the model has a head of %lld labels in place of words: `tessera posttrain` trains it "
                                     "(stages cls, reg, rerank)", (long long)a->labels);
    return TS_OK;
}

ts_status ts_job_check_heads(ts_job *j)
{
    TS_TRY(check_labels(j));
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
