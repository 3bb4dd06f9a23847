/* OLMo 2: no norm before a part but one after it; queries and keys are normed over all heads
 * together. */
#include "model/families/families.h"

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
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.q_proj", TS_PART_Q, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.k_proj", TS_PART_K, false },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.v_proj", TS_PART_V, false },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { .name = "self_attention.q_layernorm", .hf_name = "model.layers.*.self_attn.q_norm" },
    { .name = "self_attention.k_layernorm", .hf_name = "model.layers.*.self_attn.k_norm" },
    { "mlp.linear_fc1", "model.layers.*.mlp.gate_proj", TS_PART_GATE, false },
    { "mlp.linear_fc1", "model.layers.*.mlp.up_proj", TS_PART_UP, false },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.down_proj" },
    { .name = "post_attn_norm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "post_mlp_layernorm", .hf_name = "model.layers.*.post_feedforward_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
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
