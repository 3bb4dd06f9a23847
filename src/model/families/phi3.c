/* Phi-3, Phi-3.5, Phi-4: Llama with fused projections; longrope; part of a head rotated in
 * Phi-4-mini. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 32064,
    .hidden = 3072,
    .ffn = 8192,
    .layers = 32,
    .heads = 32,
    .kv_heads = TS_AS_HEADS,
    .positions = 4096,
    .eps_key = "rms_norm_eps",
    .eps = 1e-5,
    .act_key = "hidden_act",
    .act = "silu",
    .init_std = 0.02,
    .theta = 10000,
    .rotary = 1,
    .bos = 1,
    .eos = 32000,
    .pad = 32000,
};

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    { "self_attention.linear_qkv", "model.layers.*.self_attn.qkv_proj", TS_PART_QKV, false },
    { .name = "mlp.linear_fc1", .hf_name = "model.layers.*.mlp.gate_up_proj" },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.mlp.down_proj" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* The length before stretching stands outside rope_scaling, and is 4096 where it does not stand
 * at all. */
static ts_status default_length(const json_t *o, const char *file, ts_arch *a)
{
    const json_t *rope = NULL, *length = json_object_get(o, "original_max_position_embeddings");
    if (length && !json_is_null(length))
        return TS_OK;
    TS_TRY(ts_config_rope_find(o, file, &rope));
    const json_t *factor = json_object_get(rope, "factor");
    a->rope[0].original_max_positions = 4096;
    if (!factor || json_is_null(factor))
        a->rope[0].factor = (double)a->max_positions / 4096;
    return TS_OK;
}

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read(o, file, &defaults, a));
    if (a->rope[0].scaling != TS_ROPE_DEFAULT && a->rope[0].scaling != TS_ROPE_LONGROPE)
        return ts_error(TS_ERR_USER, "%s: rope_type of a phi3 model must be default or longrope",
                        file);
    if (a->rope[0].scaling == TS_ROPE_LONGROPE)
        TS_TRY(default_length(o, file, a));
    return ts_config_window(o, file, 0, a);
}

static ts_status write_config(const ts_arch *a, json_t *o)
{
    const int64_t window = a->layer[0].window;
    TS_TRY(ts_config_write(a, &defaults, o));
    if (a->rope[0].scaling == TS_ROPE_LONGROPE)
        TS_TRY(ts_config_put(o, "original_max_position_embeddings",
                             json_integer(a->rope[0].original_max_positions)));
    return ts_config_put(o, "sliding_window", window ? json_integer(window) : json_null());
}

const ts_family ts_family_phi3 = { .model_type = "phi3",
                                   .architecture = "Phi3ForCausalLM",
                                   .prefix = "model.",
                                   .names = names,
                                   .read = read_config,
                                   .write = write_config };
