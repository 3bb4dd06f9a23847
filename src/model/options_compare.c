/* Options of a model beside a folder that describes it: what they say must be what it says. */
#include "model/arch_rows.h"
#include "model/options.h"
#include "model/presets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where positions come from, and how they are stretched, as the options' choices have it. */
static int position_choice(const ts_arch *a)
{
    return a->position == TS_POSITION_ROPE      ? TS_MODEL_POSITION_ROPE
           : a->position == TS_POSITION_LEARNED ? TS_MODEL_POSITION_LEARNED
           : a->position == TS_POSITION_ALIBI   ? TS_MODEL_POSITION_ALIBI
                                                : TS_MODEL_POSITION_NONE;
}

static int scaling_choice(const ts_rope_config *r)
{
    switch (r->scaling) {
    case TS_ROPE_DEFAULT: return TS_MODEL_SCALING_NONE;
    case TS_ROPE_LINEAR: return TS_MODEL_SCALING_LINEAR;
    case TS_ROPE_DYNAMIC: return TS_MODEL_SCALING_DYNAMIC;
    case TS_ROPE_YARN: return TS_MODEL_SCALING_YARN;
    case TS_ROPE_LLAMA3: return TS_MODEL_SCALING_LLAMA3;
    default: return -1; /* none of the options' */
    }
}

/* What an option says of a model and what the model is; of all names of the option's field. */
typedef struct given {
    const char *name;
    double want, have;
} given;

/* As the user would type it. */
static void value_text(const ts_option *r, double v, char *text, size_t size)
{
    size_t n;
    const char *word;
    switch (r->type) {
    case TS_OPTION_FLAG:
    case TS_OPTION_NOFLAG:
        snprintf(text, size, "%s", v != 0 ? "true" : "false");
        return;
    case TS_OPTION_CHOICE:
        word = v < 0 ? NULL : ts_field_choice(r->choices, (int)v, &n);
        snprintf(text, size, "%.*s", word ? (int)strcspn(word, ",|") : 14,
                 word ? word : "something else");
        return;
    default:
        snprintf(text, size, "%g", v);
    }
}

static ts_status compare_one(const given *g, const ts_option_set *set, const char *folder)
{
    char want[64], have[64];
    const ts_option *row = ts_model_option_named(g->name);
    if (fabs(g->want - g->have) <= 1e-9 * fabs(g->have))
        return TS_OK;
    for (size_t i = 0; i < ts_model_option_count; i++) {
        const ts_option *r = &ts_model_option_rows[i];
        if (r->offset != row->offset || !ts_option_given(set, r->name))
            continue;
        value_text(r, g->want, want, sizeof want);
        value_text(r, g->have, have, sizeof have);
        return ts_error(TS_ERR_USER, "--%s %s contradicts %s, which says %s", r->name, want, folder,
                        have);
    }
    return TS_OK;
}

static ts_status compare(const given *g, size_t n, const ts_option_set *set, const char *folder)
{
    for (size_t i = 0; set && i < n; i++)
        TS_TRY(compare_one(&g[i], set, folder));
    return TS_OK;
}

/* Options that say a field's value (model/arch_rows.h). */
static ts_status compare_fields(const ts_model_options *o, const ts_option_set *set,
                                const ts_arch *a, const char *folder)
{
    for (size_t i = 0; i < ts_arch_row_count; i++) {
        const ts_field_row *r = &ts_arch_rows[i];
        if (r->says == TS_SAYS_SOMETHING)
            continue;
        const double v = ts_field_get(a, r);
        const given g = { r->option, ts_model_option_value(o, ts_model_option_named(r->option)),
                          r->says == TS_SAYS_NOT ? v == 0 : v };
        TS_TRY(compare(&g, 1, set, folder));
    }
    return TS_OK;
}

/* Numbers of one way of stretching count where the model is stretched so. */
static ts_status compare_scaling(const ts_model_options *o, const ts_option_set *set,
                                 const ts_rope_config *r, const char *folder)
{
    const given llama3[] = {
        { "low-freq-factor", o->low_freq_factor, r->low_freq_factor },
        { "high-freq-factor", o->high_freq_factor, r->high_freq_factor },
    };
    const given yarn[] = {
        { "beta-fast", o->beta_fast, r->beta_fast },
        { "beta-slow", o->beta_slow, r->beta_slow },
        { "rope-scaling-mscale", o->mscale, r->mscale },
        { "rope-scaling-mscale-all-dim", o->mscale_all_dim, r->mscale_all_dim },
    };
    const double length = (double)o->rope_original_max, has = (double)r->original_max_positions;
    const given original = { "rope-scaling-original-max-position-embeddings", length, has };
    if (r->scaling == TS_ROPE_LLAMA3)
        TS_TRY(compare(llama3, sizeof llama3 / sizeof *llama3, set, folder));
    if (r->scaling == TS_ROPE_YARN)
        TS_TRY(compare(yarn, sizeof yarn / sizeof *yarn, set, folder));
    return r->scaling == TS_ROPE_LLAMA3 || r->scaling == TS_ROPE_YARN
               ? compare(&original, 1, set, folder)
               : TS_OK;
}

static ts_status compare_rope(const ts_model_options *o, const ts_option_set *set,
                              const ts_arch *a, const char *folder)
{
    const ts_rope_config *r = &a->rope[0];
    const double head = (double)(a->kv_lora_rank ? a->qk_rope_dim : a->head_dim);
    const double rotated = (double)(int64_t)(head * o->rotary_percent);
    const given g[] = {
        { "rotary-base", o->rotary_base, r->theta },
        { "rotary-percent", rotated, (double)r->dim },
        { "use-glm-rope", o->glm_rope, r->interleaved && 2 * r->dim == a->head_dim },
        { "rotary-interleaved", o->rotary_interleaved || o->latent, r->interleaved },
        { "rotary-seq-len-interpolation-factor", (double)o->rotary_seq_len_interpolation_factor,
          r->scaling == TS_ROPE_LINEAR ? r->factor : 1 },
        { "rope-scaling-type", o->rope_scaling_type, scaling_choice(r) },
        { "use-rope-scaling", o->use_rope_scaling, r->scaling == TS_ROPE_LLAMA3 },
        { "rope-scaling-factor", o->rope_scaling_factor, r->factor },
        { "rope-type", o->rope_type == TS_MODEL_ROPE_YARN, r->scaling == TS_ROPE_YARN },
    };
    TS_TRY(compare(g, sizeof g / sizeof *g, set, folder));
    return compare_scaling(o, set, r, folder);
}

/* What options say of positions; those of rope count where the model has it. */
static ts_status compare_positions(const ts_model_options *o, const ts_option_set *set,
                                   const ts_arch *a, const char *folder)
{
    const given positions[] = {
        { "position-embedding-type", o->position_embedding_type, position_choice(a) },
        { "use-rotary-position-embeddings", o->use_rotary, a->position == TS_POSITION_ROPE },
        { "no-position-embedding", o->no_position_embedding, a->position != TS_POSITION_LEARNED },
    };
    const given learned[] = {
        { "max-position-embeddings", (double)o->max_position_embeddings,
          (double)a->max_positions },
    };
    TS_TRY(compare(positions, sizeof positions / sizeof *positions, set, folder));
    return a->position == TS_POSITION_ROPE      ? compare_rope(o, set, a, folder)
           : a->position == TS_POSITION_LEARNED ? compare(learned, 1, set, folder)
                                                : TS_OK;
}

/* Layer by layer; the first that differs is named by its window. 0: all keys are seen. */
static ts_status compare_windows(const ts_model_options *o, const ts_option_set *set,
                                 const ts_arch *a, const char *folder)
{
    int64_t window = 0;
    TS_TRY(ts_model_window(&o->window_size, &window));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const double has = (double)a->layer[i].window;
        const bool skips = o->window_skip.n && !a->layer[i].window; /* ts_model_compare_skips looks at these */
        const given g[] = {
            { "window-size", skips ? 0 : (double)window, has },
            { "sliding-window", (double)o->sliding_window, has },
            { "interleave-sliding-window",
              i % 2 == 0 ? (double)o->interleave_sliding_window : 0, has },
        };
        TS_TRY(compare(g, sizeof g / sizeof *g, set, folder));
    }
    return TS_OK;
}

/* What embeddings, scores, sublayers and logits are multiplied with; 0 stands for nothing. */
static ts_status compare_scales(const ts_model_options *o, const ts_option_set *set,
                                const ts_arch *a, const char *folder)
{
    const double embed = o->embed_scale > 0 ? o->embed_scale : 1, hidden = (double)a->hidden,
                 depth = sqrt((double)a->n_layers),
                 logits = o->logit_scale > 0 ? o->logit_scale : 1,
                 base = o->dim_model_base > 0 ? o->dim_model_base : hidden;
    const double factor = a->kv_lora_rank ? ts_rope_score_factor(&a->rope[0]) : 1;
    const given g[] = {
        { "query-pre-attn-scalar",
          o->query_pre_attn_scalar > 0 ? o->query_pre_attn_scalar : (double)a->head_dim,
          factor * factor / (a->attn_scale * a->attn_scale) },
        { "input-embeds-norm", o->input_embeds_norm, a->embed_scale == sqrt(hidden) },
        { "embedding-multiplier-scale", embed, a->embed_scale },
        { "output-multiplier-scale", logits, a->logit_scale * hidden / base },
        { "dim-model-base", base, a->logit_scale * hidden / logits },
        { "scale-depth", o->scale_depth > 0 ? o->scale_depth : depth, a->residual_scale * depth },
    };
    return compare(g, sizeof g / sizeof *g, set, folder);
}

/* Layer by layer. */
static ts_status compare_expert_layers(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                       const char *folder)
{
    const char *name = ts_option_given(set, "moe-layer-freq")    ? "moe-layer-freq"
                       : ts_option_given(set, "expert-interval") ? "expert-interval"
                                                                 : "first-k-dense-replace";
    ts_arch said;
    if (!ts_option_given(set, name))
        return TS_OK;
    TS_TRY(ts_arch_copy(a, &said));
    for (int64_t i = 0; i < a->n_layers; i++)
        said.layer[i].mlp = a->gated ? TS_MLP_GATED : TS_MLP_PLAIN;
    ts_model_options wanted = *o;
    wanted.num_experts = a->n_experts;
    ts_status st = ts_model_describe_expert_layers(&wanted, &said);
    for (int64_t i = 0; st == TS_OK && i < a->n_layers; i++)
        if (ts_has_experts(&said.layer[i]) != ts_has_experts(&a->layer[i]))
            st = ts_error(TS_ERR_USER, "--%s contradicts %s, whose layer %lld has %s", name, folder, (long long)i,
                          ts_has_experts(&a->layer[i]) ? "experts" : "none");
    ts_arch_deinit(&said);
    return st;
}

/* In a model without experts they say nothing, unless they are asked for. */
static ts_status compare_experts(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                 const char *folder)
{
    const int score = a->router_score == TS_ROUTE_SIGMOID         ? TS_MODEL_SCORE_SIGMOID
                      : a->router_score == TS_ROUTE_SQRT_SOFTPLUS ? TS_MODEL_SCORE_SQRT_SOFTPLUS
                                                                  : TS_MODEL_SCORE_SOFTMAX;
    const bool before = a->router_score == TS_ROUTE_SOFTMAX ||
                        (a->router_score == TS_ROUTE_CHOSEN && o->norm_topk_prob);
    const given g[] = {
        { "num-zero-experts", (double)o->zero_experts, (double)a->zero_experts },
        { "num-experts", o->num_experts > 1 ? (double)o->num_experts : 0, (double)a->n_experts },
        { "moe-router-topk", (double)o->moe_topk, (double)a->experts_per_token },
        { "moe-ffn-hidden-size", (double)o->moe_ffn, (double)a->expert_ffn },
        { "moe-shared-expert-intermediate-size", (double)o->moe_shared_ffn, (double)a->shared_ffn },
        { "n-shared-experts", (double)(o->n_shared_experts * a->expert_ffn), (double)a->shared_ffn },
        { "shared-expert-gate", o->shared_gate, a->shared_gate },
        { "moe-router-score-function", o->moe_score, score },
        { "moe-router-pre-softmax", o->moe_pre_softmax, before },
        { "moe-router-num-groups", (double)o->moe_groups, (double)a->router_groups },
        { "moe-router-group-topk", (double)o->moe_group_topk, (double)a->router_group_topk },
        { "moe-router-topk-scaling-factor", o->moe_scale, a->router_scale },
        { "moe-router-enable-expert-bias", o->moe_expert_bias, a->router_bias },
    };
    if (!set || (a->n_experts == 0 && o->num_experts <= 1))
        return TS_OK;
    TS_TRY(compare(g, sizeof g / sizeof *g, set, folder));
    return compare_expert_layers(o, set, a, folder);
}

static int variant_of(const ts_arch *a)
{
    return a->index_heads && a->kv_lora_rank       ? TS_MODEL_VARIANT_DSA
           : ts_arch_has(a, TS_ATTENTION_KDA)   ? TS_MODEL_VARIANT_KIMI
           : ts_arch_has(a, TS_ATTENTION_DELTA) ? TS_MODEL_VARIANT_DELTA
                                                : TS_MODEL_VARIANT_NONE;
}

static ts_status compare_latent(const ts_model_options *o, const ts_option_set *set, const ts_arch *a, const char *folder)
{
    const given latent[] = {
        { "kv-lora-rank", (double)o->kv_lora_rank, (double)a->kv_lora_rank },
        { "q-lora-rank", (double)o->q_lora_rank, (double)a->q_lora_rank },
        { "qk-head-dim", (double)o->qk_head_dim, (double)(a->head_dim - a->qk_rope_dim) },
        { "qk-pos-emb-head-dim", (double)o->qk_rope_dim, (double)a->qk_rope_dim },
        { "v-head-dim", (double)o->v_head_dim, (double)a->v_head_dim },
        { "enable-mla-scale-q-lora", o->scales_q_latent, a->q_latent_scale != 1 },
        { "enable-mla-scale-kv-lora", o->scales_kv_latent, a->kv_latent_scale != 1 },
    };
    const given sparse[] = {
        { "dsa-indexer-n-heads", (double)o->index_heads, (double)a->index_heads },
        { "dsa-indexer-head-dim", (double)o->index_dim, (double)a->index_dim },
        { "dsa-indexer-topk", (double)o->index_topk, (double)a->index_topk },
    };
    if (a->index_heads)
        TS_TRY(compare(sparse, sizeof sparse / sizeof *sparse, set, folder));
    return a->kv_lora_rank ? compare(latent, sizeof latent / sizeof *latent, set, folder) : TS_OK;
}

/* Without compressed attention its options say nothing, but for those that ask for it. */
static ts_status compare_compressed(const ts_model_options *o, const ts_option_set *set, const ts_arch *a, const char *folder)
{
    const ts_rope_config *r = &a->rope[1];
    const bool stretched = r->scaling == TS_ROPE_YARN;
    int64_t hashed = 0;
    for (int64_t i = 0; i < a->n_layers; i++)
        hashed += a->layer[i].hashed;
    const given always[] = {
        { "n-hash-layers", (double)o->hash_layers, (double)hashed },
        { "kv-compress", o->kv_compress, ts_arch_has(a, TS_ATTENTION_COMPRESSED) },
    };
    const given g[] = {
        { "q-lora-rank", (double)o->q_lora_rank, (double)a->q_lora_rank },
        { "sliding-window-size", (double)o->compress_window, (double)a->layer[0].window },
        { "compress-rope-theta", o->compress_theta, r->theta },
        { "original-seq-len", (double)o->original_seq_len, stretched ? (double)r->original_max_positions : 0 },
        { "rope-factor", o->rope_factor, stretched ? r->factor : o->rope_factor },
        { "o-groups", (double)o->out_groups, (double)a->out_groups },
        { "o-lora-rank", (double)o->out_rank, (double)a->out_rank },
    };
    TS_TRY(compare(always, sizeof always / sizeof *always, set, folder));
    if (ts_arch_has(a, TS_ATTENTION_COMPRESSED))
        TS_TRY(compare(g, sizeof g / sizeof *g, set, folder));
    return ts_model_compare_ratios(o, set, a, folder);
}

ts_status ts_model_compare(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                           const char *folder)
{
    bool gated = true, plain = true; /* all layers */
    const bool compressed = ts_arch_has(a, TS_ATTENTION_COMPRESSED); /* of latent queries, with norms and sinks, always */
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ts_mlp_kind usual = a->gated ? TS_MLP_GATED : TS_MLP_PLAIN,
                          kind = a->layer[i].mlp == TS_MLP_EXPERTS ? usual : a->layer[i].mlp;
        gated = gated && kind != TS_MLP_PLAIN;
        plain = plain && kind != TS_MLP_GATED;
    }
    const given g[] = {
        { "ffn-hidden-size", (double)o->ffn_hidden_size, (double)a->ffn },
        { "num-query-groups", (double)o->num_query_groups, (double)a->n_kv_heads },
        { "kv-channels", (double)o->kv_channels, (double)a->head_dim },
        { "padded-vocab-size", (double)o->padded_vocab_size, (double)a->vocab },
        { "apply-layernorm-1p", o->layernorm_1p, a->norm_offset != 0 },
        { "swiglu", o->swiglu, gated && a->act == TS_ACT_SILU },
        { "geglu", o->geglu, gated && a->act == TS_ACT_GELU },
        { "gelu-tanh", o->gelu_tanh, gated && a->act == TS_ACT_GELU_TANH },
        { "quick-geglu", o->quick_geglu, gated && a->act == TS_ACT_GELU_QUICK },
        { "squared-relu", o->squared_relu, plain && a->act == TS_ACT_RELU2 },
        { "disable-bias-linear", !o->bias_linear,
          (!a->bias_proj || o->dense_bias) && !a->bias_fc1 && !a->bias_fc2 && !a->experts_bias },
        { "add-qkv-bias", o->qkv_bias, a->bias_qkv },
        { "add-dense-bias", o->dense_bias, a->bias_proj },
        { "normalization", o->normalization,
          a->norm == TS_NORM_RMS ? TS_MODEL_NORM_RMS : TS_MODEL_NORM_LAYER },
        { "qk-layernorm", o->qk_layernorm,
          compressed ? o->qk_layernorm : a->kv_lora_rank ? a->latent_norm : a->qk_norm == TS_QK_NORM_HEAD || a->qk_norm == TS_QK_NORM_FULL },
        { "qk-l2-norm", o->qk_l2_norm, a->qk_norm == TS_QK_NORM_UNIT },
        { "softmax-type", o->softmax_type,
          compressed ? o->softmax_type : a->attn_sinks ? TS_MODEL_SOFTMAX_LEARNABLE : TS_MODEL_SOFTMAX_VANILLA },
        { "multi-latent-attention", o->latent, compressed ? o->latent : a->kv_lora_rank > 0 },
        { "experimental-attention-variant", o->attention_variant, variant_of(a) },
        { "enable-dsa-indexer", o->dsa, a->index_heads > 0 && a->kv_lora_rank },
        { "enable-hyper-connections", o->hyper, a->hyper_streams > 0 },
        { "num-residual-streams", (double)o->hyper_streams, (double)a->hyper_streams },
        { "mhc-sinkhorn-iterations", (double)o->hyper_turns, (double)a->hyper_turns },
    };
    TS_TRY(compare_latent(o, set, a, folder));
    TS_TRY(compare_compressed(o, set, a, folder));
    TS_TRY(compare_fields(o, set, a, folder));
    TS_TRY(compare(g, sizeof g / sizeof *g, set, folder));
    TS_TRY(compare_scales(o, set, a, folder));
    TS_TRY(compare_experts(o, set, a, folder));
    TS_TRY(compare_windows(o, set, a, folder));
    TS_TRY(ts_model_compare_skips(o, set, a, folder));
    TS_TRY(ts_model_compare_choices(o, set, a, folder));
    TS_TRY(ts_model_compare_mamba(o, set, a, folder));
    TS_TRY(ts_model_compare_delta(o, set, a, folder));
    return compare_positions(o, set, a, folder);
}

ts_status ts_model_compare_config(const ts_model_options *o, const ts_arch *a, const char *folder)
{
    ts_arch config;
    ts_str what = { 0 };
    int n = 0;
    if (!ts_model_is_named(o))
        return TS_OK;
    ts_arch_init(&config);
    ts_status st = o->preset ? ts_preset_read(o->preset, &config) : ts_model_config_read(o->model_config, &config);
    /* special tokens are the tokenizer's */
    config.bos = a->bos;
    config.pad = a->pad;
    config.n_eos = a->n_eos;
    memcpy(config.eos, a->eos, sizeof config.eos);
    config.pad_frozen = a->pad_frozen;
    config.mtp_layers = a->mtp_layers; /* an option says it */
    if (st == TS_OK)
        st = ts_arch_differences(&config, a, &what, &n);
    if (st == TS_OK && n)
        st = ts_error(TS_ERR_USER, "--%s %s contradicts %s: the models differ in %s",
                      o->preset ? "preset" : "model-config", o->preset ? o->preset : o->model_config, folder,
                      what.s);
    ts_str_deinit(&what);
    ts_arch_deinit(&config);
    return st;
}
