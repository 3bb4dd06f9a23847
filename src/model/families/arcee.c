/* Arcee (AFM): Llama with a plain MLP, which squares a ReLU. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 32000,
    .hidden = 2560,
    .ffn = 18432,
    .layers = 32,
    .heads = 32,
    .kv_heads = TS_AS_HEADS,
    .positions = 4096,
    .eps_key = "rms_norm_eps",
    .eps = 1e-5,
    .act_key = "hidden_act",
    .act = "relu2",
    .init_std = 0.02,
    .theta = 10000,
    .bos = 128000,
    .eos = 128001,
    .pad = -1,
};

/* Nemotron's too. */
const ts_name_row ts_plain_names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.q_proj", TS_PART_Q, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.v_proj", TS_PART_V, false },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "mlp.linear_fc1", .hf_name = "model.layers.*.mlp.up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.down_proj" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

ts_status ts_plain_read(const json_t *o, const char *file, ts_arch *a)
{
    bool attention = false, mlp = false;
    TS_TRY(ts_json_bool(o, file, "attention_bias", false, &attention));
    TS_TRY(ts_json_bool(o, file, "mlp_bias", false, &mlp));
    a->bias_qkv = a->bias_proj = attention;
    a->bias_fc1 = a->bias_fc2 = mlp;
    return TS_OK;
}

ts_status ts_plain_write(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "attention_bias", json_boolean(a->bias_qkv)));
    return ts_config_put(o, "mlp_bias", json_boolean(a->bias_fc1));
}

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    a->gated = false;
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_config_whole_heads(a, file));
    return ts_plain_read(o, file, a);
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write(a, &defaults, o));
    return ts_plain_write(a, o);
}

const ts_family ts_family_arcee = { .model_type = "arcee",
                                    .architecture = "ArceeForCausalLM",
                                    .prefix = "model.",
                                    .names = ts_plain_names,
                                    .read = read_config,
                                    .write = write_config };
