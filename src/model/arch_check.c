/* What a description may be. */
#include "device/kernels/delta.h"
#include "device/kernels/dsa.h"
#include "device/kernels/hyper.h"
#include "device/kernels/ngram.h"
#include "model/arch_rows.h"
#include "model/vision.h"

#include <math.h>

static ts_status check_bounds(const ts_arch *a, const ts_field_row *r, const char *file)
{
    const double v = ts_field_get(a, r);
    const bool within = isfinite(v) && (r->above ? v > r->lo : v >= r->lo) && v <= r->hi;
    if (within)
        return TS_OK;
    if (r->type == TS_FIELD_INT)
        return ts_error(TS_ERR_USER, "%s: %s is %.0f, expected %.0f to %.0f", file, r->name, v,
                        r->lo, r->hi);
    return ts_error(TS_ERR_USER, "%s: %s is %g, expected a number %s %g (and at most %.10g)", file,
                    r->name, v, r->above ? "above" : "not below", r->lo, r->hi);
}

static ts_status check_norms(const ts_arch *a, const char *file)
{
    if (!a->pre_norm && !a->post_norm)
        return ts_error(TS_ERR_USER, "%s: a layer needs a norm before or after its parts", file);
    if (a->norm_bias && (a->post_norm || a->norm != TS_NORM_LAYER))
        return ts_error(TS_ERR_USER, "%s: norms with a bias are layer norms before a layer's parts",
                        file);
    if (a->unit_head && (a->tied || a->bias_head))
        return ts_error(TS_ERR_USER, "%s: an output layer with rows of length one has no bias and is no embedding",
                        file);
    if (a->norm_bare && (a->norm_bias || a->norm_offset > 0))
        return ts_error(TS_ERR_USER, "%s: norms without weights have no bias, and nothing counts from 1", file);
    if (a->shared_norm && !a->parallel_residual)
        return ts_error(TS_ERR_USER, "%s: one norm for attention and MLP needs a parallel residual", file);
    if (a->parallel_residual && (!a->pre_norm || a->post_norm))
        return ts_error(TS_ERR_USER,
                        "%s: a parallel residual needs norms before attention and MLP only", file);
    return TS_OK;
}

static ts_status check_latent(const ts_arch *a, const char *file)
{
    const long long rope = a->qk_rope_dim, head = a->head_dim, value = a->v_head_dim;
    if (rope < 2 || rope % 2 || rope >= head || value < 1)
        return ts_error(TS_ERR_USER,
                        "%s: latent attention with heads of %lld values of which %lld are rotated, and "
                        "%lld of a value: expected an even number of at least 2 rotated ones and others "
                        "beside them (qk_nope_head_dim, qk_rope_head_dim, v_head_dim)",
                        file, head, rope, value);
    if (a->n_kv_heads != a->n_heads)
        return ts_error(TS_ERR_USER,
                        "%s: num_key_value_heads is %lld, but heads of latent attention have keys of "
                        "their own: expected num_attention_heads, which is %lld",
                        file, (long long)a->n_kv_heads, (long long)a->n_heads);
    if (a->qk_norm != TS_QK_NORM_NONE || a->bias_qkv || a->attn_sinks || a->qkv_clip > 0 || a->attn_gate || a->head_gate)
        return ts_error(TS_ERR_USER, "%s: latent attention has no norm of heads, no bias or bounds of them, no sinks, no gate",
                        file);
    return TS_OK;
}

/* Choices are made once, of the same keys. */
static ts_status check_choices(const ts_arch *a, const char *file)
{
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int64_t of = a->layer[i].choices_of;
        if (of && (!a->index_heads || of > i || a->layer[of - 1].choices_of || a->layer[i].attention != TS_ATTENTION_LATENT ||
                   a->layer[of - 1].attention != TS_ATTENTION_LATENT))
            return ts_error(TS_ERR_USER,
                            "%s: layer %lld cannot go by the choice of keys of layer %lld: expected an earlier layer of "
                            "latent attention with an indexer of its own (indexer_types, index_topk_freq)",
                            file, (long long)i, (long long)of - 1);
    }
    if (a->mtp_layers && a->layer[a->n_layers - 1].choices_of)
        return ts_error(TS_ERR_USER,
                        "%s: layers that predict further tokens (--mtp-num-layers) are like the last one, which has no "
                        "indexer of its own (indexer_types, index_topk_freq)", file);
    return TS_OK;
}

static ts_status check_indexer(const ts_arch *a, const char *file)
{
    const int64_t wide = a->kv_lora_rank + a->qk_rope_dim, head = a->head_dim > a->v_head_dim ? a->head_dim : a->v_head_dim;
    if (!a->index_heads || ts_arch_has(a, TS_ATTENTION_COMPRESSED))
        return TS_OK;
    if (!a->kv_lora_rank || !a->q_lora_rank)
        return ts_error(TS_ERR_USER, "%s: an indexer reads latent vectors of queries: expected latent attention with "
                                     "q_lora_rank", file);
    if (a->index_dim < a->qk_rope_dim || a->index_topk < 1)
        return ts_error(TS_ERR_USER,
                        "%s: index_head_dim is %lld and index_topk %lld: expected at least the %lld rotated values of a head, "
                        "and at least one key", file, (long long)a->index_dim, (long long)a->index_topk,
                        (long long)a->qk_rope_dim);
    if (a->attn_softcap > 0 || wide > TS_DSA_MOST_DIM || head > TS_DSA_MOST_DIM)
        return ts_error(TS_ERR_USER, "%s: sparse attention has no soft cap, and heads and latent vectors of at most %d values",
                        file, (int)TS_DSA_MOST_DIM);
    return TS_OK;
}

/* Sizes of compressed attention, which all of its layers share. */
static ts_status check_compressed_sizes(const ts_arch *a, const char *file)
{
    const long long heads = a->n_heads, groups = a->out_groups;
    if (a->kv_lora_rank || a->q_lora_rank < 1 || a->n_kv_heads != 1 || a->head_dim > TS_DSA_MOST_DIM)
        return ts_error(TS_ERR_USER,
                        "%s: compressed attention (compress_rates) has one head of keys, which are values too, of at most %d "
                        "values, and latent vectors of queries alone: found num_key_value_heads %lld, head_dim %lld, "
                        "q_lora_rank %lld", file, (int)TS_DSA_MOST_DIM, (long long)a->n_kv_heads, (long long)a->head_dim,
                        (long long)a->q_lora_rank);
    if (groups < 1 || heads % groups || a->out_rank < 1)
        return ts_error(TS_ERR_USER, "%s: o_groups is %lld and o_lora_rank %lld: expected a divisor of the %lld heads "
                                     "(num_attention_heads) and at least 1", file, groups, (long long)a->out_rank, heads);
    if (a->qk_norm != TS_QK_NORM_NONE || a->bias_qkv || a->bias_proj || a->attn_sinks || a->attn_gate || a->norm_bias ||
        a->qkv_clip > 0 || a->attn_softcap > 0 || a->norm != TS_NORM_RMS)
        return ts_error(TS_ERR_USER, "%s: compressed attention has RMS norms, and no biases, gates, bounds, further norms or "
                                     "sinks that are not its own", file);
    return TS_OK;
}

static ts_status check_compressed(const ts_arch *a, const char *file)
{
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_layer_arch *l = &a->layer[i];
        const bool is = l->attention == TS_ATTENTION_COMPRESSED;
        if (!is && (l->compress || l->sparse))
            return ts_error(TS_ERR_USER, "%s: layer %lld compresses keys, but has other attention", file, (long long)i);
        if (l->hashed && (!ts_has_experts(l) || a->zero_experts))
            return ts_error(TS_ERR_USER, "%s: layer %lld chooses experts by a token's number and has none, or some that compute "
                                         "nothing", file, (long long)i);
        if (!is)
            continue;
        TS_TRY(check_compressed_sizes(a, file));
        if (l->window < 1 || l->position != TS_POSITION_ROPE || l->head_dim || l->kv_heads)
            return ts_error(TS_ERR_USER, "%s: layer %lld of compressed attention needs a window (sliding_window) and a rotary "
                                         "embedding", file, (long long)i);
        if (a->rope[l->rope].odd_dim)
            return ts_error(TS_ERR_USER, "%s: %lld values of a head are rotated in pairs (qk_rope_head_dim, partial_rotary_factor): "
                                         "expected an even number", file, (long long)a->rope[l->rope].odd_dim);
        if (l->sparse && (!l->compress || a->index_heads < 1 || a->index_topk < 1 || a->index_dim < a->rope[l->rope].dim))
            return ts_error(TS_ERR_USER,
                            "%s: layer %lld chooses among compressed keys: expected an indexer (index_n_heads, index_topk of 1 "
                            "or more, index_head_dim of at least the %lld rotated values of a head)",
                            file, (long long)i, (long long)a->rope[l->rope].dim);
    }
    return TS_OK;
}

static bool has_experts(const ts_arch *a)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (ts_has_experts(&a->layer[i]))
            return true;
    return false;
}

static ts_status check_experts(const ts_arch *a, const char *file)
{
    const int64_t size = a->router_groups ? a->n_experts / a->router_groups : 0;
    if (!has_experts(a))
        return TS_OK;
    if (a->zero_experts && (a->router_groups > 1 || a->router_score == TS_ROUTE_SPARSEMIXER ||
                            a->n_experts + a->zero_experts > TS_ROUTE_MAX || a->probs_on_input))
        return ts_error(TS_ERR_USER, "%s: %lld experts that compute nothing (zero_expert_num) beside %lld: together they are at "
                                     "most %d, in one group, and their results are weighed", file,
                        (long long)a->zero_experts, (long long)a->n_experts, (int)TS_ROUTE_MAX);
    if (a->n_experts < 1 || a->expert_ffn < 1 || a->experts_per_token < 1 ||
        a->experts_per_token > a->n_experts + a->zero_experts)
        return ts_error(TS_ERR_USER,
                        "%s: %lld experts of width %lld, %lld a token: expected at least one of width 1 or more, "
                        "and no more a token than there are",
                        file, (long long)a->n_experts, (long long)a->expert_ffn, (long long)a->experts_per_token);
    if (a->router_groups < 1 || size * a->router_groups != a->n_experts || a->router_group_topk < 1 ||
        a->router_group_topk > a->router_groups || a->router_group_topk * size < a->experts_per_token ||
        a->router_group_best < 1 || a->router_group_best > size)
        return ts_error(TS_ERR_USER,
                        "%s: %lld experts in %lld groups, of which a token takes %lld (n_group, topk_group): groups "
                        "must be equal, and those of a token hold its %lld experts",
                        file, (long long)a->n_experts, (long long)a->router_groups,
                        (long long)a->router_group_topk, (long long)a->experts_per_token);
    if (a->router_score == TS_ROUTE_SPARSEMIXER && a->experts_per_token > 2)
        return ts_error(TS_ERR_USER, "%s: sparsemixer chooses two experts, not %lld", file,
                        (long long)a->experts_per_token);
    return TS_OK;
}

/* What experts beside an MLP make waits for the layer behind. */
static ts_status check_shortcuts(const ts_arch *a, const char *file)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (a->layer[i].shortcut &&
            (i + 1 == a->n_layers || (a->layer[i].mlp != TS_MLP_GATED && a->layer[i].mlp != TS_MLP_PLAIN) ||
             a->parallel_residual || a->altup_inputs || a->residual_scale != 1))
            return ts_error(TS_ERR_USER, "%s: layer %lld has experts beside its MLP: expected an MLP, a layer behind it, and "
                                         "attention and MLP one after the other", file, (long long)i);
    return TS_OK;
}

/* Their norms take the places of those round the layer's MLP. */
static ts_status check_joined(const ts_arch *a, const char *file)
{
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_layer_arch *l = &a->layer[i];
        if (l->joined && ((l->mlp != TS_MLP_GATED && l->mlp != TS_MLP_PLAIN) || l->shortcut || !a->pre_norm || !a->post_norm ||
                          a->parallel_residual || a->altup_inputs || a->shared_ffn || a->norm_bare))
            return ts_error(TS_ERR_USER,
                            "%s: layer %lld adds experts to its MLP: expected an MLP with norms before and behind it, no shared "
                            "expert, and attention and MLP one after the other", file, (long long)i);
    }
    return TS_OK;
}

/* Its weights are those of one layer, wherever it is used: none of them hangs on the layer. */
static ts_status check_shared(const ts_arch *a, const char *file)
{
    const bool plain = a->pre_norm && !a->post_norm && !a->norm_bias && !a->norm_bare && !a->parallel_residual &&
                       !a->altup_inputs && !a->per_layer_width && !a->mtp_layers && a->residual_scale == 1;
    const bool alone = !a->bias_qkv && !a->bias_proj && !a->bias_fc1 && !a->bias_fc2 && !a->attn_gate && !a->head_gate && !a->attn_sinks &&
                       a->qk_norm == TS_QK_NORM_NONE && !a->value_norm;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_layer_arch *l = &a->layer[i];
        if ((l->attention == TS_ATTENTION_HYBRID) != (l->shared > 0))
            return ts_error(TS_ERR_USER, "%s: layer %lld: a shared block (layer_shared) is of a hybrid layer", file,
                            (long long)i);
        if (!l->shared)
            continue;
        if (l->mlp != TS_MLP_GATED || l->head_dim || l->kv_heads || l->ffn || l->sparsity > 0 || l->keys_of || !plain ||
            !alone)
            return ts_error(TS_ERR_USER,
                            "%s: layer %lld uses a shared block: expected attention and a gated MLP without biases, gates "
                            "and sinks, as wide in all layers, behind norms with weights alone", file, (long long)i);
        if (a->adapts_attention && (a->n_kv_heads != a->n_heads || a->adapter_rank < 1))
            return ts_error(TS_ERR_USER,
                            "%s: adapters of shared attention (use_shared_attention_adapter) have a rank and give keys as "
                            "many heads as queries: num_key_value_heads is %lld, expected %lld, and adapter_rank %lld, "
                            "expected 1 or more",
                            file, (long long)a->n_kv_heads, (long long)a->n_heads, (long long)a->adapter_rank);
    }
    return TS_OK;
}

static ts_status check_act(const ts_arch *a, const char *file)
{
    if (a->gated || (a->act_clamp == 0 && a->glu_offset == 0))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: a clamp or an offset of values (--activation-func-clamp-value, "
                    "--glu-linear-offset) is of gated MLPs: give --swiglu, --geglu or --quick-geglu too", file);
}

/* Whose keys and values it has are an earlier layer's own, made for the same heads. */
static ts_status check_borrowed(const ts_arch *a, int64_t i, const char *file)
{
    const ts_layer_arch *l = &a->layer[i], *of = &a->layer[l->keys_of - 1];
    if (l->attention == TS_ATTENTION_SOFTMAX && l->keys_of <= i && of->attention == TS_ATTENTION_SOFTMAX &&
        !of->keys_of && ts_layer_head_dim(a, i) == ts_layer_head_dim(a, l->keys_of - 1) &&
        ts_layer_kv_heads(a, i) == ts_layer_kv_heads(a, l->keys_of - 1) && !l->one_for_both)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "%s: layer %lld cannot have the keys and values of layer %lld: expected those of an earlier "
                    "layer with heads of the same number and width that makes its own (num_kv_shared_layers)",
                    file, (long long)i, (long long)l->keys_of - 1);
}

static ts_status check_clamps(const ts_arch *a, int64_t i, const char *file)
{
    const ts_layer_arch *l = &a->layer[i];
    if ((l->clamp == 0 && l->shared_clamp == 0) || (a->gated && l->clamp >= 0 && l->shared_clamp >= 0))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: swiglu_limits, swiglu_limits_shared of layer %lld are %g and %g, expected numbers from "
                    "0 on, and above 0 only of gated MLPs", file, (long long)i, l->clamp, l->shared_clamp);
}

static ts_status check_layer(const ts_arch *a, int64_t i, const char *file)
{
    const ts_layer_arch *l = &a->layer[i];
    TS_ASSERT(l->rope >= 0 && l->rope < TS_ARCH_MAX_ROPES, "layer %lld", (long long)i);
    if (l->attention == TS_ATTENTION_LATENT &&
        (!a->kv_lora_rank || (l->position != TS_POSITION_ROPE && l->position != TS_POSITION_NONE)))
        return ts_error(TS_ERR_USER,
                        "%s: layer %lld has latent attention, which needs a rotary embedding (or no positions) and the "
                        "width of its latent vectors (kv_lora_rank)", file, (long long)i);
    if (l->attention == TS_ATTENTION_NONE && l->mlp == TS_MLP_NONE)
        return ts_error(TS_ERR_USER, "%s: layer %lld is empty", file, (long long)i);
    if (a->parallel_residual && (l->attention == TS_ATTENTION_NONE || l->mlp == TS_MLP_NONE))
        return ts_error(TS_ERR_USER, "%s: layer %lld has no two parts to stand side by side", file, (long long)i);
    if (l->keys_of)
        TS_TRY(check_borrowed(a, i, file));
    if (ts_layer_heads(a, i) % ts_layer_kv_heads(a, i))
        return ts_error(TS_ERR_USER, "%s: num_attention_heads is %lld, expected a multiple of the %lld heads of keys "
                        "and values of layer %lld", file, (long long)ts_layer_heads(a, i),
                        (long long)ts_layer_kv_heads(a, i), (long long)i);
    if (l->heads && (l->attention != TS_ATTENTION_SOFTMAX || l->position == TS_POSITION_ALIBI))
        return ts_error(TS_ERR_USER, "%s: layer %lld has another number of heads, which is of softmax attention without "
                        "alibi", file, (long long)i);
    TS_TRY(check_clamps(a, i, file));
    if (!(l->sparsity >= 0 && l->sparsity < 1) || (l->sparsity > 0 && l->mlp != TS_MLP_GATED))
        return ts_error(TS_ERR_USER, "%s: activation_sparsity_pattern of layer %lld is %g, expected a number from 0 to "
                        "below 1, and above 0 only of gated MLPs", file, (long long)i, l->sparsity);
    if (l->window < 0)
        return ts_error(TS_ERR_USER, "%s: sliding_window is %lld, expected 1 or more", file,
                        (long long)l->window);
    if (l->chunk < 0 || (l->chunk && (l->window || l->attention != TS_ATTENTION_SOFTMAX)))
        return ts_error(TS_ERR_USER, "%s: layer %lld: chunks of keys (attention_chunk_size) are of softmax attention "
                        "without a window", file, (long long)i);
    if (l->position == TS_POSITION_ROPE && ts_attends(l->attention) && l->rope >= a->n_ropes)
        return ts_error(TS_ERR_USER, "%s: layer %lld has no rotary embedding", file, (long long)i);
    if ((l->position == TS_POSITION_LEARNED) != (a->position == TS_POSITION_LEARNED))
        return ts_error(TS_ERR_USER,
                        "%s: layer %lld and the model: learned positions come with the embedding, "
                        "of all layers or of none",
                        file, (long long)i);
    return TS_OK;
}

static ts_status check_mtp(const ts_arch *a, const char *file)
{
    if (a->mtp_layers && a->position == TS_POSITION_LEARNED)
        return ts_error(TS_ERR_USER,
                        "%s: layers that predict further tokens (--mtp-num-layers) read embeddings of tokens alone, and "
                        "this model learns positions: expected rotary ones or none (--position-embedding-type)", file);
    return TS_OK;
}

static ts_status check_mamba(const ts_arch *a, const char *file)
{
    const ts_mamba_arch *m = &a->mamba;
    if (!ts_arch_has(a, TS_ATTENTION_MAMBA) && !ts_arch_has(a, TS_ATTENTION_BESIDE) && !ts_arch_has(a, TS_ATTENTION_HYBRID))
        return TS_OK;
    if (m->heads < 1 || m->head_dim < 1 || m->groups < 1 || m->state < 1 || m->conv < 2 || m->norm_groups < 1)
        return ts_error(TS_ERR_USER,
                        "%s: state-space layers need heads, a width of heads, groups and a state of at least 1, and "
                        "a convolution of at least 2", file);
    if (m->heads % m->groups || m->groups % m->norm_groups)
        return ts_error(TS_ERR_USER,
                        "%s: state-space layers of %lld heads in %lld groups: their number must divide the heads",
                        file, (long long)m->heads, (long long)m->groups);
    if (m->dt_max > 0 && m->dt_max < m->dt_min)
        return ts_error(TS_ERR_USER, "%s: steps of state-space layers are held to %g .. %g", file, m->dt_min,
                        m->dt_max);
    return TS_OK;
}

static ts_status check_mamba3(const ts_arch *a, const char *file)
{
    const ts_mamba3_arch *m = &a->mamba3;
    if (!ts_arch_has(a, TS_ATTENTION_MAMBA3))
        return TS_OK;
    return m->heads >= 1 && m->head_dim >= 1 && m->groups >= 1 && m->heads % m->groups == 0 && m->angles >= 1 &&
                   2 * m->angles <= m->state
               ? TS_OK
               : ts_error(TS_ERR_USER,
                          "%s: layers of Mamba 3 of %lld heads, %lld wide, in %lld groups, with %lld angles for a state of "
                          "%lld: expected at least 1 of each, groups that divide the heads, and at most half as many angles "
                          "as numbers of a state", file, (long long)m->heads, (long long)m->head_dim, (long long)m->groups,
                          (long long)m->angles, (long long)m->state);
}

static ts_status check_selective(const ts_arch *a, const char *file)
{
    const ts_selective_arch *s = &a->selective;
    if (!ts_arch_has(a, TS_ATTENTION_SELECTIVE))
        return TS_OK;
    return s->channels >= 1 && s->state >= 1 && s->rank >= 1 && s->conv >= 2
               ? TS_OK
               : ts_error(TS_ERR_USER,
                          "%s: selective scans of %lld channels with a state of %lld, steps of rank %lld and a convolution "
                          "of %lld: expected at least 1 of each, and 2 of the convolution",
                          file, (long long)s->channels, (long long)s->state, (long long)s->rank, (long long)s->conv);
}

static ts_status check_short_conv(const ts_arch *a, const char *file)
{
    return !ts_arch_has(a, TS_ATTENTION_CONV) || a->short_conv.width > 1
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: conv_L_cache is %lld: a short convolution sees 2 rows or more", file,
                          (long long)a->short_conv.width);
}

static ts_status check_delta(const ts_arch *a, const char *file)
{
    const ts_delta_arch *d = &a->delta;
    const bool by_channel = ts_arch_has(a, TS_ATTENTION_KDA);
    if (!ts_arch_has(a, TS_ATTENTION_DELTA) && !by_channel)
        return TS_OK;
    if (d->heads < 1 || d->key_heads < 1 || d->key_dim < 1 || d->value_dim < 1 || d->conv < 2)
        return ts_error(TS_ERR_USER,
                        "%s: linear attention needs heads and widths of keys and values of at least 1, and a "
                        "convolution of at least 2", file);
    if (by_channel && (d->heads != d->key_heads || d->key_dim > TS_KDA_MOST_HEAD || d->value_dim > TS_KDA_MOST_HEAD))
        return ts_error(TS_ERR_USER,
                        "%s: Kimi delta attention with %lld heads of keys, %lld wide, and %lld of values, %lld wide: "
                        "expected as many of each, at most %d wide", file, (long long)d->key_heads,
                        (long long)d->key_dim, (long long)d->heads, (long long)d->value_dim, TS_KDA_MOST_HEAD);
    return d->heads % d->key_heads == 0
               ? TS_OK
               : ts_error(TS_ERR_USER,
                          "%s: linear_num_value_heads is %lld, expected a multiple of linear_num_key_heads, which is "
                          "%lld", file, (long long)d->heads, (long long)d->key_heads);
}

/* Of the layers that this rotary embedding turns. */
static int64_t least_head(const ts_arch *a, int rope)
{
    int64_t least = 0;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const int64_t dim = ts_layer_head_dim(a, i);
        if (a->layer[i].rope == rope && (!least || dim < least))
            least = dim;
    }
    return least ? least : a->head_dim;
}

static ts_status check_per_layer(const ts_arch *a, const char *file)
{
    if (a->value_norm && a->qk_norm != TS_QK_NORM_HEAD)
        return ts_error(TS_ERR_USER, "%s: values are normed where queries and keys are, by head", file);
    if (a->altup_inputs && (a->altup_inputs < 2 || a->altup_active >= a->altup_inputs || !a->per_layer_width ||
                            a->laurel_rank < 1 || !a->pre_norm || !a->post_norm || a->layer_scalar))
        return ts_error(TS_ERR_USER,
                        "%s: %lld streams of which layers work on number %lld (altup_num_inputs, altup_active_idx): "
                        "expected at least 2, one of them, and beside them per-layer embeddings, a laurel_rank of 1 or "
                        "more and norms before and after attention and MLP",
                        file, (long long)a->altup_inputs, (long long)a->altup_active);
    if (a->per_layer_width && (a->per_layer_vocab < 1 || a->parallel_residual))
        return ts_error(TS_ERR_USER,
                        "%s: per-layer embeddings need the rows of their table (vocab_size_per_layer_input), and "
                        "attention and MLP one after the other", file);
    return TS_OK;
}

/* Nothing but attention and an MLP, one after the other, reads and writes several streams. */
static ts_status check_hyper(const ts_arch *a, const char *file)
{
    if (!a->hyper_streams)
        return TS_OK;
    if (a->hyper_streams < 2 || a->hyper_turns < 1 || a->hyper_streams * a->hyper_turns > TS_HYPER_SUMS)
        return ts_error(TS_ERR_USER,
                        "%s: %lld streams (--num-residual-streams) and %lld turns (--mhc-sinkhorn-iterations): expected at "
                        "least 2 and 1, and at most %d of their product", file, (long long)a->hyper_streams,
                        (long long)a->hyper_turns, (int)TS_HYPER_SUMS);
    if (a->altup_inputs || a->per_layer_width || a->layer_scalar || a->parallel_residual || ts_arch_has_shortcuts(a))
        return ts_error(TS_ERR_USER,
                        "%s: hyper-connections (--enable-hyper-connections) are of layers with attention and MLP one after "
                        "the other and nothing beside them: no parallel residual, no per-layer embeddings and no experts "
                        "beside an MLP", file);
    return TS_OK;
}

static ts_status check_ngrams(const ts_arch *a, const char *file)
{
    const int64_t tables = ts_arch_ngram_tables(a);
    if (!a->ngram_order && !a->ngram_splits && a->ngram_ratio == 0)
        return TS_OK;
    if (a->ngram_order < 2 || a->ngram_splits < 1 || a->ngram_ratio <= 0 || tables > TS_NGRAM_MOST_TABLES)
        return ts_error(TS_ERR_USER,
                        "%s: embeddings of n-grams with emb_neighbor_num %lld, emb_split_num %lld and ngram_vocab_size_ratio "
                        "%g: expected all three, at least 2, 1 and more than 0, and at most %d tables, of which there are "
                        "(emb_neighbor_num - 1) emb_split_num", file, (long long)a->ngram_order, (long long)a->ngram_splits,
                        a->ngram_ratio, (int)TS_NGRAM_MOST_TABLES);
    if (a->hidden % tables)
        return ts_error(TS_ERR_USER, "%s: hidden_size is %lld, expected a multiple of the %lld tables of n-grams "
                        "((emb_neighbor_num - 1) emb_split_num)", file, (long long)a->hidden, (long long)tables);
    if (a->ngram_ratio * (double)a->vocab + 2 * TS_NGRAM_MOST_TABLES >= INT32_MAX)
        return ts_error(TS_ERR_USER, "%s: ngram_vocab_size_ratio %g makes tables of %g rows, expected less than %d", file,
                        a->ngram_ratio, a->ngram_ratio * (double)a->vocab, INT32_MAX);
    return a->mtp_layers ? ts_error(TS_ERR_USER, "%s: layers that predict further tokens (--mtp-num-layers, "
                                    "num_nextn_predict_layers) read embeddings of tokens, not of n-grams (emb_neighbor_num)", file)
                         : TS_OK;
}

ts_status ts_arch_check(const ts_arch *a, const char *file)
{
    for (size_t i = 0; i < ts_arch_row_count; i++)
        if (ts_arch_rows[i].name)
            TS_TRY(check_bounds(a, &ts_arch_rows[i], file));
    if (a->temper_by != 0 && a->temper_every < 1)
        return ts_error(TS_ERR_USER, "%s: floor_scale is %lld, expected 1 or more", file, (long long)a->temper_every);
    if (a->n_heads % a->n_kv_heads)
        return ts_error(
            TS_ERR_USER,
            "%s: num_attention_heads is %lld, expected a multiple of num_key_value_heads, "
            "which is %lld",
            file, (long long)a->n_heads, (long long)a->n_kv_heads);
    TS_TRY(check_norms(a, file));
    TS_TRY(check_per_layer(a, file));
    TS_TRY(check_hyper(a, file));
    TS_TRY(check_ngrams(a, file));
    if (a->kv_lora_rank)
        TS_TRY(check_latent(a, file));
    TS_ASSERT(a->layer, "%s: a description without layers", file);
    const bool rotates = ts_arch_rotates(a);
    if (rotates && (a->n_ropes < 1 || a->n_ropes > TS_ARCH_MAX_ROPES))
        return ts_error(TS_ERR_USER, "%s: %d rotary embeddings, expected 1 or 2", file, a->n_ropes);
    for (int i = 0; rotates && i < a->n_ropes; i++)
        TS_TRY(ts_rope_check(&a->rope[i], a->kv_lora_rank ? a->qk_rope_dim : least_head(a, i), file));
    if (a->kv_lora_rank && rotates && a->rope[0].dim != a->qk_rope_dim)
        return ts_error(TS_ERR_USER, "%s: %lld values of a head are rotated, expected all %lld of its "
                        "rotated part", file, (long long)a->rope[0].dim, (long long)a->qk_rope_dim);
    if (a->kv_lora_rank && a->n_ropes && a->rope[0].query_beta > 0)
        return ts_error(TS_ERR_USER, "%s: llama_4_scaling_beta: queries of latent attention are not scaled by their position", file);
    for (int64_t i = 0; i < a->n_layers; i++)
        TS_TRY(check_layer(a, i, file));
    TS_TRY(check_experts(a, file));
    TS_TRY(check_shortcuts(a, file));
    TS_TRY(check_joined(a, file));
    TS_TRY(check_shared(a, file));
    TS_TRY(check_indexer(a, file));
    TS_TRY(check_compressed(a, file));
    TS_TRY(check_choices(a, file));
    TS_TRY(check_mtp(a, file));
    TS_TRY(check_act(a, file));
    TS_TRY(check_mamba(a, file));
    TS_TRY(check_mamba3(a, file));
    TS_TRY(check_selective(a, file));
    TS_TRY(check_short_conv(a, file));
    TS_TRY(check_delta(a, file));
    return a->vision ? ts_vision_check(a, file) : TS_OK;
}
