/* Gemma 3, text: five layers with a window and a short rotary base to one that sees everything;
 * norms of queries and keys. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 262208,
    .hidden = 2304,
    .ffn = 9216,
    .layers = 26,
    .heads = 8,
    .kv_heads = 4,
    .head_dim = 256,
    .positions = 131072,
    .eps_key = "rms_norm_eps",
    .eps = 1e-6,
    .act = "gelu_pytorch_tanh",
    .init_std = 0.02,
    .act_key = "hidden_activation",
    .tied = true,
    .bos = 2,
    .eos = 1,
    .pad = 0,
};

enum { FULL, SLIDING }; /* of a->rope */

/* rope_parameters (transformers 5) has an object for each layer type; before, rope_scaling
 * belonged to the layers that see everything, and the others had only a base. */
static ts_status read_ropes(const json_t *o, const char *file, ts_arch *a)
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
    TS_TRY(ts_config_real(o, file, "rope_theta", 1000000, 1000000, &theta));
    TS_TRY(ts_config_real(o, file, "rope_local_base_freq", 10000, 10000, &local));
    TS_TRY(ts_config_rope_object(o, full, file, theta, 0, a, &a->rope[FULL]));
    return ts_config_rope_object(o, json_object_get(both, "sliding_attention"), file, local, 0, a,
                                 &a->rope[SLIDING]);
}

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0, pattern = 0;
    TS_TRY(
        ts_config_refuse(o, file, "attn_logit_softcapping", "models of this type do not use it"));
    TS_TRY(ts_gemma_read(o, file, &defaults, a));
    TS_TRY(ts_gemma2_scale(o, file, a));
    TS_TRY(read_ropes(o, file, a));
    a->qk_norm = TS_QK_NORM_HEAD;
    TS_TRY(ts_config_real(o, file, "final_logit_softcapping", 0, 0, &a->logit_softcap));
    TS_TRY(ts_config_int(o, file, "sliding_window", 4096, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_json_int(o, file, "sliding_window_pattern", 6, 1, INT32_MAX, &pattern));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!given)
            a->layer[i].window = (i + 1) % pattern ? window : 0;
        a->layer[i].rope = a->layer[i].window ? SLIDING : FULL;
    }
    return TS_OK;
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    const ts_rope_config *full = &a->rope[0], *sliding = full;
    for (int64_t i = 0; i < a->n_layers; i++)
        *(a->layer[i].window ? &sliding : &full) = &a->rope[a->layer[i].rope];
    TS_TRY(ts_gemma_write(a, &defaults, o));
    TS_TRY(ts_gemma2_write_scale(a, o));
    TS_TRY(ts_config_put(o, "rope_theta", json_real(full->theta)));
    TS_TRY(ts_config_put(o, "rope_local_base_freq", json_real(sliding->theta)));
    TS_TRY(ts_config_write_rope(full, o));
    TS_TRY(ts_config_put(o, "final_logit_softcapping",
                         a->logit_softcap > 0 ? json_real(a->logit_softcap) : json_null()));
    return ts_config_write_layers(a, o);
}

const ts_family ts_family_gemma3 = { .model_type = "gemma3_text",
                                     .architecture = "Gemma3ForCausalLM",
                                     .prefix = "model.",
                                     .names = ts_gemma2_names,
                                     .read = read_config,
                                     .write = write_config };
