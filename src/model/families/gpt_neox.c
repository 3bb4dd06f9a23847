/* GPT-NeoX, Pythia, Dolly: attention and MLP side by side, part of a head rotated, layer norms,
 * biases; a head's query, key and value stand side by side as ours do. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 50432,
    .hidden = 6144,
    .ffn = 24576,
    .layers = 44,
    .heads = 64,
    .kv_heads = TS_NO_KEY,
    .head_dim = TS_NO_KEY,
    .positions = 2048,
    .eps_key = "layer_norm_eps",
    .eps = 1e-5,
    .act_key = "hidden_act",
    .act = "gelu",
    .init_std = 0.02,
    .bos = 0,
    .eos = 2,
    .pad = -1,
};

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "gpt_neox.embed_in" },
    { .name = "input_layernorm", .hf_name = "gpt_neox.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "gpt_neox.layers.*.post_attention_layernorm" },
    { .name = "self_attention.linear_qkv",
      .hf_name = "gpt_neox.layers.*.attention.query_key_value" },
    { .name = "self_attention.linear_proj", .hf_name = "gpt_neox.layers.*.attention.dense" },
    { .name = "mlp.linear_fc1", .hf_name = "gpt_neox.layers.*.mlp.dense_h_to_4h" },
    { .name = "mlp.linear_fc2", .hf_name = "gpt_neox.layers.*.mlp.dense_4h_to_h" },
    { .name = "decoder.final_layernorm", .hf_name = "gpt_neox.final_layer_norm" },
    { .name = "output_layer", .hf_name = "embed_out" },
    { 0 },
};

static ts_status read_rope(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *rope = NULL;
    double theta = 0, rotary = 0;
    TS_TRY(ts_config_rope_find(o, file, &rope));
    TS_TRY(ts_config_real(o, file, "rotary_emb_base", 10000, 10000, &theta));
    TS_TRY(ts_config_real(o, file, "rotary_pct", 0.25, 0.25, &rotary));
    if (rotary <= 0 || rotary > 1)
        return ts_error(TS_ERR_USER, "%s: rotary_pct is %g, expected above 0 and up to 1", file,
                        rotary);
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    return ts_config_rope_object(o, rope, file, theta, rotary, a, &a->rope[0]);
}

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    a->gated = false;
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(read_rope(o, file, a));
    TS_TRY(ts_json_bool(o, file, "attention_bias", true, &a->bias_qkv));
    TS_TRY(ts_json_bool(o, file, "use_parallel_residual", true, &a->parallel_residual));
    a->bias_proj = a->bias_qkv;
    a->bias_fc1 = a->bias_fc2 = true;
    a->norm = TS_NORM_LAYER;
    a->norm_bias = true;
    a->pad_frozen = false;
    return TS_OK;
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_write(a, &defaults, o));
    TS_TRY(ts_config_put(o, "rotary_emb_base", json_real(a->rope[0].theta)));
    TS_TRY(ts_config_put(o, "rotary_pct", json_real(ts_config_rotary_part(a))));
    TS_TRY(ts_config_write_rope(&a->rope[0], o));
    TS_TRY(ts_config_put(o, "attention_bias", json_boolean(a->bias_qkv)));
    return ts_config_put(o, "use_parallel_residual", json_boolean(a->parallel_residual));
}

const ts_family ts_family_gpt_neox = { .model_type = "gpt_neox",
                                       .architecture = "GPTNeoXForCausalLM",
                                       .prefix = "gpt_neox.",
                                       .names = names,
                                       .read = read_config,
                                       .write = write_config };
