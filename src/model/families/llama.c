/* Llama 2, 3 and what calls itself Llama: Yi, Vicuna, Code Llama, TinyLlama, SmolLM,
 * DeepSeek-R1-Distill-Llama */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_CHECK(ts_config_whole_heads),
    { TS_CONFIG_END },
};

const ts_family ts_family_llama = { .model_type = "llama", .architecture = "LlamaForCausalLM",
                                    .base = &ts_family_base, .rows = rows };
