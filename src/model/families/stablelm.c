/* StableLM 2, StableLM 3B: Llama with layer norms and a quarter of each head rotated; the 12B has attention and
 * MLP side by side behind one norm, and norms each head of queries and keys. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    { "self_attention.q_layernorm", "model.layers.*.self_attn.q_layernorm.norms.*", TS_PART_EACH_HEAD, false },
    { "self_attention.k_layernorm", "model.layers.*.self_attn.k_layernorm.norms.*", TS_PART_EACH_HEAD, false },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

static const ts_config_row rows[] = {
    TS_OWN_NORMS("qk_layernorm"),
    TS_COPY_BOTH("use_parallel_residual", parallel_residual, shared_norm, false),
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
                                       .base = &ts_family_base, .names = names, .rows = rows };
