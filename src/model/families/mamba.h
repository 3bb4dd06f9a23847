/* Rows that families with state-space layers share. */
#ifndef TS_MODEL_FAMILIES_MAMBA_H
#define TS_MODEL_FAMILIES_MAMBA_H
#include "model/families/config.h"

/* In the order of transformers' modules; mixer: the module's name in files. */
#define TS_MAMBA_NAMES(mixer)                                                                      \
    { .name = "mixer.dt_bias", .hf_name = mixer ".dt_bias" },                                      \
    { .name = "mixer.A_log", .hf_name = mixer ".A_log" },                                          \
    { .name = "mixer.D", .hf_name = mixer ".D" },                                                  \
    { .name = "mixer.conv1d", .hf_name = mixer ".conv1d", .part = TS_PART_FILTER },                        \
    { .name = "mixer.in_proj_z", .hf_name = mixer ".in_proj" },                                    \
    { .name = "mixer.in_proj_xbc", .hf_name = mixer ".in_proj", .part = TS_PART_MORE },            \
    { .name = "mixer.in_proj_dt", .hf_name = mixer ".in_proj", .part = TS_PART_MORE },             \
    { .name = "mixer.norm", .hf_name = mixer ".norm" },                                            \
    { .name = "mixer.out_proj", .hf_name = mixer ".out_proj" }

/* Two numbers, of which the second may be infinite: a number beyond all others, or as transformers 5
 * writes it. */
ts_config_read_fn ts_mamba_read_steps, ts_mamba_read_silu, ts_mamba_read_expand;
ts_config_write_fn ts_mamba_write_steps, ts_mamba_write_expand;
#define TS_MAMBA_STEPS(key_) TS_OWN(key_, mamba.dt_max, ts_mamba_read_steps, ts_mamba_write_steps, 0)
/* The activation behind the convolution: there is no other. */
#define TS_MAMBA_SILU { .kind = TS_CONFIG_OWN, .key = "hidden_act", .read = ts_mamba_read_silu }
/* mamba_d_head: with mamba_n_heads it is mamba_expand times hidden_size. */
#define TS_MAMBA_EXPAND                                                                            \
    { .kind = TS_CONFIG_OWN, .key = "mamba_d_head", .read = ts_mamba_read_expand, .write = ts_mamba_write_expand }
#endif
