/* GPT-2: learned positions, layer norms, biases everywhere; weights stand as [in, out] in the
 * files. */
#include "model/families/families.h"

#include <math.h>

static const ts_config_defaults ids = { .bos = 50256, .eos = 50256, .pad = -1 };

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

/* transformers takes a size under its general name too, and then before GPT-2's own. */
static const char *key_of(const json_t *o, const char *general, const char *own)
{
    const json_t *v = json_object_get(o, general);
    return v && !json_is_null(v) ? general : own;
}

static ts_status read_sizes(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_json_int(o, file, "vocab_size", 50257, 1, TS_ARCH_MAX_VOCAB, &a->vocab));
    const char *positions = key_of(o, "max_position_embeddings", "n_positions"),
               *hidden = key_of(o, "hidden_size", "n_embd"),
               *layers = key_of(o, "num_hidden_layers", "n_layer"),
               *heads = key_of(o, "num_attention_heads", "n_head");
    TS_TRY(ts_json_int(o, file, positions, 1024, 1, TS_ARCH_MAX_POSITIONS, &a->max_positions));
    TS_TRY(ts_json_int(o, file, hidden, 768, 1, TS_ARCH_MAX_WIDTH / 4, &a->hidden));
    TS_TRY(ts_json_int(o, file, layers, 12, 1, TS_ARCH_MAX_LAYERS, &a->n_layers));
    TS_TRY(ts_json_int(o, file, heads, 12, 1, TS_ARCH_MAX_HEADS, &a->n_heads));
    TS_TRY(ts_json_int(o, file, "n_inner", 4 * a->hidden, 1, TS_ARCH_MAX_WIDTH, &a->ffn));
    if (a->hidden % a->n_heads)
        return ts_error(
            TS_ERR_USER,
            "%s: n_embd (the hidden size) is %lld, expected a multiple of n_head, which is %lld",
            file, (long long)a->hidden, (long long)a->n_heads);
    a->n_kv_heads = a->n_heads;
    a->head_dim = a->hidden / a->n_heads;
    return TS_OK;
}

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    bool scaled = true;
    TS_TRY(ts_config_refuse(o, file, "quantization_config", "the weights must not be quantised"));
    TS_TRY(ts_config_causal(o, file));
    TS_TRY(ts_config_refuse(o, file, "add_cross_attention", "there is no encoder"));
    TS_TRY(read_sizes(o, file, a));
    TS_TRY(ts_config_real(o, file, "layer_norm_epsilon", 1e-5, 1e-5, &a->norm_eps));
    TS_TRY(ts_config_real(o, file, "initializer_range", 0.02, 0.02, &a->init_std));
    TS_TRY(ts_config_act(o, file, "activation_function", "gelu_new", &a->act));
    TS_TRY(ts_json_bool(o, file, "tie_word_embeddings", true, &a->tied));
    TS_TRY(ts_json_bool(o, file, "scale_attn_weights", true, &scaled));
    TS_TRY(ts_json_bool(o, file, "scale_attn_by_inverse_layer_idx", false, &a->attn_by_layer));
    TS_TRY(ts_config_ids(o, file, &ids, a));
    a->attn_scale = scaled ? 1 / sqrt((double)a->head_dim) : 1;
    a->norm = TS_NORM_LAYER;
    a->norm_bias = true;
    a->position = TS_POSITION_LEARNED;
    a->bias_qkv = a->bias_proj = a->bias_fc1 = a->bias_fc2 = true;
    a->gated = false;
    a->pad_frozen = false;
    return ts_arch_layers(a, 0);
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "vocab_size", json_integer(a->vocab)));
    TS_TRY(ts_config_put(o, "n_positions", json_integer(a->max_positions)));
    TS_TRY(ts_config_put(o, "n_embd", json_integer(a->hidden)));
    TS_TRY(ts_config_put(o, "n_layer", json_integer(a->n_layers)));
    TS_TRY(ts_config_put(o, "n_head", json_integer(a->n_heads)));
    TS_TRY(ts_config_put(o, "n_inner", json_integer(a->ffn)));
    TS_TRY(ts_config_put(o, "layer_norm_epsilon", json_real(a->norm_eps)));
    TS_TRY(ts_config_put(o, "initializer_range", json_real(a->init_std)));
    TS_TRY(ts_config_put(o, "activation_function", json_string(ts_config_act_name(a->act, true))));
    TS_TRY(ts_config_put(o, "tie_word_embeddings", json_boolean(a->tied)));
    TS_TRY(ts_config_put(o, "scale_attn_weights", json_boolean(a->attn_scale != 1)));
    TS_TRY(ts_config_put(o, "scale_attn_by_inverse_layer_idx", json_boolean(a->attn_by_layer)));
    /* Dropout is an option of training here; transformers' default would be 0.1. */
    TS_TRY(ts_config_put(o, "attn_pdrop", json_real(0)));
    TS_TRY(ts_config_put(o, "embd_pdrop", json_real(0)));
    TS_TRY(ts_config_put(o, "resid_pdrop", json_real(0)));
    return ts_config_write_ids(a, o);
}

const ts_family ts_family_gpt2 = { .model_type = "gpt2",
                                   .architecture = "GPT2LMHeadModel",
                                   .prefix = "transformer.",
                                   .names = names,
                                   .read = read_config,
                                   .write = write_config };
