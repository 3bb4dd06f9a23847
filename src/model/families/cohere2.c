/* Command-R7B, Command A: Command-R with windows; layers that see all keys have no positions. */
#include "model/families/families.h"

/* layer_types, or every sliding_window_pattern-th layer sees all keys. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t window = 0, pattern;
    bool given;
    TS_TRY(ts_config_int(o, file, r->key, 4096, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    TS_TRY(ts_config_int(o, file, "sliding_window_pattern", 4, 4, 1, INT32_MAX, &pattern));
    if (!given && window < 1)
        return ts_error(TS_ERR_USER, "%s: sliding_window is null, but layers of this type have a window", file);
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!given)
            a->layer[i].window = (i + 1) % pattern ? window : 0;
        a->layer[i].position = a->layer[i].window ? TS_POSITION_ROPE : TS_POSITION_NONE;
    }
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_FIXED(qk_norm, TS_QK_NORM_NONE),
    TS_NO_HEAD_DIM,
    TS_OWN("sliding_window", layer, read_layers, ts_config_write_layers, 4096),
    { TS_CONFIG_END },
};

const ts_family ts_family_cohere2 = { .model_type = "cohere2", .architecture = "Cohere2ForCausalLM",
                                      .base = &ts_family_cohere, .rows = rows };
