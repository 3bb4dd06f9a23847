/* MiniCPM 3: latent attention, rotated in halves, with MiniCPM's scales. */
#include "model/families/latent.h"
#include "model/families/minicpm.h"

/* hidden / heads where nothing is said. */
static ts_status read_value(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const int64_t usual = a->hidden / a->n_heads;
    return ts_config_int(o, file, r->key, usual, usual, 1, TS_ARCH_MAX_HEAD_DIM, &a->v_head_dim);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 73448),
    TS_COPY("hidden_size", hidden, 2560),
    TS_COPY("intermediate_size", ffn, 6400),
    TS_COPY("num_hidden_layers", n_layers, 62),
    TS_COPY("num_attention_heads", n_heads, 40),
    TS_LATENT_HEAD(64),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY("initializer_range", init_std, 0.1),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_LATENT_ROPE(ts_latent_read_rope),
    TS_LATENT_RANKS(768, 256),
    TS_CONFIG_ROW(COPY, "v_head_dim", v_head_dim, 0, .read = read_value),
    TS_COPY_BOTH("attention_bias", bias_down, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_MINICPM_SCALES(12, 1.4, 256),
    { TS_CONFIG_END },
};

const ts_family ts_family_minicpm3 = { .model_type = "minicpm3", .architecture = "MiniCPM3ForCausalLM",
                                       .base = &ts_family_base, .names = ts_latent_names, .rows = rows };
