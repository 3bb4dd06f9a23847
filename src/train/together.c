/* Options of several modules that contradict each other, or have no effect without another. */
#include "train/together.h"

#include "base/log.h"
#include "parallel/overlap.h"
#include "train/dump.h"
#include "train/levels.h"
#include "train/lr.h"
#include "train/recompute.h"

#include <string.h>

/* ---- contradictions ---- */

/* What --load is asked for, and nothing is there to take it from. */
static ts_status check_load(const ts_job_options *o, const ts_option_set *set)
{
    if (o->runtime.load)
        return TS_OK;
    if (o->train.finetune)
        return ts_error(TS_ERR_USER, "--finetune needs --load, a folder with the weights");
    if (o->train.ckpt_step >= 0 && ts_option_is_on(set, "ckpt-step"))
        return ts_error(TS_ERR_USER, "--ckpt-step %lld needs --load, a folder of checkpoints",
                        (long long)o->train.ckpt_step);
    return TS_OK;
}

/* A layer that is stepped while others still wait for their gradients. */
static ts_status check_layerwise(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const off[] = { "fp16", "deterministic-mode", "quant-grads", "layerzero", "dump-steps" };
    const char *name = ts_train_layerwise_name(&o->train);
    if (!ts_train_steps_layerwise(&o->train))
        return TS_OK;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (ts_option_is_on(set, off[i]))
            return ts_error(TS_ERR_USER, "%s steps a layer before the others have their gradients: leave out --%s", name,
                            off[i]);
    if (o->train.main_grads_dtype != TS_STATE_F32)
        return ts_error(TS_ERR_USER, "%s keeps no sums of gradients: leave --main-grads-dtype out", name);
    if (o->train.clip_grad > 0)
        return ts_error(TS_ERR_USER, "%s steps a layer before the norm of all gradients is known: give --clip-grad 0", name);
    if (o->parallel.tensor > 1 || o->parallel.pipeline > 1)
        return ts_error(TS_ERR_USER, "%s: --%s-model-parallel-size makes gradients in parts that are summed at the end of "
                                     "a step: give 1", name, o->parallel.tensor > 1 ? "tensor" : "pipeline");
    return TS_OK;
}

/* What moves with experts lies where these do, in numbers of its own. */
static ts_status check_places(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const off[] = { "reuse-fp32-param", "weight-quant", "swap-optimizer", "virtual-optimizer", "quant-states",
                                       "use-apollo", "use-galore", "dump-steps", "npu-datadump" };
    for (size_t i = 0; o->parallel.places && i < sizeof off / sizeof *off; i++)
        TS_TRY(ts_option_exclude(set, "enable-expert-placement", off[i]));
    return TS_OK;
}

/* Micro-batches of different sizes: what counts on one size. */
static ts_status check_sizes(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const off[] = { "rampup-batch-size", "dist-train", "automated-pipeline-perf" };
    for (size_t i = 0; ts_option_given(set, "optimized-mbs-list") && i < sizeof off / sizeof *off; i++)
        TS_TRY(ts_option_exclude(set, "optimized-mbs-list", off[i]));
    if (!ts_train_has_sizes(&o->train))
        return TS_OK;
    if (o->train.rampup_batch_size.n)
        return ts_error(TS_ERR_USER, "micro-batches of different sizes are of one global batch: leave out --rampup-batch-size");
    if (o->data.dataloader_type == TS_DATALOADER_CYCLIC)
        return ts_error(TS_ERR_USER, "--optimized-mbs-list goes with --dataloader-type single alone, as passes of cyclic consist of "
                                     "micro-batches of one size");
    if (o->experts.balancing == TS_MOE_GLOBAL_AUX && o->experts.aux > 0)
        return ts_error(TS_ERR_USER, "--optimized-mbs-list: --moe-router-load-balancing-type global_aux_loss counts micro-batches as "
                                     "equal: give aux_loss");
    return TS_OK;
}

/* Slices of sequences: what looks at attention or experts as a whole. */
static ts_status check_slices(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const off[] = { "dump-steps", "npu-datadump", "qk-clip", "swap-attention", "adaptive-recompute-device-swap",
                                       "adaptive-recompute-device-size", "adaptive-memory-optimization", "smart-swap",
                                       "use-torch-fsdp2", "enable-zero3", "layerzero" };
    if (o->parallel.slices < 2)
        return TS_OK;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        TS_TRY(ts_option_exclude(set, "ampipe-degree", off[i]));
    if (o->train.recompute_granularity == TS_GRANULARITY_SELECTIVE)
        return ts_error(TS_ERR_USER, "--ampipe-degree: attention and experts of a slice run by turns: --recompute-granularity "
                                     "selective cannot run one of them again, give full");
    return TS_OK;
}

/* Weights in 8 bits, of one process each. */
static ts_status check_coded(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const off[] = { "use-distributed-optimizer", "use-megatron-fsdp", "use-torch-fsdp2", "enable-zero3",
                                       "layerzero", "main-params-dtype", "qk-clip", "fp16" };
    if (!o->train.matrix.weight_quant)
        return TS_OK;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (ts_option_is_on(set, off[i]))
            return ts_error(TS_ERR_USER, "--weight-quant keeps whole weights in 8 bits: leave out --%s", off[i]);
    if (o->parallel.fsdp_size > 1 || o->parallel.tensor > 1)
        return ts_error(TS_ERR_USER, "--weight-quant keeps whole weights, which --%s cuts: give 1",
                        o->parallel.tensor > 1 ? "tensor-model-parallel-size" : "fsdp-size");
    return TS_OK;
}

/* Their moments are of whole gradients, and small: every process keeps them. */
static ts_status check_lowrank(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const keeping[] = { "swap-optimizer", "virtual-optimizer", "quant-states", "reuse-fp32-param",
                                           "use-ema" };
    const ts_matrix_options *m = &o->train.matrix;
    const char *name = m->galore ? "--use-galore" : "--use-apollo";
    if (m->galore && m->apollo)
        return ts_error(TS_ERR_USER, "--use-galore and --use-apollo contradict each other: give one");
    if (o->train.optimizer != TS_OPTIMIZER_ADAM || o->train.optimizer_selection == TS_SELECT_EMA_ADAMW)
        return ts_error(TS_ERR_USER, "%s goes with --optimizer adam alone", name);
    for (size_t i = 0; i < sizeof keeping / sizeof *keeping; i++)
        if (ts_option_is_on(set, keeping[i]))
            return ts_error(TS_ERR_USER, "%s keeps its few moments in fp32 beside the weights: leave out --%s", name,
                            keeping[i]);
    if (o->train.exp_avg_dtype > TS_STATE_BF16 || o->train.exp_avg_sq_dtype > TS_STATE_BF16)
        return ts_error(TS_ERR_USER, "%s: --exp-avg-dtype and --exp-avg-sq-dtype are of embedding, output layer and "
                                     "vectors alone: give fp32 or bf16", name);
    TS_TRY(check_coded(o, set));
    return check_layerwise(o, set);
}

/* What looks at whole matrices, or at all scores, and what cuts them where it cannot. */
static ts_status check_matrices(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const cutting[] = { "use-megatron-fsdp", "use-torch-fsdp2", "enable-zero3", "layerzero" };
    const ts_matrix_options *m = &o->train.matrix;
    if (o->train.qk_clip && o->train.reuse_fp32_param)
        return ts_error(TS_ERR_USER, "--qk-clip scales masters, which --reuse-fp32-param has in halves: leave one of the "
                                     "two out");
    if (m->apollo || m->galore)
        return check_lowrank(o, set);
    if (!ts_train_steps_whole(&o->train))
        return TS_OK;
    for (size_t i = 0; i < sizeof cutting / sizeof *cutting; i++)
        if (ts_option_is_on(set, cutting[i]))
            return ts_error(TS_ERR_USER,
                            "--optimizer muon steps whole matrices, which --%s cuts: give "
                            "--use-distributed-optimizer, which leaves each to one process", cutting[i]);
    if (o->runtime.fp16)
        return ts_error(TS_ERR_USER, "--optimizer muon goes with --bf16 or fp32, not with the loss scale of --fp16");
    if (m->per_head && !m->split_qkv)
        return ts_error(TS_ERR_USER, "--muon-no-split-qkv and --muon-split-qkv-per-head contradict each other: "
                                     "give one");
    if (m->tp_mode == TS_MUON_DISTRIBUTED && o->parallel.two)
        return ts_error(TS_ERR_USER, "--muon-tp-mode distributed: --tp-2d cuts both sides of a matrix: give "
                                     "blockwise or duplicated");
    return TS_OK;
}

/* What is rounded by its largest value must be all there when it is multiplied. */
static ts_status check_narrow(const ts_narrow_options *o, const ts_option_set *set)
{
    static const char *const parts[] = { "use-ascend-coc", "use-ascend-mc2", "tp-comm-overlap" };
    TS_TRY(ts_narrow_options_check(o, set));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (o->format != TS_NARROW_NONE && o->recipe == TS_RECIPE_TENSORWISE && ts_option_is_on(set, parts[i]))
            return ts_error(TS_ERR_USER, "--fp8-recipe tensorwise looks at whole tensors, which --%s multiplies in "
                                         "parts: leave it out, or give another recipe", parts[i]);
    return TS_OK;
}

/* Stages whose layers are chosen: no other option says which they have. */
static ts_status check_levels(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const ways[] = { "num-layer-list", "pipeline-model-parallel-layout",
                                        "pipeline-num-transformer-layers", "decoder-first-pipeline-num-layers",
                                        "decoder-last-pipeline-num-layers", "schedules-method",
                                        "num-layers-per-virtual-pipeline-stage",
                                        "num-virtual-stages-per-pipeline-rank", "noop-layers",
                                        "account-for-embedding-in-pipeline-split",
                                        "account-for-loss-in-pipeline-split" };
    if (!o->train.levels)
        return TS_OK;
    if (o->parallel.pipeline < 2)
        return ts_error(TS_ERR_USER, "--automated-pipeline shares layers out among stages, and there is one: give "
                                     "--pipeline-model-parallel-size 2 or more");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        TS_TRY(ts_option_exclude(set, "automated-pipeline", ways[i]));
    return o->parallel.schedule == TS_SCHEDULE_DUALPIPEV
               ? ts_option_exclude(set, "automated-pipeline", "pipeline-schedule")
               : TS_OK;
}

/* A size and an order that are chosen: no other option says how units follow each other. */
static ts_status check_by_time(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const ways[] = { "automated-pipeline", "pipeline-schedule", "schedules-method", "use-nanopipe",
                                        "num-layers-per-virtual-pipeline-stage",
                                        "num-virtual-stages-per-pipeline-rank", "recompute-in-advance",
                                        "recompute-in-bubble", "adaptive-recompute-device-swap",
                                        "adaptive-recompute-device-size", "adaptive-memory-optimization",
                                        "smart-swap" };
    if (!o->train.by_time)
        return TS_OK;
    if (o->parallel.pipeline < 2)
        return ts_error(TS_ERR_USER, "--automated-pipeline-perf chooses how stages follow each other, and there is one: "
                                     "give --pipeline-model-parallel-size 2 or more");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        TS_TRY(ts_option_exclude(set, "automated-pipeline-perf", ways[i]));
    return TS_OK;
}

ts_status ts_job_check_together(const ts_job_options *o, const ts_option_set *set)
{
    const int64_t positions = o->model.max_position_embeddings;
    TS_TRY(check_load(o, set));
    TS_TRY(ts_tuning_options_check(&o->tuning, set));
    TS_TRY(ts_prefer_options_check(&o->prefer, o->tuning.stage, set));
    TS_TRY(ts_head_options_check(&o->head, o->tuning.stage, set));
    TS_TRY(check_matrices(o, set));
    TS_TRY(ts_job_check_level(o, set));
    TS_TRY(ts_model_options_check(&o->model, set));
    TS_TRY(check_narrow(&o->narrow, set));
    TS_TRY(ts_expert_options_check(&o->experts, set, o->model.moe_model == TS_MODEL_MOE_DEEPSPEED));
    TS_TRY(check_places(o, set));
    TS_TRY(check_slices(o, set));
    TS_TRY(check_sizes(o, set));
    TS_TRY(ts_distill_options_check(&o->distill, o->tuning.stage, o->parallel.pipeline));
    TS_TRY(ts_lora_options_check(&o->lora, set));
    TS_TRY(ts_recompute_stage(&o->train, 0, o->parallel.pipeline, &(ts_recompute_plan){ 0 }));
    TS_TRY(check_levels(o, set));
    TS_TRY(check_by_time(o, set));
    TS_TRY(ts_recompute_check_together(&o->train, set, o->model.num_layers));
    TS_TRY(ts_dump_check(&o->train, set));
    if (positions && o->train.seq_length > positions)
        return ts_error(TS_ERR_USER,
                        "--seq-length %lld is longer than --max-position-embeddings %lld",
                        (long long)o->train.seq_length, (long long)positions);
    return TS_OK;
}

/* ---- without effect ---- */

static void warn_saving(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const saving[] = { "async-save", "keep-checkpoints", "most-recent-k",
                                          "no-save-optim", "override-checkpoints" };
    static const char *const loading[] = { "no-load-optim", "exit-on-missing-checkpoint" };
    for (size_t i = 0; i < sizeof saving / sizeof *saving; i++)
        ts_option_warn_alone(set, saving[i], o->train.save, "--save");
    for (size_t i = 0; i < sizeof loading / sizeof *loading; i++)
        ts_option_warn_alone(set, loading[i], o->runtime.load, "--load");
    ts_option_warn_alone(set, "expert-placement-freq", o->parallel.places, "--enable-expert-placement");
    ts_option_warn_alone(set, "enable-fine-grained-expert-placement", o->parallel.places, "--enable-expert-placement");
    ts_option_warn_alone(set, "fine-grained-expert-placement-thre", o->parallel.place_finely,
                         "--enable-fine-grained-expert-placement");
    ts_option_warn_alone(set, "balanced-moe-hot-expert-num", o->parallel.balances, "--balanced-moe-experts");
    ts_option_warn_alone(set, "trans-hot-expert-group-num", o->parallel.balances, "--balanced-moe-experts");
    ts_option_warn_alone(set, "save-hf-dtype", o->train.save_hf || o->train.save_ema_hf, "--save-hf");
}

static void warn_rate(const ts_train_options *t, const ts_option_set *set)
{
    const bool constant = t->lr_decay_style == TS_LR_CONSTANT, wsd = t->lr_decay_style == TS_LR_WSD,
               fraction = t->lr_warmup_fraction > 0;
    static const char *const tail[] = { "lr-wsd-decay-iters", "lr-wsd-decay-samples",
                                        "lr-wsd-decay-style" };
    static const char *const decay[] = { "lr-decay-iters", "lr-decay-samples" };
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++)
        ts_option_warn_alone(set, tail[i], wsd, "--lr-decay-style WSD");
    for (size_t i = 0; i < sizeof decay / sizeof *decay; i++)
        ts_option_warn_alone(set, decay[i], !constant || fraction,
                             "a decay (--lr-decay-style constant has none)");
    ts_option_warn_alone(set, "min-lr", !constant, "a decay (--lr-decay-style constant has none)");
    ts_option_warn_alone(set, "lr-warmup-init",
                         fraction || t->lr_warmup_iters || t->lr_warmup_samples,
                         "a warm-up (--lr-warmup-iters, -samples or -fraction)");
    ts_option_warn_alone(set, "ema-decay", ts_train_has_ema(t), "--optimizer-selection fused_ema_adamw");
    ts_option_warn_alone(set, "decoupled-min-lr", t->decoupled_lr >= 0, "--decoupled-lr");
}

static void warn_optimizer(const ts_train_options *t, const ts_option_set *set)
{
    static const char *const of_adam[] = { "adam-beta1", "adam-beta2", "adam-eps" };
    static const char *const of_lion[] = { "lion-beta1", "lion-beta2" };
    static const char *const of_muon[] = { "muon-momentum", "muon-nesterov", "muon-use-nesterov",
                                           "muon-no-split-qkv", "muon-split-qkv-per-head", "muon-scale-mode",
                                           "muon-extra-scale-factor", "muon-fp32-matmul-prec",
                                           "muon-coefficient-type", "muon-num-ns-steps", "muon-tp-mode",
                                           "muon-scalar-optimizer" };
    static const char *const of_apollo[] = { "apollo-target", "apollo-rank", "apollo-update-interval", "apollo-scale",
                                             "apollo-proj", "apollo-proj-type", "apollo-scale-type",
                                             "apollo-layerwise" };
    static const char *const of_galore[] = { "galore-target", "galore-rank", "galore-update-interval", "galore-scale",
                                             "galore-proj-type", "galore-layerwise" };
    ts_option_warn_alone(set, "weight-quant", ts_train_is_lowrank(t), "--use-apollo or --use-galore");
    const bool muon = t->optimizer == TS_OPTIMIZER_MUON, other = muon && t->matrix.scalar == TS_SCALAR_LION;
    for (size_t i = 0; i < sizeof of_adam / sizeof *of_adam; i++)
        ts_option_warn_alone(set, of_adam[i], ts_train_is_adam(t) || (muon && !other),
                             "--optimizer adam");
    for (size_t i = 0; i < sizeof of_lion / sizeof *of_lion; i++)
        ts_option_warn_alone(set, of_lion[i], t->optimizer == TS_OPTIMIZER_LION || other, "--optimizer lion");
    for (size_t i = 0; i < sizeof of_muon / sizeof *of_muon; i++)
        ts_option_warn_alone(set, of_muon[i], muon, "--optimizer muon");
    for (size_t i = 0; i < sizeof of_apollo / sizeof *of_apollo; i++)
        ts_option_warn_alone(set, of_apollo[i], t->matrix.apollo, "--use-apollo");
    for (size_t i = 0; i < sizeof of_galore / sizeof *of_galore; i++)
        ts_option_warn_alone(set, of_galore[i], t->matrix.galore, "--use-galore");
    ts_option_warn_alone(set, "qk-clip-alpha", t->qk_clip, "--qk-clip");
    ts_option_warn_alone(set, "qk-clip-threshold", t->qk_clip, "--qk-clip");
    ts_option_warn_alone(set, "sgd-momentum", t->optimizer == TS_OPTIMIZER_SGD, "--optimizer sgd");
}

/* A decay may be longer than the run, and so may the warm-up then. */
static void warn_run_length(const ts_train_options *t, int dp)
{
    if (t->epochs > 0 && (t->train_iters || t->train_samples))
        ts_log(TS_LOG_WARN, "--num-train-epochs has no effect beside --%s", t->train_iters ? "train-iters" : "train-samples");
    if (ts_train_counts_epochs(t)) /* how long that is is not known here */
        return;
    const int64_t batch = ts_train_global_batch(t, dp),
                  samples = t->train_samples ? t->train_samples : t->train_iters * batch;
    ts_lr_schedule s;
    if (ts_lr_schedule_init(&s, t, batch) == TS_OK && s.warmup > (double)samples)
        ts_log(TS_LOG_WARN,
               "the warm-up is longer than the run: --lr is not reached in --%s (a warm-up of %.0f "
               "sequences, a run of %lld)",
               t->train_iters ? "train-iters" : "train-samples", s.warmup, (long long)samples);
}

static void warn_precision(const ts_job_options *o, const ts_option_set *set)
{
    static const char *const dynamic[] = { "initial-loss-scale", "min-loss-scale",
                                           "loss-scale-window", "hysteresis" };
    const bool fixed = o->train.loss_scale > 0;
    ts_option_warn_alone(set, "loss-scale", o->runtime.fp16, "--fp16");
    for (size_t i = 0; i < sizeof dynamic / sizeof *dynamic; i++) {
        ts_option_warn_alone(set, dynamic[i], o->runtime.fp16, "--fp16");
        ts_option_warn_alone(set, dynamic[i], !o->runtime.fp16 || !fixed,
                             "a scale that changes (--loss-scale gives a fixed one)");
    }
    ts_option_warn_alone(set, "packed-weights", o->runtime.bf16, "--bf16");
    ts_option_warn_alone(set, "swap-optimizer-times", o->train.swap_optimizer, "--swap-optimizer");
}

static void warn_data(const ts_job_options *o, const ts_option_set *set)
{
    const ts_data_options *d = &o->data;
    const bool parts = d->train_data_path.n || d->valid_data_path.n || d->test_data_path.n,
               evaluates = o->train.eval_iters > 0;
    ts_option_warn_alone(set, "split", !parts && !d->mock_data, "--data-path");
    ts_option_warn_alone(set, "data-cache-path", !d->mock_data, "files (--mock-data has none)");
    ts_option_warn_alone(set, "no-data-sharding", d->dataloader_type == TS_DATALOADER_CYCLIC,
                         "--dataloader-type cyclic");
    ts_option_warn_alone(set, "eval-interval", evaluates, "evaluations (--eval-iters is 0)");
    ts_option_warn_alone(set, "valid-data-path", evaluates, "evaluations (--eval-iters is 0)");
    ts_option_warn_alone(set, "test-data-path", evaluates, "evaluations (--eval-iters is 0)");
}

static void warn_tokenizer(const ts_text_options *t, const ts_option_set *set)
{
    const bool given = ts_text_options_given(t),
               null = given && t->type && !strcmp(t->type, "NullTokenizer"), files = given && !null;
    static const char *const of_files[] = { "tokenizer-kwargs", "tiktoken-pattern",
                                            "tiktoken-special", "tiktoken-special-tokens" };
    static const char *const names[] = { "tokenizer-name-or-path", "tokenizer-model", "vocab-file",
                                         "merge-file" };
    ts_option_warn_alone(set, "vocab-size", null || !given,
                         "--tokenizer-type NullTokenizer (the tokenizer given has its own)");
    for (size_t i = 0; i < sizeof of_files / sizeof *of_files; i++)
        ts_option_warn_alone(set, of_files[i], files, "a tokenizer's files");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ts_option_warn_alone(set, names[i], !null,
                             "a --tokenizer-type that reads files (NullTokenizer reads none)");
    ts_option_warn_alone(set, "merge-file", t->vocab_file, "--vocab-file");
}

static void warn_sums(const ts_train_options *t, const ts_option_set *set, int dp)
{
    ts_option_warn_alone(set, "grad-reduce-in-bf16", dp > 1, "several processes (mpirun -n N)");
    ts_option_warn_alone(set, "overlap-grad-reduce", !t->grad_reduce_in_bf16,
                         "sums in fp32 (--grad-reduce-in-bf16 makes them after the backward pass)");
}

static void warn_sharing(const ts_parallel_options *p, const ts_option_set *set, int dp)
{
    static const char *const sharing[] = { "use-distributed-optimizer", "use-megatron-fsdp",
                                           "use-torch-fsdp2", "enable-zero3", "layerzero" };
    for (size_t i = 0; i < sizeof sharing / sizeof *sharing; i++)
        ts_option_warn_alone(set, sharing[i], dp > 1, "several processes that train the same weights");
    ts_option_warn_alone(set, "overlap-param-gather", p->distributed_optimizer || p->megatron_fsdp,
                         "--use-distributed-optimizer");
    ts_option_warn_alone(set, "data-parallel-sharding-strategy", p->megatron_fsdp, "--use-megatron-fsdp");
    ts_option_warn_alone(set, "fsdp2-config-path", p->torch_fsdp, "--use-torch-fsdp2");
    ts_option_warn_alone(set, "layerzero-config", p->layerzero, "--layerzero");
}

static void warn_context(const ts_parallel_options *p, const ts_option_set *set)
{
    static const char *const names[] = { "context-parallel-algo", "cp-type", "ulysses-degree-in-cp",
                                         "cp-window-size", "context-parallel-kv-cache-policy",
                                         "use-ulysses-allgather-kv" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ts_option_warn_alone(set, names[i], p->context > 1, "--context-parallel-size above 1");
    ts_option_warn_alone(set, "context-parallel-cache-interval",
                         p->context > 1 && p->context_keep != TS_CONTEXT_KEEP_NONE,
                         "--context-parallel-kv-cache-policy");
}

static void warn_seeing(const ts_job_options *o, const ts_option_set *set)
{
    const ts_train_options *t = &o->train;
    const bool free_order = !t->deterministic;
    ts_option_warn_alone(set, "tensorboard-log-interval", t->tensorboard_dir, "--tensorboard-dir");
    ts_option_warn_alone(set, "log-validation-ppl-to-tensorboard", t->tensorboard_dir,
                         "--tensorboard-dir");
    ts_option_warn_alone(set, "peak-tflops", t->metrics_jsonl, "--metrics-jsonl");
    ts_option_warn_alone(set, "overlap-grad-reduce", free_order,
                         "an order of sums that is free (--deterministic-mode fixes it)");
    ts_option_warn_alone(set, "ddp-bucket-size", free_order,
                         "an order of sums that is free (--deterministic-mode fixes it)");
}

static void warn_overlap_of_groups(const ts_parallel_options *p, const ts_option_set *set)
{
    static const char *const of_coc[] = { "coc-parallel-num", "coc-mode", "coc-fused-kernel" };
    static const char *const of_tp[] = { "disable-tp-comm-overlap-ag", "disable-tp-comm-overlap-rs",
                                         "tp-comm-overlap-cfg" };
    static const char *const of_groups[] = { "use-ascend-coc", "use-ascend-mc2", "tp-comm-overlap" };
    const bool shares = p->tensor > 1;
    for (size_t i = 0; i < sizeof of_coc / sizeof *of_coc; i++)
        ts_option_warn_alone(set, of_coc[i], p->coc, "--use-ascend-coc");
    for (size_t i = 0; i < sizeof of_tp / sizeof *of_tp; i++)
        ts_option_warn_alone(set, of_tp[i], p->tp_overlap, "--tp-comm-overlap");
    ts_parallel_overlap_warn(p);
    for (size_t i = 0; i < sizeof of_groups / sizeof *of_groups; i++)
        ts_option_warn_alone(set, of_groups[i], shares, "--tensor-model-parallel-size of 2 or more");
}

void ts_job_warn_alone(const ts_job_options *o, const ts_option_set *set, int dp)
{
    warn_saving(o, set);
    warn_rate(&o->train, set);
    warn_optimizer(&o->train, set);
    warn_run_length(&o->train, dp);
    warn_precision(o, set);
    ts_narrow_options_warn(&o->narrow, set);
    ts_distill_options_warn(&o->distill, set);
    ts_lora_options_warn(&o->lora, set);
    ts_recompute_warn(&o->train, set);
    ts_pipeline_options_warn(&o->parallel, set);
    if (ts_tuning_on(&o->tuning))
        ts_tuning_options_warn(&o->tuning, set), ts_prefer_options_warn(o->tuning.stage, set),
            ts_head_options_warn(o->tuning.stage, set);
    else
        ts_option_warn_alone(set, "variable-seq-lengths", o->parallel.pipeline > 1, "stages (--pipeline-model-parallel-size)");
    warn_data(o, set);
    warn_tokenizer(&o->text, set);
    warn_sums(&o->train, set, dp);
    warn_sharing(&o->parallel, set, dp);
    warn_context(&o->parallel, set);
    warn_seeing(o, set);
    warn_overlap_of_groups(&o->parallel, set);
    ts_model_options_warn(&o->model, set);
    ts_profile_options_warn(&o->profile, set);
}
