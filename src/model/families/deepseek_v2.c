/* DeepSeek-V2, V2-Lite: latent attention, queries with a latent vector or without, rotated in neighbouring
 * pairs; behind the first layers experts that a softmax over all weighs (transformers' class does not read
 * norm_topk_prob), beside shared ones. */
#include "model/families/latent.h"

#include <string.h>

static ts_status read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_latent_read_rope(r, o, file, a));
    a->rope[0].interleaved = true;
    return TS_OK;
}

/* Groups count in one way of choosing only, by their best expert. */
static ts_status read_method(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *method = json_string_value(json_object_get(o, r->key));
    if (!method || strcmp(method, "greedy") == 0)
        a->router_groups = a->router_group_topk = 1;
    else if (strcmp(method, "group_limited_greedy") != 0)
        return ts_error(TS_ERR_USER, "%s: %s is \"%s\": expected \"greedy\" or \"group_limited_greedy\"", file,
                        r->key, method);
    return TS_OK;
}

static ts_status write_method(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_string(a->router_groups > 1 ? "group_limited_greedy" : "greedy"));
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 102400),
    TS_LATENT_HEAD(128),
    TS_LATENT_ROPE(read_rope),
    TS_LATENT_RANKS(1536, 512),
    TS_COPY("v_head_dim", v_head_dim, 128),
    TS_COPY_BOTH("attention_bias", bias_down, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_COPY("n_routed_experts", n_experts, 64),
    TS_COPY("num_experts_per_tok", experts_per_token, 6),
    TS_COPY("moe_intermediate_size", expert_ffn, 1407),
    TS_OWN("n_shared_experts", shared_ffn, ts_config_read_shared_experts, ts_config_write_shared_experts, 2),
    TS_CONFIG_ROW(COPY, "n_group", router_groups, 1, .has_null = true, .null = 1),
    TS_CONFIG_ROW(COPY, "topk_group", router_group_topk, 1, .has_null = true, .null = 1),
    TS_OWN("topk_method", router_group_best, read_method, write_method, 0),
    TS_FIXED(router_score, TS_ROUTE_SOFTMAX),
    TS_ALWAYS("scoring_func", "softmax"),
    TS_COPY("routed_scaling_factor", router_scale, 1),
    TS_FIRST_DENSE(0),
    { TS_CONFIG_END },
};

const ts_family ts_family_deepseek_v2 = { .model_type = "deepseek_v2", .architecture = "DeepseekV2ForCausalLM",
                                          .base = &ts_family_base, .names = ts_latent_names, .rows = rows };
