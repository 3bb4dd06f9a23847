/* Ling 2, Ring (BailingMoeV2): queries, keys and values in one tensor, half of each head rotated behind a norm;
 * experts as DeepSeek-V3's. transformers runs it from code beside the weights. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.word_embeddings" },
    { "self_attention.linear_qkv", "model.layers.*.attention.query_key_value", TS_PART_QKV, false },
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.attention.query_layernorm" },
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.attention.key_layernorm" },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.attention.dense" },
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.gate" },
    { .name = "mlp.router.expert_bias", .hf_name = "model.layers.*.mlp.gate.expert_bias" },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.mlp.experts.*."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.mlp.shared_experts."),
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

static ts_status read_qk_norm(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool norms = true;
    TS_TRY(ts_json_bool(o, file, r->key, norms, &norms));
    a->qk_norm = norms ? TS_QK_NORM_HEAD : TS_QK_NORM_NONE;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 157184),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 5120),
    TS_COPY("num_hidden_layers", n_layers, 20),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_KV_HEADS(4),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_ID("bos_token_id", bos, -1),
    TS_ID("pad_token_id", pad, 156892),
    TS_ENDS(156892),
    TS_ROPE(600000, 0.5),
    TS_CONFIG_ROW(OWN, "use_qk_norm", qk_norm, 1, .read = read_qk_norm),
    TS_COPY("use_qkv_bias", bias_qkv, false),
    TS_COPY("use_bias", bias_proj, false),
    TS_COPY("num_experts_per_tok", experts_per_token, 8),
    TS_COPY("moe_intermediate_size", expert_ffn, 512),
    TS_COPY("num_experts", n_experts, 256),
    TS_OWN("num_shared_experts", shared_ffn, ts_config_read_shared_experts, ts_config_write_shared_experts, 1),
    TS_COPY("n_group", router_groups, 8),
    TS_COPY("topk_group", router_group_topk, 4),
    TS_OWN(NULL, router_group_best, ts_config_two_best, NULL, 0),
    TS_COPY("routed_scaling_factor", router_scale, 2.5),
    TS_FIXED(router_score, TS_ROUTE_SIGMOID),
    TS_ALWAYS("score_function", "sigmoid"),
    TS_FIXED(router_bias, true),
    TS_FIXED(router_norm, true),
    TS_FIRST_DENSE(1),
    { TS_CONFIG_END },
};

const ts_family ts_family_bailing_moe_v2 = { .model_type = "bailing_moe_v2", .architecture = "BailingMoeV2ForCausalLM",
                                             .base = &ts_family_base, .names = names, .rows = rows, .read_only = true,
                                             .has_further = true };
