#include "train/job.h"
#include "train/blocks.h"

#include "base/file.h"
#include "base/log.h"
#include "model/adapters.h"
#include "parallel/context.h"
#include "train/layout.h"
#include "train/job_samples.h"
#include "train/job_tokens.h"
#include "train/model_files.h"
#include "train/recompute.h"
#include "train/together.h"

#include <stdio.h>
#include <string.h>

/* ---- model ---- */

/* What processes that train the same parameters share out. Products read matrices in the type that is
 * computed in, but for products in few bits, whose operands are made of the masters. */
static ts_shard_options shards_of(const ts_job *j)
{
    const ts_dtype master = ts_train_dtype(j->o->train.main_params_dtype);
    const bool narrow = master == TS_DTYPE_F32 && j->o->train.int8 == TS_INT8_NONE &&
                        !ts_narrow_options_on(&j->o->narrow);
    return (ts_shard_options){ .level = j->sharers.sharing.level,
                               .whole_grads = j->sharers.sharing.near > 0,
                               .by_unit = j->sharers.sharing.by_unit,
                               .coded = ts_train_codes_weights(&j->o->train),
                               .cuts_whole = ts_train_cuts_whole(&j->o->train),
                               .size = j->sharers.share->size,
                               .rank = j->sharers.share->rank,
                               .expert_size = j->sharers.expert_share ? j->sharers.expert_share->size : 0,
                               .expert_rank = j->sharers.expert_share ? j->sharers.expert_share->rank : 0,
                               .unit = ts_dist_bucket_elements(&j->o->dist),
                               .values = narrow ? j->compute : master };
}

/* Sums of gradients in few bits are of the own shares, or where nothing is shared out of all; so is what is used
 * at once. */
static void read_narrow_grads(const ts_train_options *o, ts_sharing *s)
{
    s->by_unit = (ts_main_grads_codes(o) || ts_train_steps_layerwise(o)) && !o->skip_train;
    if (s->by_unit && s->level == TS_SHARD_STATE)
        s->level = TS_SHARD_GRADS;
    s->coded = ts_train_codes_weights(o);
    if ((s->by_unit || s->coded) && !s->level)
        s->group = 1;
}

static ts_expert_group experts_of(const ts_job *j, int64_t experts)
{
    const ts_parallel_options *o = &j->o->parallel;
    const bool gathers = o->dispatcher == TS_DISPATCHER_ALL_GATHER, late = gathers ? o->gather_beside : o->exchange_beside;
    return (ts_expert_group){ .comm = j->mesh->comm[TS_MESH_EP], .pieces = j->mesh->comm[TS_MESH_ETP],
                              .by = gathers ? TS_DISPATCH_ALL_GATHER : TS_DISPATCH_ALL_TO_ALL,
                              .beside = late || o->shared_beside, .late = late,
                              .near = j->mesh->comm[TS_MESH_EP_NEAR], .far = j->mesh->comm[TS_MESH_EP_FAR],
                              .parts = o->pipes ? experts / ts_parallel_expert_size(o) : o->expert_parts, .slices = o->row_parts,
                              .among = o->slices, .hot = o->balances ? o->hot : 0, .hot_exchanges = (int)o->hot_exchanges,
                              .place = j->placement.place, .order = j->placement.order };
}

/* Rows that a sample gives to what is trained. */
static int64_t rows_of_sample(const ts_job *j)
{
    const ts_tuning_data t = ts_job_tuning_data(j->o, j->ramp.full);
    return ts_tuning_on(&j->o->tuning) && j->o->tuning.stage != TS_STAGE_KTO ? ts_tuning_each(&t) : 1;
}

/* The file of experts' choices, before a weight is read. */
static ts_status open_routes(ts_job *j, const ts_arch *a)
{
    const ts_expert_options *o = &j->o->experts;
    const ts_routes_shape batch = { .length = j->o->train.seq_length, .samples = j->ramp.full * rows_of_sample(j),
                                    .pads = ts_tuning_on(&j->o->tuning) };
    const bool goes_on = j->loaded > 0 && !j->o->train.finetune;
    if (!o->record && !o->replay)
        return TS_OK;
    if (j->ramp.samples)
        return ts_error(TS_ERR_USER, "--moe-routing-%s: steps have sequences by --rampup-batch-size: leave that out",
                        o->record ? "record" : "replay");
    if (j->o->tuning.stage == TS_STAGE_EMBED)
        return ts_error(TS_ERR_USER, "--moe-routing-%s: --stage embed takes a sample's texts one after another, which a file of "
                                     "choices does not tell apart: leave that out", o->record ? "record" : "replay");
    return ts_comm_agree(j->comm, ts_expert_options_routes(o, a, &batch, goes_on ? j->loaded : 0, j->train_iters,
                                                           !j->dev->computes, j->comm->rank == 0, &j->routes));
}

/* Once the model is described. */
static ts_status stage_of(void *job, const ts_arch *a, ts_decoder_stage *out)
{
    ts_job *j = job;
    const ts_parallel_options *o = &j->o->parallel;
    int64_t *empty, n;
    if (!j->routes)
        TS_TRY(open_routes(j, a));
    if (o->placement && a->n_experts)
        TS_TRY(ts_placement_read("expert-placement", o->placement, a, ts_parallel_expert_size(o), &j->placement));
    TS_TRY(ts_model_noop_layers(&j->o->model, &empty, &n));
    const ts_status st = ts_stages_make(o, a->n_layers, empty, n, &j->stages);
    ts_free(&empty);
    TS_TRY(st);
    const ts_stages *s = &j->stages;
    const int64_t stage = j->mesh->at[TS_MESH_PP], last = s->n_stages * s->n_chunks - 1;
    TS_TRY(ts_alloc(&j->layers, (size_t)s->n_chunks, sizeof *j->layers));
    *out = (ts_decoder_stage){ .layers = j->layers, .n = s->n_chunks };
    if (ts_mesh_parts_experts(j->mesh))
        out->experts = experts_of(j, a->n_experts);
    for (int64_t c = 0; c < s->n_chunks; c++) {
        const int64_t part = ts_stages_part(s, stage, c);
        j->layers[c] = s->part[part];
        out->embeds = out->embeds || part == 0;
        out->ends = out->ends || part == last;
    }
    return TS_OK;
}

static ts_model_use use_of(ts_job *j)
{
    const ts_parallel_parts *parts = &j->parts;
    const bool two = j->o->parallel.two;
    return (ts_model_use){ .dev = j->dev, .compute = j->compute, .training = true,
                           .no_grads = j->o->train.skip_train,
                           .mtp_layers = j->o->model.mtp_layers,
                           .master = ts_train_dtype(j->o->train.main_params_dtype),
                           .int8 = j->o->train.int8 != TS_INT8_NONE,
                           .int8_head = j->o->train.int8 == TS_INT8_ALL,
                           .freeze = j->o->train.freeze,
                           .rows_wanted = j->rows.ids ? &j->rows : NULL,
                           .labels = ts_head_labels(&j->o->head, j->o->tuning.stage),
                           .problem = ts_head_problem(&j->o->head, j->o->tuning.stage),
                           .vectors = j->o->tuning.stage == TS_STAGE_EMBED,
                           .lora = &j->o->lora, .set = j->set, .seed = (uint64_t)j->o->train.seed,
                           .keeps_tops = ts_train_keeps_tops(&j->o->train),
                           .steps_whole = ts_train_steps_whole(&j->o->train),
                           .narrow = &j->o->narrow,
                           .rows = j->spread.comm,
                           .reward = j->o->tuning.stage == TS_STAGE_REWARD, .no_final_norm = j->o->prefer.no_final_norm,
                           .loosely = j->o->prefer.loosely,
                           .parts_masters = j->o->train.reuse_fp32_param,
                           .whole_words = ts_train_whole_words(&j->o->train),
                           .shards = shards_of(j),
                           .group = { .comm = j->mesh->comm[TS_MESH_TP],
                                      .x = two ? j->mesh->comm[TS_MESH_TP_X] : NULL,
                                      .y = two ? j->mesh->comm[TS_MESH_TP_Y] : NULL,
                                      .sequence = two || j->o->parallel.sequence,
                                      .unaligned = j->o->parallel.unaligned,
                                      .gather_parts = parts->gather, .sum_parts = parts->sum,
                                      .back_parts = parts->back, .n_products = parts->n_products,
                                      .product = { parts->product[0], parts->product[1], parts->product[2],
                                                   parts->product[3] } },
                           .stage_of = stage_of, .stage_ctx = j };
}

static ts_status model_from_options(ts_job *j, const ts_job_tokens *k)
{
    const ts_model_use use = use_of(j);
    ts_arch a;
    ts_arch_init(&a);
    ts_status st = ts_model_describe(&j->o->model, j->set, k->vocab, &a);
    if (st == TS_OK && k->has_tok)
        ts_arch_take_ids(&a, &k->tok);
    ts_arch_take_labels(&a, use.labels, use.problem);
    if (st == TS_OK) /* again, with the vocabulary */
        st = ts_job_check_layout_of(j->o, &a, j->comm->size);
    if (st == TS_OK)
        st = ts_model_make(&a, &use, (uint64_t)j->o->train.seed, &j->model);
    ts_arch_deinit(&a);
    return st;
}

static bool described(const ts_job *j)
{
    return j->o->model.num_layers > 0 || ts_model_is_named(&j->o->model);
}

static ts_status model_for_checkpoint(ts_job *j, const ts_checkpoint *ck)
{
    const ts_model_use use = use_of(j);
    TS_TRY(ts_model_from_checkpoint(ck, &use, &j->model));
    const ts_arch *a = &j->model.decoder->arch;
    TS_TRY(ts_model_compare(&j->o->model, j->set, a, ts_checkpoint_path(ck)));
    return ts_model_compare_config(&j->o->model, a, ts_checkpoint_path(ck));
}

static ts_status missing_load(const ts_job *j)
{
    const char *load = j->o->runtime.load;
    if (j->o->train.exit_on_missing)
        return ts_error(TS_ERR_USER,
                        "--load %s: there is no checkpoint (--exit-on-missing-checkpoint)", load);
    if (!described(j))
        return ts_error(TS_ERR_USER,
                        "--load %s: there is neither a checkpoint nor a Hugging Face folder", load);
    if (ts_path_exists(load) || (j->o->train.save && !strcmp(load, j->o->train.save))) {
        if (j->comm->rank == 0 && j->dev->computes) /* planning it says nothing */
            ts_log(TS_LOG_WARN,
                   "--load %s: there is no checkpoint yet; beginning from random weights", load);
        return TS_OK;
    }
    return ts_error(TS_ERR_USER, "--load %s: there is no such folder", load);
}

static ts_status make_model(ts_job *j, const ts_checkpoint *ck, const ts_job_tokens *k)
{
    const char *load = j->o->runtime.load;
    const ts_model_use use = use_of(j);
    if (ck)
        return model_for_checkpoint(j, ck);
    if (load && j->o->train.ckpt_step >= 0)
        return ts_error(TS_ERR_USER, "--ckpt-step %lld: --load %s is no folder of checkpoints",
                        (long long)j->o->train.ckpt_step, load);
    if (load && ts_model_is_hf(load)) {
        if (ts_model_is_named(&j->o->model))
            return ts_error(TS_ERR_USER, "--%s and --load %s, a Hugging Face folder, both describe the "
                                         "model: give one", j->o->model.preset ? "preset" : "model-config", load);
        TS_TRY(ts_model_load(load, &use, &j->model));
        return ts_model_compare(&j->o->model, j->set, &j->model.decoder->arch, load);
    }
    if (load)
        TS_TRY(missing_load(j));
    return model_from_options(j, k);
}

/* ---- the state ---- */

static ts_status restore(ts_job *j, const ts_checkpoint *ck)
{
    const ts_train_options *o = &j->o->train;
    ts_str changes = { 0 };
    if (o->finetune) /* the weights alone, which are there */
        return TS_OK;
    TS_TRY(ts_trainer_restore(j->trainer, ck, !o->no_load_optim && !o->skip_train));
    const ts_status st = ts_checkpoint_option_changes(ck, j->set, &changes);
    if (st == TS_OK && changes.len && j->comm->rank == 0)
        ts_log(TS_LOG_WARN,
               "%s is continued with other options than its run had, so as another run: %s",
               ts_checkpoint_path(ck), changes.s);
    ts_str_deinit(&changes);
    return st;
}

/* ---- data ---- */

static ts_status open_data(ts_job *j, const ts_job_tokens *k)
{
    const ts_train_options *o = &j->o->train;
    const ts_arch *a = &j->model.decoder->arch;
    if (k->vocab > a->vocab)
        return ts_error(
            TS_ERR_USER,
            "the tokenizer has %lld tokens, but the model's vocabulary (vocab_size) only "
            "%lld",
            (long long)k->vocab, (long long)a->vocab);
    ts_data_need need = { .seq_length = o->seq_length,
                          .seed = (uint32_t)o->seed,
                          .vocab_size = a->vocab,
                          .eod = k->eod >= 0 ? k->eod
                                 : a->n_eos  ? (int32_t)a->eos[0]
                                             : -1,
                          .pad = k->pad,
                          .reads_cache_only = j->comm->local_rank > 0,
                          .speaks = j->comm->rank == 0 };
    TS_TRY(ts_job_count_samples(j, &need));
    if (o->skip_train) /* of training nothing is read */
        need.n_train = 0;
    if (j->o->media.data)
        return ts_job_open_media(j, &need);
    if (!ts_tuning_on(&j->o->tuning))
        return ts_data_source_create(&j->o->data, &need, &j->source);
    return ts_job_open_samples(j->o, &j->text, &j->model, j->ramp.full, ts_job_steps(j), &need, &j->samples);
}

const ts_dataset *ts_job_data(const ts_job *j, ts_data_part part)
{
    return j->media ? ts_mm_source_part(j->media, part) : j->samples ? ts_tuning_source_part(j->samples, part) : j->source ? ts_data_source_part(j->source, part) : NULL;
}

/* ---- all of it ---- */

static ts_status open_others(ts_job *j, const ts_checkpoint *ck, bool with_data)
{
    const ts_model_use use = use_of(j);
    TS_TRY(ts_job_open_reference(j, ck, &use));
    return ts_job_open_teacher(j, &use, with_data);
}

/* Who compares products of few bits with others: of the student, as it is trained. */
static ts_status open_judge(ts_job *j)
{
    const ts_narrow_options *o = &j->o->narrow;
    ts_narrow_set *s = j->model.decoder->params.narrow;
    if (!s || !j->dev->computes || !(o->beside_portable || o->beside_wide))
        return TS_OK;
    if (!j->dev->on_host)
        return ts_error(TS_ERR_USER, "--te-comparison-with-%s reads what the device has computed, whose memory is not the "
                                     "host's: leave it out", o->beside_portable ? "cpu" : "bf16");
    TS_TRY(ts_judge_create(o->beside_portable, o->beside_wide, &j->judge));
    s->judge = j->judge;
    return TS_OK;
}

/* Rank 0 saves what stands beside the weights. */
static ts_status prepare_model(ts_job *j, const ts_checkpoint *ck, bool with_data, ts_job_tokens *k)
{
    TS_TRY(ts_job_read_tokenizer(j->o, k, &j->text, &j->rows));
    TS_TRY(make_model(j, ck, k));
    TS_TRY(ts_job_check_tokens(&j->text, &j->model));
    TS_TRY(ts_blocks_join(&j->stages, &j->model.decoder->arch, j->mesh));
    TS_TRY(open_judge(j));
    TS_TRY(open_others(j, ck, with_data));
    TS_TRY(ts_job_check_heads(j));
    TS_TRY(ts_job_check_model(j));
    if (with_data && j->dev->computes && j->comm->rank == 0) {
        TS_TRY(ts_model_take_files(&j->model, &j->text, k->has_tok ? &k->tok : NULL));
        TS_TRY(ts_job_note_vectors(j));
    }
    return ts_job_check_save_hf(j, with_data);
}

static ts_pipeline_kind pipeline_of(const ts_job *j)
{
    return (ts_pipeline_kind){ .schedule = j->stages.schedule, .chunks = j->stages.n_chunks,
                               .group = j->o->parallel.group,
                               .recompute = ts_parallel_recompute(&j->o->parallel),
                               .detaches_weights = j->o->parallel.detaches,
                               .interweaves = j->o->parallel.interweaves && ts_mesh_parts_experts(j->mesh) };
}

static ts_status train_experts(ts_job *j)
{
    ts_expert_rules rules = ts_expert_options_rules(&j->o->experts);
    /* A folder's biases stay as they are, as in transformers, unless an option speaks of them. */
    if (!ts_option_is_on(j->set, "moe-router-enable-expert-bias") &&
        !ts_option_given(j->set, "moe-router-bias-update-rate"))
        rules.bias_rate = 0;
    if (j->o->model.moe_model == TS_MODEL_MOE_DEEPSPEED)
        TS_TRY(ts_expert_options_gate(&j->o->experts, &j->model.decoder->arch, &rules));
    rules.routes = j->routes;
    rules.sequence = j->spread.comm;
    rules.everyone = j->mesh->comm[TS_MESH_DP_CP];
    return ts_decoder_train_experts(j->model.decoder, &rules);
}

static ts_status train_indexers(ts_job *j)
{
    const ts_train_options *o = &j->o->train;
    ts_decoder *d = j->model.decoder;
    const bool compressed = ts_arch_has(&d->arch, TS_ATTENTION_COMPRESSED);
    if (compressed && o->attention_dropout > 0)
        return ts_error(TS_ERR_USER, "--attention-dropout %g: attention to compressed keys (compress_rates, --compress-ratios) has "
                                     "none: leave it out", o->attention_dropout);
    if (compressed && o->index_coeff > 0)
        return ts_error(TS_ERR_USER, "--dsa-indexer-loss-coeff %g: the indexer of compressed keys (compress_rates, "
                                     "--compress-ratios) is not trained: leave it out", o->index_coeff);
    if (d->arch.index_heads && o->attention_dropout > 0)
        return ts_error(TS_ERR_USER, "--attention-dropout %g: sparse attention (--experimental-attention-variant dsa) has none: "
                                     "leave it out", o->attention_dropout);
    return ts_decoder_train_indexers(d, &(ts_index_rules){ .coeff = (float)o->index_coeff, .is_sparse = o->index_sparse });
}

/* What lengths of micro-batches are multiples of, which processes can then share out; 0: they are all alike. */
static int64_t multiple_of(const ts_job *j)
{
    const int64_t cp = j->mesh->size[TS_MESH_CP], tp = j->o->parallel.sequence ? j->mesh->size[TS_MESH_TP] : 1;
    return ts_tuning_multiple(&j->o->tuning, j->o->parallel.varies, (cp > 1 ? 2 * cp : 1) * tp);
}

/* What is trained for; a stage has its objective here. */
static ts_objective *make_objective(ts_job *j)
{
    ts_decoder *d = j->model.decoder;
    const ts_network network = ts_decoder_network(d);
    const bool tunes = ts_tuning_on(&j->o->tuning);
    ts_lm_objective_init(&j->objective, &network, &j->o->train,
                         j->o->data.reset_attention_mask || (tunes && j->o->tuning.padding_side == TS_PADDING_LEFT),
                         j->spread.comm ? &j->spread : NULL);
    j->objective.has_labels = tunes || j->o->media.data;
    j->objective.pictures = (ts_picture_feed){ j->media, &d->arch };
    if (j->model.adapters)
        j->objective.adapter_dropout = j->model.adapters->plan.dropout;
    j->objective.embedding_noise = (float)j->o->tuning.noise_alpha;
    j->objective.base.by_micro = tunes && !j->o->media.data && !j->o->tuning.per_token_loss;
    const ts_lm_teacher teacher = ts_job_teacher(j);
    ts_lm_objective_teach(&j->objective, &teacher);
    ts_lm_objective_cut(&j->objective, j->stages.part, j->stages.n_stages * j->stages.n_chunks,
                        d->group.sequence ? d->group.comm->size : 1);
    j->objective.base.varies = (j->o->parallel.varies || multiple_of(j)) && j->stages.n_stages > 1;
    if (ts_parallel_recompute(&j->o->parallel) == TS_AGAIN_ADVANCE) /* chunks run again as a whole */
        j->objective.recompute = (ts_recompute_plan){ 0 };
    return ts_prefer_on(j->o->tuning.stage) ? ts_job_compare(j)
           : ts_head_on(j->o->tuning.stage) ? ts_job_pool(j)
                                            : ts_job_restrict(j);
}

/* While the batch grows the schedule takes each of its sizes. */
static ts_status check_ramp(const ts_job *j)
{
    const ts_batch_ramp *r = &j->ramp;
    const int64_t chunk = j->o->train.micro_batch_size * j->mesh->size[TS_MESH_DP];
    for (int64_t global = r->start; r->samples && global < r->full; global += r->increment) {
        const ts_schedule_shape shape = { .n_stages = j->stages.n_stages,
                                          .n_chunks = j->stages.n_chunks,
                                          .n_micro = global / chunk,
                                          .group = j->o->parallel.group,
                                          .recompute = ts_parallel_recompute(&j->o->parallel) };
        char why[512];
        if (ts_schedule_fits(j->stages.schedule, &shape) == TS_OK)
            continue;
        snprintf(why, sizeof why, "%s", ts_error_message());
        return ts_error(TS_ERR_USER, "--rampup-batch-size: with a batch of %lld, %s", (long long)global, why);
    }
    return TS_OK;
}

static ts_status make_trainer(ts_job *j)
{
    enum { PATIENCE = 30 };
    const bool is_told = ts_option_given(j->set, "distributed-timeout-minutes");
    const double patience = is_told ? 0 : PATIENCE;
    ts_field field[(int)TS_MM_FIELDS + (int)TS_TUNING_FIELDS + (int)TS_PREFER_FIELDS + (int)TS_DATA_FIELDS];
    const ts_tuning_data t = ts_job_tuning_data(j->o, j->ramp.full);
    const bool tunes = ts_tuning_on(&j->o->tuning);
    ts_trainer_args a = { .o = &j->o->train, .dev = j->dev, .mesh = j->mesh, .sharers = &j->sharers,
                          .fp16 = j->compute == TS_DTYPE_F16,
                          .overlap = j->o->dist.overlap_grad_reduce,
                          .bucket = ts_dist_bucket_elements(&j->o->dist),
                          .overlap_gather = j->o->parallel.overlap_param_gather,
                          .watches_idle = ts_tuning_on(&j->o->tuning),
                          .places = { .moves = j->o->parallel.places, .every = j->o->parallel.place_every,
                                      .fall = j->o->parallel.place_finely ? j->o->parallel.place_fall : 0 },
                          .pipeline = pipeline_of(j),
                          .saves_trained = j->o->lora.alone,
                          .second_rate = ts_lora_on(&j->o->lora) ? j->o->lora.plus : 0,
                          .patience = patience };
    a.feed = (ts_feed_args){ .field = field,
                             .n_fields = j->o->media.data ? ts_mm_fields(a.o->seq_length, field)
                                         : tunes ? ts_tuning_fields(&t, &j->o->data, a.o->seq_length, field)
                                               : ts_data_fields(&j->o->data, a.o->seq_length, field),
                             .each = tunes ? ts_tuning_each(&t) : 1,
                             .multiple = multiple_of(j),
                             .data = &j->o->data,
                             .with_values = j->dev->computes };
    if (ts_prefer_on(j->o->tuning.stage)) {
        const ts_prefer_rules rules = ts_job_prefer_rules(j);
        a.feed.n_fields += ts_prefer_fields(&rules, ts_job_keeps_reference(j), field + a.feed.n_fields);
    }
    a.feed.n_fields += ts_job_teacher_fields(j, field + a.feed.n_fields);
    for (int p = 0; p < TS_DATA_PARTS; p++)
        a.feed.part[p] = ts_job_data(j, (ts_data_part)p);
    TS_TRY(train_experts(j));
    TS_TRY(train_indexers(j));
    a.objective = make_objective(j);
    TS_TRY(ts_recompute_stage(a.o, j->mesh->at[TS_MESH_PP], j->mesh->size[TS_MESH_PP], &j->objective.recompute));
    TS_TRY(check_ramp(j));
    return ts_trainer_create(&a, &j->trainer);
}

static ts_status prepare_trainer(ts_job *j, const ts_checkpoint *ck)
{
    const ts_train_options *o = &j->o->train;
    TS_TRY(make_trainer(j));
    if (ck && j->dev->computes)
        TS_TRY(restore(j, ck));
    TS_TRY(ts_job_look_ahead(j));
    TS_TRY(ts_job_keep_teacher(j));
    return o->skip_train
               ? TS_OK
               : ts_picker_check(&j->trainer->feed.picker[TS_DATA_TRAIN], j->trainer->consumed);
}

/* The first process of each host opens the data before the others: a long order is then made once,
 * and the others find it on disk. */
static ts_status prepare(ts_job *j, const ts_checkpoint *ck, bool with_data)
{
    ts_job_tokens k;
    const bool first = j->comm->local_rank == 0;
    const ts_status made = prepare_model(j, ck, with_data, &k);
    ts_job_close_tokenizer(&k);
    TS_TRY(ts_comm_agree(j->comm, made));
    if (with_data && j->comm->size > 1)
        TS_TRY(ts_comm_agree(j->comm, first ? open_data(j, &k) : TS_OK));
    ts_status st = with_data && !j->source && !j->samples && !j->media ? open_data(j, &k) : TS_OK;
    if (st == TS_OK)
        st = prepare_trainer(j, ck);
    return ts_comm_agree(j->comm, st);
}

static ts_status open_checkpoint(const ts_job *j, ts_checkpoint **ck)
{
    const char *load = j->o->runtime.load;
    if (!load || !ts_checkpoint_is(load))
        return TS_OK;
    if (!j->dev->computes) /* planning: its description */
        return ts_checkpoint_open(load, j->o->train.ckpt_step,
                                  TS_CKPT_MODEL_ONLY | TS_CKPT_UNCHECKED, NULL, ck);
    return ts_checkpoint_open(load, j->o->train.ckpt_step,
                              j->o->train.finetune ? TS_CKPT_MODEL_ONLY : 0, j->comm, ck);
}

static ts_status open_all(ts_job *j, bool with_data)
{
    const ts_train_options *o = &j->o->train;
    ts_checkpoint *ck = NULL;
    TS_TRY(ts_runtime_dtype(&j->o->runtime, &j->compute));
    TS_TRY(ts_job_check_options(j, with_data));
    j->train_iters = o->train_iters     ? o->train_iters
                     : o->train_samples ? ts_batch_ramp_steps(&j->ramp, o->train_samples)
                                        : 1; /* --skip-train alone: the order needs a number */
    ts_status st = open_checkpoint(j, &ck);
    if (ck)
        j->loaded = ts_checkpoint_iteration(ck);
    if (st == TS_OK && with_data)
        st = ts_comm_agree(j->comm, j->comm->rank == 0 ? ts_job_check_target(j) : TS_OK);
    if (st == TS_OK)
        st = prepare(j, ck, with_data);
    ts_checkpoint_close(&ck);
    return st;
}

/* In place: the trainer keeps the address of the model. */
ts_status ts_job_open(const ts_job_options *o, const ts_option_set *set, ts_device *dev,
                      ts_comm *comm, bool with_data, ts_job *j)
{
    *j = (ts_job){ .o = o, .set = set, .comm = comm, .dev = dev, .loaded = -1 };
    if (with_data && comm->size > 1)
        TS_TRY(ts_job_check_alike(set, comm));
    TS_TRY(ts_pipeline_options_check(&o->parallel, set));
    TS_TRY(ts_profile_options_check(&o->profile, comm->size));
    TS_TRY(ts_job_check_layout(o, set, comm->size));
    const ts_mesh_shape shape = { .tp = (int)o->parallel.tensor,
                                  .cp = (int)o->parallel.context,
                                  .pp = (int)o->parallel.pipeline,
                                  .ep = (int)ts_parallel_expert_size(&o->parallel),
                                  .etp = (int)ts_parallel_expert_pieces(&o->parallel),
                                  .tp_x = o->parallel.two ? (int)o->parallel.x : 0,
                                  .ep_near = o->parallel.by_hosts ? (int)o->parallel.tensor : 0,
                                  .pp_before_dp = o->parallel.pp_before_dp };
    dev->timeline = comm->timeline = &j->timeline;
    TS_TRY(ts_mesh_create(comm, &shape, &j->mesh));
    ts_sharing sharing;
    ts_status st = TS_OK;
    if (o->profile.memory_report)
        st = ts_comm_agree(comm, ts_holders_create(dev->mem.now, &j->holders));
    dev->holders = j->holders;
    if (st == TS_OK)
        st = ts_sharing_read(&o->parallel, j->mesh->size[TS_MESH_DP_CP], &sharing);
    if (st == TS_OK)
        read_narrow_grads(&o->train, &sharing);
    if (st == TS_OK)
        st = ts_sharers_init(&j->sharers, &sharing, j->mesh);
    if (st == TS_OK)
        st = open_all(j, with_data);
    if (st != TS_OK)
        ts_job_close(j);
    return st;
}

void ts_job_close(ts_job *j)
{
    ts_trainer_destroy(&j->trainer);
    ts_data_source_destroy(&j->source);
    ts_tuning_source_destroy(&j->samples);
    ts_mm_source_destroy(&j->media);
    ts_model_deinit(&j->model);
    ts_new_rows_want_deinit(&j->rows);
    ts_routes_close(&j->routes);
    ts_judge_destroy(&j->judge);
    ts_model_deinit(&j->teacher);
    ts_kept_close(&j->tops);
    ts_model_deinit(&j->reference);
    ts_free(&j->kept.logps);
    ts_free(&j->reference_folder);
    ts_free(&j->dims), ts_free(&j->step_tokens);
    ts_stages_deinit(&j->stages);
    ts_free(&j->layers);
    ts_placement_deinit(&j->placement);
    ts_sharers_deinit(&j->sharers);
    ts_mesh_destroy(&j->mesh);
    ts_timeline_deinit(&j->timeline);
    j->dev->holders = NULL;
    ts_holders_destroy(&j->holders);
    j->dev->timeline = j->comm->timeline = NULL;
}
