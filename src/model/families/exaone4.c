/* EXAONE 4: OLMo 2's norms after attention and MLP, norms of each head; where layers have windows those that see
 * everything have no positions. */
#include "model/families/families.h"

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0, pattern = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    if (!given && window)
        TS_TRY(ts_json_int(o, file, "sliding_window_pattern", 4, 1, INT32_MAX, &pattern));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!given)
            a->layer[i].window = window && (i + 1) % pattern ? window : 0;
        a->layer[i].position = window && !a->layer[i].window ? TS_POSITION_NONE : TS_POSITION_ROPE;
    }
    return TS_OK;
}

/* Layers without positions are told by a window, also where no layer has one. */
static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    bool hybrid = false;
    TS_TRY(ts_config_write_layers(r, a, o));
    for (int64_t i = 0; i < a->n_layers; i++)
        hybrid = hybrid || a->layer[i].position == TS_POSITION_NONE;
    return hybrid && json_is_null(json_object_get(o, r->key)) ? ts_config_put(o, r->key, json_integer((json_int_t)r->def))
                                                              : TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 102400),
    TS_COPY("intermediate_size", ffn, 16384),
    TS_KV_HEADS(32),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_ID("bos_token_id", bos, 0),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_FIXED(pre_norm, false),
    TS_FIXED(post_norm, true),
    TS_OWN("sliding_window", layer, read_layers, write_layers, 4096),
    { TS_CONFIG_END },
};

const ts_family ts_family_exaone4 = { .model_type = "exaone4", .architecture = "Exaone4ForCausalLM",
                                      .base = &ts_family_base, .names = ts_norms_around_names, .rows = rows };
