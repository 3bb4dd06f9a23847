/* GLM-4-0414, GLM-Z1: GLM with norms after each part too. */
#include "model/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings.weight", .hf_name = "model.embed_tokens.weight" },
    { "self_attention.linear_qkv.weight", "model.layers.*.self_attn.q_proj.weight", TS_PART_Q, false },
    { "self_attention.linear_qkv.bias", "model.layers.*.self_attn.q_proj.bias", TS_PART_Q, false },
    { "self_attention.linear_qkv.weight", "model.layers.*.self_attn.k_proj.weight", TS_PART_K, false },
    { "self_attention.linear_qkv.bias", "model.layers.*.self_attn.k_proj.bias", TS_PART_K, false },
    { "self_attention.linear_qkv.weight", "model.layers.*.self_attn.v_proj.weight", TS_PART_V, false },
    { "self_attention.linear_qkv.bias", "model.layers.*.self_attn.v_proj.bias", TS_PART_V, false },
    { .name = "self_attention.linear_proj.weight", .hf_name = "model.layers.*.self_attn.o_proj.weight" },
    { .name = "mlp.linear_fc1.weight", .hf_name = "model.layers.*.mlp.gate_up_proj.weight" },
    { .name = "mlp.linear_fc2.weight", .hf_name = "model.layers.*.mlp.down_proj.weight" },
    { .name = "input_layernorm.weight", .hf_name = "model.layers.*.input_layernorm.weight" },
    { .name = "pre_mlp_layernorm.weight", .hf_name = "model.layers.*.post_attention_layernorm.weight" },
    { .name = "post_attn_norm.weight", .hf_name = "model.layers.*.post_self_attn_layernorm.weight" },
    { .name = "post_mlp_layernorm.weight", .hf_name = "model.layers.*.post_mlp_layernorm.weight" },
    { .name = "decoder.final_layernorm.weight", .hf_name = "model.norm.weight" },
    { .name = "output_layer.weight", .hf_name = "lm_head.weight" },
    { 0 },
};

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_glm_read(o, file, a));
    a->post_norm = true;
    return TS_OK;
}

const ts_family ts_family_glm4 = { .model_type = "glm4",
    .architecture = "Glm4ForCausalLM",
    .prefix = "model.",
    .names = names,
    .read = read_config,
    .write = ts_glm_write };
