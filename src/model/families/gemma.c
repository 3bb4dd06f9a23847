/* Gemma 1: norm weights count as 1 + w, embeddings are scaled, GeGLU, tied. */
#include "model/families/families.h"

#include <math.h>
#include <string.h>

static ts_status scale_embedding(const ts_config_row *r, const json_t *o, const char *file,
                                 ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->embed_scale = sqrt((double)a->hidden);
    return TS_OK;
}

/* The first files say "gelu" and mean the approximation. */
static ts_status read_act(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_copy_in(r, o, file, a));
    const char *act = json_string_value(json_object_get(o, r->key));
    if (act && !strcmp(act, "gelu"))
        a->act = TS_ACT_GELU_TANH;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_REFUSE("use_bidirectional_attention", "attention must be causal"),
    TS_COPY("vocab_size", vocab, 256000),
    TS_COPY("hidden_size", hidden, 3072),
    TS_COPY("intermediate_size", ffn, 24576),
    TS_COPY("num_hidden_layers", n_layers, 28),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_KV_HEADS(16),
    TS_HEAD_DIM(256),
    TS_COPY("max_position_embeddings", max_positions, 8192),
    TS_CONFIG_ROW(COPY, "hidden_act", act, TS_ACT_GELU_TANH, .read = read_act),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, 2),
    TS_ID("pad_token_id", pad, 0),
    TS_ENDS(1),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_FIXED(norm_offset, 1),
    TS_OWN(NULL, embed_scale, scale_embedding, NULL, 0),
    { TS_CONFIG_END },
};

const ts_family ts_family_gemma = { .model_type = "gemma", .architecture = "GemmaForCausalLM",
                                    .base = &ts_family_base, .rows = rows };
