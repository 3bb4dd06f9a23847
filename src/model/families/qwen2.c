/* Qwen 1.5, 2, 2.5, QwQ: Llama with biases on queries, keys and values. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 151936),
    TS_COPY("intermediate_size", ffn, 22016),
    TS_KV_HEADS(32),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_FIXED(bias_qkv, true),
    TS_QWEN_WINDOWS,
    { TS_CONFIG_END },
};

const ts_family ts_family_qwen2 = { .model_type = "qwen2", .architecture = "Qwen2ForCausalLM",
                                    .base = &ts_family_base, .rows = rows };
