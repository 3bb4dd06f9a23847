/* LFM2 with experts (LFM2-8B-A1B): a sigmoid scores them, a bias helps to choose; dense first layers. */
#include "model/families/families.h"
#include "model/families/lfm2.h"

static const ts_name_row names[] = {
    TS_LFM2_BEGIN,
    TS_LFM2_NAMES,
    { "mlp.router.expert_bias", "model.layers.*.feed_forward.expert_bias", TS_PART_ALL, false },
    { .name = "mlp.router", .hf_name = "model.layers.*.feed_forward.gate" },
    { "mlp.experts.linear_fc1", "model.layers.*.feed_forward.experts.*.w1", TS_PART_GATE, false },
    { "mlp.experts.linear_fc1", "model.layers.*.feed_forward.experts.*.w3", TS_PART_UP, false },
    { .name = "mlp.experts.linear_fc2", .hf_name = "model.layers.*.feed_forward.experts.*.w2" },
    TS_LFM2_END,
};

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 65536),
    TS_COPY("hidden_size", hidden, 2048),
    TS_COPY("intermediate_size", ffn, 7168),
    TS_LFM2_ROWS,
    TS_COPY("moe_intermediate_size", expert_ffn, 1792),
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 32, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 4),
    TS_FIXED(router_score, TS_ROUTE_SIGMOID),
    TS_COPY("use_expert_bias", router_bias, true),
    TS_COPY("norm_topk_prob", router_norm, true),
    TS_COPY("routed_scaling_factor", router_scale, 1),
    TS_LFM2_LAYERS,
    { .kind = TS_CONFIG_OWN, .key = "num_dense_layers", .late = true, .def = 2, .read = ts_config_read_first_dense,
      .write = ts_config_write_first_dense },
    { TS_CONFIG_END },
};

const ts_family ts_family_lfm2_moe = { .model_type = "lfm2_moe", .architecture = "Lfm2MoeForCausalLM",
                                       .base = &ts_family_base, .names = names, .rows = rows };
