/* Granite 3 MoE: all experts of a layer in one tensor; embeddings, scores, residuals and logits are scaled. */
#include "model/families/families.h"
#include "model/families/granite.h"

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    { .name = "mlp.experts.linear_fc1", .hf_name = "model.layers.*.block_sparse_moe.input_linear" },
    { .name = "mlp.experts.linear_fc2", .hf_name = "model.layers.*.block_sparse_moe.output_linear" },
    { .name = "mlp.router", .hf_name = "model.layers.*.block_sparse_moe.router.layer" },
    TS_NAMES_LAST,
    { 0 },
};

static const ts_config_row rows[] = {
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 11008),
    TS_NO_HEAD_DIM,
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_GRANITE_FACTORS,
    TS_COPY("num_local_experts", n_experts, 8),
    TS_COPY("num_experts_per_tok", experts_per_token, 2),
    TS_FIXED(router_score, TS_ROUTE_CHOSEN),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_granitemoe = { .model_type = "granitemoe", .architecture = "GraniteMoeForCausalLM",
                                         .base = &ts_family_base, .names = names, .rows = rows };
