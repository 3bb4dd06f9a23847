/* Mistral 7B, Nemo, Small: Llama with a sliding window in the first version. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 32000,
    .hidden = 4096,
    .ffn = 14336,
    .layers = 32,
    .heads = 32,
    .kv_heads = 8,
    .positions = 4096 * 32,
    .eps_key = "rms_norm_eps",
    .eps = 1e-6,
    .act_key = "hidden_act",
    .act = "silu",
    .init_std = 0.02,
    .theta = 10000,
    .bos = 1,
    .eos = 2,
    .pad = -1,
};

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read(o, file, &defaults, a));
    return ts_config_window(o, file, 4096, a);
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    const int64_t window = a->layer[0].window;
    TS_TRY(ts_config_write(a, &defaults, o));
    return ts_config_put(o, "sliding_window", window ? json_integer(window) : json_null());
}

const ts_family ts_family_mistral = { .model_type = "mistral",
                                      .architecture = "MistralForCausalLM",
                                      .prefix = "model.",
                                      .names = ts_llama_names,
                                      .read = read_config,
                                      .write = write_config };
