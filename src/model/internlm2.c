/* InternLM 2 and 2.5: Llama under other names, queries, keys and values of a group side by side as ours are.
 * transformers runs it from code beside the weights. */
#include "model/families.h"

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
    { .name = "embedding.word_embeddings.weight", .hf_name = "model.tok_embeddings.weight" },
    { .name = "self_attention.linear_qkv.weight", .hf_name = "model.layers.*.attention.wqkv.weight" },
    { .name = "self_attention.linear_qkv.bias", .hf_name = "model.layers.*.attention.wqkv.bias" },
    { .name = "self_attention.linear_proj.weight", .hf_name = "model.layers.*.attention.wo.weight" },
    { .name = "self_attention.linear_proj.bias", .hf_name = "model.layers.*.attention.wo.bias" },
    { "mlp.linear_fc1.weight", "model.layers.*.feed_forward.w1.weight", TS_PART_GATE, false },
    { "mlp.linear_fc1.weight", "model.layers.*.feed_forward.w3.weight", TS_PART_UP, false },
    { .name = "mlp.linear_fc2.weight", .hf_name = "model.layers.*.feed_forward.w2.weight" },
    { .name = "input_layernorm.weight", .hf_name = "model.layers.*.attention_norm.weight" },
    { .name = "pre_mlp_layernorm.weight", .hf_name = "model.layers.*.ffn_norm.weight" },
    { .name = "decoder.final_layernorm.weight", .hf_name = "model.norm.weight" },
    { .name = "output_layer.weight", .hf_name = "output.weight" },
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
