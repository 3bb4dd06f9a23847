/* GPT-NeoX, Pythia, Dolly: attention and MLP side by side, part of a head rotated, layer norms,
 * biases; a head's query, key and value stand side by side as ours do. */
#include "model/families/families.h"

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

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *rope = NULL;
    double theta = 0, rotary = 0;
    TS_TRY(ts_config_rope_find(o, file, &rope));
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &theta));
    TS_TRY(ts_config_real(o, file, "rotary_pct", r->part, r->part, &rotary));
    if (rotary <= 0 || rotary > 1)
        return ts_error(TS_ERR_USER, "%s: rotary_pct is %g, expected above 0 and up to 1", file,
                        rotary);
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    return ts_config_rope_object(o, rope, file, theta, rotary, a, &a->rope[0]);
}

static ts_status write_rope(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_real(a->rope[0].theta)));
    TS_TRY(ts_config_put(o, "rotary_pct", json_real(ts_config_rotary_part(a, &a->rope[0]))));
    return ts_config_write_rope(&a->rope[0], o);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 50432),
    TS_COPY("hidden_size", hidden, 6144),
    TS_COPY("intermediate_size", ffn, 24576),
    TS_COPY("num_hidden_layers", n_layers, 44),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_NO_HEAD_DIM,
    TS_COPY("layer_norm_eps", norm_eps, 1e-5),
    TS_COPY("hidden_act", act, TS_ACT_GELU),
    TS_ID("bos_token_id", bos, 0),
    TS_CONFIG_ROW(OWN, "rotary_emb_base", rope, 10000, .part = 0.25, .read = read_rope,
                  .write = write_rope),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, true),
    TS_COPY("use_parallel_residual", parallel_residual, true),
    TS_FIXED(bias_fc1, true),
    TS_FIXED(bias_fc2, true),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_FIXED(gated, false),
    TS_FIXED(pad_frozen, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_gpt_neox = { .model_type = "gpt_neox", .architecture = "GPTNeoXForCausalLM",
                                       .base = &ts_family_base, .prefix = "gpt_neox.", .names = names, .rows = rows };
