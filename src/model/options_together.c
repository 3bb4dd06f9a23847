/* Options of a model that contradict each other, or have no effect without another. */
#include "model/options.h"

static ts_status check_one_of(const ts_option_set *set, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            TS_TRY(ts_option_exclude(set, names[k], names[i]));
    return TS_OK;
}

ts_status ts_model_options_check(const ts_model_options *o, const ts_option_set *set)
{
    static const char *const activations[] = { "swiglu", "squared-relu", "geglu", "gelu-tanh", "quick-geglu" };
    static const char *const windows[] = { "window-size", "sliding-window",
                                           "interleave-sliding-window" };
    static const char *const scales[] = { "input-embeds-norm", "embedding-multiplier-scale",
                                          "scale-emb" };
    const bool typed = o->rope_scaling_type != TS_MODEL_SCALING_NONE,
               has_type = o->use_rope_scaling || typed || o->rope_type == TS_MODEL_ROPE_YARN;
    int64_t *empty, n;
    TS_TRY(ts_model_noop_layers(o, &empty, &n));
    ts_free(&empty);
    if (o->num_layers && n >= o->num_layers)
        return ts_error(TS_ERR_USER, "--noop-layers leaves none of --num-layers %lld",
                        (long long)o->num_layers);
    TS_TRY(ts_option_exclude(set, "model-config", "preset"));
    TS_TRY(ts_option_exclude(set, "linear-attention-freq", "full-attention-interval"));
    TS_TRY(check_one_of(set, activations, sizeof activations / sizeof *activations));
    TS_TRY(check_one_of(set, windows, sizeof windows / sizeof *windows));
    TS_TRY(check_one_of(set, scales, sizeof scales / sizeof *scales));
    if (o->use_rotary && ts_option_is_on(set, "position-embedding-type") &&
        o->position_embedding_type != TS_MODEL_POSITION_ROPE)
        return ts_error(TS_ERR_USER, "--use-rotary-position-embeddings contradicts "
                                     "--position-embedding-type, which is not rope: give one");
    if (o->rotary_seq_len_interpolation_factor > 1 && typed)
        return ts_error(TS_ERR_USER, "--rotary-seq-len-interpolation-factor stretches linearly and "
                                     "contradicts --rope-scaling-type: give one");
    if (ts_option_is_on(set, "rope-scaling-factor") && o->rope_scaling_factor != 1 && !has_type)
        return ts_error(TS_ERR_USER, "--rope-scaling-factor %g needs --rope-scaling-type: nothing "
                                     "is stretched without", o->rope_scaling_factor);
    if (o->rope_type != TS_MODEL_ROPE_UNSAID && typed &&
        (o->rope_type == TS_MODEL_ROPE_YARN) != (o->rope_scaling_type == TS_MODEL_SCALING_YARN))
        return ts_error(TS_ERR_USER, "--rope-type contradicts --rope-scaling-type: give one");
    return TS_OK;
}

static void warn_rope(const ts_model_options *o, const ts_option_set *set)
{
    static const char *const of_rope[] = { "rotary-base", "rotary-percent", "rotary-interleaved",
                                           "rotary-seq-len-interpolation-factor",
                                           "rope-scaling-type", "rope-scaling-factor",
                                           "use-rope-scaling" };
    static const char *const of_llama3[] = { "low-freq-factor", "high-freq-factor" };
    static const char *const of_yarn[] = { "beta-fast", "beta-slow", "rope-scaling-mscale", "mscale",
                                           "rope-scaling-mscale-all-dim", "mscale-all-dim" };
    static const char *const of_latent[] = { "kv-lora-rank", "q-lora-rank", "qk-head-dim", "qk-nope-head-dim",
                                             "qk-pos-emb-head-dim", "qk-rope-head-dim", "v-head-dim",
                                             "rotary-scaling-factor", "enable-mla-scale-q-lora", "enable-mla-scale-kv-lora" };
    const bool yarn = o->rope_scaling_type == TS_MODEL_SCALING_YARN || o->rope_type == TS_MODEL_ROPE_YARN ||
                      (o->latent && ts_option_given(set, "rotary-scaling-factor"));
    const int type = o->rope_scaling_type;
    for (size_t i = 0; i < sizeof of_latent / sizeof *of_latent; i++)
        ts_option_warn_alone(set, of_latent[i], o->latent || ts_model_compresses(o), "--multi-latent-attention");
    static const char *const of_dsa[] = { "dsa-indexer-n-heads", "index-n-heads", "dsa-indexer-head-dim", "index-head-dim",
                                          "dsa-indexer-topk", "index-topk", "index-topk-freq",
                                          "index-skip-topk-offset" };
    for (size_t i = 0; i < sizeof of_dsa / sizeof *of_dsa; i++)
        ts_option_warn_alone(set, of_dsa[i],
                             o->dsa || o->attention_variant == TS_MODEL_VARIANT_DSA || ts_model_compresses(o),
                             "--experimental-attention-variant dsa");
    const bool llama3 = type == TS_MODEL_SCALING_LLAMA3 || o->use_rope_scaling,
               rope = o->use_rotary || o->position_embedding_type == TS_MODEL_POSITION_ROPE;
    for (size_t i = 0; i < sizeof of_rope / sizeof *of_rope; i++)
        ts_option_warn_alone(set, of_rope[i], rope, "--position-embedding-type rope");
    for (size_t i = 0; i < sizeof of_llama3 / sizeof *of_llama3; i++)
        ts_option_warn_alone(set, of_llama3[i], llama3, "--rope-scaling-type llama3");
    for (size_t i = 0; i < sizeof of_yarn / sizeof *of_yarn; i++)
        ts_option_warn_alone(set, of_yarn[i], yarn,
                             "--rope-scaling-type yarn");
    ts_option_warn_alone(set, "rope-scaling-original-max-position-embeddings",
                         llama3 || yarn ||
                             type == TS_MODEL_SCALING_DYNAMIC,
                         "--rope-scaling-type dynamic, yarn or llama3");
}

static void warn_compressed(const ts_model_options *o, const ts_option_set *set)
{
    static const char *const names[] = { "sliding-window-size", "compress-rope-theta", "original-seq-len", "rope-factor",
                                         "o-groups", "o-lora-rank" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ts_option_warn_alone(set, names[i], ts_model_compresses(o), "--compress-ratios");
}

static void warn_hyper(const ts_model_options *o, const ts_option_set *set)
{
    static const char *const names[] = { "num-residual-streams", "hc-mult", "mhc-sinkhorn-iterations",
                                         "mhc-init-gating-factor" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ts_option_warn_alone(set, names[i], o->hyper, "--enable-hyper-connections");
}

static void warn_experts(const ts_model_options *o, const ts_option_set *set)
{
    static const char *const names[] = { "moe-router-topk", "moe-ffn-hidden-size", "moe-layer-freq", "expert-interval",
                                         "moe-router-score-function", "moe-router-pre-softmax", "norm-topk-prob",
                                         "moe-router-topk-scaling-factor", "moe-router-enable-expert-bias",
                                         "moe-shared-expert-intermediate-size", "shared-expert-gate" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ts_option_warn_alone(set, names[i], o->num_experts > 1, "--num-experts 2 or more");
}

void ts_model_options_warn(const ts_model_options *o, const ts_option_set *set)
{
    if (!o->num_layers || ts_model_is_named(o)) /* a folder or file describes the model */
        return;
    warn_rope(o, set);
    warn_experts(o, set);
    warn_hyper(o, set);
    warn_compressed(o, set);
    ts_option_warn_alone(set, "mamba-rope-fraction", o->mamba_version == 3, "--mamba-version 3");
    ts_option_warn_alone(set, "num-query-groups", o->group_query_attention,
                         "--group-query-attention");
    ts_option_warn_alone(set, "add-qkv-bias", !o->bias_linear,
                         "--disable-bias-linear (all linear layers have a bias)");
    ts_option_warn_alone(set, "make-vocab-size-divisible-by", !o->padded_vocab_size,
                         "a size to pad (--padded-vocab-size says the padded one)");
}
