/* GPT-2: learned positions, layer norms, biases everywhere; weights stand as [in, out] in the
 * files. */
#include "model/families/families.h"

#include <math.h>

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "transformer.wte" },
    { .name = "embedding.position_embeddings", .hf_name = "transformer.wpe" },
    { .name = "input_layernorm", .hf_name = "transformer.h.*.ln_1" },
    { "self_attention.linear_qkv", "transformer.h.*.attn.c_attn", TS_PART_QKV, true },
    { "self_attention.linear_proj", "transformer.h.*.attn.c_proj", TS_PART_ALL, true },
    { .name = "pre_mlp_layernorm", .hf_name = "transformer.h.*.ln_2" },
    { "mlp.linear_fc1", "transformer.h.*.mlp.c_fc", TS_PART_ALL, true },
    { "mlp.linear_fc2", "transformer.h.*.mlp.c_proj", TS_PART_ALL, true },
    { .name = "decoder.final_layernorm", .hf_name = "transformer.ln_f" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static ts_status read_width(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    return ts_json_int(o, file, r->key, 4 * a->hidden, 1, TS_ARCH_MAX_WIDTH, &a->ffn);
}

static ts_status read_heads(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o;
    if (a->hidden % a->n_heads)
        return ts_error(
            TS_ERR_USER,
            "%s: n_embd (the hidden size) is %lld, expected a multiple of n_head, which is %lld",
            file, (long long)a->hidden, (long long)a->n_heads);
    a->head_dim = a->hidden / a->n_heads;
    return TS_OK;
}

static ts_status read_scale(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool scaled = true;
    TS_TRY(ts_json_bool(o, file, r->key, true, &scaled));
    a->attn_scale = scaled ? 1 / sqrt((double)a->head_dim) : 1;
    return TS_OK;
}

static ts_status write_scale(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_boolean(a->attn_scale != 1));
}

/* Dropout is an option of training here; transformers' default would be 0.1. */
static ts_status write_dropout(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)r, (void)a;
    TS_TRY(ts_config_put(o, "attn_pdrop", json_real(0)));
    TS_TRY(ts_config_put(o, "embd_pdrop", json_real(0)));
    return ts_config_put(o, "resid_pdrop", json_real(0));
}

/* transformers takes a size under its general name too, and then before GPT-2's own. */
#define SIZE(own_, field_, def_, general_, most_)                                                  \
    TS_CONFIG_ROW(COPY, own_, field_, def_, .before = general_, .most = most_)

static const ts_config_row rows[] = {
    TS_NOT_QUANTISED,
    TS_CAUSAL,
    TS_REFUSE("add_cross_attention", "there is no encoder"),
    TS_COPY("vocab_size", vocab, 50257),
    SIZE("n_positions", max_positions, 1024, "max_position_embeddings", 0),
    SIZE("n_embd", hidden, 768, "hidden_size", TS_ARCH_MAX_WIDTH / 4),
    SIZE("n_layer", n_layers, 12, "num_hidden_layers", 0),
    SIZE("n_head", n_heads, 12, "num_attention_heads", 0),
    TS_CONFIG_ROW(COPY, "n_inner", ffn, 0, .read = read_width),
    TS_OWN(NULL, n_kv_heads, ts_config_kv_as_heads, NULL, 0),
    TS_OWN(NULL, head_dim, read_heads, NULL, 0),
    TS_COPY("layer_norm_epsilon", norm_eps, 1e-5),
    TS_COPY("initializer_range", init_std, 0.02),
    TS_CONFIG_ROW(COPY, "activation_function", act, TS_ACT_GELU_TANH, .word = "gelu_new"),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_OWN("scale_attn_weights", attn_scale, read_scale, write_scale, 0),
    TS_COPY("scale_attn_by_inverse_layer_idx", attn_by_layer, false),
    { .kind = TS_CONFIG_OWN, .write = write_dropout },
    TS_ID("bos_token_id", bos, 50256),
    TS_ID("pad_token_id", pad, -1),
    TS_ENDS(50256),
    TS_FIXED(position, TS_POSITION_LEARNED),
    TS_FIXED(norm, TS_NORM_LAYER),
    TS_FIXED(norm_bias, true),
    TS_FIXED(bias_qkv, true),
    TS_FIXED(bias_proj, true),
    TS_FIXED(bias_fc1, true),
    TS_FIXED(bias_fc2, true),
    TS_FIXED(gated, false),
    TS_FIXED(pad_frozen, false),
    { TS_CONFIG_END },
};

const ts_family ts_family_gpt2 = { .model_type = "gpt2", .architecture = "GPT2LMHeadModel",
                                   .prefix = "transformer.", .names = names, .rows = rows };
