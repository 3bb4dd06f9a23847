/* Hunyuan 3: heads of queries and keys are normed before their rotation; experts that a sigmoid scores, chosen with a
 * bias, beside shared ones. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    TS_NAMES_HEAD_NORMS,
    { .name = "mlp.router.expert_bias", .hf_name = "model.layers.*.mlp.expert_bias" },
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.router.gate" },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.mlp.experts.*."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.mlp.shared_mlp."),
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 120832),
    TS_COPY("hidden_size", hidden, 4096),
    TS_COPY("intermediate_size", ffn, 13312),
    TS_COPY("num_hidden_layers", n_layers, 80),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_KV_HEADS(8),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("initializer_range", init_std, 0.006),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_REFUSE("mlp_bias", "MLPs of this class have no bias here"),
    TS_ROPE(11158840, 1),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 192, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 8),
    TS_COPY("moe_intermediate_size", expert_ffn, 1536),
    TS_OWN("num_shared_experts", shared_ffn, ts_config_read_shared_experts, ts_config_write_shared_experts, 1),
    TS_COPY("router_scaling_factor", router_scale, 2.826),
    TS_FIXED(router_score, TS_ROUTE_SIGMOID),
    TS_FIXED(router_bias, true),
    TS_FIXED(router_norm, true),
    TS_MLP_TYPES(1),
    { TS_CONFIG_END },
};

const ts_family ts_family_hy_v3 = { .model_type = "hy_v3", .architecture = "HYV3ForCausalLM",
                                    .base = &ts_family_base, .names = names, .rows = rows };
