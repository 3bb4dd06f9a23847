/* Compressed attention and experts by tokens, by options (DeepSeek-V4). */
#include "model/options.h"

#include <math.h>

enum { SPARSE = 4 }; /* the ratio of layers whose indexer chooses */

/* A ratio for each layer; scripts also give those of layers that predict further tokens. */
static ts_status read_ratios(const ts_model_options *o, int64_t layers, int64_t **out)
{
    int64_t n;
    TS_TRY(ts_option_numbers("compress-ratios", &o->compress_ratios, out, &n));
    if (n >= layers && n <= layers + TS_ARCH_MAX_MTP)
        return TS_OK;
    ts_free(out);
    return ts_error(TS_ERR_USER, "--compress-ratios has %lld numbers, expected one for each of %lld layers", (long long)n,
                    (long long)layers);
}

static ts_status check_together(const ts_model_options *o, const ts_arch *a)
{
    if (!o->q_lora_rank)
        return ts_error(TS_ERR_USER, "--compress-ratios needs --q-lora-rank: queries are made from latent vectors");
    if (o->dsa || o->attention_variant != TS_MODEL_VARIANT_NONE)
        return ts_error(TS_ERR_USER, "--compress-ratios says what attention is: leave out --experimental-attention-variant and "
                                     "--enable-dsa-indexer");
    if (a->position != TS_POSITION_ROPE || a->rope[0].scaling != TS_ROPE_DEFAULT)
        return ts_error(TS_ERR_USER, "--compress-ratios needs --position-embedding-type rope, which is stretched by "
                                     "--original-seq-len and --rope-factor alone");
    if (a->bias_qkv || a->bias_proj)
        return ts_error(TS_ERR_USER, "--compress-ratios: attention of this kind has no biases: give --disable-bias-linear");
    return TS_OK;
}

/* One for windows, one for layers that compress. */
static void describe_ropes(const ts_model_options *o, ts_arch *a)
{
    const int64_t dim = o->qk_rope_dim ? o->qk_rope_dim : 64;
    ts_rope_config r = { .theta = o->rotary_base, .dim = dim, .interleaved = true, .factor = 1,
                         .max_positions = o->max_position_embeddings };
    a->n_ropes = 2;
    a->rope[0] = r;
    r.theta = o->compress_theta;
    if (o->original_seq_len) {
        r.scaling = TS_ROPE_YARN, r.factor = o->rope_factor, r.original_max_positions = o->original_seq_len;
        r.beta_fast = o->beta_fast, r.beta_slow = o->beta_slow, r.attention_factor = 1;
    }
    a->rope[1] = r;
}

static void describe_sizes(const ts_model_options *o, ts_arch *a)
{
    if (o->qk_head_dim)
        a->head_dim = o->qk_head_dim + a->rope[0].dim;
    a->n_kv_heads = 1;
    a->attn_scale = 1 / sqrt(o->query_pre_attn_scalar > 0 ? o->query_pre_attn_scalar : (double)a->head_dim);
    a->q_lora_rank = o->q_lora_rank;
    a->qk_norm = TS_QK_NORM_NONE, a->attn_sinks = false; /* its own are always there */
    a->out_groups = o->out_groups, a->out_rank = o->out_rank;
    a->index_heads = o->index_heads, a->index_dim = o->index_dim, a->index_topk = o->index_topk;
}

static void make_layer(const ts_model_options *o, ts_layer_arch *l, int64_t ratio)
{
    l->attention = TS_ATTENTION_COMPRESSED;
    l->window = l->window ? l->window : o->compress_window;
    l->compress = ratio, l->sparse = ratio == SPARSE, l->rope = ratio > 0;
}

ts_status ts_model_describe_compressed(const ts_model_options *o, ts_arch *a)
{
    int64_t *ratio;
    for (int64_t i = 0; i < a->n_layers && i < o->hash_layers; i++) {
        if (!ts_has_experts(&a->layer[i]))
            return ts_error(TS_ERR_USER, "--n-hash-layers %lld: layer %lld has no experts (--num-experts, --moe-layer-freq)",
                            (long long)o->hash_layers, (long long)i);
        a->layer[i].hashed = 1;
    }
    if (!ts_model_compresses(o))
        return !o->kv_compress ? TS_OK : ts_error(TS_ERR_USER, "--kv-compress needs --compress-ratios, which says how much");
    TS_TRY(check_together(o, a));
    TS_TRY(read_ratios(o, a->n_layers, &ratio));
    describe_ropes(o, a);
    describe_sizes(o, a);
    for (int64_t i = 0; i < a->n_layers; i++)
        make_layer(o, &a->layer[i], ratio[i]);
    ts_free(&ratio);
    return TS_OK;
}

ts_status ts_model_compare_ratios(const ts_model_options *o, const ts_option_set *set, const ts_arch *a, const char *folder)
{
    int64_t *ratio;
    if (!set || !ts_option_given(set, "compress-ratios"))
        return TS_OK;
    TS_TRY(read_ratios(o, a->n_layers, &ratio));
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && i < a->n_layers; i++) {
        const ts_layer_arch *l = &a->layer[i];
        if (l->attention != TS_ATTENTION_COMPRESSED || l->compress != ratio[i] || l->sparse != (ratio[i] == SPARSE))
            st = ts_error(TS_ERR_USER, "--compress-ratios contradicts %s, whose layer %lld has %s", folder, (long long)i,
                          l->attention == TS_ATTENTION_COMPRESSED ? "another ratio" : "other attention");
    }
    ts_free(&ratio);
    return st;
}
