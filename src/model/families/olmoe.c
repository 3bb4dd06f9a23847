/* OLMoE: experts in every layer, norms of all heads of queries and keys together. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_CAP("clip_qkv", qkv_clip, 0),
    TS_COPY("vocab_size", vocab, 50304),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 2048),
    TS_COPY("num_hidden_layers", n_layers, 16),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_NO_HEAD_DIM,
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_ID("pad_token_id", pad, 1),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(50279),
    TS_FIXED(qk_norm, TS_QK_NORM_FULL),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 64, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 8),
    TS_TOPK_NORM(false),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_olmoe = { .model_type = "olmoe", .architecture = "OlmoeForCausalLM",
                                    .base = &ts_family_base, .names = ts_experts_names, .rows = rows };
