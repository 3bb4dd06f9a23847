/* Grok-1 in the form in which its weights were published for PyTorch (model_type grok-1): norms before and after each
 * part, scores with a soft cap, embeddings and logits that are scaled. transformers has no class of its own; what is
 * computed is what the released code does, whose GELU is the one by tanh. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    TS_NAMES_QKV("model.layers.*.attn."),
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.attn.o_proj" },
    { .name = "mlp.router", .hf_name = "model.layers.*.moe_block.gate" },
    { "mlp.experts.linear_fc1", "model.layers.*.moe_block.experts.*.linear_v", TS_PART_UP, false },
    { .name = "mlp.experts.linear_fc2", .hf_name = "model.layers.*.moe_block.experts.*.linear_1" },
    { "mlp.experts.linear_fc1", "model.layers.*.moe_block.experts.*.linear", TS_PART_GATE, false },
    { .name = "input_layernorm.weight", .hf_name = "model.layers.*.pre_attn_norm.scale" },
    { .name = "post_attn_norm.weight", .hf_name = "model.layers.*.post_attn_norm.scale" },
    { .name = "pre_mlp_layernorm.weight", .hf_name = "model.layers.*.pre_moe_norm.scale" },
    { .name = "post_mlp_layernorm.weight", .hf_name = "model.layers.*.post_moe_norm.scale" },
    { .name = "decoder.final_layernorm.weight", .hf_name = "model.norm.scale" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 131072),
    TS_COPY("hidden_size", hidden, 6144),
    TS_COPY_BOTH("intermediate_size", ffn, expert_ffn, 32768),
    TS_COPY("num_hidden_layers", n_layers, 64),
    TS_COPY("num_attention_heads", n_heads, 48),
    TS_KV_HEADS(8),
    TS_NO_HEAD_DIM,
    TS_COPY("max_position_embeddings", max_positions, 8192),
    TS_COPY("attn_output_multiplier", attn_scale, 0.08838834764831845),
    TS_COPY("max_attn_value", attn_softcap, 30),
    TS_COPY("embedding_multiplier_scale", embed_scale, 78.38367176906169),
    TS_COPY("output_multiplier_scale", logit_scale, 0.5773502691896257),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_ID("pad_token_id", pad, 0),
    TS_FIXED(act, TS_ACT_GELU_TANH),
    TS_FIXED(post_norm, true),
    TS_COPY("num_experts", n_experts, 8),
    TS_COPY("num_experts_per_tok", experts_per_token, 2),
    TS_FIXED(router_score, TS_ROUTE_SOFTMAX),
    TS_ALL_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_grok1 = { .model_type = "grok-1", .architecture = "Grok1ModelForCausalLM",
                                    .base = &ts_family_base, .names = names, .rows = rows, .read_only = true };
