/* The model that is trained as a Hugging Face folder. */
#include "train/job.h"
#include "train/whole.h"

/* A model some of whose tensors were collected from the processes that share them. */
typedef struct whole_model {
    const ts_model *model;
    ts_whole values;
    ts_status (*read)(void *ctx, const char *param, int64_t at, int64_t n, float *to);
    void *ctx; /* of the others */
} whole_model;

static ts_status read_whole(void *ctx, const char *name, int64_t at, int64_t n, float *to)
{
    const whole_model *m = ctx;
    const ts_param *p = ts_param_find(&m->model->decoder->params, name);
    const void *values = ts_whole_of(&m->values, p);
    if (values == p->value)
        return m->read(m->ctx, name, at, n, to);
    for (int64_t i = 0; i < n; i++)
        to[i] = ts_load_f32(values, at + i, ts_whole_type(&m->values, p));
    return TS_OK;
}

ts_status ts_job_save_hf(ts_job *j, const char *folder, ts_save_hf_dtype dtype)
{
    const ts_weights_save_options s = { .dtype = ts_save_hf_dtype_of(dtype, j->model.file_dtype) };
    whole_model m = { .model = &j->model };
    ts_status st = ts_gather_finish(&j->trainer->gather);
    if (st == TS_OK)
        st = ts_whole_join(&m.values, j->mesh->comm[TS_MESH_DP_CP], &j->model.decoder->params, NULL,
                           TS_DTYPE_F32);
    /* only the group of the rank that writes */
    if (st == TS_OK && j->mesh->at[TS_MESH_DP] == 0)
        st = ts_whole_collect(&m.values, j->mesh->comm[TS_MESH_TP]);
    TS_TRY(ts_comm_agree(j->comm, st));
    ts_weights_source source = ts_model_source(&j->model);
    m.read = source.read, m.ctx = source.ctx;
    source.read = read_whole, source.ctx = &m;
    if (j->comm->rank == 0)
        st = ts_weights_write(&source, folder, "--save-hf", &s);
    ts_whole_deinit(&m.values);
    return ts_comm_agree(j->comm, st);
}
