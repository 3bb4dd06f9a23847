/* Mamba 1 and Falcon Mamba: layers of one part each, the selective scan; no positions. */
#include "model/families/families.h"
#include "model/families/mamba.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "backbone.embeddings" },
    { .name = "input_layernorm", .hf_name = "backbone.layers.*.norm" },
    TS_SELECTIVE_NAMES("backbone.layers.*.mixer"),
    { .name = "decoder.final_layernorm", .hf_name = "backbone.norm_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static const ts_config_row rows[] = {
    TS_NOT_QUANTISED,
    TS_COPY("vocab_size", vocab, 50280),
    TS_COPY("hidden_size", hidden, 768),
    TS_COPY("num_hidden_layers", n_layers, 32),
    TS_COPY("state_size", selective.state, 16),
    TS_COPY("conv_kernel", selective.conv, 4),
    TS_SELECTIVE_EXPAND("expand"),
    TS_SELECTIVE_RANK("time_step_rank"),
    TS_COPY("use_bias", selective.bias, false),
    TS_COPY("use_conv_bias", selective.conv_bias, true),
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-5),
    TS_COPY("initializer_range", init_std, 0.1),
    TS_ALWAYS("hidden_act", "silu swish"),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, 0),
    TS_ID("pad_token_id", pad, 0),
    TS_ENDS(0),
    TS_FIXED(selective.norm, TS_SELECTIVE_NORM_NONE),
    TS_FIXED(selective.eps, 0),
    TS_SCANS_ALONE(TS_ATTENTION_SELECTIVE),
    { TS_CONFIG_END },
};

const ts_family ts_family_mamba = { .model_type = "mamba", .architecture = "MambaForCausalLM", .prefix = "backbone.",
                                    .names = names, .rows = rows };

/* Steps, B and C are normed, without weights. */
static const ts_config_row falcon_rows[] = {
    TS_FIXED(selective.norm, TS_SELECTIVE_NORM_BARE),
    TS_COPY("mixer_rms_eps", selective.eps, 1e-6),
    { TS_CONFIG_END },
};

const ts_family ts_family_falcon_mamba = { .model_type = "falcon_mamba", .architecture = "FalconMambaForCausalLM",
                                           .base = &ts_family_mamba, .rows = falcon_rows };
