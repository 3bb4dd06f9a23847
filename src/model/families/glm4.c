/* GLM-4-0414, GLM-Z1: GLM with norms after each part too. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.q_proj", TS_PART_Q, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.v_proj", TS_PART_V, false },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "mlp.linear_fc1", .hf_name = "model.layers.*.mlp.gate_up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.down_proj" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "post_attn_norm", .hf_name = "model.layers.*.post_self_attn_layernorm" },
    { .name = "post_mlp_layernorm", .hf_name = "model.layers.*.post_mlp_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
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
