/* OLMo 3: OLMo 2 with a window in three of four layers, whose rotary embedding is not stretched. */
#include "model/families/families.h"

enum { FULL, SLIDING }; /* of a->rope */

static ts_status read_ropes(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double theta = 0;
    const json_t *both = json_object_get(o, "rope_parameters"), *old = json_object_get(o, "rope_scaling");
    if ((both && !json_is_object(both) && !json_is_null(both)) ||
        (old && !json_is_object(old) && !json_is_null(old)))
        return ts_error(TS_ERR_USER, "%s: rope_parameters and rope_scaling must be objects", file);
    const json_t *full = json_is_object(old) ? old : json_object_get(both, "full_attention");
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 2;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &theta));
    TS_TRY(ts_config_rope_object(o, full, file, theta, 0, a, &a->rope[FULL]));
    return ts_config_rope_object(o, json_object_get(both, "sliding_attention"), file, theta, 0, a,
                                 &a->rope[SLIDING]);
}

static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!given)
            a->layer[i].window = (i + 1) % 4 ? window : 0;
        a->layer[i].rope = a->layer[i].window ? SLIDING : FULL;
    }
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_OWN("rope_theta", rope, read_ropes, ts_config_write_ropes, 500000),
    TS_OWN("sliding_window", layer, read_layers, ts_config_write_layers, 4096),
    { TS_CONFIG_END },
};

const ts_family ts_family_olmo3 = { .model_type = "olmo3", .architecture = "Olmo3ForCausalLM",
                                 .base = &ts_family_olmo2, .rows = rows };
