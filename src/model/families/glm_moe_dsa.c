/* GLM-5, 5.1, 5.2: DeepSeek-V3.2's attention whose indexers rotate pairs; layers may go by the choice of an earlier one
 * (indexer_types: Bai et al., arXiv 2603.12201). */
#include "model/families/latent.h"

#include <string.h>

static const char full[] = "full", shared[] = "shared";

/* Whether layer i of a list of words, or of a text with a letter a layer, has an indexer. */
static ts_status read_type(const json_t *list, const char *file, const char *key, int64_t i, bool *is_full)
{
    const char *text = json_string_value(list), *word = json_string_value(json_array_get(list, (size_t)i));
    if (text)
        word = (size_t)i >= strlen(text) ? NULL : text[i] == 'F' ? full : text[i] == 'S' ? shared : NULL;
    if (!word || (strcmp(word, full) && strcmp(word, shared)))
        return ts_error(TS_ERR_USER, "%s: entry %lld of %s is \"%.60s\", expected full or shared (in a text F or S) for each "
                        "layer", file, (long long)i, key, word ? word : "missing or another thing");
    *is_full = !strcmp(word, full);
    return i || *is_full ? TS_OK
                         : ts_error(TS_ERR_USER, "%s: %s: the first layer has no choice of an earlier one to share", file, key);
}

static ts_status read_types(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *key = json_is_array(json_object_get(o, r->key)) ? r->key : "index_topk_pattern";
    const json_t *list = json_object_get(o, key);
    int64_t freq, offset, own = 0;
    TS_TRY(ts_config_int(o, file, "index_topk_freq", 1, 1, 0, TS_ARCH_MAX_LAYERS, &freq));
    TS_TRY(ts_config_int(o, file, "index_skip_topk_offset", 2, 2, 1, TS_ARCH_MAX_LAYERS, &offset));
    if (!list || json_is_null(list)) {
        ts_arch_share_choices(a, freq > 1 ? freq : 1, offset);
        return TS_OK;
    }
    for (int64_t i = 0; i < a->n_layers; i++) {
        bool is_full;
        TS_TRY(read_type(list, file, key, i, &is_full));
        own = is_full ? i : own;
        a->layer[i].choices_of = is_full ? 0 : own + 1;
    }
    return TS_OK;
}

static const char *type_of(const ts_layer_arch *l) { return l->choices_of ? shared : full; }

static ts_status write_types(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put_words(o, r->key, a, type_of);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 154880),
    TS_COPY("hidden_size", hidden, 6144),
    TS_COPY("intermediate_size", ffn, 12288),
    TS_COPY("num_hidden_layers", n_layers, 78),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_COPY("max_position_embeddings", max_positions, 202752),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_LATENT_HEAD(192),
    TS_LATENT_RANKS(2048, 512),
    TS_COPY("v_head_dim", v_head_dim, 256),
    TS_EXPERT_ROWS(256, 8, 2048, 1, 1, 1),
    TS_COPY("index_n_heads", index_heads, 32),
    TS_FIXED(index_interleaved, true),
    { .kind = TS_CONFIG_OWN, .key = "indexer_types", .late = true, .read = read_types, .write = write_types },
    { TS_CONFIG_END },
};

const ts_family ts_family_glm_moe_dsa = { .model_type = "glm_moe_dsa", .architecture = "GlmMoeDsaForCausalLM",
                                          .base = &ts_family_deepseek_v32, .rows = rows };
