#include "train/job.h"

#include "base/log.h"
#include "ckpt/check.h"
#include "parallel/context.h"
#include "train/together.h"

#include <stdio.h>
#include <string.h>

ts_status ts_job_check_target(const ts_job *j)
{
    const ts_train_options *o = &j->o->train;
    const char *load = j->o->runtime.load;
    char begins[64] = "from the beginning";
    bool continues = false;
    int64_t n, last;
    if (!o->save || o->override_checkpoints || o->skip_train)
        return TS_OK;
    if (j->loaded >= 0 && !o->finetune) {
        TS_TRY(ts_ckpt_is_in(load, o->save, &continues));
        snprintf(begins, sizeof begins, "from iteration %lld of --load", (long long)j->loaded);
    }
    TS_TRY(ts_ckpt_beyond(o->save, continues ? j->loaded : -1, &n, &last));
    if (n && continues)
        ts_log(TS_LOG_WARN,
               "the run is set back to iteration %lld: what %s holds beyond (up to iteration %lld) "
               "is written again",
               (long long)j->loaded, o->save, (long long)last);
    if (!n || continues)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "--save %s holds checkpoints of another run, up to iteration %lld, and this one "
                    "starts %s%s: continue that one with --load %s, choose another folder, or write "
                    "over them with --override-checkpoints",
                    o->save, (long long)last, begins, o->finetune ? " (--finetune)" : "", o->save);
}

/* Rows are shared out evenly. */
static ts_status check_rows(const ts_job *j, int rank)
{
    const ts_train_options *o = &j->o->train;
    const ts_spread *spread = j->spread.comm ? &j->spread : NULL;
    const ts_stretches here = ts_spread_rows(spread, o->seq_length, rank);
    const int64_t size = j->mesh->size[TS_MESH_TP], rows = ts_stretches_count(&here);
    if (!j->o->parallel.sequence || rows % size == 0)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "--sequence-parallel: --tensor-model-parallel-size %lld does not divide %s %lld",
                    (long long)size, spread ? "a process's share of --seq-length," : "--seq-length",
                    (long long)rows);
}

static ts_status check_layout(ts_job *j)
{
    ts_comm *cp = j->mesh->comm[TS_MESH_CP];
    if (cp->size > 1)
        TS_TRY(ts_context_spread(&j->o->parallel, cp, j->o->train.seq_length, &j->spread));
    for (int r = 0; r < cp->size; r++)
        TS_TRY(check_rows(j, r));
    return TS_OK;
}

/* What processes share out of a model's parameters. */
static ts_status check_sharing(const ts_job *j)
{
    const ts_sharing *s = &j->sharers.sharing;
    const bool is_far = j->dev->computes && !j->dev->on_host;
    if (s->by_unit && s->near)
        return ts_error(TS_ERR_USER, "%s: every process has all gradients, in fp32: leave --main-grads-dtype and "
                                     "--quant-grads out", s->option);
    if (s->by_unit && (s->level || j->sharers.copies) && is_far)
        return ts_error(TS_ERR_USER, "--main-grads-dtype and --quant-grads: what several processes sum must be in the "
                                     "host's memory, and that of this device is not: leave them out");
    const bool apart = ts_mesh_parts_experts(j->mesh);
    if (apart && s->near)
        return ts_error(TS_ERR_USER, "%s keeps values with near processes, which experts on other processes "
                                     "(--expert-model-parallel-size) have none of: give --use-megatron-fsdp", s->option);
    if (apart && j->sharers.copies && !j->sharers.expert_share)
        return ts_error(TS_ERR_USER, "%s: groups of %lld processes share out, of which each must have all experts: give "
                                     "another number", s->option, (long long)s->group);
    if (!s->level)
        return TS_OK;
    if (s->level == TS_SHARD_VALUES && j->o->train.reuse_fp32_param)
        return ts_error(TS_ERR_USER, "%s shares the values out, which --reuse-fp32-param keeps everywhere: it goes with "
                                     "--use-distributed-optimizer", s->option);
    if (s->level == TS_SHARD_VALUES && j->o->train.swap_optimizer)
        return ts_error(TS_ERR_USER, "%s brings values from the masters in every pass, so that these cannot wait in "
                                     "the host's memory: --swap-optimizer goes with --use-distributed-optimizer",
                        s->option);
    const char *computes = j->compute == TS_DTYPE_BF16 ? "bf16" : j->compute == TS_DTYPE_F16 ? "fp16" : "fp32";
    if (*s->values && strcmp(s->values, computes))
        return ts_error(TS_ERR_USER, "%s: its file has param_dtype %s, but the run computes in %s: give that, or "
                                     "compute in it", s->option, s->values, computes);
    if (j->sharers.copies && j->o->train.deterministic)
        return ts_error(TS_ERR_USER,
                        "--deterministic-mode adds in the order of the global batch, which groups of %lld "
                        "processes (%s) do not: share out among all %d",
                        (long long)s->group, s->option, j->mesh->size[TS_MESH_DP_CP]);
    return TS_OK;
}

/* Both moments are in one piece each. */
static ts_status check_virtual(const ts_job *j)
{
    const ts_option_list *l = &j->o->train.virtual_optimizer;
    const int64_t stages = j->o->parallel.pipeline;
    if (l->n > 1 && l->n != stages)
        return ts_error(TS_ERR_USER, "--virtual-optimizer has %lld numbers, for %lld stages (--pipeline-model-parallel-size): "
                                     "give one, or one for each stage", (long long)l->n, (long long)stages);
    if (l->n && strcmp(l->v[0], "all") && j->dev->computes && !j->dev->on_host)
        return ts_error(TS_ERR_USER, "--virtual-optimizer %s: a part of the moments can only be elsewhere on a device whose "
                                     "memory is the host's: give all", l->v[0]);
    return TS_OK;
}

ts_status ts_job_check_options(ts_job *j, bool with_data)
{
    const ts_job_options *o = j->o;
    const int replicas = j->mesh->size[TS_MESH_DP];
    if (!ts_option_given(j->set, "lr") && !o->train.skip_train && with_data) /* a plan asks for no rate */
        return ts_error(TS_ERR_USER, "--lr is missing");
    TS_TRY(ts_train_options_check(&o->train, replicas));
    TS_TRY(ts_job_check_together(o, j->set));
    TS_TRY(ts_parallel_overlap(&o->parallel, &j->parts));
    if (o->parallel.in_advance && o->parallel.pipeline > 1 && o->train.recompute_granularity != TS_GRANULARITY_FULL)
        return ts_error(TS_ERR_USER, "--recompute-in-advance goes with --recompute-granularity full");
    if (o->train.skip_train && !with_data)
        return ts_error(TS_ERR_USER, "--skip-train: there is no step of training to plan");
    if (o->train.main_params_dtype != TS_STATE_F32 && j->compute != TS_DTYPE_BF16)
        return ts_error(TS_ERR_USER, "--main-params-dtype bf16 goes with --bf16");
    TS_TRY(ts_batch_ramp_init(&j->ramp, &o->train, replicas));
    if (o->train.grad_reduce_in_bf16 && j->compute != TS_DTYPE_BF16)
        return ts_error(TS_ERR_USER, "--grad-reduce-in-bf16 goes with --bf16");
    TS_TRY(check_sharing(j));
    if (o->train.zero_memory == TS_ZERO_MEMORY_ALL && o->parallel.dispatcher == TS_DISPATCHER_ALL_GATHER &&
        ts_mesh_parts_experts(j->mesh))
        return ts_error(TS_ERR_USER, "--moe-zero-memory level1 goes with --moe-token-dispatcher-type alltoall");
    if (o->train.zero_memory == TS_ZERO_MEMORY_ALL && ts_parallel_sends_in_parts(&o->parallel))
        return ts_error(TS_ERR_USER, "--moe-zero-memory level1 makes all that was sent again at once: leave out "
                                     "--balanced-moe-experts, --moe-experts-pipeline-degree and --use-pipe-experts, or give "
                                     "level0");
    if (o->train.reuse_fp32_param && j->compute != TS_DTYPE_BF16)
        return ts_error(TS_ERR_USER, "--reuse-fp32-param goes with --bf16");
    TS_TRY(check_virtual(j));
    return check_layout(j);
}
