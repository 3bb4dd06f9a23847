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

/* At the border where most are read: a layer is read from behind itself up to its last reader. */
static ts_status count_lenders(const ts_arch *a, int64_t *most)
{
    int64_t *last;
    TS_TRY(ts_alloc(&last, (size_t)a->n_layers, sizeof *last));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int64_t of[] = { a->layer[i].keys_of, a->layer[i].choices_of };
        for (int k = 0; k < 2; k++)
            if (of[k])
                last[of[k] - 1] = i;
    }
    for (int64_t at = 1; at < a->n_layers; at++) {
        int64_t now = 0;
        for (int64_t i = 0; i < at; i++)
            now += last[i] >= at;
        *most = now > *most ? now : *most;
    }
    ts_free(&last);
    return TS_OK;
}

/* Layers whose heads or MLPs are others than the model's. */
static ts_status check_layers(const ts_arch *a, ts_layout l)
{
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int64_t kv = l.kv_heads ? ts_layer_kv_heads(a, i) : 0, ffn = l.ffn ? ts_layer_ffn(a, i) : 0,
                      heads = l.heads ? ts_layer_heads(a, i) : 0;
        if (kv == l.kv_heads && ffn == l.ffn && heads == l.heads)
            continue;
        l.heads = heads, l.kv_heads = kv, l.ffn = ffn;
        TS_TRY(ts_layout_check(&l));
    }
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
    if (a) {
        const bool beside = ts_arch_has(a, TS_ATTENTION_BESIDE) || ts_arch_has(a, TS_ATTENTION_HYBRID);
        const bool attends = ts_arch_has(a, TS_ATTENTION_SOFTMAX) || ts_arch_has(a, TS_ATTENTION_LATENT) || beside;
        l.heads = attends ? a->n_heads : 0, l.kv_heads = attends ? a->n_kv_heads : 0;
        l.ffn = ts_arch_has_mlp(a) ? a->ffn : 0, l.hidden = a->hidden;
        l.experts = a->n_experts;
        l.expert_ffn = a->n_experts ? a->expert_ffn : 0, l.shared_ffn = a->n_experts ? a->shared_ffn : 0;
        if (ts_arch_has(a, TS_ATTENTION_MAMBA) || beside)
            l.scan_heads = a->mamba.heads, l.scan_groups = a->mamba.groups, l.scan_norms = a->mamba.norm_groups;
        if (ts_arch_has(a, TS_ATTENTION_DELTA) || ts_arch_has(a, TS_ATTENTION_KDA))
            l.scan_heads = a->delta.heads, l.scan_groups = a->delta.key_heads;
        if (ts_arch_has(a, TS_ATTENTION_MAMBA3))
            l.scan_heads = a->mamba3.heads, l.scan_groups = a->mamba3.groups, l.scan_common = true;
        if (ts_arch_has(a, TS_ATTENTION_SELECTIVE))
            l.scan_heads = l.scan_groups = a->selective.channels, l.scan_joins = true;
        if (ts_arch_has(a, TS_ATTENTION_CONV))
            l.scan_heads = l.scan_groups = a->hidden;
        l.vocab = a->vocab, l.n_layers = a->n_layers, l.tied = a->tied, l.mtp_layers = a->mtp_layers;
        l.head_groups = ts_arch_has(a, TS_ATTENTION_COMPRESSED) ? a->out_groups : 0;
        l.latent = a->kv_lora_rank > 0, l.indexed = a->index_heads > 0 && !l.head_groups;
        l.norms_of_heads = a->qk_norm == TS_QK_NORM_OWN;
    }
    if (a && (ts_arch_borrows(a) || ts_arch_shares_choices(a)))
        TS_TRY(count_lenders(a, &l.lenders));
    TS_TRY(ts_layout_check(&l));
    return a ? check_layers(a, l) : TS_OK;
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
