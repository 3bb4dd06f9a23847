/* DeepSeek-V2, V2-Lite: latent attention, queries with a latent vector or without, rotated in neighbouring
 * pairs. */
#include "model/families/latent.h"

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_latent_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 102400),
    TS_LATENT_HEAD(128),
    TS_LATENT_ROPE(read_rope),
    TS_LATENT_RANKS(1536, 512),
    TS_COPY("v_head_dim", v_head_dim, 128),
    TS_COPY_BOTH("attention_bias", bias_down, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    { .kind = TS_CONFIG_OWN, .key = "first_k_dense_replace", .read = ts_latent_dense,
      .write = ts_latent_write_dense },
    { TS_CONFIG_END },
};

const ts_family ts_family_deepseek_v2 = { .model_type = "deepseek_v2", .architecture = "DeepseekV2ForCausalLM",
                                          .base = &ts_family_base, .names = ts_latent_names, .rows = rows };
