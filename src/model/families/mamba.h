/* Rows that families with state-space layers share. */
#ifndef TS_MODEL_FAMILIES_MAMBA_H
#define TS_MODEL_FAMILIES_MAMBA_H
#include "model/families/config.h"

/* In the order of transformers' modules; mixer: the module's name in files. */
#define TS_MAMBA_NAMES(mixer) TS_MAMBA_NAMES_OF("mixer", mixer)
#define TS_MAMBA_NAMES_OF(ours, mixer)                                                             \
    { .name = ours ".dt_bias", .hf_name = mixer ".dt_bias" },                                      \
    { .name = ours ".A_log", .hf_name = mixer ".A_log" },                                          \
    { .name = ours ".D", .hf_name = mixer ".D" },                                                  \
    { .name = ours ".conv1d", .hf_name = mixer ".conv1d", .part = TS_PART_FILTER },                        \
    { .name = ours ".in_proj_z", .hf_name = mixer ".in_proj" },                                    \
    { .name = ours ".in_proj_xbc", .hf_name = mixer ".in_proj", .part = TS_PART_MORE },            \
    { .name = ours ".in_proj_dt", .hf_name = mixer ".in_proj", .part = TS_PART_MORE },             \
    { .name = ours ".norm", .hf_name = mixer ".norm" },                                            \
    { .name = ours ".out_proj", .hf_name = mixer ".out_proj" }

/* The same of a selective scan; norms where the model has them. */
#define TS_SELECTIVE_NAMES(mixer)                                                                  \
    { .name = "mixer.A_log", .hf_name = mixer ".A_log" },                                          \
    { .name = "mixer.D", .hf_name = mixer ".D" },                                                  \
    { .name = "mixer.conv1d", .hf_name = mixer ".conv1d", .part = TS_PART_FILTER },                \
    { .name = "mixer.in_proj_x", .hf_name = mixer ".in_proj" },                                    \
    { .name = "mixer.in_proj_z", .hf_name = mixer ".in_proj", .part = TS_PART_MORE },              \
    { .name = "mixer.x_proj", .hf_name = mixer ".x_proj" },                                        \
    { .name = "mixer.dt_proj", .hf_name = mixer ".dt_proj" },                                      \
    { .name = "mixer.out_proj", .hf_name = mixer ".out_proj" },                                    \
    { .name = "mixer.dt_layernorm", .hf_name = mixer ".dt_layernorm" },                            \
    { .name = "mixer.b_layernorm", .hf_name = mixer ".b_layernorm" },                              \
    { .name = "mixer.c_layernorm", .hf_name = mixer ".c_layernorm" }

/* Two numbers, of which the second may be infinite: a number beyond all others, or as transformers 5
 * writes it. */
ts_config_read_fn ts_mamba_read_steps, ts_mamba_read_expand;
ts_config_write_fn ts_mamba_write_steps, ts_mamba_write_expand;
#define TS_MAMBA_STEPS(key_) TS_OWN(key_, mamba.dt_max, ts_mamba_read_steps, ts_mamba_write_steps, 0)
/* mamba_d_head: with mamba_n_heads it is mamba_expand times hidden_size. */
#define TS_MAMBA_EXPAND                                                                            \
    { .kind = TS_CONFIG_OWN, .key = "mamba_d_head", .read = ts_mamba_read_expand, .write = ts_mamba_write_expand }
/* Channels of a selective scan, so many times hidden_size; the rank of its steps, or "auto": a sixteenth of
 * hidden_size, rounded up. */
ts_config_read_fn ts_selective_read_expand, ts_selective_read_rank;
ts_config_write_fn ts_selective_write_expand, ts_selective_write_rank;
#define TS_SELECTIVE_EXPAND(key_)                                                                  \
    TS_OWN(key_, selective.channels, ts_selective_read_expand, ts_selective_write_expand, 2)
#define TS_SELECTIVE_RANK(key_) TS_OWN(key_, selective.rank, ts_selective_read_rank, ts_selective_write_rank, 0)
/* A model of nothing but scans of this kind, without positions. */
ts_config_read_fn ts_scans_read_layers;
#define TS_SCANS_ALONE(kind_)                                                                      \
    TS_FIXED(pad_frozen, false), TS_FIXED(position, TS_POSITION_NONE), TS_FIXED(n_heads, 1), TS_FIXED(n_kv_heads, 1),       \
    TS_FIXED(head_dim, 1), TS_FIXED(ffn, 1), TS_FIXED(max_positions, TS_ARCH_MAX_POSITIONS),                               \
    TS_OWN(NULL, layer, ts_scans_read_layers, NULL, kind_)
#endif
