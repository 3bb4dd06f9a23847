/* The model that is trained as a Hugging Face folder. The first process writes; of what is on other
 * stages of a pipeline it asks their processes, piece by piece. */
#include "model/adapters.h"
#include "model/open.h"
#include "model/param_list.h"
#include "train/job.h"
#include "train/whole.h"

/* ---- what is on this stage ---- */

/* A model some of whose tensors were collected from the processes that share them. */
typedef struct whole_model {
    const ts_model *model;
    ts_whole values;
    ts_whole average; /* of what is trained, instead of its values; params NULL: values are wanted */
    ts_status (*read)(void *ctx, const char *param, int64_t at, int64_t n, float *to);
    void *ctx; /* of the others */
    /* on the first of several stages: */
    ts_comm *stages; /* NULL: there is one */
    ts_param_list list;
    bool *has; /* [stages * parameters] who has which */
} whole_model;

static ts_status read_here(const whole_model *m, const ts_param *p, int64_t at, int64_t n, float *to)
{
    const bool averaged = m->average.params && ts_param_is_trained(p);
    const ts_whole *w = averaged ? &m->average : &m->values;
    const void *values = ts_whole_of(w, p);
    if (values == p->value)
        return m->read(m->ctx, p->name, at, n, to);
    if (averaged && !ts_whole_is_brought(w, p))
        return ts_device_read(p->set->dev, to, (const float *)values + at, (size_t)n * sizeof *to);
    for (int64_t i = 0; i < n; i++)
        to[i] = ts_load_f32(values, at + i, ts_whole_type(w, p));
    return TS_OK;
}

/* ---- between stages ---- */

/* Elements [at, at + n) of parameter id; below 0: nothing more is asked for. */
typedef struct wish {
    int64_t id, at, n;
} wish;
enum { WISH = sizeof(wish) / sizeof(int64_t) };

static ts_status ask(const whole_model *m, int64_t id, int64_t at, int64_t n, float *to)
{
    const int64_t all = (int64_t)ts_names_count(m->list.names);
    const wish w = { id, at, n };
    int stage = 0;
    while (stage < m->stages->size && !m->has[stage * all + id])
        stage++;
    TS_ASSERT(stage < m->stages->size, "no stage has parameter %lld", (long long)id);
    TS_TRY(ts_comm_run(m->stages, ts_send(&w, WISH, TS_COMM_I64, stage)));
    return ts_comm_run(m->stages, ts_recv(to, n, TS_COMM_F32, stage));
}

static ts_status read_any(void *ctx, const char *name, int64_t at, int64_t n, float *to)
{
    const whole_model *m = ctx;
    const ts_param *p = ts_param_find(&m->model->decoder->params, name);
    return p ? read_here(m, p, at, n, to) : ask(m, ts_names_find(m->list.names, name), at, n, to);
}

static ts_status tell_end(const whole_model *m)
{
    const wish end = { -1, 0, 0 };
    for (int s = 1; m->stages && s < m->stages->size; s++)
        TS_TRY(ts_comm_run(m->stages, ts_send(&end, WISH, TS_COMM_I64, s)));
    return TS_OK;
}

/* The other stages, until they are told of the end. What cannot be read is told when all is over. */
static ts_status serve(const whole_model *m)
{
    const ts_param_set *s = &m->model->decoder->params;
    ts_status failure = TS_OK;
    float *x = NULL;
    size_t room = 0;
    for (wish w = { 0 };;) {
        TS_TRY(ts_comm_run(m->stages, ts_recv(&w, WISH, TS_COMM_I64, 0)));
        if (w.id < 0)
            break;
        TS_TRY(ts_grow(&x, &room, (size_t)w.n, sizeof *x));
        for (size_t i = 0; i < s->n; i++)
            if (s->p[i]->id == w.id && failure == TS_OK)
                failure = read_here(m, s->p[i], w.at, w.n, x);
        TS_TRY(ts_comm_run(m->stages, ts_send(x, w.n, TS_COMM_F32, 0)));
    }
    ts_free(&x);
    return failure;
}

/* Tells the first stage of what the others have. */
static ts_status meet(whole_model *m, ts_comm *stages)
{
    const ts_decoder *d = m->model->decoder;
    bool *mine = NULL;
    if (stages->size == 1)
        return TS_OK;
    m->stages = stages;
    ts_status st = ts_param_list_make(&d->arch, &m->list);
    if (st == TS_OK && m->model->adapters)
        st = ts_adapters_list(m->model->adapters, m->list.names);
    const size_t n = m->list.names ? ts_names_count(m->list.names) : 0;
    if (st == TS_OK)
        st = ts_alloc(&m->has, n * (size_t)stages->size, sizeof *m->has);
    if (st == TS_OK)
        st = ts_alloc(&mine, n, sizeof *mine);
    st = ts_comm_agree(stages, st);
    for (size_t i = 0; st == TS_OK && i < d->params.n; i++)
        mine[d->params.p[i]->id] = true;
    if (st == TS_OK)
        st = ts_comm_run(stages, ts_all_gather(mine, m->has, (int64_t)n, TS_COMM_U8));
    ts_free(&mine);
    return st;
}

/* ---- the folder ---- */

/* What is written where. */
typedef struct target {
    const char *folder, *option;
    bool is_adapter; /* alone, as PEFT has it */
    ts_save_hf_dtype dtype;
    const ts_storage *average; /* NULL: values */
} target;

/* The model with what its adapters add; or these. */
static ts_status write_folder(ts_job *j, const target *to, ts_weights_source *source)
{
    const ts_weights_save_options s = { .dtype = ts_save_hf_dtype_of(to->dtype, j->model.file_dtype) };
    ts_merger merger = { .a = j->model.adapters, .read = source->read, .ctx = source->ctx };
    if (to->is_adapter)
        return ts_adapters_write(j->model.adapters, source, j->model.folder && ts_model_is_hf(j->model.folder) ? j->model.folder : NULL,
                                 to->folder, to->option);
    if (merger.a)
        source->read = ts_merger_read, source->ctx = &merger;
    const ts_status st = ts_weights_write(source, to->folder, to->option, &s);
    ts_merger_deinit(&merger);
    return st;
}

/* Of the processes that hold the model once, one on each stage. */
static ts_status write_or_serve(ts_job *j, whole_model *m, const target *to)
{
    ts_weights_source source = ts_model_source(&j->model);
    m->read = source.read, m->ctx = source.ctx;
    source.read = read_any, source.ctx = m;
    TS_TRY(meet(m, j->mesh->comm[TS_MESH_PP]));
    if (j->comm->rank != 0)
        return serve(m);
    const ts_status st = write_folder(j, to, &source);
    const ts_status told = tell_end(m);
    return st == TS_OK ? told : st;
}

/* wants: see ts_whole_collect. */
static ts_status collect(const ts_job *j, whole_model *m, const bool *wants)
{
    const ts_whole_comms comms = ts_whole_comms_of(&j->sharers, j->mesh);
    TS_TRY(ts_whole_collect(&m->values, &comms, wants));
    return m->average.params ? ts_whole_collect(&m->average, &comms, wants) : TS_OK;
}

static ts_status save(ts_job *j, const target *to)
{
    const int first = ts_mesh_rank(j->mesh, TS_MESH_PP, j->comm->rank, 0);
    whole_model m = { .model = &j->model };
    ts_status st = ts_trainer_settle(j->trainer);
    const ts_param_set *params = &j->model.decoder->params;
    bool *wants = NULL; /* all, for the ranks that write and serve; the others nothing */
    ts_whole_init(&m.values, params, NULL, false, TS_DTYPE_F32);
    if (to->average)
        ts_whole_init(&m.average, params, to->average, false, TS_DTYPE_F32);
    if (st == TS_OK && first != 0)
        st = ts_alloc(&wants, params->n, sizeof *wants);
    st = ts_comm_agree(j->comm, st);
    if (st == TS_OK)
        st = collect(j, &m, wants);
    ts_free(&wants);
    TS_TRY(ts_comm_agree(j->comm, st));
    if (first == 0)
        st = write_or_serve(j, &m, to);
    ts_whole_deinit(&m.values);
    ts_whole_deinit(&m.average);
    ts_param_list_deinit(&m.list);
    ts_free(&m.has);
    return ts_comm_agree(j->comm, st);
}

static ts_status save_settled(ts_job *j, const target *to)
{
    const ts_status st = save(j, to), back = ts_trainer_go_on(j->trainer);
    return st == TS_OK ? back : st;
}

ts_status ts_job_save_hf(ts_job *j, const char *folder, ts_save_hf_dtype dtype)
{
    return save_settled(j, &(target){ .folder = folder, .option = "--save-hf", .dtype = dtype });
}

ts_status ts_job_save_peft(ts_job *j, const char *folder)
{
    return save_settled(j, &(target){ .folder = folder, .option = "--save-peft", .is_adapter = true });
}

ts_status ts_job_save_ema_hf(ts_job *j, const char *folder, ts_save_hf_dtype dtype)
{
    return save_settled(j, &(target){ .folder = folder, .option = "--save-ema-hf", .dtype = dtype,
                                      .average = j->trainer->optim.ema });
}
