/* InternLM 2 and 2.5: Llama under other names, queries, keys and values of a group side by side
 * as ours are. transformers runs it from code beside the weights. */
#include "model/families/families.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.tok_embeddings" },
    { .name = "self_attention.linear_qkv", .hf_name = "model.layers.*.attention.wqkv" },
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.attention.wo" },
    { "mlp.linear_fc1", "model.layers.*.feed_forward.w1", TS_PART_GATE, false },
    { "mlp.linear_fc1", "model.layers.*.feed_forward.w3", TS_PART_UP, false },
    { .name = "mlp.linear_fc2", .hf_name = "model.layers.*.feed_forward.w2" },
    { .name = "input_layernorm", .hf_name = "model.layers.*.attention_norm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.ffn_norm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "output" },
    { 0 },
};

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 103168),
    TS_NO_HEAD_DIM,
    TS_ID("pad_token_id", pad, 0),
    TS_COPY_BOTH("bias", bias_qkv, bias_proj, true),
    { TS_CONFIG_END },
};

const ts_family ts_family_internlm2 = { .model_type = "internlm2", .architecture = "InternLM2ForCausalLM",
                                        .base = &ts_family_base, .names = names, .read_only = true, .rows = rows };
