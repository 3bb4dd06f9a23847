#include "train/trainer.h"

#include "train/recompute.h"

static ts_status step_unit(void *trainer, int64_t unit, const ts_step_grads *grads)
{
    ts_trainer *t = trainer;
    return ts_optimizer_step_unit(&t->optim, unit, grads, ts_lr_at(&t->schedule, t->scheduled));
}

/* What only training needs. */
static ts_status make_training(ts_trainer *t, const ts_trainer_args *a)
{
    TS_TRY(ts_lr_schedule_init(&t->schedule, t->o, t->feed.global));
    t->decoupled = t->schedule;
    if (a->second_rate > 0)
        t->decoupled.max *= a->second_rate, t->decoupled.min *= a->second_rate, t->decoupled.init *= a->second_rate;
    else
        ts_lr_schedule_decoupled(&t->decoupled, t->o);
    TS_TRY(ts_grads_init(&t->grads, t->o, t->mesh, t->sharers, t->objective->params, a->overlap,
                         a->bucket));
    t->grads.scatter.use = step_unit;
    t->grads.scatter.use_ctx = t;
    TS_TRY(ts_optimizer_init(&t->optim, t->o, t->objective->params,
                             t->mesh->comm[TS_MESH_TP]));
    ts_optimizer_lend(&t->optim, ts_train_virtual_bytes(t->o, t->mesh->at[TS_MESH_PP]));
    if (t->mesh->size[TS_MESH_PP] > 1)
        t->optim.stages = t->mesh->comm[TS_MESH_PP];
    t->optim.line = t->mesh->line;
    t->optim.has_decoupled = t->o->decoupled_lr >= 0 || a->second_rate > 0;
    t->optim.sharers = ts_shards_alone(&t->objective->params->shards) ? NULL : t->sharers->share;
    t->optim.expert_sharers = t->sharers->expert_share;
    t->optim.counters = !t->optim.sharers && t->sharers->expert_share ? t->mesh->comm[TS_MESH_DP_CP] : t->optim.sharers;
    t->optim.main = ts_main_grads_are_here(&t->grads.scatter.main) ? &t->grads.scatter.main : NULL;
    t->optim.own_grads = ts_scatter_is_own(&t->grads.scatter);
    TS_TRY(ts_dump_create(t->o, t->dev, t->mesh, t->sharers, &t->dump));
    TS_TRY(ts_expert_report_init(&t->experts, t->objective->load));
    if (t->objective->load)
        TS_TRY(ts_expert_places_init(&t->places, &a->places, t->objective->load, &t->optim, t->mesh));
    if (a->watches_idle && t->dev->computes && !ts_train_steps_layerwise(t->o))
        TS_TRY(ts_idle_init(&t->idle, &t->optim));
    return ts_gather_init(&t->gather, t->objective->params, t->sharers, a->overlap_gather);
}

/* The host's side of a step, booked like all that grows with the batch; sim only books it. */
static ts_status make_host(ts_trainer *t)
{
    const ts_batch *b = &t->feed.batch;
    const char *counts = t->objective->counts;
    const int field = counts ? ts_batch_find(b, counts) : 0;
    TS_ASSERT(field >= 0, "the samples have no field %s, which says how much losses count", counts);
    const ts_stretches *here = &t->objective->here;
    const int64_t of_row = here->n ? ts_stretches_count(here) : b->field[field].width;
    const size_t n = (size_t)(t->feed.micro * (counts ? t->feed.each * of_row : 1));
    t->host_bytes = ts_batch_bytes(b) + (int64_t)(n * sizeof *t->host);
    ts_device_book(t->dev, TS_MEM_DATA, t->host_bytes);
    if (!t->dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&t->host, n, sizeof *t->host));
    return ts_alloc(&t->gathered,
                    (size_t)t->comm->size * (size_t)((1 + t->objective->n_side) * t->feed.n_micro + TS_STEP_EXTRAS),
                    sizeof *t->gathered);
}

ts_status ts_trainer_read(ts_trainer *t, ts_data_part part, int64_t first)
{
    TS_TRY(ts_feed_read(&t->feed, part, first));
    if (!t->feed.multiple || !ts_mesh_parts_experts(t->mesh))
        return TS_OK;
    return ts_comm_run(t->mesh->comm[TS_MESH_DP_CP],
                       ts_all_reduce(t->feed.length, t->feed.n_micro, TS_COMM_I64, TS_COMM_MAX));
}

void ts_trainer_size_batch(ts_trainer *t)
{
    ts_feed_size(&t->feed, ts_batch_ramp_at(&t->feed.ramp, t->consumed));
}

/* Whether most of what is multiplied stays as it is: two more copies of it would be most of the memory. */
static bool is_frozen(const ts_param_set *s)
{
    int64_t frozen = 0;
    for (size_t i = 0; i < s->n; i++)
        frozen += ts_param_is_trained(s->p[i]) ? 0 : ts_param_count(s->p[i]);
    return frozen > s->total;
}

/* Making packed weights for each product costs one part in some hundred rows of it. Where the values are read as they
 * are there is nothing to make, but each micro-batch reads twice as much. */
static bool shares_forms(const ts_trainer *t)
{
    enum { FEW_ROWS = 512 };
    if (ts_shards_values(&t->objective->params->shards))
        return true; /* forms do not outlive the values */
    if (t->o->packed_weights != TS_PACKED_AUTO)
        return t->o->packed_weights == TS_PACKED_SHARED;
    if (is_frozen(t->objective->params))
        return true;
    return t->feed.n_micro == 1 && (t->dev->rounds_b || t->feed.micro * t->feed.each * t->o->seq_length > FEW_ROWS);
}

ts_status ts_trainer_prepare_pipeline(ts_trainer *t)
{
    const ts_pipeline_needs n = { .dev = t->dev,
                                  .mesh = t->mesh,
                                  .objective = t->objective,
                                  .micro = t->feed.micro * t->feed.each,
                                  .n_micro = t->feed.n_micro,
                                  .tape = ts_recompute_tape(t->o) };
    return ts_pipeline_prepare(&t->pipeline, &n);
}

static ts_status make(ts_trainer *t, const ts_trainer_args *a)
{
    t->saves_trained = a->saves_trained;
    TS_TRY(ts_feed_init(&t->feed, t->o, &a->feed, t->mesh->at[TS_MESH_DP],
                        t->mesh->size[TS_MESH_DP]));
    if (shares_forms(t))
        ts_param_set_share_forms(t->objective->params);
    TS_TRY(t->objective->prepare(t->objective));
    if (!t->o->skip_train)
        TS_TRY(make_training(t, a));
    t->pipeline.kind = a->pipeline;
    TS_TRY(ts_trainer_prepare_pipeline(t));
    return make_host(t);
}

ts_status ts_trainer_create(const ts_trainer_args *a, ts_trainer **out)
{
    ts_trainer *t;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    *t = (ts_trainer){ .o = a->o, .dev = a->dev, .comm = ts_mesh_all(a->mesh), .mesh = a->mesh,
                        .objective = a->objective };
    t->nobody.share = a->mesh->comm[TS_MESH_DP_CP];
    t->nobody.expert_share = ts_mesh_parts_experts(a->mesh) ? a->mesh->comm[TS_MESH_EXPERT_DP] : NULL;
    t->sharers = a->sharers ? a->sharers : &t->nobody;
    ts_loss_scaler_init(&t->scaler, a->o, a->fp16);
    const ts_status st = make(t, a);
    if (st != TS_OK)
        ts_trainer_destroy(&t);
    else
        *out = t;
    return st;
}

void ts_trainer_destroy(ts_trainer **trainer)
{
    ts_trainer *t = *trainer;
    if (!t)
        return;
    ts_expert_places_deinit(&t->places);
    ts_expert_report_deinit(&t->experts);
    ts_dump_destroy(&t->dump);
    ts_pipeline_deinit(&t->pipeline);
    ts_idle_deinit(&t->idle);
    ts_gather_deinit(&t->gather);
    ts_optimizer_deinit(&t->optim);
    ts_grads_deinit(&t->grads);
    ts_feed_deinit(&t->feed);
    ts_device_book(t->dev, TS_MEM_DATA, -t->host_bytes);
    ts_device_book(t->dev, TS_MEM_OTHER, -t->copies);
    ts_free(&t->host);
    ts_free(&t->gathered);
    ts_free(trainer);
}

double ts_trainer_step_flops(const ts_trainer *t)
{
    return t->objective->flops(t->objective, t->feed.global);
}

ts_status ts_trainer_settle(ts_trainer *t)
{
    TS_TRY(ts_gather_finish(&t->gather));
    return ts_expert_places_home(&t->places);
}

ts_status ts_trainer_go_on(ts_trainer *t) { return ts_expert_places_back(&t->places); }
