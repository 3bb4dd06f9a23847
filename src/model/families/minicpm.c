/* MiniCPM 1, 2: Llama with scaled embeddings, sublayers and logits; MiniCPM-MoE has experts in every layer.
 * transformers runs it from code beside the weights. */
#include "model/families/minicpm.h"

#include <math.h>

/* Multiplies each sublayer's output by it over the root of the depth; a null: by nothing. */
ts_status ts_minicpm_read_depth(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const double root = sqrt((double)a->n_layers);
    double depth = 0;
    TS_TRY(ts_config_real(o, file, r->key, r->def > 0 ? r->def : root, root, &depth));
    a->residual_scale = depth / root;
    return TS_OK;
}

/* x with x / by == quotient, where there is one: a few units around the product. */
static double dividend(double quotient, double by)
{
    double x = quotient * by;
    for (int i = 0; i < 3; i++)
        x = nextafter(x, -INFINITY);
    for (int i = 0; i < 7 && x / by != quotient; i++)
        x = nextafter(x, INFINITY);
    return x;
}

ts_status ts_minicpm_write_depth(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_real(dividend(a->residual_scale, sqrt((double)a->n_layers))));
}

ts_status ts_minicpm_read_base(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const double hidden = (double)a->hidden;
    double base = 0;
    TS_TRY(ts_config_real(o, file, r->key, r->def > 0 ? r->def : hidden, hidden, &base));
    a->logit_scale = base / hidden;
    return TS_OK;
}

ts_status ts_minicpm_write_base(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_real(dividend(a->logit_scale, (double)a->hidden)));
}

static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    { .name = "mlp.router", .hf_name = "model.layers.*.mlp.gate" },
    { "mlp.experts.linear_fc1", "model.layers.*.mlp.experts.*.w1", TS_PART_GATE, false },
    { .name = "mlp.experts.linear_fc2", .hf_name = "model.layers.*.mlp.experts.*.w2" },
    { "mlp.experts.linear_fc1", "model.layers.*.mlp.experts.*.w3", TS_PART_UP, false },
    TS_NAMES_LAST,
    { 0 },
};

/* As wide as the MLP that they stand for; weights of the chosen sum up to 1. */
static ts_status read_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_int(o, file, r->key, 0, 0, 0, TS_ROUTE_MAX, &a->n_experts));
    if (a->n_experts == 0)
        return TS_OK;
    a->expert_ffn = a->ffn;
    a->router_score = TS_ROUTE_CHOSEN;
    TS_TRY(ts_config_int(o, file, "num_experts_per_tok", 2, 2, 1, TS_ROUTE_MAX, &a->experts_per_token));
    return ts_config_all_experts(r, o, file, a);
}

static const ts_config_row rows[] = {
    TS_COPY("rms_norm_eps", norm_eps, 1e-6),
    TS_COPY("attention_bias", bias_qkv, false),
    TS_COPY("tie_word_embeddings", tied, true),
    TS_NO_HEAD_DIM,
    TS_MINICPM_SCALES(1, 1, 1),
    { .kind = TS_CONFIG_OWN, .key = "num_experts", .late = true, .read = read_experts },
    { TS_CONFIG_END },
};

const ts_family ts_family_minicpm = { .model_type = "minicpm", .architecture = "MiniCPMForCausalLM",
                                      .base = &ts_family_base, .names = names, .read_only = true, .rows = rows };
