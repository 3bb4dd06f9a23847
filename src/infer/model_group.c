#include "infer/model_group.h"

#include "parallel/rules.h"

#define ROW(type, field, name, def, lo, hi, help) \
    TS_ROW(type, ts_model_group_options, field, name, def, lo, hi, NULL, "layout", help)

const ts_option ts_model_group_option_rows[] = {
    ROW(INT, tensor, "tensor-model-parallel-size", "1", 1, 1 << 20,
        "with mpirun: processes that share out each layer's matrices, and keys and values by heads"),
    ROW(INT, pipeline, "pipeline-model-parallel-size", "1", 1, 1 << 20,
        "with mpirun: stages that have some of the layers each, with their keys and values"),
    ROW(INT, experts, "expert-model-parallel-size", "1", 1, 1 << 20,
        "with mpirun: processes that share out a layer's experts"),
    ROW(INT, expert_tensor, "expert-tensor-parallel-size", NULL, 1, 1 << 20,
        "processes that share out the columns of an expert (default: as --tensor-model-parallel-size)"),
    ROW(FLAG, unaligned, "unaligned-linear", NULL, 0, 0,
        "heads and widths that --tensor-model-parallel-size does not divide: some processes have one more"),
    ROW(LIST, layer_list, "num-layer-list", NULL, 0, 0, "layers of each stage, 1,3,3,1"),
    ROW(INT, first_layers, "decoder-first-pipeline-num-layers", NULL, 1, 1 << 20, "layers of the first stage"),
    ROW(INT, last_layers, "decoder-last-pipeline-num-layers", NULL, 1, 1 << 20, "layers of the last stage"),
    ROW(TEXT, layout, "pipeline-model-parallel-layout", NULL, 0, 0,
        "the stages, E embedding, t layer, L output layer: \"Et*3|t*4|t*3L\""),
    ROW(REAL, timeout_minutes, "distributed-timeout-minutes", "10", 0.01, 1e6,
        "a process that waits longer than this within a pass ends the job and says where"),
};
const size_t ts_model_group_option_count = sizeof ts_model_group_option_rows / sizeof *ts_model_group_option_rows;

bool ts_model_group_is_wanted(const ts_model_group_options *o, const ts_comm *world)
{
    return world->size > 1 || o->tensor > 1 || o->pipeline > 1 || o->experts > 1;
}

/* ---- sizes ---- */

static int64_t pieces(const ts_model_group_options *o) { return o->expert_tensor ? o->expert_tensor : o->tensor; }

static void fill(const ts_model_group_options *o, ts_parallel_options *p)
{
    *p = (ts_parallel_options){ .tensor = o->tensor, .pipeline = o->pipeline, .experts = o->experts,
                                .expert_tensor = o->expert_tensor, .unaligned = o->unaligned, .layer_list = o->layer_list, .layout = o->layout,
                                .first_layers = o->first_layers, .last_layers = o->last_layers, .context = 1, .x = 1, .y = 1,
                                .coc_parts = 1, .row_parts = 1, .expert_parts = 1, .slices = 1, .instances = 1,
                                .fsdp_size = 1, .context_window = 1, .context_heads = 1,
                                .schedule = TS_SCHEDULE_1F1B };
}

static ts_layout layout_of(const ts_model_group *c)
{
    const ts_parallel_options *p = &c->parallel;
    return (ts_layout){ .world = c->world->size, .tp = p->tensor, .cp = 1, .pp = p->pipeline, .ep = p->experts,
                        .etp = p->expert_tensor, .experts = -1, .micro = p->tensor, .seq_length = 1, .o = p };
}

/* Groups of as many processes as have a model between them. */
static ts_status check_world(const ts_model_group_options *o, int64_t world)
{
    return world % o->tensor == 0 && world / o->tensor % o->pipeline == 0
               ? TS_OK
               : ts_error(TS_ERR_USER, "%lld process%s: --tensor-model-parallel-size %lld times --pipeline-model-parallel-size %lld "
                                       "does not divide them (mpirun -n, or the world of a plan, says how many there are)",
                          (long long)world, world == 1 ? "" : "es", (long long)o->tensor, (long long)o->pipeline);
}

/* Those with the same rows have all experts between them, and share out whole layers between them. */
static ts_status check_experts(const ts_model_group_options *o)
{
    const int64_t both = o->experts * pieces(o);
    return both % o->tensor == 0 || o->tensor % both == 0
               ? TS_OK
               : ts_error(TS_ERR_USER, "--expert-model-parallel-size %lld times --expert-tensor-parallel-size %lld is neither a "
                                       "multiple of --tensor-model-parallel-size %lld nor divides it",
                          (long long)o->experts, (long long)pieces(o), (long long)o->tensor);
}

/* ---- processes ---- */

/* Processes of a stage that have the same rows. */
static int of_stage(const ts_model_group_options *o)
{
    const int64_t both = o->experts * pieces(o);
    return (int)(both > o->tensor ? both : o->tensor);
}

/* Stages stand furthest apart: rank = (stage * models + model) * of_stage + the place within. */
static ts_status meet(ts_model_group *c)
{
    const int within = of_stage(&c->o), each = within * (int)c->o.pipeline;
    c->models = c->world->size / each;
    const int model = c->world->rank / within % c->models, n = c->models > each ? c->models : each;
    int *ranks;
    TS_TRY(ts_alloc(&ranks, (size_t)n, sizeof *ranks));
    for (int i = 0; i < each; i++)
        ranks[i] = (i / within * c->models + model) * within + i % within;
    ts_status st = ts_comm_group(c->world, "model", ranks, each, &c->comm);
    for (int i = 0; i < c->models; i++)
        ranks[i] = i * within;
    if (st == TS_OK)
        st = ts_comm_group(c->world, "leaders", ranks, c->comm->rank ? 0 : c->models, &c->leaders);
    ts_free(&ranks);
    return st;
}

static ts_status create(ts_model_group *c)
{
    const ts_mesh_shape shape = { .tp = (int)c->o.tensor, .cp = 1, .pp = (int)c->o.pipeline, .ep = (int)c->o.experts,
                                  .etp = (int)pieces(&c->o) };
    const ts_layout l = layout_of(c);
    TS_TRY(check_world(&c->o, c->world->size));
    TS_TRY(ts_layout_check(&l));
    TS_TRY(check_experts(&c->o));
    TS_TRY(ts_mesh_create(c->world, &shape, &c->mesh));
    TS_TRY(meet(c));
    ts_comm *w = c->world;
    return w->watch ? ts_watchdog_create(w->watch, w->rank, w->size, w->host, c->o.timeout_minutes * 60, NULL, NULL, &c->dog)
                    : TS_OK;
}

ts_status ts_model_group_create(const ts_model_group_options *o, ts_comm *world, ts_model_group **out)
{
    ts_model_group *c;
    TS_TRY(ts_alloc(&c, 1, sizeof *c));
    c->o = *o;
    c->world = world;
    fill(o, &c->parallel);
    const ts_status st = create(c);
    if (st != TS_OK)
        ts_model_group_destroy(&c);
    else
        *out = c;
    return st;
}

void ts_model_group_destroy(ts_model_group **group)
{
    ts_model_group *c = *group;
    if (!c)
        return;
    ts_watchdog_destroy(&c->dog);
    ts_comm_destroy(&c->leaders);
    ts_comm_destroy(&c->comm);
    ts_mesh_destroy(&c->mesh);
    ts_stages_deinit(&c->stages);
    ts_free(group);
}

/* ---- what of a model is here ---- */

ts_layer_range ts_model_group_layers(const ts_model_group *c) { return c->stages.part[ts_model_group_stage(c)]; }

/* What a layer keeps stays where the layer is: others that read it are there too. */
static ts_status check_lent(const ts_model_group *c, const ts_arch *a)
{
    for (int64_t s = 0; s < c->stages.n_stages; s++)
        for (int64_t i = c->stages.part[s].first; i < c->stages.part[s].last; i++) {
            const int64_t of = a->keys_raw ? 0 : a->layer[i].keys_of;
            if (of && of - 1 < c->stages.part[s].first)
                return ts_error(TS_ERR_USER,
                                "--pipeline-model-parallel-size %lld: layer %lld of this model reads the keys and values that "
                                "layer %lld keeps, which is on another stage: give --tensor-model-parallel-size, or a "
                                "--num-layer-list that has both on one",
                                (long long)c->stages.n_stages, (long long)i, (long long)of - 1);
        }
    return TS_OK;
}

static ts_status stage_of(void *ctx, const ts_arch *a, ts_decoder_stage *out)
{
    ts_model_group *c = ctx;
    const ts_layout l = layout_of(c);
    const int stage = ts_model_group_stage(c);
    TS_TRY(ts_layout_check_model(&l, a));
    ts_stages_deinit(&c->stages);
    TS_TRY(ts_stages_make(&c->parallel, a->n_layers, NULL, 0, &c->stages));
    if (c->stages.n_chunks > 1)
        return ts_error(TS_ERR_USER, "--pipeline-model-parallel-layout %s has several parts for a stage, which only training "
                                     "runs by turns: give as many as --pipeline-model-parallel-size %lld", c->o.layout,
                        (long long)c->o.pipeline);
    TS_TRY(check_lent(c, a));
    *out = (ts_decoder_stage){ .layers = &c->stages.part[stage], .n = 1, .embeds = stage == 0,
                               .ends = stage == ts_model_group_n_stages(c) - 1 };
    if (ts_mesh_parts_experts(c->mesh))
        out->experts = (ts_expert_group){ .comm = c->mesh->comm[TS_MESH_EP], .pieces = c->mesh->comm[TS_MESH_ETP],
                                          .all = c->mesh->comm[TS_MESH_EXPERTS], .by = TS_DISPATCH_SUM };
    return TS_OK;
}

void ts_model_group_use(ts_model_group *c, ts_model_use *use)
{
    use->group = (ts_tensor_group){ .comm = c->mesh->comm[TS_MESH_TP], .unaligned = c->o.unaligned };
    use->stage_of = stage_of;
    use->stage_ctx = c;
}
