/* SmolLM 3: Llama of which every fourth layer has no positions. */
#include "model/families/families.h"

/* no_rope_layers has a 1 for a layer with a rotary embedding; missing, every so many lacks it. */
static ts_status read_positions(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list = json_object_get(o, "no_rope_layers");
    int64_t interval = 0;
    if (list && !json_is_null(list) && (!json_is_array(list) || json_array_size(list) < (size_t)a->n_layers))
        return ts_error(TS_ERR_USER, "%s: no_rope_layers must be a list of num_hidden_layers = %lld numbers",
                        file, (long long)a->n_layers);
    TS_TRY(ts_config_int(o, file, "no_rope_layer_interval", 4, 4, 1, INT32_MAX, &interval));
    for (int64_t i = 0; i < a->n_layers; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        const bool rotates = v ? json_integer_value(v) != 0 || json_is_true(v) : (i + 1) % interval != 0;
        a->layer[i].position = rotates ? TS_POSITION_ROPE : TS_POSITION_NONE;
    }
    return TS_OK;
}

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool slides = false, given = false;
    int64_t window = 0;
    TS_TRY(read_positions(o, file, a));
    TS_TRY(ts_json_bool(o, file, "use_sliding_window", false, &slides));
    TS_TRY(ts_config_int(o, file, r->key, 0, 0, 1, INT32_MAX, &window));
    if (slides)
        TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers && slides && !given; i++)
        a->layer[i].window = a->layer[i].position == TS_POSITION_NONE ? window : 0;
    return TS_OK;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "no_rope_layers", json_array()));
    json_t *list = json_object_get(o, "no_rope_layers");
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_array_append_new(list, json_integer(a->layer[i].position == TS_POSITION_ROPE)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return ts_config_write_qwen_windows(r, a, o);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 128256),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("num_hidden_layers", n_layers, 36),
    TS_COPY("num_attention_heads", n_heads, 16),
    TS_KV_HEADS(4),
    TS_COPY("max_position_embeddings", max_positions, 32768),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, 128000),
    TS_ID("pad_token_id", pad, 128004),
    TS_ENDS(128001),
    TS_ROPE(2000000, 0),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_OWN("sliding_window", layer, read_layers, write_layers, 0),
    { TS_CONFIG_END },
};

const ts_family ts_family_smollm3 = { .model_type = "smollm3", .architecture = "SmolLM3ForCausalLM",
                                 .base = &ts_family_base, .rows = rows };
