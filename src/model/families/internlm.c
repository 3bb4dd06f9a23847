/* InternLM 1: Llama with biases in attention. transformers runs it from code beside the weights. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 103168),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_NO_HEAD_DIM,
    TS_ID("pad_token_id", pad, 0),
    TS_COPY_BOTH("bias", bias_qkv, bias_proj, true),
    { TS_CONFIG_END },
};

const ts_family ts_family_internlm = { .model_type = "internlm", .architecture = "InternLMForCausalLM",
                                 .base = &ts_family_base, .read_only = true, .rows = rows };
