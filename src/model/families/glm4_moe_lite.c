/* GLM-4.7-Flash: DeepSeek-V3's attention with GLM-4-MoE's experts; mlp_layer_types says which layers have them. */
#include "model/families/latent.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 154880),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 10240),
    TS_COPY("num_hidden_layers", n_layers, 47),
    TS_COPY("num_attention_heads", n_heads, 20),
    TS_COPY("max_position_embeddings", max_positions, 202752),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_LATENT_HEAD(192),
    TS_LATENT_RANKS(768, 512),
    TS_COPY("v_head_dim", v_head_dim, 256),
    TS_EXPERT_ROWS(64, 4, 1536, 1, 1, 1),
    TS_COPY("routed_scaling_factor", router_scale, 1.8),
    { .kind = TS_CONFIG_OWN, .key = "first_k_dense_replace" }, /* transformers' class does not read it */
    TS_MLP_TYPES(1),
    { TS_CONFIG_END },
};

const ts_family ts_family_glm4_moe_lite = { .model_type = "glm4_moe_lite", .architecture = "Glm4MoeLiteForCausalLM",
                                            .base = &ts_family_deepseek_v3, .rows = rows };
