/* OLMo 2: no norm before a part but one after it; queries and keys are normed over all heads together. */
#include "model/families.h"

static const ts_config_defaults defaults = {
    .vocab = 50304,
    .hidden = 4096,
    .ffn = 11008,
    .layers = 32,
    .heads = 32,
    .kv_heads = TS_AS_HEADS,
    .positions = 2048,
    .eps_key = "rms_norm_eps",
    .eps = 1e-5,
    .act_key = "hidden_act",
    .act = "silu",
    .init_std = 0.02,
    .theta = 10000,
    .bos = -1,
    .eos = 50279,
    .pad = 1,
};

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings.weight", .hf_name = "model.embed_tokens.weight" },
    { "self_attention.linear_qkv.weight", "model.layers.*.self_attn.q_proj.weight", TS_PART_Q, false },
    { "self_attention.linear_qkv.bias", "model.layers.*.self_attn.q_proj.bias", TS_PART_Q, false },
    { "self_attention.linear_qkv.weight", "model.layers.*.self_attn.k_proj.weight", TS_PART_K, false },
    { "self_attention.linear_qkv.bias", "model.layers.*.self_attn.k_proj.bias", TS_PART_K, false },
    { "self_attention.linear_qkv.weight", "model.layers.*.self_attn.v_proj.weight", TS_PART_V, false },
    { "self_attention.linear_qkv.bias", "model.layers.*.self_attn.v_proj.bias", TS_PART_V, false },
    { .name = "self_attention.linear_proj.weight", .hf_name = "model.layers.*.self_attn.o_proj.weight" },
    { .name = "self_attention.linear_proj.bias", .hf_name = "model.layers.*.self_attn.o_proj.bias" },
    { .name = "self_attention.q_layernorm.weight", .hf_name = "model.layers.*.self_attn.q_norm.weight" },
    { .name = "self_attention.k_layernorm.weight", .hf_name = "model.layers.*.self_attn.k_norm.weight" },
    { "mlp.linear_fc1.weight", "model.layers.*.mlp.gate_proj.weight", TS_PART_GATE, false },
    { "mlp.linear_fc1.weight", "model.layers.*.mlp.up_proj.weight", TS_PART_UP, false },
    { .name = "mlp.linear_fc2.weight", .hf_name = "model.layers.*.mlp.down_proj.weight" },
    { .name = "post_attn_norm.weight", .hf_name = "model.layers.*.post_attention_layernorm.weight" },
    { .name = "post_mlp_layernorm.weight", .hf_name = "model.layers.*.post_feedforward_layernorm.weight" },
    { .name = "decoder.final_layernorm.weight", .hf_name = "model.norm.weight" },
    { .name = "output_layer.weight", .hf_name = "lm_head.weight" },
    { 0 },
};

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_json_bool(o, file, "attention_bias", false, &a->bias_qkv));
    a->bias_proj = a->bias_qkv;
    a->pre_norm = false;
    a->post_norm = true;
    a->qk_norm = TS_QK_NORM_FULL;
    return TS_OK;
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write(a, &defaults, o));
    return ts_config_put(o, "attention_bias", json_boolean(a->bias_qkv));
}

const ts_family ts_family_olmo2 = { .model_type = "olmo2",
    .architecture = "Olmo2ForCausalLM",
    .prefix = "model.",
    .names = names,
    .read = read_config,
    .write = write_config };
