/* OLMo 2: no norm before a part but one after it; queries and keys are normed over all heads
 * together. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 50304),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, -1),
    TS_ID("pad_token_id", pad, 1),
    TS_ENDS(50279),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_FIXED(pre_norm, false),
    TS_FIXED(post_norm, true),
    TS_FIXED(qk_norm, TS_QK_NORM_FULL),
    { TS_CONFIG_END },
};

const ts_family ts_family_olmo2 = { .model_type = "olmo2", .architecture = "Olmo2ForCausalLM",
                                    .base = &ts_family_base, .names = ts_norms_around_names, .rows = rows };
