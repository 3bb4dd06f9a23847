/* Qwen1.5-MoE, Qwen2-MoE: experts beside a shared one whose result a sigmoid weighs. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    TS_NAMES_HEAD_NORMS,
    TS_QWEN2_MOE_NAMES,
    TS_NAMES_LAST,
    { 0 },
};

static const ts_config_row rows[] = {
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 5632),
    TS_COPY("num_hidden_layers", n_layers, 24),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_KV_HEADS(16),
    TS_COPY("qkv_bias", bias_qkv, true),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 60, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 4),
    TS_COPY("moe_intermediate_size", expert_ffn, 1408),
    TS_COPY("shared_expert_intermediate_size", shared_ffn, 5632),
    TS_FIXED(shared_gate, true),
    TS_TOPK_NORM(false),
    TS_QWEN_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_qwen2_moe = { .model_type = "qwen2_moe", .architecture = "Qwen2MoeForCausalLM",
                                        .base = &ts_family_qwen2, .names = names, .rows = rows };
