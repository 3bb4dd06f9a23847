/* Qwen 3, dense: a norm of each head's queries and keys instead of Qwen 2's biases. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_HEAD_DIM(128),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    { TS_CONFIG_END },
};

const ts_family ts_family_qwen3 = { .model_type = "qwen3", .architecture = "Qwen3ForCausalLM",
                                    .base = &ts_family_qwen2, .rows = rows };
