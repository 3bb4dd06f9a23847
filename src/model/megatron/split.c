/* Whether a model can be cut as asked, and the names of ranks. */
#include "model/megatron/layout.h"
#include "model/megatron/rules.h"

#include <stdio.h>
#include <string.h>

/* ---- stages ---- */

static ts_status check_list(const ts_arch *a, const ts_mg_split *s)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < s->pp; i++)
        sum += s->stage_layers[i];
    if (s->chunk_layers || s->n_noop || s->folds)
        return ts_error(TS_ERR_USER, "--num-layer-list is for stages of one chunk without empty layers: leave out --%s",
                        s->n_noop ? "noop-layers" : s->folds ? "schedules-method" : "num-layers-per-virtual-pipeline-stage");
    return sum == a->n_layers ? TS_OK
                              : ts_error(TS_ERR_USER, "--num-layer-list: its numbers add up to %lld, the model has %lld layers",
                                         (long long)sum, (long long)a->n_layers);
}

static ts_status check_stages(const ts_arch *a, const ts_mg_split *s)
{
    const int64_t all = a->n_layers + s->n_noop;
    for (int64_t i = 0; i < s->n_noop; i++)
        if (s->noop[i] >= all)
            return ts_error(TS_ERR_USER, "--noop-layers %lld: with these there are %lld layers", (long long)s->noop[i], (long long)all);
    if (s->stage_layers)
        return check_list(a, s);
    const int64_t blocks = s->folds ? 2 * s->pp : s->chunk_layers ? s->pp * s->chunk_layers : s->pp;
    if (all % blocks)
        return ts_error(TS_ERR_USER, "%lld layers%s cannot be shared out evenly to %lld stages%s (--target-pipeline-parallel-size): give "
                                     "--num-layer-list or --noop-layers", (long long)all, s->n_noop ? ", empty ones among them," : "",
                        (long long)s->pp, s->folds ? " of two chunks each" : s->chunk_layers ? " in chunks of that many" : "");
    if (s->chunk_layers && s->folds && s->chunk_layers != all / blocks)
        return ts_error(TS_ERR_USER, "--num-layers-per-virtual-pipeline-stage %lld: with --schedules-method dualpipev it is %lld here",
                        (long long)s->chunk_layers, (long long)(all / blocks));
    return TS_OK;
}

/* ---- parameters ---- */

static ts_status uneven(const char *name, const char *what, int64_t n, int64_t parts, const char *option)
{
    return ts_error(TS_ERR_USER, "%s: its %lld %s cannot be shared out to %lld processes (%s)", name, (long long)n, what,
                    (long long)parts, option);
}

static ts_status check_experts(const ts_arch *a, const ts_mg_split *s, const char *name)
{
    const int64_t ranks = s->tp_extends_ep ? s->ep * s->tp : s->ep;
    if (a->n_experts % ranks)
        return uneven(name, "experts", a->n_experts, ranks, s->tp_extends_ep ? "--target-expert-parallel-size with --moe-tp-extend-ep"
                                                                             : "--target-expert-parallel-size");
    return TS_OK;
}

static ts_status check_param(const ts_arch *a, const ts_mg_split *s, const char *name, const ts_listed_param *p)
{
    static const char tp[] = "--target-tensor-parallel-size";
    const ts_mg_name parsed = ts_mg_name_parse(name);
    const ts_mg_rule *r = ts_mg_rule_of(&parsed);
    const bool of_experts = r && ts_mg_is_of_experts(r);
    if (!r || (p->vectors && !of_experts))
        return ts_error(TS_ERR_USER, "this model has %s, for which there is no place in Megatron's checkpoints", name);
    if (p->vectors && s->experts == TS_MG_GROUPED)
        return ts_error(TS_ERR_USER, "this model has %s, for which there is no place in Megatron's checkpoints with weight1 and weight2 "
                                     "(--moe-grouped-gemm): leave it out, or give --transformer-impl transformer_engine", name);
    const int64_t t = of_experts && (s->experts_whole || s->tp_extends_ep) ? 1 : s->tp;
    const int64_t parts = (r->cut == TS_MG_GATED || r->cut == TS_MG_EXPERTS_1 || r->cut == TS_MG_EXPERT_BIASES_1) && a->gated ? 2 : 1;
    const int64_t rows = p->dim[0] / (p->vectors ? p->vectors : p->matrices) / parts, cols = p->dim[1];
    if (of_experts)
        TS_TRY(check_experts(a, s, name));
    switch (r->cut) {
    case TS_MG_ROWS:
        if (strstr(name, "linear_qkv") && ts_layer_kv_heads(a, parsed.is_further ? a->n_layers : parsed.layer) % t)
            return uneven(name, "groups of heads", ts_layer_kv_heads(a, parsed.is_further ? a->n_layers : parsed.layer), t, tp);
        return rows % t ? uneven(name, "rows", rows, t, tp) : TS_OK;
    case TS_MG_TWO_PARTS: return a->n_heads % t ? uneven(name, "heads", a->n_heads, t, tp) : TS_OK;
    case TS_MG_GATED:
    case TS_MG_EXPERT_BIASES_1:
    case TS_MG_EXPERTS_1: return rows % t ? uneven(name, "rows", rows, t, tp) : TS_OK;
    case TS_MG_COLUMNS:
    case TS_MG_EXPERTS_2: return cols % t ? uneven(name, "columns", cols, t, tp) : TS_OK;
    case TS_MG_VOCAB:
        return (s->vocab ? s->vocab : rows) % t
                   ? uneven(name, "rows", rows, t, "--target-tensor-parallel-size; --make-vocab-size-divisible-by fills up")
                   : TS_OK;
    default: return TS_OK;
    }
}

ts_status ts_mg_split_check(const ts_arch *a, const ts_mg_split *s)
{
    ts_param_list list;
    TS_TRY(check_stages(a, s));
    TS_TRY(ts_param_list_make(a, &list));
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < ts_names_count(list.names); i++)
        st = check_param(a, s, ts_names_text(list.names, i), &list.param[i]);
    ts_param_list_deinit(&list);
    if (st == TS_OK && s->experts_whole && s->tp % s->ep && s->ep % s->tp)
        st = ts_error(TS_ERR_USER, "--expert-tensor-parallel-size 1: of --target-tensor-parallel-size %lld and "
                                   "--target-expert-parallel-size %lld one must divide the other", (long long)s->tp, (long long)s->ep);
    return st;
}

/* ---- ranks ---- */

void ts_mg_rank_name(const ts_mg_split *s, const ts_mg_rank *r, char to[TS_MG_RANK_NAME])
{
    int n = snprintf(to, TS_MG_RANK_NAME, "mp_rank_%02d", (int)r->t);
    if (s->pp > 1)
        n += snprintf(to + n, TS_MG_RANK_NAME - (size_t)n, "_%03d", (int)r->p);
    if (s->ep > 1)
        snprintf(to + n, TS_MG_RANK_NAME - (size_t)n, "_%03d", (int)r->e);
}

bool ts_mg_rank_is_written(const ts_mg_split *s, const ts_mg_rank *r)
{
    if (!s->experts_whole)
        return true;
    return s->tp % s->ep ? r->t == r->e % s->tp : r->e == r->t % s->ep;
}
