/* Granite 4: layers of a state-space scan or of attention, each with experts beside a shared MLP, or with the
 * shared MLP alone; factors as Granite's. */
#include "model/families/families.h"
#include "model/families/granite.h"
#include "model/families/mamba.h"

#include <string.h>

#define LAYER "model.layers.*."

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "input_layernorm", .hf_name = LAYER "input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = LAYER "post_attention_layernorm" },
    { .name = "mlp.experts.linear_fc1", .hf_name = LAYER "block_sparse_moe.input_linear" },
    { .name = "mlp.experts.linear_fc2", .hf_name = LAYER "block_sparse_moe.output_linear" },
    { .name = "mlp.router", .hf_name = LAYER "block_sparse_moe.router.layer" },
    { .name = "mlp.shared_experts.linear_fc1", .hf_name = LAYER "shared_mlp.input_linear" },
    { .name = "mlp.shared_experts.linear_fc2", .hf_name = LAYER "shared_mlp.output_linear" },
    { .name = "mlp.linear_fc1", .hf_name = LAYER "shared_mlp.input_linear" },
    { .name = "mlp.linear_fc2", .hf_name = LAYER "shared_mlp.output_linear" },
    TS_MAMBA_NAMES(LAYER "mamba"),
    { "self_attention.linear_qkv", LAYER "self_attn.q_proj", TS_PART_Q, false },
    { "self_attention.linear_qkv", LAYER "self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", LAYER "self_attn.v_proj", TS_PART_V, false },
    { .name = "self_attention.linear_proj", .hf_name = LAYER "self_attn.o_proj" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* Of layers with attention; null and "nope": none. */
static ts_status read_position(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *kind = NULL;
    TS_TRY(ts_json_text(o, file, "position_embedding_type", NULL, &kind));
    if (kind && !strcmp(kind, "rope"))
        return ts_config_read_rope(r, o, file, a);
    a->position = TS_POSITION_NONE;
    return !kind || !strcmp(kind, "nope")
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: position_embedding_type is \"%.40s\", expected rope, nope or null", file, kind);
}

static ts_status write_position(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const bool rotates = a->position == TS_POSITION_ROPE;
    TS_TRY(ts_config_put(o, "position_embedding_type", rotates ? json_string("rope") : json_null()));
    return rotates ? ts_config_write_ropes(r, a, o) : TS_OK;
}

/* The shared MLP is the only one where there are no experts. */
static ts_status read_shared(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t shared;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, TS_ARCH_MAX_WIDTH, &shared));
    if (a->n_experts > 0)
        a->shared_ffn = shared;
    else
        a->ffn = shared, a->expert_ffn = 0, a->experts_per_token = 0;
    return TS_OK;
}

static ts_status write_shared(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->n_experts > 0 ? a->shared_ffn : a->ffn));
}

/* transformers 4's words and 5's; all are state-space layers where there is no list. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char *const words[] = { "mamba", "linear_attention", "attention", "full_attention", NULL };
    const json_t *list;
    TS_TRY(ts_config_layer_list(o, file, r->key, a, &list));
    a->mamba.norm_groups = a->mamba.groups;
    for (int64_t i = 0; i < a->n_layers; i++) {
        int k = 0;
        if (list)
            TS_TRY(ts_config_layer_word(list, file, r->key, i, words, &k));
        a->layer[i].attention = k < 2 ? TS_ATTENTION_MAMBA : TS_ATTENTION_SOFTMAX;
        a->layer[i].mlp = a->n_experts > 0 ? TS_MLP_EXPERTS : a->layer[i].mlp;
    }
    return TS_OK;
}

static const char *type_of(const ts_layer_arch *l) { return l->attention == TS_ATTENTION_MAMBA ? "mamba" : "attention"; }

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put_words(o, r->key, a, type_of);
}

static const ts_config_row rows[] = {
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 11008),
    TS_NO_HEAD_DIM,
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_GRANITE_FACTORS,
    TS_COPY("num_local_experts", n_experts, 8),
    TS_COPY("num_experts_per_tok", experts_per_token, 2),
    TS_OWN("shared_intermediate_size", shared_ffn, read_shared, write_shared, 1024),
    TS_FIXED(router_score, TS_ROUTE_CHOSEN),
    TS_OWN("rope_theta", rope, read_position, write_position, 10000),
    TS_COPY("mamba_n_heads", mamba.heads, 128),
    TS_COPY("mamba_n_groups", mamba.groups, 1),
    TS_COPY("mamba_d_state", mamba.state, 256),
    TS_COPY("mamba_d_conv", mamba.conv, 4),
    TS_COPY("mamba_conv_bias", mamba.conv_bias, true),
    TS_COPY("mamba_proj_bias", mamba.bias, false),
    TS_MAMBA_EXPAND,
    TS_MAMBA_STEPS("time_step_limit"),
    TS_OWN("layer_types", layer, read_layers, write_layers, 0),
    TS_STATE_ACT,
    { TS_CONFIG_END },
};

const ts_family ts_family_granitemoehybrid = { .model_type = "granitemoehybrid",
                                               .architecture = "GraniteMoeHybridForCausalLM",
                                               .base = &ts_family_base, .names = names, .rows = rows };
