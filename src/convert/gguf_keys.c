/* The keys of a GGUF file beside its tokenizer's: what the model is, as llama.cpp's converter says it of each
 * architecture. */
#include "convert/gguf.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- values ---- */

static ts_status count(ts_gguf_plan *p, const char *key, int64_t v)
{
    char name[TS_GGUF_KEY_TEXT];
    TS_ASSERT(v >= 0 && v <= UINT32_MAX, "%s is %lld", key, (long long)v);
    return ts_gguf_add_u32(&p->keys, ts_gguf_arch_key(p->model, key, name), (uint32_t)v);
}

static ts_status real(ts_gguf_plan *p, const char *key, double v)
{
    char name[TS_GGUF_KEY_TEXT];
    return ts_gguf_add_f32(&p->keys, ts_gguf_arch_key(p->model, key, name), (float)v);
}

static ts_status truth(ts_gguf_plan *p, const char *key, bool v)
{
    char name[TS_GGUF_KEY_TEXT];
    return ts_gguf_add_bool(&p->keys, ts_gguf_arch_key(p->model, key, name), v);
}

static ts_status text(ts_gguf_plan *p, const char *key, const char *s)
{
    char name[TS_GGUF_KEY_TEXT];
    return ts_gguf_add_text(&p->keys, ts_gguf_arch_key(p->model, key, name), s, strlen(s));
}

static bool is(const ts_gguf_plan *p, const char *arch) { return !strcmp(p->model->arch, arch); }

/* ---- rotary embeddings ---- */

/* That of layers which attend to all keys, or to a window of them; NULL: no layer has such a one. */
static const ts_rope_config *rope_of(const ts_arch *a, bool windowed)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (a->layer[i].position == TS_POSITION_ROPE && (a->layer[i].window > 0) == windowed)
            return &a->rope[a->layer[i].rope];
    return NULL;
}

static int64_t window_of(const ts_arch *a)
{
    for (int64_t i = 0; i < a->n_layers; i++)
        if (a->layer[i].window > 0)
            return a->layer[i].window;
    return 0;
}

static ts_status put_yarn(ts_gguf_plan *p, const ts_rope_config *r)
{
    TS_TRY(text(p, "rope.scaling.type", "yarn"));
    TS_TRY(real(p, "rope.scaling.factor", r->factor));
    TS_TRY(count(p, "rope.scaling.original_context_length", r->original_max_positions));
    if (r->attention_factor != 0)
        TS_TRY(real(p, "rope.scaling.yarn_attn_factor", r->attention_factor));
    TS_TRY(real(p, "rope.scaling.yarn_beta_fast", r->beta_fast));
    return real(p, "rope.scaling.yarn_beta_slow", r->beta_slow);
}

/* How much slower each angle of Llama 3's scaling turns, step by step in fp32 as the converter computes it. */
static ts_status add_llama3(ts_gguf_plan *p, const ts_rope_config *r)
{
    const int64_t n = r->dim / 2;
    const float length = (float)r->original_max_positions, low = (float)r->low_freq_factor, high = (float)r->high_freq_factor,
                factor = (float)r->factor;
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)n, sizeof *v));
    for (int64_t i = 0; i < n; i++) {
        const float wave = (float)(2 * M_PI) / (1 / powf((float)r->theta, (float)(2 * i) / (float)r->dim));
        const float share = (length / wave - low) / (high - low);
        v[i] = wave < length / high ? 1 : wave > length / low ? factor : 1 / ((1 - share) / factor + share);
    }
    const ts_status st = ts_gguf_plan_add(p, "rope_freqs.weight", &v, n);
    ts_free(&v);
    return st;
}

static ts_status add_factors(ts_gguf_plan *p, const char *name, const float *from, int64_t n)
{
    float *v;
    TS_TRY(ts_alloc(&v, (size_t)n, sizeof *v));
    memcpy(v, from, (size_t)n * sizeof *v);
    const ts_status st = ts_gguf_plan_add(p, name, &v, n);
    ts_free(&v);
    return st;
}

/* The magnitude of longrope: what config.json says, else its formula. */
static ts_status put_longrope(ts_gguf_plan *p, const ts_rope_config *r)
{
    const double scale = (double)p->a->max_positions / (double)r->original_max_positions;
    const double by_formula = scale > 1 ? sqrt(1 + log(scale) / log((double)r->original_max_positions)) : 1;
    TS_TRY(real(p, "rope.scaling.attn_factor", r->attention_factor != 0 ? r->attention_factor : by_formula));
    TS_TRY(add_factors(p, "rope_factors_long.weight", r->long_factor, r->dim / 2));
    return add_factors(p, "rope_factors_short.weight", r->short_factor, r->dim / 2);
}

static ts_status put_scaling(ts_gguf_plan *p, const ts_rope_config *r)
{
    switch (r->scaling) {
    case TS_ROPE_LINEAR:
        TS_TRY(text(p, "rope.scaling.type", "linear"));
        return real(p, "rope.scaling.factor", r->factor);
    case TS_ROPE_YARN: return put_yarn(p, r);
    case TS_ROPE_LONGROPE: return put_longrope(p, r);
    case TS_ROPE_LLAMA3:
        if (p->model->pairs) /* those that llama.cpp's converter makes as Llama's */
            return add_llama3(p, r);
        return ts_error(TS_ERR_USER, "%s: its rotary embedding is scaled as Llama 3's, which GGUF files of the architecture %s "
                        "cannot say", p->m->path, p->model->arch);
    default: return TS_OK;
    }
}

/* ---- architectures ---- */

static ts_status put_sizes(ts_gguf_plan *p)
{
    const ts_arch *a = p->a;
    TS_TRY(count(p, "block_count", a->n_layers));
    TS_TRY(count(p, "context_length", a->max_positions));
    TS_TRY(count(p, "embedding_length", a->hidden));
    TS_TRY(count(p, "feed_forward_length", a->ffn));
    TS_TRY(count(p, "attention.head_count", a->n_heads));
    TS_TRY(count(p, "attention.head_count_kv", a->n_kv_heads));
    TS_TRY(real(p, a->norm == TS_NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", a->norm_eps));
    TS_TRY(count(p, "attention.key_length", a->head_dim));
    TS_TRY(count(p, "attention.value_length", a->head_dim));
    return count(p, "vocab_size", a->vocab);
}

static ts_status put_experts(ts_gguf_plan *p)
{
    const ts_arch *a = p->a;
    if (!a->n_experts)
        return TS_OK;
    TS_TRY(count(p, "expert_count", a->n_experts));
    TS_TRY(count(p, "expert_used_count", a->experts_per_token));
    if (a->shared_ffn)
        TS_TRY(count(p, "expert_shared_feed_forward_length", a->shared_ffn));
    return count(p, "expert_feed_forward_length", a->expert_ffn);
}

static ts_status put_windows(ts_gguf_plan *p)
{
    const ts_arch *a = p->a;
    const ts_rope_config *near = rope_of(a, true), *far = rope_of(a, false);
    if (window_of(a) && is(p, "exaone4"))
        return ts_error(TS_ERR_USER, "%s: some of its layers have a window (sliding_window), which llama.cpp takes from the number of layers "
                        "alone: GGUF files of the architecture exaone4 cannot say so", p->m->path);
    if (window_of(a) && ts_gguf_says_window(p->model))
        TS_TRY(count(p, "attention.sliding_window", window_of(a)));
    if (near && far && near != far)
        TS_TRY(real(p, "rope.freq_base_swa", near->theta));
    if (a->attn_softcap != 0)
        TS_TRY(real(p, "attn_logit_softcapping", a->attn_softcap));
    return a->logit_softcap != 0 ? real(p, "final_logit_softcapping", a->logit_softcap) : TS_OK;
}

/* Granite's multipliers: of logits what they are divided by. */
static ts_status put_scales(ts_gguf_plan *p)
{
    const ts_arch *a = p->a;
    TS_TRY(real(p, "attention.scale", a->attn_scale));
    TS_TRY(real(p, "embedding_scale", a->embed_scale));
    TS_TRY(real(p, "residual_scale", a->residual_scale));
    return real(p, "logit_scale", 1 / a->logit_scale);
}

static ts_status put_rope(ts_gguf_plan *p)
{
    const ts_rope_config *r = rope_of(p->a, false) ? rope_of(p->a, false) : rope_of(p->a, true);
    if (!r)
        return TS_OK;
    if (p->model->pairs || is(p, "phi3") || is(p, "cohere2") || r->dim != p->a->head_dim)
        TS_TRY(count(p, "rope.dimension_count", r->dim));
    if (is(p, "phi3")) {
        TS_TRY(count(p, "rope.scaling.original_context_length",
                     r->scaling == TS_ROPE_LONGROPE ? r->original_max_positions : p->a->max_positions));
        if (!window_of(p->a)) /* llama.cpp takes a file without as one of an older kind */
            TS_TRY(count(p, "attention.sliding_window", 0));
    }
    if (!is(p, "gemma") && !is(p, "gemma2")) /* llama.cpp has it fixed there */
        TS_TRY(real(p, "rope.freq_base", r->theta));
    return put_scaling(p, r);
}

static ts_status put_general(ts_gguf_plan *p)
{
    const char *path = p->m->path, *slash;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n > 5 && ts_path_ends(path, ".gguf"))
        n -= 5;
    for (slash = path + n; slash > path && slash[-1] != '/';)
        slash--;
    TS_TRY(ts_gguf_add_text(&p->keys, "general.architecture", p->model->arch, strlen(p->model->arch)));
    TS_TRY(ts_gguf_add_text(&p->keys, "general.type", "model", strlen("model")));
    TS_TRY(ts_gguf_add_text(&p->keys, "general.name", slash, (size_t)(path + n - slash)));
    TS_TRY(ts_gguf_add_u32(&p->keys, "general.file_type", p->type->number));
    return ts_gguf_add_u32(&p->keys, "general.quantization_version", 2);
}

ts_status ts_gguf_plan_keys(ts_gguf_plan *p)
{
    TS_TRY(put_general(p));
    TS_TRY(put_sizes(p));
    TS_TRY(put_experts(p));
    TS_TRY(put_windows(p));
    if (is(p, "granite"))
        TS_TRY(put_scales(p));
    if (is(p, "command-r") || is(p, "cohere2")) {
        TS_TRY(real(p, "logit_scale", p->a->logit_scale));
        TS_TRY(text(p, "rope.scaling.type", "none"));
    }
    if (is(p, "stablelm") || is(p, "gptneox"))
        TS_TRY(truth(p, "use_parallel_residual", p->a->parallel_residual));
    if (p->a->qkv_clip != 0 && is(p, "olmo"))
        TS_TRY(real(p, "attention.clamp_kqv", p->a->qkv_clip));
    if (is(p, "falcon")) /* the order of queries, keys and values */
        TS_TRY(text(p, "tensor_data_layout", "jploski"));
    return put_rope(p);
}
