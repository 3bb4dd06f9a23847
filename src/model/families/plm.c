/* PLM 1.8B (arXiv 2503.12167): latent attention as DeepSeek's, neighbouring pairs rotated, beside a plain MLP.
 * transformers runs it from code beside the weights. */
#include "model/families/latent.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 151936),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 8192),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("hidden_act", act, TS_ACT_RELU2),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_LATENT_HEAD(128),
    TS_OWN("rope_theta", rope, ts_latent_read_pairs, NULL, 100000),
    TS_LATENT_RANKS(0, 512),
    TS_COPY("v_head_dim", v_head_dim, 128),
    TS_COPY_BOTH("attention_bias", bias_down, bias_proj, false),
    TS_FIXED(gated, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_plm = { .model_type = "plm", .architecture = "PLMForCausalLM", .base = &ts_family_base,
                                  .names = ts_latent_names, .rows = rows, .read_only = true };
