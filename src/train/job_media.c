/* A job that trains on samples with pictures and clips. */
#include "train/job.h"
#include "train/job_samples.h"

#include "model/families/vision.h"

/* What such a job cannot be yet. */
static ts_status check(const ts_job *j)
{
    const ts_arch *a = &j->model.decoder->arch;
    if (!a->vision)
        return ts_error(TS_ERR_USER, "--mm-data %s: the model of --load reads no pictures", j->o->media.data);
    if (j->o->data.data_path.n || j->o->data.train_data_path.n || j->o->data.mock_data)
        return ts_error(TS_ERR_USER, "--mm-data names all data: leave --data-path, --train-data-path and --mock-data out");
    if (j->o->train.eval_iters > 0)
        return ts_error(TS_ERR_USER, "--mm-data has no samples to evaluate on: give --eval-iters 0");
    if (j->mesh->size[TS_MESH_TP] * j->mesh->size[TS_MESH_PP] * j->mesh->size[TS_MESH_CP] > 1)
        return ts_error(TS_ERR_USER, "--mm-data: models that read pictures are whole on each process so far: leave "
                                     "--tensor-model-parallel-size, --pipeline-model-parallel-size and --context-parallel-size out");
    if (ts_prefer_on(j->o->tuning.stage) || ts_head_on(j->o->tuning.stage))
        return ts_error(TS_ERR_USER, "--mm-data is trained on by pretrain and posttrain --stage sft");
    return TS_OK;
}

/* Of models whose tokenizer alone tells it. */
static ts_status settle_placeholder(ts_job *j)
{
    ts_tokenizer *tok;
    if (!j->model.family || !j->model.family->vision || !j->model.family->vision->placeholder)
        return TS_OK;
    TS_TRY(ts_tokenizer_open(j->model.folder, NULL, &tok));
    const ts_status st = ts_vision_settle_token(j->model.family, tok, &j->model.decoder->arch);
    ts_tokenizer_destroy(&tok);
    return st;
}

ts_status ts_job_open_media(ts_job *j, const ts_data_need *need)
{
    TS_TRY(check(j));
    TS_TRY(settle_placeholder(j));
    return ts_mm_source_create(&j->o->media, j->model.folder, need, &j->media);
}
