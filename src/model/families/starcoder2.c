/* StarCoder 2: Llama's attention with biases, layer norms, a plain MLP. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    { .name = "mlp.linear_fc1", .hf_name = "model.layers.*.mlp.c_fc" },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.c_proj" },
    TS_NAMES_LAST,
    { 0 },
};

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 49152),
    TS_COPY("hidden_size", hidden, 3072),
    TS_COPY("intermediate_size", ffn, 12288),
    TS_COPY("num_hidden_layers", n_layers, 30),
    TS_COPY("num_attention_heads", n_heads, 24),
    TS_KV_HEADS(2),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("norm_epsilon", norm_eps, 1e-5),
    TS_COPY("hidden_act", act, TS_ACT_GELU_TANH),
    TS_COPY("initializer_range", init_std, 0.018042),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, 50256),
    TS_ENDS(50256),
    { .kind = TS_CONFIG_COPY, .key = "use_bias", .def = true,
      .field = { TS_CONFIG_AT(bias_qkv), TS_CONFIG_AT(bias_proj), TS_CONFIG_AT(bias_fc1),
                 TS_CONFIG_AT(bias_fc2) } },
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_FIXED(gated, false),
    TS_WINDOW(0),
    { TS_CONFIG_END },
};

const ts_family ts_family_starcoder2 = { .model_type = "starcoder2", .architecture = "Starcoder2ForCausalLM",
                                         .base = &ts_family_base, .names = names, .rows = rows };
