/* State-space models and hybrids by options, in Megatron-LM's words (pretrain_mamba.py). */
#include "model/options.h"

#include <math.h>
#include <string.h>

static const char *const names[] = { "hybrid-attention-ratio", "hybrid-mlp-ratio", "hybrid-override-pattern",
                                     "mamba-state-dim", "mamba-head-dim", "mamba-num-groups", "mamba-num-heads",
                                     "mamba-d-conv", "mamba-expand", "mamba-version", "mamba-rope-fraction" };

bool ts_model_is_mamba(const ts_option_set *set)
{
    for (size_t i = 0; set && i < sizeof names / sizeof *names; i++)
        if (ts_option_given(set, names[i]))
            return true;
    return false;
}

enum { SCAN = 'M', ATTENTION = '*', MLP = '-' };

/* Puts `kind` to n of the places of state-space layers, evenly, `gap` of these before each. */
static void spread(char *layer, int64_t n, double gap, char kind)
{
    double x = gap;
    for (int64_t i = 0; i < n; i++) {
        if (layer[i] != SCAN)
            continue;
        if (x < 0.5) {
            layer[i] = kind;
            x += gap;
        } else {
            x -= 1;
        }
    }
}

/* Megatron-LM's rule: attention first, between stretches of other layers, then MLPs. Halves are rounded to
 * even as Python does. */
static void by_ratio(const ts_model_options *o, char *layer, int64_t n)
{
    const int64_t attention = (int64_t)nearbyint((double)n * o->hybrid_attention),
                  mlp = (int64_t)nearbyint((double)n * o->hybrid_mlp);
    memset(layer, SCAN, (size_t)n);
    spread(layer, n, (double)(n - attention) / (double)(attention + 1), ATTENTION);
    if (mlp > 0)
        spread(layer, n, (double)(n - attention - mlp) / (double)mlp, MLP);
}

static ts_status by_pattern(const char *pattern, char *layer, int64_t n)
{
    const size_t bad = strspn(pattern, "M*-");
    if (pattern[bad])
        return ts_error(TS_ERR_USER,
                        "--hybrid-override-pattern: \"%c\" is no layer; M (state space), * (attention) and - (MLP) are",
                        pattern[bad]);
    if ((int64_t)bad != n)
        return ts_error(TS_ERR_USER, "--hybrid-override-pattern has %zu layers, --num-layers %lld", bad, (long long)n);
    memcpy(layer, pattern, (size_t)n);
    return TS_OK;
}

static ts_status sizes(const ts_model_options *o, ts_arch *a)
{
    const int64_t inner = o->mamba_expand * a->hidden, heads = o->mamba_heads ? o->mamba_heads : inner / o->mamba_head_dim;
    if (!o->mamba_heads && inner % o->mamba_head_dim)
        return ts_error(TS_ERR_USER,
                        "--mamba-head-dim %lld does not divide --mamba-expand %lld times --hidden-size %lld (or give "
                        "--mamba-num-heads)",
                        (long long)o->mamba_head_dim, (long long)o->mamba_expand, (long long)a->hidden);
    if (heads % o->mamba_groups)
        return ts_error(TS_ERR_USER, "--mamba-num-groups %lld does not divide the %lld heads of state-space layers",
                        (long long)o->mamba_groups, (long long)heads);
    if (o->mamba_version == 3 && o->mamba_rope != 0.5 && o->mamba_rope != 1)
        return ts_error(TS_ERR_USER, "--mamba-rope-fraction %g: expected 0.5 or 1", o->mamba_rope);
    if (o->mamba_version == 3) {
        a->mamba3 = (ts_mamba3_arch){ .heads = heads, .head_dim = o->mamba_head_dim, .groups = o->mamba_groups,
                                      .state = o->mamba_state, .angles = (int64_t)(o->mamba_rope * (double)o->mamba_state) / 2,
                                      .floor = 1e-4, .eps = 1e-5 };
        return TS_OK;
    }
    a->mamba = (ts_mamba_arch){ .heads = heads, .head_dim = o->mamba_head_dim, .groups = o->mamba_groups,
                                .state = o->mamba_state, .conv = o->mamba_conv, .conv_bias = true,
                                .norm_groups = o->mamba_groups, .in_scale = 1, .z_scale = 1, .x_scale = 1,
                                .b_scale = 1, .c_scale = 1, .dt_scale = 1, .out_scale = 1 };
    return TS_OK;
}

ts_status ts_model_describe_mamba(const ts_model_options *o, ts_arch *a)
{
    char *layer;
    if (o->hybrid_attention + o->hybrid_mlp > 1)
        return ts_error(TS_ERR_USER, "--hybrid-attention-ratio %g and --hybrid-mlp-ratio %g are more than all layers",
                        o->hybrid_attention, o->hybrid_mlp);
    TS_TRY(sizes(o, a));
    TS_TRY(ts_alloc(&layer, (size_t)a->n_layers, sizeof *layer));
    by_ratio(o, layer, a->n_layers);
    const ts_status st = o->hybrid_pattern ? by_pattern(o->hybrid_pattern, layer, a->n_layers) : TS_OK;
    for (int64_t i = 0; st == TS_OK && i < a->n_layers; i++) {
        ts_layer_arch *l = &a->layer[i];
        l->attention = layer[i] == SCAN        ? (o->mamba_version == 3 ? TS_ATTENTION_MAMBA3 : TS_ATTENTION_MAMBA)
                       : layer[i] == ATTENTION ? TS_ATTENTION_SOFTMAX
                                               : TS_ATTENTION_NONE;
        if (layer[i] != MLP)
            l->mlp = TS_MLP_NONE;
        if (layer[i] != ATTENTION)
            l->window = 0;
    }
    ts_free(&layer);
    return st;
}

/* What both kinds say. */
static ts_mamba_arch sizes_of(const ts_arch *a)
{
    const ts_mamba3_arch *m = &a->mamba3;
    return m->heads ? (ts_mamba_arch){ .heads = m->heads, .head_dim = m->head_dim, .groups = m->groups, .state = m->state }
                    : a->mamba;
}

ts_status ts_model_compare_mamba(const ts_model_options *o, const ts_option_set *set, const ts_arch *a, const char *folder)
{
    ts_arch said;
    ts_model_options wanted = *o;
    if (!ts_model_is_mamba(set))
        return TS_OK;
    for (size_t i = 0; !a->mamba.heads && !a->mamba3.heads && i < sizeof names / sizeof *names; i++)
        if (ts_option_given(set, names[i]))
            return ts_error(TS_ERR_USER, "--%s contradicts %s, which has no state-space layers", names[i], folder);
    if (!ts_option_given(set, "mamba-version"))
        wanted.mamba_version = a->mamba3.heads ? 3 : 2;
    if (wanted.mamba_version != (a->mamba3.heads ? 3 : 2))
        return ts_error(TS_ERR_USER, "--mamba-version %lld contradicts %s, whose state-space layers are of another",
                        (long long)o->mamba_version, folder);
    TS_TRY(ts_arch_copy(a, &said));
    for (int64_t i = 0; i < said.n_layers; i++)
        said.layer[i].mlp = said.gated ? TS_MLP_GATED : TS_MLP_PLAIN;
    ts_status st = ts_model_describe_mamba(&wanted, &said);
    const ts_mamba_arch x = sizes_of(&said), y = sizes_of(a);
    const struct {
        const char *option;
        int64_t given, has;
    } sizes[] = { { "mamba-state-dim", x.state, y.state },   { "mamba-head-dim", x.head_dim, y.head_dim },
                  { "mamba-num-groups", x.groups, y.groups }, { "mamba-num-heads", x.heads, y.heads },
                  { "mamba-d-conv", x.conv, y.conv },         { "mamba-expand", x.heads, y.heads } };
    for (size_t i = 0; st == TS_OK && i < sizeof sizes / sizeof *sizes; i++)
        if (ts_option_given(set, sizes[i].option) && sizes[i].given != sizes[i].has)
            st = ts_error(TS_ERR_USER, "--%s %lld contradicts %s, which says %lld", sizes[i].option,
                          (long long)sizes[i].given, folder, (long long)sizes[i].has);
    if (st == TS_OK && ts_option_given(set, "mamba-rope-fraction") && said.mamba3.angles != a->mamba3.angles)
        st = ts_error(TS_ERR_USER, "--mamba-rope-fraction %g contradicts %s, whose layers have %lld angles", o->mamba_rope,
                      folder, (long long)a->mamba3.angles);
    const bool shaped = ts_option_given(set, "hybrid-override-pattern") || ts_option_given(set, "hybrid-attention-ratio") ||
                        ts_option_given(set, "hybrid-mlp-ratio");
    for (int64_t i = 0; st == TS_OK && shaped && i < said.n_layers; i++)
        if (said.layer[i].attention != a->layer[i].attention)
            st = ts_error(TS_ERR_USER, "--hybrid-override-pattern or the ratios contradict %s: layer %lld is of another kind",
                          folder, (long long)i);
    ts_arch_deinit(&said);
    return st;
}
