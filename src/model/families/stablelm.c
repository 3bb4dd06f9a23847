/* StableLM 2, StableLM 3B: Llama with layer norms and a quarter of each head rotated. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 50304,
    .hidden = 2560,
    .ffn = 6912,
    .layers = 32,
    .heads = 32,
    .kv_heads = 32,
    .head_dim = TS_NO_KEY,
    .positions = 4096,
    .eps_key = "layer_norm_eps",
    .eps = 1e-5,
    .act_key = "hidden_act",
    .act = "silu",
    .init_std = 0.02,
    .theta = 10000,
    .rotary = 0.25,
    .bos = 0,
    .eos = 0,
    .pad = -1,
};

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_refuse(o, file, "qk_layernorm", "it is a norm of its own for each head"));
    TS_TRY(ts_config_refuse(o, file, "use_parallel_residual",
                            "attention and MLP must have a norm each"));
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_json_bool(o, file, "use_qkv_bias", false, &a->bias_qkv));
    a->norm = TS_NORM_LAYER;
    a->norm_bias = true;
    return TS_OK;
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write(a, &defaults, o));
    return ts_config_put(o, "use_qkv_bias", json_boolean(a->bias_qkv));
}

const ts_family ts_family_stablelm = { .model_type = "stablelm",
                                       .architecture = "StableLmForCausalLM",
                                       .prefix = "model.",
                                       .names = ts_llama_names,
                                       .read = read_config,
                                       .write = write_config };
