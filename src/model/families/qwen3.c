/* Qwen 3, dense: a norm of each head's queries and keys instead of Qwen 2's biases. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 151936,
    .hidden = 4096,
    .ffn = 22016,
    .layers = 32,
    .heads = 32,
    .kv_heads = 32,
    .head_dim = 128,
    .positions = 32768,
    .eps_key = "rms_norm_eps",
    .eps = 1e-6,
    .act_key = "hidden_act",
    .act = "silu",
    .init_std = 0.02,
    .theta = 10000,
    .bos = -1,
    .eos = -1,
    .pad = -1,
};

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_json_bool(o, file, "attention_bias", false, &a->bias_qkv));
    a->bias_proj = a->bias_qkv;
    a->qk_norm = TS_QK_NORM_HEAD;
    return ts_config_qwen_windows(o, file, a);
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write(a, &defaults, o));
    TS_TRY(ts_config_put(o, "attention_bias", json_boolean(a->bias_qkv)));
    return ts_config_write_qwen_windows(a, o);
}

const ts_family ts_family_qwen3 = { .model_type = "qwen3",
                                    .architecture = "Qwen3ForCausalLM",
                                    .prefix = "model.",
                                    .names = ts_llama_names,
                                    .read = read_config,
                                    .write = write_config };
