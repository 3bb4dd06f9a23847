#include "train/recompute.h"

#include "base/log.h"

#include <string.h>

static bool has_module(const ts_train_options *o, const char *name)
{
    for (int64_t i = 0; i < o->recompute_modules.n; i++)
        if (!strcmp(o->recompute_modules.v[i], name))
            return true;
    return false;
}

static bool is_selective(const ts_train_options *o)
{
    return o->recompute_activations || o->recompute_granularity == TS_GRANULARITY_SELECTIVE;
}

static bool is_full(const ts_train_options *o)
{
    return o->recompute_granularity == TS_GRANULARITY_FULL;
}

static bool is_block(const ts_train_options *o)
{
    return is_full(o) && o->recompute_method == TS_RECOMPUTE_METHOD_BLOCK;
}

ts_recompute_plan ts_recompute_layers(const ts_train_options *o)
{
    if (!is_full(o))
        return (ts_recompute_plan){ .mlp = is_selective(o) && has_module(o, "mlp") };
    return (ts_recompute_plan){ .method = is_block(o) ? TS_RECOMPUTE_BLOCK : TS_RECOMPUTE_UNIFORM,
                                .layers = o->recompute_num_layers };
}

/* The first n layers of those that are not recomputed as a whole; n below 0: all of them. */
static ts_layer_range layers_after(const ts_train_options *o, int64_t n)
{
    const int64_t first = is_block(o) ? o->recompute_num_layers : 0;
    return (ts_layer_range){ first, n < 0 ? INT64_MAX : first + n };
}

ts_tape_options ts_recompute_tape(const ts_train_options *o)
{
    ts_tape_options t = { .replay = o->replay, .swap = is_full(o) && o->swap_layer_input };
    if (o->recompute_norm)
        t.again[TS_REPLAY_NORM] = layers_after(o, o->recompute_norm_num_layers);
    if (is_selective(o) && has_module(o, "layernorm"))
        t.again[TS_REPLAY_NORM] = layers_after(o, -1);
    if (o->recompute_activation_function)
        t.again[TS_REPLAY_ACT] = layers_after(o, o->recompute_activation_function_num_layers);
    return t;
}

/* ---- contradictions ---- */

static ts_status check_modules(const ts_option_list *modules)
{
    static const char *const known[] = { "core_attn", "layernorm", "mlp" },
                      *const elsewhere[] = { "moe", "moe_act", "shared_experts", "mla_up_proj" };
    for (int64_t i = 0; i < modules->n; i++) {
        const char *word = modules->v[i];
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            is_known = is_known || !strcmp(word, known[k]);
        for (size_t k = 0; k < sizeof elsewhere / sizeof *elsewhere; k++)
            if (!strcmp(word, elsewhere[k]))
                return ts_error(TS_ERR_USER,
                                "--recompute-modules %s: there is no such module in this version; "
                                "expected core_attn, layernorm or mlp",
                                word);
        if (!is_known)
            return ts_error(TS_ERR_USER,
                            "--recompute-modules %s: expected core_attn, layernorm or mlp", word);
    }
    return TS_OK;
}

/* Part of a layer beside what recomputes it, or its like, already. */
static ts_status check_part(const ts_train_options *o, const char *name)
{
    if (is_full(o) && !is_block(o))
        return ts_error(TS_ERR_USER,
                        "--%s contradicts --recompute-granularity full with --recompute-method "
                        "uniform, which computes all layers again as a whole: give --recompute-method "
                        "block, or one of the two",
                        name);
    if (is_selective(o))
        return ts_error(TS_ERR_USER,
                        "--%s contradicts %s: give --recompute-modules with core_attn, layernorm, "
                        "mlp, or --%s alone",
                        name,
                        o->recompute_activations ? "--recompute-activations"
                                                 : "--recompute-granularity selective",
                        name);
    return TS_OK;
}

ts_status ts_recompute_check(const ts_train_options *o)
{
    if (o->recompute_activations && is_full(o))
        return ts_error(TS_ERR_USER, "--recompute-activations is --recompute-granularity selective "
                                     "and contradicts --recompute-granularity full: give one");
    TS_TRY(check_modules(&o->recompute_modules));
    if (o->recompute_norm)
        TS_TRY(check_part(o, "recompute-norm"));
    if (o->recompute_activation_function)
        TS_TRY(check_part(o, "recompute-activation-function"));
    return TS_OK;
}

static ts_status check_counts(const ts_train_options *o, int64_t layers)
{
    const struct {
        const char *name;
        int64_t n;
    } count[] = { { "recompute-norm-num-layers", o->recompute_norm_num_layers },
                  { "recompute-activation-function-num-layers",
                    o->recompute_activation_function_num_layers } };
    for (size_t i = 0; i < sizeof count / sizeof *count; i++)
        if (layers > 0 && count[i].n > layers)
            return ts_error(TS_ERR_USER, "--%s %lld is more than --num-layers %lld: expected 0 to %lld",
                            count[i].name, (long long)count[i].n, (long long)layers,
                            (long long)layers);
    return TS_OK;
}

/* In a pipeline's bubble things are made again that nobody asked for otherwise. */
ts_status ts_recompute_check_together(const ts_train_options *o, const ts_option_set *set,
                                      int64_t layers)
{
    TS_TRY(ts_option_exclude(set, "recompute-in-bubble", "recompute-in-advance"));
    if (is_full(o))
        TS_TRY(ts_option_exclude(set, "recompute-in-bubble", "recompute-granularity"));
    return check_counts(o, layers);
}

/* ---- without effect ---- */

void ts_recompute_warn(const ts_train_options *o, const ts_option_set *set)
{
    const bool full = is_full(o), selective = is_selective(o);
    ts_option_warn_alone(set, "recompute-method", full, "--recompute-granularity full");
    ts_option_warn_alone(set, "recompute-num-layers", full, "--recompute-granularity full");
    ts_option_warn_alone(set, "swap-layer-input", full, "--recompute-granularity full");
    ts_option_warn_alone(set, "recompute-modules", selective, "--recompute-granularity selective");
    ts_option_warn_alone(set, "recompute-norm-num-layers", o->recompute_norm, "--recompute-norm");
    ts_option_warn_alone(set, "recompute-activation-function-num-layers",
                         o->recompute_activation_function, "--recompute-activation-function");
    if (selective && has_module(o, "core_attn"))
        ts_log(TS_LOG_INFO, "accepted, without effect here: --recompute-modules core_attn (" TS_WHY_ATTENTION ")");
    if (selective && has_module(o, "layernorm") && o->replay)
        ts_log(TS_LOG_INFO, "accepted, without effect here: --recompute-modules layernorm (" TS_WHY_NORM ")");
}
