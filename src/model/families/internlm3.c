/* InternLM 3: Llama; biases under other names as well. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 128512),
    TS_COPY("intermediate_size", ffn, 10240),
    TS_COPY("num_hidden_layers", n_layers, 48),
    TS_KV_HEADS(2),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("pad_token_id", pad, 2),
    { .kind = TS_CONFIG_COPY, .key = "attention_bias", .before = "qkv_bias", .def = false,
      .field = { TS_CONFIG_AT(bias_qkv), TS_CONFIG_AT(bias_proj) } },
    { .kind = TS_CONFIG_COPY, .key = "mlp_bias", .before = "bias", .def = false,
      .field = { TS_CONFIG_AT(bias_fc1), TS_CONFIG_AT(bias_fc2) } },
    { TS_CONFIG_END },
};

const ts_family ts_family_internlm3 = { .model_type = "internlm3", .architecture = "InternLM3ForCausalLM",
                                 .base = &ts_family_base, .rows = rows };
