/* StarCoder 2: Llama's attention with biases, layer norms, a plain MLP. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 49152,
    .hidden = 3072,
    .ffn = 12288,
    .layers = 30,
    .heads = 24,
    .kv_heads = 2,
    .positions = 4096,
    .eps_key = "norm_epsilon",
    .eps = 1e-5,
    .act_key = "hidden_act",
    .act = "gelu_pytorch_tanh",
    .init_std = 0.018042,
    .theta = 10000,
    .tied = true,
    .bos = 50256,
    .eos = 50256,
    .pad = -1,
};

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.q_proj", TS_PART_Q, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.v_proj", TS_PART_V, false },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "mlp.linear_fc1", .hf_name = "model.layers.*.mlp.c_fc" },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.c_proj" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    a->gated = false;
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_json_bool(o, file, "use_bias", true, &a->bias_qkv));
    a->bias_proj = a->bias_fc1 = a->bias_fc2 = a->bias_qkv;
    a->norm = TS_NORM_LAYER;
    a->norm_bias = true;
    return ts_config_window(o, file, 0, a);
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    const int64_t window = a->layer[0].window;
    TS_TRY(ts_config_write(a, &defaults, o));
    TS_TRY(ts_config_put(o, "use_bias", json_boolean(a->bias_qkv)));
    return ts_config_put(o, "sliding_window", window ? json_integer(window) : json_null());
}

const ts_family ts_family_starcoder2 = { .model_type = "starcoder2",
                                         .architecture = "Starcoder2ForCausalLM",
                                         .prefix = "model.",
                                         .names = names,
                                         .read = read_config,
                                         .write = write_config };
