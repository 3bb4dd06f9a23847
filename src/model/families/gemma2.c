/* Gemma 2: norms before and after each part, a window in every other layer, soft caps. */
#include "model/families/families.h"

#include <math.h>

static const ts_config_defaults defaults = {
    .vocab = 256000,
    .hidden = 2304,
    .ffn = 9216,
    .layers = 26,
    .heads = 8,
    .kv_heads = 4,
    .head_dim = 256,
    .positions = 8192,
    .eps_key = "rms_norm_eps",
    .eps = 1e-6,
    .act = "gelu_pytorch_tanh",
    .init_std = 0.02,
    .act_key = "hidden_activation",
    .theta = 10000,
    .tied = true,
    .bos = 2,
    .eos = 1,
    .pad = 0,
};

/* Gemma 3's too. */
const ts_name_row ts_gemma2_names[] = {
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
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "post_attn_norm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.pre_feedforward_layernorm" },
    { .name = "post_mlp_layernorm", .hf_name = "model.layers.*.post_feedforward_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

ts_status ts_gemma2_scale(const json_t *o, const char *file, ts_arch *a)
{
    double scalar = 0;
    TS_TRY(ts_config_real(o, file, "query_pre_attn_scalar", 256, 256, &scalar));
    if (scalar <= 0)
        return ts_error(TS_ERR_USER, "%s: query_pre_attn_scalar is %g, expected a number above 0",
                        file, scalar);
    a->attn_scale = 1 / sqrt(scalar);
    a->post_norm = true;
    return ts_config_whole_heads(a, file);
}

ts_status ts_gemma2_write_scale(const ts_arch *a, json_t *o)
{
    const double scalar = 1 / (a->attn_scale * a->attn_scale);
    return ts_config_put(o, "query_pre_attn_scalar",
                         scalar < 1e15 ? json_integer(llround(scalar)) : json_real(scalar));
}

static ts_status put_cap(json_t *o, const char *key, double cap)
{
    return ts_config_put(o, key, cap > 0 ? json_real(cap) : json_null());
}

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0;
    TS_TRY(ts_gemma_read(o, file, &defaults, a));
    TS_TRY(ts_gemma2_scale(o, file, a));
    TS_TRY(ts_config_real(o, file, "attn_logit_softcapping", 50, 0, &a->attn_softcap));
    TS_TRY(ts_config_real(o, file, "final_logit_softcapping", 30, 0, &a->logit_softcap));
    TS_TRY(ts_config_int(o, file, "sliding_window", 4096, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = 0; i < a->n_layers && !given; i += 2)
        a->layer[i].window = window;
    return TS_OK;
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    TS_TRY(ts_gemma_write(a, &defaults, o));
    TS_TRY(ts_gemma2_write_scale(a, o));
    TS_TRY(put_cap(o, "attn_logit_softcapping", a->attn_softcap));
    TS_TRY(put_cap(o, "final_logit_softcapping", a->logit_softcap));
    return ts_config_write_layers(a, o);
}

const ts_family ts_family_gemma2 = { .model_type = "gemma2",
                                     .architecture = "Gemma2ForCausalLM",
                                     .prefix = "model.",
                                     .names = ts_gemma2_names,
                                     .read = read_config,
                                     .write = write_config };
