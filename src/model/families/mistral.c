/* Mistral 7B, Nemo, Small: Llama with a sliding window in the first version. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("intermediate_size", ffn, 14336),
    TS_KV_HEADS(8),
    TS_COPY("max_position_embeddings", max_positions, 4096 * 32),
    TS_WINDOW(4096),
    { TS_CONFIG_END },
};

const ts_family ts_family_mistral = { .model_type = "mistral", .architecture = "MistralForCausalLM",
                                      .base = &ts_family_base, .rows = rows };
