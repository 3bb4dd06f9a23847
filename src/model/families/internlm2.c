/* InternLM 2 and 2.5: Llama under other names, queries, keys and values of a group side by side
 * as ours are. transformers runs it from code beside the weights. */
#include "model/families/families.h"

static const ts_config_defaults defaults = {
    .vocab = 103168,
    .hidden = 4096,
    .ffn = 11008,
    .layers = 32,
    .heads = 32,
    .kv_heads = TS_AS_HEADS,
    .head_dim = TS_NO_KEY,
    .positions = 2048,
    .eps_key = "rms_norm_eps",
    .eps = 1e-6,
    .act_key = "hidden_act",
    .act = "silu",
    .init_std = 0.02,
    .theta = 10000,
    .bos = 1,
    .eos = 2,
    .pad = 0,
};

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

static ts_status read_config(const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read(o, file, &defaults, a));
    TS_TRY(ts_json_bool(o, file, "bias", true, &a->bias_qkv));
    a->bias_proj = a->bias_qkv;
    return TS_OK;
}

const ts_family ts_family_internlm2 = { .model_type = "internlm2",
                                        .architecture = "InternLM2ForCausalLM",
                                        .prefix = "model.",
                                        .names = names,
                                        .read = read_config,
                                        .write = NULL };
