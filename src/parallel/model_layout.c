/* What the rules need to know of a model. */
#include "base/mem.h"
#include "parallel/rules.h"

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

static void take(const ts_arch *a, ts_layout *l)
{
    const bool beside = ts_arch_has(a, TS_ATTENTION_BESIDE) || ts_arch_has(a, TS_ATTENTION_HYBRID);
    const bool attends = ts_arch_has(a, TS_ATTENTION_SOFTMAX) || ts_arch_has(a, TS_ATTENTION_LATENT) || beside;
    l->heads = attends ? a->n_heads : 0, l->kv_heads = attends ? a->n_kv_heads : 0;
    l->ffn = ts_arch_has_mlp(a) ? a->ffn : 0, l->hidden = a->hidden;
    l->experts = a->n_experts;
    l->expert_ffn = a->n_experts ? a->expert_ffn : 0, l->shared_ffn = a->n_experts ? a->shared_ffn : 0;
    if (ts_arch_has(a, TS_ATTENTION_MAMBA) || beside)
        l->scan_heads = a->mamba.heads, l->scan_groups = a->mamba.groups, l->scan_norms = a->mamba.norm_groups;
    if (ts_arch_has(a, TS_ATTENTION_DELTA) || ts_arch_has(a, TS_ATTENTION_KDA))
        l->scan_heads = a->delta.heads, l->scan_groups = a->delta.key_heads;
    if (ts_arch_has(a, TS_ATTENTION_MAMBA3))
        l->scan_heads = a->mamba3.heads, l->scan_groups = a->mamba3.groups, l->scan_common = true;
    if (ts_arch_has(a, TS_ATTENTION_SELECTIVE))
        l->scan_heads = l->scan_groups = a->selective.channels, l->scan_joins = true;
    if (ts_arch_has(a, TS_ATTENTION_CONV))
        l->scan_heads = l->scan_groups = a->hidden;
    l->vocab = a->vocab, l->n_layers = a->n_layers, l->tied = a->tied, l->mtp_layers = a->mtp_layers;
    l->head_groups = ts_arch_has(a, TS_ATTENTION_COMPRESSED) ? a->out_groups : 0;
    l->latent = a->kv_lora_rank > 0, l->indexed = a->index_heads > 0 && !l->head_groups;
    l->norms_of_heads = a->qk_norm == TS_QK_NORM_OWN;
}

ts_status ts_layout_check_model(const ts_layout *sizes, const ts_arch *a)
{
    ts_layout l = *sizes;
    take(a, &l);
    if (ts_arch_borrows(a) || ts_arch_shares_choices(a))
        TS_TRY(count_lenders(a, &l.lenders));
    TS_TRY(ts_layout_check(&l));
    return check_layers(a, l);
}
