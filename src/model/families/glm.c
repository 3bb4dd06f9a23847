/* GLM-4-9B and its kin: half of each head is rotated, in neighbouring pairs; gate and up in one
 * tensor. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 151552,
    .hidden = 4096,
    .ffn = 13696,
    .layers = 40,
    .heads = 32,
    .kv_heads = 2,
    .head_dim = 128,
    .positions = 131072,
    .eps_key = "rms_norm_eps",
    .eps = 1.5625e-7,
    .act_key = "hidden_act",
    .act = "silu",
    .init_std = 0.02,
    .theta = 10000,
    .rotary = 0.5,
    .bos = -1,
    .eos = -1,
    .pad = 151329,
};

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
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

ts_status ts_glm_read(const json_t *o, const char *file, ts_arch *a)
{
    static const int64_t stops[] = { 151329, 151336, 151338 };
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_json_bool(o, file, "attention_bias", true, &a->bias_qkv));
    a->rope[0].interleaved = true;
    const json_t *eos = json_object_get(o, "eos_token_id");
    if (eos && !json_is_null(eos))
        return TS_OK;
    for (a->n_eos = 0; a->n_eos < 3; a->n_eos++)
        a->eos[a->n_eos] = stops[a->n_eos];
    return TS_OK;
}

/* Half of each head, whatever `a` says: other readers of this class (vLLM) take that for granted and
 * do not look at partial_rotary_factor. */
ts_status ts_glm_write(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write(a, &defaults, o));
    TS_TRY(ts_config_put(o, "partial_rotary_factor", json_real(defaults.rotary)));
    return ts_config_put(o, "attention_bias", json_boolean(a->bias_qkv));
}

const ts_family ts_family_glm = { .model_type = "glm",
                                  .architecture = "GlmForCausalLM",
                                  .prefix = "model.",
                                  .names = names,
                                  .read = ts_glm_read,
                                  .write = ts_glm_write };
