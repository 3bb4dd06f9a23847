/* Nemotron, Minitron: layer norms whose weights count as 1 + w, a plain MLP that squares a ReLU, half of
 * each head rotated. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 256000,
    .hidden = 6144,
    .ffn = 24576,
    .layers = 32,
    .heads = 48,
    .kv_heads = TS_AS_HEADS,
    .positions = 4096,
    .eps_key = "norm_eps",
    .eps = 1e-5,
    .act_key = "hidden_act",
    .act = "relu2",
    .init_std = 0.0134,
    .theta = 10000,
    .rotary = 0.5,
    .bos = 2,
    .eos = 3,
    .pad = -1,
};

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    a->gated = false;
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_plain_read(o, file, a));
    a->norm = TS_NORM_LAYER;
    a->norm_bias = true;
    a->norm_offset = 1;
    return TS_OK;
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write(a, &defaults, o));
    return ts_plain_write(a, o);
}

const ts_family ts_family_nemotron = { .model_type = "nemotron",
                                       .architecture = "NemotronForCausalLM",
                                       .prefix = "model.",
                                       .names = ts_plain_names,
                                       .read = read_config,
                                       .write = write_config };
