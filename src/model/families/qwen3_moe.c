/* Qwen3-MoE: Qwen 3 with experts. */
#include "model/families/families.h"

/* Of all whose experts have tensors mlp.experts.N.*: OLMoE, GLM-4-MoE, ERNIE 4.5 and DeepSeek too. */
const ts_name_row ts_experts_names[] = {
    TS_NAMES_FIRST,
    TS_NAMES_HEAD_NORMS,
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.gate" },
    { .name = "mlp.router.expert_bias", .hf_name = "model.layers.*.mlp.gate.e_score_correction_bias" },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.mlp.experts.*."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.mlp.shared_experts."),
    { .name = "mlp.shared_experts.gate_weight", .hf_name = "model.layers.*.mlp.shared_expert_gate.weight" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.post_attention_layernorm" },
    TS_MTP_NAMES,
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* Every layer has the window, if it is used. */
static ts_status read_window(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool slides = false;
    TS_TRY(ts_json_bool(o, file, "use_sliding_window", false, &slides));
    return slides ? ts_config_read_window(r, o, file, a) : TS_OK;
}

static ts_status write_window(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "use_sliding_window", json_boolean(a->layer[0].window > 0)));
    return ts_config_write_window(r, a, o);
}

static const ts_config_row rows[] = {
    TS_HEAD_DIM(0),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 6144),
    TS_COPY("num_hidden_layers", n_layers, 24),
    TS_KV_HEADS(4),
    TS_OWN("sliding_window", layer, read_window, write_window, 4096),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 128, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 8),
    TS_COPY("moe_intermediate_size", expert_ffn, 768),
    TS_TOPK_NORM(false),
    TS_QWEN_EXPERTS,
    { TS_CONFIG_END },
};

const ts_family ts_family_qwen3_moe = { .model_type = "qwen3_moe", .architecture = "Qwen3MoeForCausalLM",
                                        .base = &ts_family_qwen3, .names = ts_experts_names, .rows = rows };
