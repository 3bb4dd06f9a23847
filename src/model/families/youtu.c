/* Youtu-LLM: DeepSeek-V3's attention with MLPs alone. */
#include "model/families/latent.h"

#include <math.h>

/* Without one it goes by the width of the stream. */
static ts_status read_deviation(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const double usual = 2 / sqrt(5 * (double)a->hidden);
    return ts_config_real(o, file, r->key, usual, usual, &a->init_std);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 128256),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 6144),
    TS_COPY("num_hidden_layers", n_layers, 32),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_LATENT_HEAD(128),
    TS_OWN("initializer_range", init_std, read_deviation, ts_config_copy_out, 0),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, 128000),
    TS_ENDS(128001),
    TS_OWN("rope_theta", rope, ts_latent_read_pairs, ts_latent_write_pairs, 10000),
    TS_LATENT_RANKS(1536, 512),
    TS_COPY("v_head_dim", v_head_dim, 128),
    TS_COPY_BOTH("attention_bias", bias_down, bias_proj, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_youtu = { .model_type = "youtu", .architecture = "YoutuForCausalLM",
                                    .base = &ts_family_base, .names = ts_latent_names, .rows = rows };
