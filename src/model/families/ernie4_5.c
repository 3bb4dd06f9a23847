/* ERNIE 4.5 without experts (0.3B): Llama whose heads' neighbouring values are rotated. */
#include "model/families/families.h"

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 103424),
    TS_COPY("hidden_size", hidden, 1024),
    TS_COPY("intermediate_size", ffn, 3072),
    TS_COPY("num_hidden_layers", n_layers, 18),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_KV_HEADS(2),
    TS_HEAD_DIM(128),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("pad_token_id", pad, 0),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 500000, .read = read_rope, .write = ts_config_write_ropes),
    { .kind = TS_CONFIG_COPY, .key = "use_bias",
      .field = { TS_CONFIG_AT(bias_qkv), TS_CONFIG_AT(bias_proj), TS_CONFIG_AT(bias_fc1), TS_CONFIG_AT(bias_fc2) } },
    { TS_CONFIG_END },
};

const ts_family ts_family_ernie4_5 = { .model_type = "ernie4_5", .architecture = "Ernie4_5ForCausalLM",
                                       .base = &ts_family_base, .rows = rows };
