/* Experts as options describe them. */
#include "model/options.h"

#include <stdlib.h>

static ts_route_score score_of(const ts_model_options *o)
{
    switch (o->moe_score) {
    case TS_MODEL_SCORE_SIGMOID:
        return TS_ROUTE_SIGMOID;
    case TS_MODEL_SCORE_SQRT_SOFTPLUS:
        return TS_ROUTE_SQRT_SOFTPLUS;
    default:
        /* of one expert DeepSpeed's gate takes the share of all */
        return o->moe_pre_softmax || (o->moe_model == TS_MODEL_MOE_DEEPSPEED && o->moe_topk == 1) ? TS_ROUTE_SOFTMAX
                                                                                                  : TS_ROUTE_CHOSEN;
    }
}

ts_status ts_model_describe_experts(const ts_model_options *o, ts_arch *a)
{
    if (o->num_experts <= 1)
        return TS_OK;
    if (o->n_shared_experts && o->moe_shared_ffn)
        return ts_error(TS_ERR_USER, "--n-shared-experts and --moe-shared-expert-intermediate-size both say how "
                                     "wide the shared expert is: give one");
    if (o->moe_expert_bias && o->moe_score == TS_MODEL_SCORE_SOFTMAX)
        return ts_error(TS_ERR_USER, "--moe-router-enable-expert-bias goes with --moe-router-score-function sigmoid or "
                                     "sqrtsoftplus");
    if (o->moe_model == TS_MODEL_MOE_DEEPSPEED && o->moe_topk > 2)
        return ts_error(TS_ERR_USER, "--moe-model-type deepspeed_moe: --moe-router-topk is %lld, expected 1 or 2",
                        (long long)o->moe_topk);
    if (o->expert_interval > 1 && o->moe_layer_freq.n)
        return ts_error(TS_ERR_USER, "--expert-interval and --moe-layer-freq both say which layers have experts: give one");
    a->n_experts = o->num_experts;
    a->zero_experts = o->zero_experts;
    a->experts_per_token = o->moe_topk;
    a->expert_ffn = o->moe_ffn ? o->moe_ffn : a->ffn;
    a->shared_ffn = o->moe_shared_ffn ? o->moe_shared_ffn : o->n_shared_experts * a->expert_ffn;
    a->router_score = score_of(o);
    if (a->router_score == TS_ROUTE_SOFTMAX && o->norm_topk_prob && o->moe_groups == 1) /* the same in fewer words */
        a->router_score = TS_ROUTE_CHOSEN;
    a->router_norm = a->router_score == TS_ROUTE_SOFTMAX  ? o->norm_topk_prob
                     : a->router_score == TS_ROUTE_CHOSEN ? false
                                                          : o->moe_topk > 1;
    a->router_scale = o->moe_scale;
    a->router_groups = o->moe_groups;
    a->router_group_topk = o->moe_groups > 1 ? o->moe_group_topk : 1;
    a->router_group_best = o->moe_groups > 1 && o->moe_topk > o->moe_group_topk ? o->moe_topk / o->moe_group_topk : 1;
    a->router_bias = o->moe_expert_bias;
    a->shared_gate = o->shared_gate;
    a->experts_bias = o->bias_linear;
    return TS_OK;
}

/* ---- which layers ---- */

static ts_status bad_list(const ts_option_list *words, int64_t layers)
{
    return ts_error(TS_ERR_USER,
                    "--moe-layer-freq %s: expected a number N (every N-th layer has experts) or a 0 or 1 for each of "
                    "the %lld layers, as [0,1,1] or ([0]*1+[1]*2)",
                    words->n ? words->v[0] : "", (long long)layers);
}


ts_status ts_model_describe_expert_layers(const ts_model_options *o, ts_arch *a)
{
    const ts_option_list *words = &o->moe_layer_freq;
    const char *text = words->n ? words->v[0] : "1";
    char *end;
    bool *has;
    if (o->num_experts <= 1)
        return TS_OK;
    TS_TRY(ts_alloc(&has, (size_t)a->n_layers, sizeof *has));
    const long long every = strtoll(text, &end, 10);
    bool good = words->n <= 1;
    if (good && !*end && end != text)
        for (int64_t i = 0; i < a->n_layers; i++)
            has[i] = every <= 1 || i % every == 0;
    else
        good = good && ts_model_read_pattern(text, has, a->n_layers);
    good = good && (*end || every >= 1 || every == -1);
    for (int64_t i = 0; good && i < a->n_layers; i++)
        if (has[i] && i >= o->first_k_dense && (i + 1) % o->expert_interval == 0)
            a->layer[i].mlp = TS_MLP_EXPERTS;
    ts_free(&has);
    return good ? TS_OK : bad_list(words, a->n_layers);
}
