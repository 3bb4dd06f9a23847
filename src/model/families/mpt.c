/* MPT: ALiBi, layer norms without biases, a plain MLP four times as wide; all queries, keys and values in one
 * tensor. */
#include "model/families/families.h"

#include <math.h>

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "transformer.wte" },
    { .name = "input_layernorm", .hf_name = "transformer.blocks.*.norm_1" },
    { "self_attention.linear_qkv", "transformer.blocks.*.attn.Wqkv", TS_PART_QKV, false },
    { .name = "self_attention.linear_proj", .hf_name = "transformer.blocks.*.attn.out_proj" },
    { .name = "pre_mlp_layernorm", .hf_name = "transformer.blocks.*.norm_2" },
    { .name = "mlp.linear_fc1", .hf_name = "transformer.blocks.*.ffn.up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = "transformer.blocks.*.ffn.down_proj" },
    { .name = "decoder.final_layernorm", .hf_name = "transformer.norm_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* An object of its own. */
static ts_status read_attention(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    static const char *const others[] = { "qk_ln", "prefix_lm" };
    const json_t *attention = json_object_get(o, r->key);
    const double usual = 1 / sqrt((double)a->head_dim);
    bool alibi = true;
    double most = 8;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const json_t *v = json_object_get(attention, others[i]);
        if (v && !json_is_null(v) && !json_is_false(v))
            return ts_error(TS_ERR_USER, "%s: attn_config: %s is not supported", file, others[i]);
    }
    TS_TRY(ts_config_real(attention, file, "clip_qkv", 0, 0, &a->qkv_clip));
    TS_TRY(ts_json_bool(attention, file, "alibi", true, &alibi));
    if (!alibi)
        return ts_error(TS_ERR_USER, "%s: attn_config: alibi must be true: transformers' class knows no other "
                        "positions", file);
    TS_TRY(ts_config_real(attention, file, "alibi_bias_max", 8, 8, &most));
    if (most != 8)
        return ts_error(TS_ERR_USER, "%s: attn_config: alibi_bias_max is %g, but transformers' class takes 8 "
                        "whatever it says", file, most);
    return ts_config_real(attention, file, "softmax_scale", usual, usual, &a->attn_scale);
}

static ts_status write_attention(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, r->key, json_object()));
    json_t *attention = json_object_get(o, r->key);
    const bool usual = a->attn_scale == 1 / sqrt((double)a->head_dim);
    TS_TRY(ts_config_put(attention, "alibi", json_true()));
    TS_TRY(ts_config_put(attention, "clip_qkv", a->qkv_clip > 0 ? json_real(a->qkv_clip) : json_null()));
    return ts_config_put(attention, "softmax_scale", usual ? json_null() : json_real(a->attn_scale));
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 50368),
    TS_CONFIG_ROW(COPY, "d_model", hidden, 2048, .before = "hidden_size", .most = TS_ARCH_MAX_WIDTH / 4),
    TS_OWN(NULL, ffn, ts_config_wide_mlp, NULL, 0),
    TS_CONFIG_ROW(COPY, "n_layers", n_layers, 24, .before = "num_hidden_layers"),
    TS_CONFIG_ROW(COPY, "n_heads", n_heads, 16, .before = "num_attention_heads"),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_NO_HEAD_DIM,
    TS_COPY("max_seq_len", max_positions, 2048),
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-5),
    TS_FIXED(act, TS_ACT_GELU),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_OWN("attn_config", attn_scale, read_attention, write_attention, 0),
    TS_FIXED(position, TS_POSITION_ALIBI),
    TS_OWN(NULL, rope, NULL, NULL, 0), /* there is none */
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(gated, false),
    TS_FIXED(pad_frozen, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_mpt = { .model_type = "mpt", .architecture = "MptForCausalLM",
                                 .base = &ts_family_base, .prefix = "transformer.", .names = names,
                                 .rows = rows };
