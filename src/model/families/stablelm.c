/* StableLM 2, StableLM 3B: Llama with layer norms and a quarter of each head rotated. */
#include "model/families/families.h"

static const ts_config_row rows[] = {
    TS_REFUSE("qk_layernorm", "it is a norm of its own for each head"),
    TS_REFUSE("use_parallel_residual", "attention and MLP must have a norm each"),
    TS_COPY("vocab_size", vocab, 50304),
    TS_COPY("hidden_size", hidden, 2560),
    TS_COPY("intermediate_size", ffn, 6912),
    TS_KV_HEADS(32),
    TS_NO_HEAD_DIM,
    TS_COPY("max_position_embeddings", max_positions, 4096),
    TS_COPY("layer_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, 0),
    TS_ENDS(0),
    TS_ROPE(10000, 0.25),
    TS_COPY("use_qkv_bias", bias_qkv, false),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    { TS_CONFIG_END },
};

const ts_family ts_family_stablelm = { .model_type = "stablelm", .architecture = "StableLmForCausalLM",
                                       .base = &ts_family_base, .rows = rows };
