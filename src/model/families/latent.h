/* What classes with latent attention (DeepSeek-V2, V3, MiniCPM 3) have in common. */
#ifndef TS_MODEL_FAMILIES_LATENT_H
#define TS_MODEL_FAMILIES_LATENT_H
#include "model/families/families.h"

extern const ts_name_row ts_latent_names[];

/* qk_nope_head_dim (`nope_` where it is missing) and qk_rope_head_dim (half of `nope_`, at most 64) together. */
#define TS_LATENT_HEAD(nope_)                                                                      \
    TS_OWN("qk_nope_head_dim", head_dim, ts_latent_read_head, ts_latent_write_head, nope_)
#define TS_LATENT_ROPE(interleaved_)                                                               \
    TS_OWN("rope_theta", rope, interleaved_, ts_config_write_ropes, 10000)
/* Ranks and the width of values, as DeepSeek's classes have them. */
#define TS_LATENT_RANKS(q_, kv_)                                                                   \
    TS_CONFIG_ROW(COPY, "q_lora_rank", q_lora_rank, q_, .has_null = true),                         \
        TS_COPY("kv_lora_rank", kv_lora_rank, kv_)

ts_config_read_fn ts_latent_read_head, ts_latent_read_rope, ts_latent_read_pairs;
ts_config_write_fn ts_latent_write_head, ts_latent_write_pairs;
#endif
