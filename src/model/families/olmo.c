/* OLMo 1: Llama with layer norms that have no weights, and bounds of queries, keys and values. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 50304),
    TS_NO_HEAD_DIM,
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_ID("bos_token_id", bos, -1),
    TS_ID("pad_token_id", pad, 1),
    TS_ENDS(50279),
    TS_CAP("clip_qkv", qkv_clip, 0),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bare, true),
    TS_FIXED(norm_eps, 1e-5),
    { TS_CONFIG_END },
};

const ts_family ts_family_olmo = { .model_type = "olmo", .architecture = "OlmoForCausalLM", .base = &ts_family_base,
                                   .rows = rows };
