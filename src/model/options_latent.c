/* Options of multi-head latent attention. */
#include "model/options.h"

#include <math.h>

static int64_t given_or(int64_t value, int64_t def) { return value ? value : def; }

static bool is_sparse(const ts_model_options *o) { return o->dsa || o->attention_variant == TS_MODEL_VARIANT_DSA; }

ts_status ts_model_describe_latent(const ts_model_options *o, ts_arch *a)
{
    if (is_sparse(o) && (!o->latent || !o->q_lora_rank))
        return ts_error(TS_ERR_USER, "--experimental-attention-variant dsa needs --multi-latent-attention and --q-lora-rank: "
                                     "its indexer reads the latent vectors of queries");
    if (!o->latent || ts_model_compresses(o))
        return TS_OK;
    if (is_sparse(o))
        a->index_heads = o->index_heads, a->index_dim = o->index_dim, a->index_topk = o->index_topk;
    if (o->qkv_bias)
        return ts_error(TS_ERR_USER, "--add-qkv-bias: queries and keys of --multi-latent-attention have no "
                                     "bias");
    if (o->group_query_attention && o->num_query_groups != a->n_heads)
        return ts_error(TS_ERR_USER, "--group-query-attention with --multi-latent-attention: each head has "
                                     "keys and values of its own");
    a->kv_lora_rank = given_or(o->kv_lora_rank, 32);
    a->q_lora_rank = o->q_lora_rank;
    a->qk_rope_dim = given_or(o->qk_rope_dim, 64);
    a->v_head_dim = given_or(o->v_head_dim, 128);
    a->head_dim = given_or(o->qk_head_dim, 128) + a->qk_rope_dim;
    a->attn_scale = 1 / sqrt(o->query_pre_attn_scalar > 0 ? o->query_pre_attn_scalar
                                                          : (double)a->head_dim);
    a->latent_norm = o->qk_layernorm;
    a->latent_eps = o->norm_epsilon;
    a->qk_norm = TS_QK_NORM_NONE;
    a->bias_qkv = false;
    a->bias_down = o->bias_linear;
    if (o->scales_q_latent && a->q_lora_rank)
        a->q_latent_scale = sqrt((double)a->hidden / (double)a->q_lora_rank);
    if (o->scales_kv_latent)
        a->kv_latent_scale = sqrt((double)a->hidden / (double)a->kv_lora_rank);
    return TS_OK;
}

/* Megatron's factor stretches by yarn, and its two magnitudes are 1 there. */
ts_status ts_model_describe_latent_rope(const ts_model_options *o, const ts_option_set *set, ts_arch *a)
{
    ts_rope_config *r = &a->rope[0];
    if (!o->latent || ts_model_compresses(o) || a->position == TS_POSITION_NONE)
        return TS_OK;
    if (a->position != TS_POSITION_ROPE)
        return ts_error(TS_ERR_USER, "--multi-latent-attention needs --position-embedding-type rope (or none)");
    r->dim = a->qk_rope_dim, r->odd_dim = 0, r->interleaved = true;
    if (set && ts_option_given(set, "rotary-scaling-factor")) {
        r->mscale = o->mscale > 0 ? o->mscale : 1;
        r->mscale_all_dim = ts_option_given(set, "mscale-all-dim") ? o->mscale_all_dim : 1;
        if (o->rope_scaling_type == TS_MODEL_SCALING_NONE && o->rope_type != TS_MODEL_ROPE_PLAIN)
            r->scaling = TS_ROPE_YARN;
    }
    a->attn_scale *= ts_rope_score_factor(r);
    return TS_OK;
}

ts_status ts_model_compare_choices(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                   const char *folder)
{
    static const char *const name[] = { "index-topk-freq", "index-skip-topk-offset" };
    const int64_t value[] = { o->index_freq, o->index_offset };
    const bool freq = set && ts_option_given(set, name[0]), given = freq || (set && ts_option_given(set, name[1]));
    for (int64_t i = 0; given && a->index_heads && i < a->n_layers; i++) {
        const bool chooses = ts_arch_chooses(i, o->index_freq, o->index_offset);
        if (chooses == (a->layer[i].choices_of > 0))
            return ts_error(TS_ERR_USER, "--%s %lld with --%s %lld contradicts %s, whose layer %lld has %s indexer of its own",
                            name[!freq], (long long)value[!freq], name[freq], (long long)value[freq], folder, (long long)i,
                            chooses ? "no" : "an");
    }
    return TS_OK;
}
