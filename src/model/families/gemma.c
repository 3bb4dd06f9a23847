/* Gemma 1: norm weights count as 1 + w, embeddings are scaled, GeGLU, tied. */
#include "model/families/families.h"

#include <math.h>
#include <string.h>

static const ts_config_defaults defaults = {
    .vocab = 256000,
    .hidden = 3072,
    .ffn = 24576,
    .layers = 28,
    .heads = 16,
    .kv_heads = 16,
    .head_dim = 256,
    .positions = 8192,
    .eps_key = "rms_norm_eps",
    .eps = 1e-6,
    .act = "gelu_pytorch_tanh",
    .init_std = 0.02,
    .act_key = "hidden_act",
    .theta = 10000,
    .tied = true,
    .bos = 2,
    .eos = 1,
    .pad = 0,
};

ts_status ts_gemma_read(const json_t *o, const char *file, const ts_config_defaults *d, ts_arch *a)
{
    bool bias = false;
    TS_TRY(ts_config_refuse(o, file, "use_bidirectional_attention", "attention must be causal"));
    TS_TRY(ts_config_read(o, file, d, a));
    TS_TRY(ts_json_bool(o, file, "attention_bias", false, &bias));
    a->bias_qkv = a->bias_proj = bias;
    a->norm_offset = 1;
    a->embed_scale = sqrt((double)a->hidden);
    return TS_OK;
}

ts_status ts_gemma_write(const ts_arch *a, const ts_config_defaults *d, json_t *o)
{
    TS_TRY(ts_config_write(a, d, o));
    return ts_config_put(o, "attention_bias", json_boolean(a->bias_qkv));
}

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_gemma_read(o, file, &defaults, a));
    const char *act = json_string_value(json_object_get(o, defaults.act_key));
    if (act && !strcmp(act, "gelu")) /* the first files say so and mean the approximation */
        a->act = TS_ACT_GELU_TANH;
    return TS_OK;
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    return ts_gemma_write(a, &defaults, o);
}

const ts_family ts_family_gemma = { .model_type = "gemma",
                                    .architecture = "GemmaForCausalLM",
                                    .prefix = "model.",
                                    .names = ts_llama_names,
                                    .read = read_config,
                                    .write = write_config };
