#include "model/megatron/args.h"

#include <stddef.h>
#include <string.h>

/* One option and its value. */
typedef struct option {
    const char *name;
    enum { INT, REAL, BOOL, TEXT, NONE } kind;
    int64_t i;
    double r;
    const char *s;
} option;

#define O_INT(name_, v_) { .name = name_, .kind = INT, .i = v_ }
#define O_REAL(name_, v_) { .name = name_, .kind = REAL, .r = v_ }
#define O_BOOL(name_, v_) { .name = name_, .kind = BOOL, .i = v_ }
#define O_TEXT(name_, v_) { .name = name_, .kind = (v_) ? TEXT : NONE, .s = v_ }
/* 0: None */
#define O_SIZE(name_, v_) { .name = name_, .kind = (v_) ? INT : NONE, .i = v_ }

static ts_status put_options(ts_str *p, const option *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        TS_TRY(ts_pickle_put_text(p, o[i].name));
        switch (o[i].kind) {
        case INT: TS_TRY(ts_pickle_put_int(p, o[i].i)); break;
        case REAL: TS_TRY(ts_pickle_put_real(p, o[i].r)); break;
        case BOOL: TS_TRY(ts_pickle_put_bool(p, o[i].i)); break;
        case TEXT: TS_TRY(ts_pickle_put_text(p, o[i].s)); break;
        case NONE: TS_TRY(ts_pickle_put_none(p)); break;
        }
    }
    return TS_OK;
}
#define PUT(p, ...)                                                                                \
    put_options(p, (const option[]){ __VA_ARGS__ }, sizeof((const option[]){ __VA_ARGS__ }) / sizeof(option))

static ts_status put_model(ts_str *p, const ts_arch *a, const ts_mg_split *s)
{
    const bool rotates = a->position == TS_POSITION_ROPE;
    return PUT(p, O_INT("num_layers", a->n_layers + s->n_noop), O_INT("hidden_size", a->hidden), O_INT("ffn_hidden_size", a->ffn),
               O_INT("num_attention_heads", a->n_heads), O_INT("num_query_groups", a->n_kv_heads),
               O_BOOL("group_query_attention", a->n_kv_heads != a->n_heads), O_INT("kv_channels", a->head_dim),
               O_INT("max_position_embeddings", a->max_positions), O_INT("seq_length", a->max_positions),
               O_INT("vocab_size", a->vocab), O_INT("padded_vocab_size", s->vocab ? s->vocab : a->vocab),
               O_TEXT("normalization", a->norm == TS_NORM_RMS ? "RMSNorm" : "LayerNorm"), O_REAL("norm_epsilon", a->norm_eps),
               O_BOOL("apply_layernorm_1p", a->norm_offset != 0), O_BOOL("swiglu", a->gated && a->act == TS_ACT_SILU),
               O_BOOL("geglu", a->gated && (a->act == TS_ACT_GELU || a->act == TS_ACT_GELU_TANH)),
               O_BOOL("add_bias_linear", a->bias_proj && a->bias_fc1), O_BOOL("add_qkv_bias", a->bias_qkv && !a->bias_proj),
               O_BOOL("add_dense_bias", a->bias_proj && !a->bias_fc1),
               O_BOOL("qk_layernorm", a->qk_norm != TS_QK_NORM_NONE), O_BOOL("post_norm", a->pre_norm && a->post_norm),
               O_BOOL("untie_embeddings_and_output_weights", !a->tied),
               O_TEXT("position_embedding_type", rotates                              ? "rope"
                                                 : a->position == TS_POSITION_LEARNED ? "learned_absolute"
                                                 : a->position == TS_POSITION_ALIBI   ? "alibi"
                                                                                      : "none"),
               O_BOOL("use_rotary_position_embeddings", rotates), O_REAL("rotary_base", rotates ? a->rope[0].theta : 10000),
               O_REAL("rotary_percent", rotates && a->head_dim && !a->kv_lora_rank ? (double)a->rope[0].dim / (double)a->head_dim : 1));
}

static ts_status put_experts(ts_str *p, const ts_arch *a, const ts_mg_split *s)
{
    int64_t first = 0;
    while (first < a->n_layers && !ts_has_experts(&a->layer[first]))
        first++;
    if (!a->n_experts)
        return PUT(p, O_SIZE("num_experts", 0));
    return PUT(p, O_INT("num_experts", a->n_experts), O_INT("moe_router_topk", a->experts_per_token),
               O_INT("moe_ffn_hidden_size", a->expert_ffn), O_SIZE("moe_shared_expert_intermediate_size", a->shared_ffn),
               O_INT("first_k_dense_replace", first), O_BOOL("moe_grouped_gemm", s->experts != TS_MG_EACH),
               O_BOOL("moe_tp_extend_ep", s->tp_extends_ep),
               O_TEXT("moe_router_score_function", a->router_score == TS_ROUTE_SIGMOID ? "sigmoid" : "softmax"),
               O_BOOL("moe_router_enable_expert_bias", a->router_bias), O_BOOL("norm_topk_prob", a->router_norm),
               O_REAL("moe_router_topk_scaling_factor", a->router_scale));
}

static ts_status put_latent(ts_str *p, const ts_arch *a, const ts_mg_split *s)
{
    if (!a->kv_lora_rank)
        return TS_OK;
    return PUT(p, O_BOOL("multi_latent_attention", true), O_SIZE("q_lora_rank", a->q_lora_rank),
               O_INT("kv_lora_rank", a->kv_lora_rank), O_INT("qk_head_dim", a->head_dim - a->qk_rope_dim),
               O_INT("qk_pos_emb_head_dim", a->qk_rope_dim), O_INT("v_head_dim", a->v_head_dim),
               O_BOOL("mla_mm_split", s->mla_split));
}

/* "1,2": as the options have it. */
static ts_status put_numbers(ts_str *p, const char *name, const int64_t *v, int64_t n)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && v && i < n; i++)
        st = ts_str_printf(&text, "%s%lld", i ? "," : "", (long long)v[i]);
    if (st == TS_OK)
        st = PUT(p, O_TEXT(name, v && n ? ts_str_text(&text) : NULL));
    ts_str_deinit(&text);
    return st;
}

static ts_status put_split(ts_str *p, const ts_arch *a, const ts_mg_split *s)
{
    const int64_t chunks = ts_mg_chunks(a, s);
    TS_TRY(PUT(p, O_INT("tensor_model_parallel_size", s->tp), O_INT("pipeline_model_parallel_size", s->pp),
               O_INT("expert_model_parallel_size", s->ep), O_INT("expert_tensor_parallel_size", s->experts_whole ? 1 : s->tp),
               O_INT("context_parallel_size", 1), O_SIZE("num_layers_per_virtual_pipeline_stage", s->folds ? 0 : s->chunk_layers),
               O_SIZE("virtual_pipeline_model_parallel_size", chunks > 1 ? chunks : 0),
               O_TEXT("schedules_method", s->folds ? "dualpipev" : NULL),
               O_TEXT("transformer_impl", s->norms_inside ? "transformer_engine" : "local"),
               O_SIZE("mtp_num_layers", a->mtp_layers)));
    TS_TRY(put_numbers(p, "num_layer_list", s->stage_layers, s->pp));
    return put_numbers(p, "noop_layers", s->noop, s->n_noop);
}

ts_status ts_mg_args_put(ts_str *p, const ts_arch *a, const ts_mg_split *s, const json_t *config, ts_st_dtype dtype)
{
    ts_str text = { 0 };
    const char *type = dtype == TS_ST_BF16 ? "bfloat16" : dtype == TS_ST_F16 ? "float16" : "float32";
    TS_TRY(ts_pickle_begin_namespace(p));
    TS_TRY(put_model(p, a, s));
    TS_TRY(put_latent(p, a, s));
    TS_TRY(put_experts(p, a, s));
    TS_TRY(put_split(p, a, s));
    TS_TRY(PUT(p, O_BOOL("bf16", dtype == TS_ST_BF16), O_BOOL("fp16", dtype == TS_ST_F16), O_INT("iteration", 1),
               O_INT("consumed_train_samples", 0), O_INT("consumed_valid_samples", 0)));
    TS_TRY(ts_pickle_put_text(p, "params_dtype"));
    TS_TRY(ts_pickle_put_name(p, "torch", type));
    ts_status st = config ? ts_json_write(config, JSON_COMPACT | JSON_SORT_KEYS, "config.json", &text) : TS_OK;
    if (st == TS_OK && config)
        st = PUT(p, O_TEXT("hf_config", ts_str_text(&text)), O_BOOL("hf_experts_stacked", a->experts_stacked),
                 O_BOOL("hf_other_names", a->other_names));
    ts_str_deinit(&text);
    TS_TRY(st);
    return ts_pickle_end_namespace(p);
}
