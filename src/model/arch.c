#include "model/arch.h"

#include <math.h>
#include <string.h>

void ts_arch_init(ts_arch *a)
{
    *a = (ts_arch){
        .norm = TS_NORM_RMS,
        .norm_eps = 1e-6,
        .pre_norm = true,
        .final_norm = true,
        .position = TS_POSITION_ROPE,
        .gated = true,
        .act = TS_ACT_SILU,
        .embed_scale = 1,
        .attn_scale = 1,
        .residual_scale = 1,
        .logit_scale = 1,
        .init_std = 0.02,
        .bos = -1,
        .pad = -1,
        .pad_frozen = true,
    };
    for (int i = 0; i < TS_ARCH_MAX_EOS; i++)
        a->eos[i] = -1;
}

void ts_arch_deinit(ts_arch *a)
{
    ts_free(&a->layer);
    a->n_layers = 0;
}

ts_status ts_arch_copy(const ts_arch *a, ts_arch *out)
{
    ts_layer_arch *layer = NULL;
    if (a->layer) {
        TS_TRY(ts_alloc(&layer, (size_t)a->n_layers, sizeof *layer));
        memcpy(layer, a->layer, (size_t)a->n_layers * sizeof *layer);
    }
    *out = *a;
    out->layer = layer;
    return TS_OK;
}

ts_status ts_arch_layers(ts_arch *a, int64_t window)
{
    ts_layer_arch *layer = NULL;
    TS_TRY(ts_alloc(&layer, (size_t)a->n_layers, sizeof *layer));
    for (int64_t i = 0; i < a->n_layers; i++)
        layer[i].window = window;
    ts_free(&a->layer);
    a->layer = layer;
    return TS_OK;
}

static ts_status check_size(const char *file, const char *key, int64_t v, int64_t hi)
{
    if (v < 1 || v > hi)
        return ts_error(TS_ERR_USER, "%s: %s is %lld, expected 1 to %lld", file, key, (long long)v,
                        (long long)hi);
    return TS_OK;
}

static ts_status check_sizes(const ts_arch *a, const char *file)
{
    TS_TRY(check_size(file, "num_hidden_layers", a->n_layers, TS_ARCH_MAX_LAYERS));
    TS_TRY(check_size(file, "hidden_size", a->hidden, TS_ARCH_MAX_WIDTH));
    TS_TRY(check_size(file, "num_attention_heads", a->n_heads, TS_ARCH_MAX_HEADS));
    TS_TRY(check_size(file, "num_key_value_heads", a->n_kv_heads, TS_ARCH_MAX_HEADS));
    TS_TRY(check_size(file, "head_dim", a->head_dim, TS_ARCH_MAX_HEAD_DIM));
    TS_TRY(check_size(file, "intermediate_size", a->ffn, TS_ARCH_MAX_WIDTH));
    TS_TRY(check_size(file, "vocab_size", a->vocab, TS_ARCH_MAX_VOCAB));
    TS_TRY(check_size(file, "max_position_embeddings", a->max_positions, TS_ARCH_MAX_POSITIONS));
    if (a->n_heads % a->n_kv_heads)
        return ts_error(
            TS_ERR_USER,
            "%s: num_attention_heads is %lld, expected a multiple of num_key_value_heads, "
            "which is %lld",
            file, (long long)a->n_heads, (long long)a->n_kv_heads);
    return TS_OK;
}

static ts_status check_real(const char *file, const char *key, double v, bool may_be_0)
{
    if (!isfinite(v) || v < 0 || v > 1e9 || (!may_be_0 && v == 0))
        return ts_error(TS_ERR_USER, "%s: %s is %g, expected a number %s 0 (and at most 1e9)", file,
                        key, v, may_be_0 ? "not below" : "above");
    return TS_OK;
}

static ts_status check_reals(const ts_arch *a, const char *file)
{
    TS_TRY(check_real(file, "norm epsilon", a->norm_eps, true));
    if (a->norm_eps > 1)
        return ts_error(TS_ERR_USER, "%s: norm epsilon is %g, expected at most 1", file,
                        a->norm_eps);
    TS_TRY(check_real(file, "embedding scale", a->embed_scale, false));
    TS_TRY(check_real(file, "attention scale", a->attn_scale, false));
    TS_TRY(check_real(file, "residual scale", a->residual_scale, false));
    TS_TRY(check_real(file, "logit scale", a->logit_scale, false));
    TS_TRY(check_real(file, "attn_logit_softcapping", a->attn_softcap, true));
    TS_TRY(check_real(file, "final_logit_softcapping", a->logit_softcap, true));
    return check_real(file, "initializer_range", a->init_std, true);
}

ts_status ts_arch_check(const ts_arch *a, const char *file)
{
    TS_TRY(check_sizes(a, file));
    TS_TRY(check_reals(a, file));
    if (!a->pre_norm && !a->post_norm)
        return ts_error(TS_ERR_USER, "%s: a layer needs a norm before or after its parts", file);
    if (a->norm_bias && (a->post_norm || a->norm != TS_NORM_LAYER))
        return ts_error(TS_ERR_USER, "%s: norms with a bias are layer norms before a layer's parts",
                        file);
    if (a->parallel_residual && (!a->pre_norm || a->post_norm))
        return ts_error(TS_ERR_USER,
                        "%s: a parallel residual needs norms before attention and MLP only", file);
    if (a->position == TS_POSITION_ROPE) {
        if (a->n_ropes < 1 || a->n_ropes > 2)
            return ts_error(TS_ERR_USER, "%s: %d rotary embeddings, expected 1 or 2", file,
                            a->n_ropes);
        for (int i = 0; i < a->n_ropes; i++)
            TS_TRY(ts_rope_check(&a->rope[i], a->head_dim, file));
    }
    for (int64_t i = 0; i < a->n_layers; i++) {
        TS_ASSERT(a->layer && a->layer[i].rope >= 0 && a->layer[i].rope < 2, "layer %lld",
                  (long long)i);
        if (a->layer[i].window < 0)
            return ts_error(TS_ERR_USER, "%s: sliding_window is %lld, expected 1 or more", file,
                            (long long)a->layer[i].window);
        if (a->position == TS_POSITION_ROPE && a->layer[i].rope >= a->n_ropes)
            return ts_error(TS_ERR_USER, "%s: layer %lld has no rotary embedding", file,
                            (long long)i);
    }
    return TS_OK;
}
