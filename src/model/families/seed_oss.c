/* Seed-OSS: Llama with biases of queries, keys and values. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 155136),
    TS_COPY("intermediate_size", ffn, 27648),
    TS_COPY("num_hidden_layers", n_layers, 64),
    TS_COPY("num_attention_heads", n_heads, 80),
    TS_KV_HEADS(8),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 524288),
    TS_ID("bos_token_id", bos, 0),
    TS_ID("pad_token_id", pad, 1),
    TS_COPY("attention_bias", bias_qkv, true),
    TS_COPY("attention_out_bias", bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_seed_oss = { .model_type = "seed_oss", .architecture = "SeedOssForCausalLM",
                                       .base = &ts_family_base, .rows = rows };
