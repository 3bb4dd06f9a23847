/* Arcee (AFM): Llama with a plain MLP, which squares a ReLU. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("hidden_size", hidden, 2560),
    TS_COPY("intermediate_size", ffn, 18432),
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY("hidden_act", act, TS_ACT_RELU2),
    TS_ID("bos_token_id", bos, 128000),
    TS_ENDS(128001),
    TS_FIXED(gated, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_arcee = { .model_type = "arcee", .architecture = "ArceeForCausalLM",
                                    .base = &ts_family_llama, .rows = rows };
