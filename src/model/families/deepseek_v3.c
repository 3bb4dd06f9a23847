/* DeepSeek-V3, R1, Moonlight, Kimi K2: latent attention as in DeepSeek-V2; rope_interleave says which values
 * are rotated together. */
#include "model/families/latent.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 129280),
    TS_COPY("hidden_size", hidden, 7168),
    TS_COPY("intermediate_size", ffn, 18432),
    TS_COPY("num_hidden_layers", n_layers, 61),
    TS_COPY("num_attention_heads", n_heads, 128),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_LATENT_HEAD(128),
    TS_ID("bos_token_id", bos, 0),
    TS_ENDS(1),
    TS_OWN("rope_theta", rope, ts_latent_read_pairs, ts_latent_write_pairs, 10000),
    TS_LATENT_RANKS(1536, 512),
    TS_COPY("v_head_dim", v_head_dim, 128),
    TS_COPY_BOTH("attention_bias", bias_down, bias_proj, false),
    TS_EXPERT_ROWS(256, 8, 2048, 1, 8, 4),
    TS_COPY("routed_scaling_factor", router_scale, 2.5),
    TS_TOPK_NORM(true),
    TS_FIRST_DENSE(3),
    TS_MTP_LAYERS,
    { TS_CONFIG_END },
};

const ts_family ts_family_deepseek_v3 = { .model_type = "deepseek_v3", .architecture = "DeepseekV3ForCausalLM",
                                          .base = &ts_family_base, .names = ts_latent_names, .rows = rows };
