/* Nemotron, Minitron: layer norms whose weights count as 1 + w, a plain MLP that squares a ReLU, half of
 * each head rotated. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 256000),
    TS_COPY("hidden_size", hidden, 6144),
    TS_COPY("intermediate_size", ffn, 24576),
    TS_COPY("num_attention_heads", n_heads, 48),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("norm_eps", norm_eps, 1e-5),
    TS_COPY("hidden_act", act, TS_ACT_RELU2),
    TS_COPY("initializer_range", init_std, 0.0134),
    TS_ID("bos_token_id", bos, 2),
    TS_ENDS(3),
    TS_ROPE(10000, 0.5),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_FIXED(gated, false),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_FIXED(norm_offset, 1),
    { TS_CONFIG_END },
};

const ts_family ts_family_nemotron = { .model_type = "nemotron", .architecture = "NemotronForCausalLM",
                                       .base = &ts_family_base, .rows = rows };
