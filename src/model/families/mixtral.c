/* Mixtral: Mistral with experts in every layer. */
#include "model/families/families.h"

const ts_name_row ts_mixtral_names[] = {
    TS_NAMES_FIRST,
    TS_NAMES_HEAD_NORMS,
    { .name = "mlp.router", .hf_name = "model.layers.*.block_sparse_moe.gate" },
    { .name = "mlp.router.expert_bias", .hf_name = "model.layers.*.block_sparse_moe.e_score_correction_bias" },
    { "mlp.experts.linear_fc1", "model.layers.*.block_sparse_moe.experts.*.w1", TS_PART_GATE, false },
    { .name = "mlp.experts.linear_fc2", .hf_name = "model.layers.*.block_sparse_moe.experts.*.w2" },
    { "mlp.experts.linear_fc1", "model.layers.*.block_sparse_moe.experts.*.w3", TS_PART_UP, false },
    TS_NAMES_LAST,
    { 0 },
};

static const ts_config_row rows[] = {
    TS_KV_HEADS(8),
    TS_HEAD_DIM(0),
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 14336),
    TS_COPY("max_position_embeddings", max_positions, 4096 * 32),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ROPE(1e6, 0),
    TS_WINDOW(0),
    TS_CONFIG_ROW(COPY, "num_local_experts", n_experts, 8, .before = "num_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 2),
    TS_FIXED(router_score, TS_ROUTE_CHOSEN),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_mixtral = { .model_type = "mixtral", .architecture = "MixtralForCausalLM",
                                      .base = &ts_family_base, .names = ts_mixtral_names, .rows = rows };
