#include "model/decoder_blocks.h"

#include <math.h>

ts_norm_layer ts_decoder_norm(const ts_arch *a, bool present)
{
    return (ts_norm_layer){ .present = present, .has_bias = a->norm_bias, .width = a->hidden,
                            .op = { .layer = a->norm == TS_NORM_LAYER, .eps = (float)a->norm_eps,
                                    .offset = (float)a->norm_offset },
                            .is_bare = a->norm_bare };
}

static ts_attention_layer attention_of(const ts_arch *a, int64_t layer)
{
    if (!ts_has_heads(ts_arch_block(a, layer)->attention))
        return (ts_attention_layer){ 0 };
    const ts_layer_arch *x = ts_arch_block(a, layer);
    const int64_t heads = ts_layer_heads(a, layer), kv = ts_layer_kv_heads(a, layer), dim = ts_layer_head_dim(a, layer),
                  width = heads * dim;
    const bool rotates = x->position == TS_POSITION_ROPE;
    const double scale = a->attn_scale / (a->attn_by_layer ? (double)(layer + 1) : 1);
    return (ts_attention_layer){
        .n_q = heads, .n_kv = kv, .head_dim = dim,
        .one_for_both = x->one_for_both, .lends = ts_arch_lends(a, layer, layer + 1) & TS_LENDS_KEYS, .keys_of = x->keys_of,
        .keys_raw = a->keys_raw,
        .mask = x->chunk ? ts_mask_chunk(x->chunk) : ts_mask_causal(x->window), .scale = (float)scale,
        .softcap = (float)a->attn_softcap, .clip = (float)a->qkv_clip, .has_gate = a->attn_gate, .has_sinks = a->attn_sinks,
        .gate = { .in = a->hidden, .out = a->head_gate ? heads : 0 },
        .qk_norm = a->qk_norm != TS_QK_NORM_NONE && a->qk_norm != TS_QK_NORM_UNIT, .norm_last = a->qk_norm_last,
        .temper_by = rotates ? 0 : (float)a->temper_by, .temper_every = (float)a->temper_every,
        .qkv = { .in = (x->shared ? 2 : 1) * a->hidden, .has_bias = a->bias_qkv,
                 .out = (a->attn_gate ? 2 : 1) * width + kv * ts_layer_pair(a, layer) },
        .q = { .in = a->hidden, .out = width, .has_bias = a->bias_qkv },
        .proj = { .in = width, .out = a->hidden, .has_bias = a->bias_proj },
        .rope = { .n_q = heads, .n_kv = kv, .head_dim = dim, .norm_values = a->value_norm,
                  .full_norm = a->qk_norm == TS_QK_NORM_FULL,
                  .unit_norm = rotates && a->qk_norm == TS_QK_NORM_UNIT, .own_weights = a->qk_norm == TS_QK_NORM_OWN, .eps = (float)a->norm_eps,
                  .offset = (float)a->norm_offset },
    };
}

/* Its norm has an epsilon of its own (DeepSeek-V3.2's published code). */
static ts_indexer indexer_of(const ts_arch *a, int64_t layer)
{
    const int64_t of = ts_arch_block(a, layer)->choices_of;
    if (!a->index_heads)
        return (ts_indexer){ 0 };
    if (of)
        return (ts_indexer){ .of = of, .topk = a->index_topk };
    return (ts_indexer){ .lends = ts_arch_lends(a, layer, layer + 1) & TS_LENDS_CHOICES,
                         .heads = a->index_heads, .dim = a->index_dim, .topk = a->index_topk,
                         .wq_b = { .in = a->q_lora_rank, .out = a->index_heads * a->index_dim },
                         .wk = { .in = a->hidden, .out = a->index_dim },
                         .k_norm = { .present = true, .has_bias = true, .width = a->index_dim,
                                     .op = { .layer = true, .eps = 1e-6f, .is_kept = true } } };
}

static ts_latent_layer latent_of(const ts_arch *a, int64_t layer)
{
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_LATENT)
        return (ts_latent_layer){ 0 };
    const int64_t heads = a->n_heads, nope = a->head_dim - a->qk_rope_dim, in = a->hidden;
    const double scale = a->attn_scale / (a->attn_by_layer ? (double)(layer + 1) : 1);
    ts_norm_layer norm = ts_decoder_norm(a, a->latent_norm);
    norm.has_bias = false, norm.op.eps = (float)a->latent_eps;
    ts_latent_layer l = {
        .n_heads = heads, .nope = nope, .rope = a->qk_rope_dim, .value = a->v_head_dim,
        .q_rank = a->q_lora_rank, .kv_rank = a->kv_lora_rank,
        .mask = ts_mask_causal(ts_arch_block(a, layer)->window), .scale = (float)scale,
        .softcap = (float)a->attn_softcap,
        .q_down = { .in = in, .out = a->q_lora_rank, .has_bias = a->bias_down },
        .q = { .in = a->q_lora_rank ? a->q_lora_rank : in, .out = heads * a->head_dim },
        .kv_down = { .in = in, .out = a->kv_lora_rank + a->qk_rope_dim, .has_bias = a->bias_down },
        .kv_up = { .in = a->kv_lora_rank, .out = heads * (nope + a->v_head_dim) },
        .proj = { .in = heads * a->v_head_dim, .out = in, .has_bias = a->bias_proj },
        .q_norm = norm, .kv_norm = norm,
        .q_scale = (float)a->q_latent_scale, .kv_scale = (float)a->kv_latent_scale,
    };
    l.q_norm.width = a->q_lora_rank, l.kv_norm.width = a->kv_lora_rank;
    l.indexer = indexer_of(a, layer);
    return l;
}

/* Of entries of the layer, `dim` wide. */
static ts_compressor compressor_of(const ts_arch *a, const ts_layer_arch *l, int64_t dim)
{
    const ts_linear to = { .in = a->hidden, .out = (l->sparse ? 2 : 1) * dim };
    ts_compressor c = { .rate = l->compress, .op = { .dim = dim, .overlaps = l->sparse }, .kv = to, .gate = to,
                        .norm = ts_decoder_norm(a, true) };
    c.norm.width = dim;
    return c;
}

static ts_compressed_layer compressed_of(const ts_arch *a, int64_t layer)
{
    const ts_layer_arch *x = ts_arch_block(a, layer);
    const int64_t dim = a->head_dim, rank = a->q_lora_rank;
    if (x->attention != TS_ATTENTION_COMPRESSED)
        return (ts_compressed_layer){ 0 };
    ts_compressed_layer l = {
        .n_heads = a->n_heads, .dim = dim, .window = x->window, .scale = (float)a->attn_scale, .eps = (float)a->norm_eps,
        .groups = a->out_groups, .rank = a->out_rank,
        .q_down = { .in = a->hidden, .out = rank }, .q = { .in = rank, .out = a->n_heads * dim },
        .kv = { .in = a->hidden, .out = dim }, .proj = { .in = a->out_groups * a->out_rank, .out = a->hidden },
        .q_norm = ts_decoder_norm(a, true), .kv_norm = ts_decoder_norm(a, true),
    };
    l.q_norm.width = rank, l.kv_norm.width = dim;
    if (x->compress)
        l.entries = compressor_of(a, x, dim);
    if (!x->sparse)
        return l;
    l.index_heads = a->index_heads, l.topk = a->index_topk;
    l.index = compressor_of(a, x, a->index_dim);
    l.wq_b = (ts_linear){ .in = rank, .out = a->index_heads * a->index_dim };
    return l;
}

static ts_mamba_layer mamba_of(const ts_arch *a, int64_t layer)
{
    const ts_mamba_arch *m = &a->mamba;
    if (!ts_has_mamba(ts_arch_block(a, layer)->attention))
        return (ts_mamba_layer){ 0 };
    return (ts_mamba_layer){ .hidden = a->hidden, .heads = m->heads, .groups = m->groups, .P = m->head_dim,
                             .N = m->state, .width = m->conv, .dt_min = (float)m->dt_min,
                             .dt_max = (float)m->dt_max, .bias = m->bias, .conv_bias = m->conv_bias,
                             .norm_first = m->norm_first, .no_norm = m->no_norm,
                             .norm_groups = m->norm_groups, .eps = (float)a->norm_eps,
                             .in_scale = (float)m->in_scale, .z_scale = (float)m->z_scale,
                             .x_scale = (float)m->x_scale, .b_scale = (float)m->b_scale,
                             .c_scale = (float)m->c_scale, .dt_scale = (float)m->dt_scale };
}

static ts_mamba3_layer mamba3_of(const ts_arch *a, int64_t layer)
{
    const ts_mamba3_arch *m = &a->mamba3;
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_MAMBA3)
        return (ts_mamba3_layer){ 0 };
    const ts_norm_layer norm = { .present = true, .width = m->state, .op = { .eps = (float)m->eps } };
    return (ts_mamba3_layer){ .hidden = a->hidden, .heads = m->heads, .groups = m->groups, .P = m->head_dim, .N = m->state,
                              .angles = m->angles, .floor = (float)m->floor, .eps = (float)m->eps, .normed = m->norm,
                              .b_norm = norm, .c_norm = norm };
}

static ts_selective_layer selective_of(const ts_arch *a, int64_t layer)
{
    const ts_selective_arch *s = &a->selective;
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_SELECTIVE)
        return (ts_selective_layer){ 0 };
    ts_norm_layer norm = { .present = s->norm != TS_SELECTIVE_NORM_NONE, .width = s->state,
                           .is_bare = s->norm == TS_SELECTIVE_NORM_BARE, .op = { .eps = (float)s->eps } };
    ts_selective_layer l = { .hidden = a->hidden, .channels = s->channels, .N = s->state, .rank = s->rank,
                             .width = s->conv, .bias = s->bias, .conv_bias = s->conv_bias, .dt_norm = norm,
                             .b_norm = norm, .c_norm = norm };
    l.dt_norm.width = s->rank;
    return l;
}

static ts_short_conv_layer short_conv_of(const ts_arch *a, int64_t layer)
{
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_CONV)
        return (ts_short_conv_layer){ 0 };
    return (ts_short_conv_layer){ .hidden = a->hidden, .width = a->short_conv.width, .bias = a->short_conv.bias };
}

static ts_beside_layer beside_of(const ts_arch *a, int64_t layer)
{
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_BESIDE)
        return (ts_beside_layer){ 0 };
    return (ts_beside_layer){ .present = true, .attention_in = (float)a->attn_in_scale,
                              .attention_out = (float)a->attn_out_scale, .scan_out = (float)a->mamba.out_scale };
}

static ts_own_adapter adapter_of(int64_t rank, int64_t in, int64_t out, int64_t results, int64_t head_dim)
{
    ts_own_adapter a = { .rank = rank, .results = results, .head_dim = head_dim };
    for (int64_t i = 0; i < results; i++) {
        a.down[i] = (ts_linear){ .in = in, .out = rank };
        a.up[i] = (ts_linear){ .in = rank, .out = out };
    }
    return a;
}

static ts_hybrid_layer hybrid_of(const ts_arch *a, int64_t layer)
{
    const int64_t in = a->hidden, width = a->n_heads * a->head_dim, rank = a->adapts_attention ? a->adapter_rank : 0;
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_HYBRID)
        return (ts_hybrid_layer){ 0 };
    ts_norm_layer norm = ts_decoder_norm(a, true), wide = norm;
    wide.width = 2 * in;
    return (ts_hybrid_layer){ .present = true, .uses = ts_arch_uses(a, layer), .wide_norm = wide, .mlp_norm = norm,
                              .scan_norm = norm, .back = { .in = in, .out = in },
                              .qkv_adapter = adapter_of(rank, 2 * in, width, 3, a->head_dim),
                              .fc1_adapter = adapter_of(a->adapter_rank, in, 2 * a->ffn, 1, 0) };
}

static ts_delta_layer delta_of(const ts_arch *a, int64_t layer)
{
    const ts_delta_arch *n = &a->delta;
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_DELTA)
        return (ts_delta_layer){ 0 };
    return (ts_delta_layer){ .hidden = a->hidden, .heads = n->heads, .key_heads = n->key_heads, .K = n->key_dim,
                             .V = n->value_dim, .width = n->conv, .eps = (float)a->norm_eps };
}

/* How many deviations above the mean a normal variable is with this probability at most: its distribution's inverse,
 * by Newton's method. */
static double quantile(double p)
{
    double z = 0;
    for (int i = 0; i < 60; i++)
        z -= (0.5 * erfc(-z / sqrt(2)) - p) / (exp(-z * z / 2) / sqrt(2 * M_PI) + 1e-300);
    return z;
}

static ts_kda_layer kda_of(const ts_arch *a, int64_t layer)
{
    const ts_delta_arch *n = &a->delta;
    if (ts_arch_block(a, layer)->attention != TS_ATTENTION_KDA)
        return (ts_kda_layer){ 0 };
    return (ts_kda_layer){ .hidden = a->hidden, .heads = n->heads, .K = n->key_dim, .V = n->value_dim,
                           .width = n->conv, .eps = (float)a->norm_eps };
}

static ts_mlp_layer mlp_of(const ts_arch *a, int64_t layer)
{
    if (ts_arch_block(a, layer)->mlp == TS_MLP_NONE || ts_arch_block(a, layer)->mlp == TS_MLP_EXPERTS)
        return (ts_mlp_layer){ 0 };
    const bool gated = ts_arch_block(a, layer)->mlp == TS_MLP_GATED;
    const int64_t ffn = ts_layer_ffn(a, layer);
    const double sparsity = ts_arch_block(a, layer)->sparsity;
    return (ts_mlp_layer){
        .act = a->act, .gated = gated, .clamp = gated ? (float)ts_layer_clamp(a, layer, false) : 0,
        .clamps_value = a->clamps_value, .offset = (float)a->glu_offset,
        .is_sparse = sparsity > 0, .times = sparsity > 0 ? (float)quantile(sparsity) : 0,
        .gate_scale = (float)a->mlp_gate_scale, .out_scale = (float)a->mlp_out_scale,
        .fc1 = { .in = a->hidden, .out = gated ? 2 * ffn : ffn, .has_bias = a->bias_fc1 },
        .fc2 = { .in = ffn, .out = a->hidden, .has_bias = a->bias_fc2 },
    };
}

/* Experts of the layer, if it is a mixture: .experts 0 else. */
static ts_experts_layer experts_of(const ts_arch *a, int64_t layer)
{
    const int64_t shared = a->shared_ffn;
    const bool joined = ts_arch_block(a, layer)->joined;
    if (!ts_has_experts(ts_arch_block(a, layer)))
        return (ts_experts_layer){ 0 };
    return (ts_experts_layer){
        .number = layer, .hidden = a->hidden, .ffn = a->expert_ffn, .experts = a->n_experts, .zeros = a->zero_experts,
        .act = a->act, .gated = a->gated,
        .has_biases = a->experts_bias, .scales_input = a->probs_on_input,
        .clamp = (float)ts_layer_clamp(a, layer, false), .clamps_value = a->clamps_value,
        .offset = (float)a->glu_offset,
        .router_norm = ts_decoder_norm(a, joined), .norm = ts_decoder_norm(a, joined), .has_scale = joined,
        .router_in = 1 / sqrtf((float)a->hidden),
        .by_token = ts_arch_block(a, layer)->hashed, .tokens = a->vocab,
        .has_bias = a->router_bias && !ts_arch_block(a, layer)->hashed, .has_shared = shared > 0, .has_shared_gate = a->shared_gate,
        .shared = { .act = a->act, .gated = a->gated, .is_shared = true,
                    .clamp = (float)ts_layer_clamp(a, layer, true), .clamps_value = a->clamps_value,
                    .offset = (float)a->glu_offset, .gate_scale = 1, .out_scale = 1,
                    .fc1 = { .in = a->hidden, .out = a->gated ? 2 * shared : shared, .has_bias = a->bias_fc1 },
                    .fc2 = { .in = shared, .out = a->hidden, .has_bias = a->bias_fc2 } },
        .route = { .score = a->router_score, .k = a->experts_per_token, .groups = a->router_groups,
                   .group_topk = a->router_group_topk, .group_best = a->router_group_best,
                   .norms = a->router_norm, .scale = (float)a->router_scale },
    };
}

static ts_per_layer per_layer_of(const ts_arch *a)
{
    const int64_t width = a->per_layer_width;
    return (ts_per_layer){ .width = width, .act = a->act, .gate = { .in = a->hidden, .out = width },
                           .proj = { .in = width, .out = a->hidden } };
}

static ts_altup_layer altup_of(const ts_arch *a)
{
    const ts_norm_layer norm = ts_decoder_norm(a, true);
    return (ts_altup_layer){ .inputs = a->altup_inputs, .active = a->altup_active, .width = a->hidden,
                             .router_norm = norm, .laurel_norm = norm,
                             .laurel_left = { .in = a->hidden, .out = a->laurel_rank },
                             .laurel_right = { .in = a->laurel_rank, .out = a->hidden } };
}

ts_hyper_layer ts_decoder_hyper(const ts_arch *a, bool mixes)
{
    if (!a->hyper_streams)
        return (ts_hyper_layer){ 0 };
    return (ts_hyper_layer){ .width = a->hidden, .start = (float)a->hyper_start,
                             .norm = { .present = true, .is_bare = true, .width = a->hyper_streams * a->hidden,
                                       .op = { .eps = (float)a->norm_eps } },
                             .op = { .streams = a->hyper_streams, .iterations = mixes ? a->hyper_turns : 0,
                                     .eps = (float)a->hyper_eps } };
}

ts_block ts_decoder_block(const ts_arch *a, int64_t layer)
{
    const ts_layer_arch *l = ts_arch_block(a, layer);
    /* behind norms of the block's own */
    const bool mixes = l->attention != TS_ATTENTION_NONE && !l->shared, feeds = l->mlp != TS_MLP_NONE && !l->shared;
    return (ts_block){
        .number = layer, .parallel = a->parallel_residual,
        .residual_scale = (float)a->residual_scale, .has_scales = a->branch_scale, .width = a->hidden,
        .input_norm = ts_decoder_norm(a, mixes && a->pre_norm), .post_attn_norm = ts_decoder_norm(a, mixes && a->post_norm),
        .pre_mlp_norm = ts_decoder_norm(a, feeds && a->pre_norm && !a->shared_norm),
        .post_mlp_norm = ts_decoder_norm(a, feeds && a->post_norm),
        .per_layer_norm = ts_decoder_norm(a, a->per_layer_width > 0), .per_layer = per_layer_of(a),
        .joined = { .present = ts_arch_block(a, layer)->joined, .mlp_out = ts_decoder_norm(a, true),
                    .experts_out = ts_decoder_norm(a, true) },
        .shortcut.present = ts_arch_block(a, layer)->shortcut,
        .joins_shortcut = layer > 0 && layer < a->n_layers && a->layer[layer - 1].shortcut,
        .altup = altup_of(a), .mixer_hyper = ts_decoder_hyper(a, true), .feed_hyper = ts_decoder_hyper(a, true),
        .has_scalar = a->layer_scalar,
        .attention = attention_of(a, layer), .latent = latent_of(a, layer),
        .compressed = compressed_of(a, layer), .mamba = mamba_of(a, layer), .mamba3 = mamba3_of(a, layer),
        .selective = selective_of(a, layer), .delta = delta_of(a, layer), .short_conv = short_conv_of(a, layer),
        .beside = beside_of(a, layer), .hybrid = hybrid_of(a, layer), .kda = kda_of(a, layer),
        .mlp = mlp_of(a, layer), .experts = experts_of(a, layer),
    };
}
