/* ERNIE 4.5: experts that a softmax scores, chosen with a bias, beside a shared one; pairs of a head are rotated. */
#include "model/families/families.h"

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

/* Layers from moe_layer_start_index to moe_layer_end_index (-1: the last), every moe_layer_interval-th. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t first, last, step;
    TS_TRY(ts_json_int(o, file, r->key, 1, 0, INT32_MAX, &first));
    TS_TRY(ts_json_int(o, file, "moe_layer_end_index", -1, -1, INT32_MAX, &last));
    TS_TRY(ts_json_int(o, file, "moe_layer_interval", 1, 1, INT32_MAX, &step));
    last = last < 0 ? a->n_layers - 1 : last;
    for (int64_t i = first; i <= last && i < a->n_layers; i++)
        if ((i + 1) % step == 0)
            a->layer[i].mlp = TS_MLP_EXPERTS;
    return TS_OK;
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t first = 0, last = a->n_layers - 1;
    while (first < a->n_layers && a->layer[first].mlp != TS_MLP_EXPERTS)
        first++;
    while (last > first && a->layer[last].mlp != TS_MLP_EXPERTS)
        last--;
    TS_TRY(ts_config_put(o, r->key, json_integer(first)));
    TS_TRY(ts_config_put(o, "moe_layer_interval", json_integer(1)));
    return ts_config_put(o, "moe_layer_end_index", json_integer(last));
}

/* Weights are divided by their sum, or by this where the sum is less: the k largest of E shares sum up to k / E at
 * least. */
static ts_status read_norm_min(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double least = 0;
    const double sum = (double)a->experts_per_token / (double)(a->n_experts > 0 ? a->n_experts : 1);
    TS_TRY(ts_config_real(o, file, r->key, 1e-12, 1e-12, &least));
    return least <= sum ? TS_OK
                        : ts_error(TS_ERR_USER, "%s: %s is %g, expected at most moe_k / moe_num_experts = %g: sums of weights "
                                   "are not held to more here", file, r->key, least, sum);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 103424),
    TS_ID("pad_token_id", pad, 0),
    TS_COPY("hidden_size", hidden, 2560),
    TS_COPY("intermediate_size", ffn, 12288),
    TS_COPY("num_hidden_layers", n_layers, 28),
    TS_COPY("num_attention_heads", n_heads, 20),
    TS_KV_HEADS(4),
    TS_COPY("max_position_embeddings", max_positions, 131072),
    TS_COPY("rms_norm_eps", norm_eps, 1e-5),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_CONFIG_ROW(OWN, "rope_theta", rope, 500000, .read = read_rope, .write = ts_config_write_ropes),
    TS_CONFIG_ROW(COPY, "moe_num_experts", n_experts, 64, .before = "num_local_experts"),
    TS_CONFIG_ROW(COPY, "moe_k", experts_per_token, 6, .before = "num_experts_per_tok"),
    TS_COPY("moe_intermediate_size", expert_ffn, 1536),
    TS_OWN("moe_num_shared_experts", shared_ffn, ts_config_read_shared_experts, ts_config_write_shared_experts, 2),
    TS_FIXED(router_score, TS_ROUTE_SOFTMAX),
    TS_FIXED(router_norm, true),
    TS_FIXED(router_bias, true),
    { .kind = TS_CONFIG_COPY, .key = "use_bias",
      .field = { TS_CONFIG_AT(bias_qkv), TS_CONFIG_AT(bias_proj), TS_CONFIG_AT(bias_fc1), TS_CONFIG_AT(bias_fc2),
                 TS_CONFIG_AT(bias_head) } },
    { .kind = TS_CONFIG_OWN, .key = "moe_norm_min", .late = true, .read = read_norm_min },
    { .kind = TS_CONFIG_OWN, .key = "moe_layer_start_index", .late = true, .read = read_layers,
      .write = write_layers },
    { TS_CONFIG_END },
};

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.gate" },
    { "mlp.router.expert_bias", "model.layers.*.mlp.moe_statics.e_score_correction_bias", TS_PART_LINE, false },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.mlp.experts.*."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.mlp.shared_experts."),
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

const ts_family ts_family_ernie4_5_moe = { .model_type = "ernie4_5_moe", .architecture = "Ernie4_5_MoeForCausalLM",
                                           .base = &ts_family_base, .names = names, .rows = rows,
                                           .has_further = true };
