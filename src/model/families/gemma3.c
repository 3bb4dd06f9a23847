/* Gemma 3, text: five layers with a window and a short rotary base to one that sees everything;
 * norms of queries and keys. */
#include "model/families/gemma.h"

/* rope_parameters (transformers 5) has an object for each layer type; before, rope_scaling
 * belonged to the layers that see everything, and the others had only a base. */
ts_status ts_gemma_read_ropes(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double theta = 0, local = 0;
    const json_t *both = json_object_get(o, "rope_parameters");
    const json_t *full = json_object_get(both, "full_attention"),
                 *old = json_object_get(o, "rope_scaling");
    if ((both && !json_is_object(both) && !json_is_null(both)) ||
        (old && !json_is_object(old) && !json_is_null(old)))
        return ts_error(TS_ERR_USER, "%s: rope_parameters and rope_scaling must be objects", file);
    if (json_is_object(old))
        full = old;
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 2;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &theta));
    TS_TRY(ts_config_real(o, file, "rope_local_base_freq", 10000, 10000, &local));
    TS_TRY(ts_config_rope_object(o, full, file, theta, 0, a, &a->rope[TS_GEMMA_FULL]));
    return ts_config_rope_object(o, json_object_get(both, "sliding_attention"), file, local, 0, a,
                                 &a->rope[TS_GEMMA_SLIDING]);
}

ts_status ts_gemma_write_ropes(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const ts_rope_config *full = &a->rope[0], *sliding = full;
    for (int64_t i = 0; i < a->n_layers; i++)
        *(a->layer[i].window ? &sliding : &full) = &a->rope[a->layer[i].rope];
    TS_TRY(ts_config_put(o, r->key, json_real(full->theta)));
    TS_TRY(ts_config_put(o, "rope_local_base_freq", json_real(sliding->theta)));
    return ts_config_write_rope(full, o);
}

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0, pattern = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_json_int(o, file, "sliding_window_pattern", 6, 1, INT32_MAX, &pattern));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!given)
            a->layer[i].window = (i + 1) % pattern ? window : 0;
        a->layer[i].rope = a->layer[i].window ? TS_GEMMA_SLIDING : TS_GEMMA_FULL;
    }
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_REFUSE("attn_logit_softcapping", "models of this type do not use it"),
    TS_COPY("vocab_size", vocab, 262208),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_CAP("final_logit_softcapping", logit_softcap, 0),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_OWN("rope_theta", rope, ts_gemma_read_ropes, ts_gemma_write_ropes, 1000000),
    TS_OWN("sliding_window", layer, read_layers, ts_config_write_layers, 4096),
    { TS_CONFIG_END },
};

const ts_family ts_family_gemma3 = { .model_type = "gemma3_text", .architecture = "Gemma3ForCausalLM",
                                     .base = &ts_family_gemma2, .rows = rows };
