#include "train/layout.h"

#include "base/mem.h"
#include "model/folder.h"
#include "model/open.h"
#include "parallel/dist_train.h"
#include "parallel/rules.h"

static ts_status describe_checkpoint(const ts_job_options *o, ts_arch *a)
{
    const ts_family *family;
    json_t *config = NULL;
    ts_checkpoint *ck;
    TS_TRY(ts_checkpoint_open(o->runtime.load, o->train.ckpt_step,
                              TS_CKPT_MODEL_ONLY | TS_CKPT_UNCHECKED, NULL, &ck));
    const ts_status st = ts_checkpoint_describe(ck, &family, a, &config);
    json_decref(config);
    ts_checkpoint_close(&ck);
    return st;
}

static ts_status describe_folder(const ts_job_options *o, ts_arch *a)
{
    const ts_family *family;
    json_t *config = NULL;
    const ts_status st = ts_folder_read(o->runtime.load, &family, a, &config);
    json_decref(config);
    return st;
}

/* The vocabulary may be a tokenizer's, which is read later: 0 then. */
static ts_status describe(const ts_job_options *o, const ts_option_set *set, ts_arch *a)
{
    const char *load = o->runtime.load;
    const int64_t vocab = o->text.vocab_size;
    if (load && ts_checkpoint_is(load))
        return describe_checkpoint(o, a);
    if (load && ts_model_is_hf(load)) {
        TS_TRY(describe_folder(o, a));
        a->mtp_layers = o->model.mtp_layers;
        return TS_OK;
    }
    TS_TRY(ts_model_describe(&o->model, set, vocab > 0 ? vocab : 1, a));
    if (!vocab && !ts_model_is_named(&o->model) && !o->model.padded_vocab_size)
        a->vocab = 0;
    return TS_OK;
}

/* a NULL: no model is known. empty: layers that are none. */
static ts_status check_with(const ts_job_options *o, const ts_arch *a, int64_t world, const int64_t *empty,
                            int64_t n_empty)
{
    ts_layout l = { .world = world, .tp = o->parallel.tensor, .cp = o->parallel.context, .pp = o->parallel.pipeline,
                    .ep = ts_parallel_expert_size(&o->parallel), .etp = o->parallel.tensor_extends_experts ? 1 : o->parallel.expert_tensor,
                    .experts = -1,
                    .micro = o->train.micro_batch_size,
                    .seq_length = o->train.seq_length, .empty = empty, .n_empty = n_empty,
                    .o = &o->parallel };
    if (o->train.global_batch_size || o->train.accumulation)
        l.global = ts_train_global_batch(&o->train, world / (l.tp * l.cp * l.pp));
    int64_t *sizes;
    TS_TRY(ts_train_micro_sizes(&o->train, &sizes, &l.n_micro));
    ts_free(&sizes);
    l.micro = l.n_micro ? 1 : l.micro;
    return a ? ts_layout_check_model(&l, a) : ts_layout_check(&l);
}

static ts_status check(const ts_job_options *o, const ts_arch *a, int64_t world)
{
    int64_t *empty, n;
    TS_TRY(ts_model_noop_layers(&o->model, &empty, &n));
    const ts_status st = check_with(o, a, world, empty, n);
    ts_free(&empty);
    return st;
}

ts_status ts_job_check_layout_of(const ts_job_options *o, const ts_arch *a, int64_t world)
{
    return check(o, a, world);
}

/* A language model is one network. */
static ts_status check_networks(const ts_parallel_options *o, int64_t world)
{
    static const char *const names[] = { "gpt" };
    ts_dist_train d;
    TS_TRY(ts_dist_train_read(o, names, 1, world, &d));
    return ts_dist_train_alone(&d, o);
}

ts_status ts_job_check_layout(const ts_job_options *o, const ts_option_set *set, int64_t world)
{
    ts_arch a;
    TS_TRY(check_networks(&o->parallel, world));
    ts_arch_init(&a);
    const bool known = describe(o, set, &a) == TS_OK;
    const ts_status st = check(o, known ? &a : NULL, world);
    ts_arch_deinit(&a);
    return st;
}
