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

/* Layers of a group, or how many are recomputed as a whole. */
static int64_t full_layers(const ts_train_options *o)
{
    return o->recompute_num_layers ? o->recompute_num_layers : 1;
}

/* Bits of the parts that --swap-modules names; *wrong: the first word that names none, or NULL. */
static unsigned swapped_parts(const ts_train_options *o, const char **wrong)
{
    static const char *const name[TS_LAYER_PARTS] = { "input_norm", "self_attention", "post_attention_norm",
                                                      "mlp" };
    unsigned parts = 0;
    *wrong = NULL;
    if (!o->swap_modules.n)
        return 1u << TS_PART_INPUT_NORM | 1u << TS_PART_ATTENTION | 1u << TS_PART_MLP_NORM;
    for (int64_t i = 0; i < o->swap_modules.n; i++) {
        for (const char *at = o->swap_modules.v[i]; *at;) {
            const size_t n = strcspn(at, ",");
            int part = 0;
            while (part < TS_LAYER_PARTS && (strlen(name[part]) != n || strncmp(at, name[part], n)))
                part++;
            if (part == TS_LAYER_PARTS && n > 0 && !*wrong)
                *wrong = at;
            parts |= part < TS_LAYER_PARTS ? 1u << part : 0;
            at += n + (at[n] == ',');
        }
    }
    return parts;
}

ts_recompute_plan ts_recompute_layers(const ts_train_options *o)
{
    const unsigned mlp = 1u << TS_PART_MLP, none = 0;
    ts_recompute_plan p = { .chosen = o->chosen };
    if (is_full(o)) {
        p.method = is_block(o) ? TS_RECOMPUTE_BLOCK : TS_RECOMPUTE_UNIFORM;
        p.layers = full_layers(o);
    } else if (is_selective(o)) {
        p.others.again = (has_module(o, "mlp") ? 1u << TS_PART_DENSE : none) |
                         (has_module(o, "moe") ? 1u << TS_PART_EXPERTS : none) |
                         (has_module(o, "shared_experts") ? 1u << TS_PART_SHARED : none);
    }
    if (o->zero_memory == TS_ZERO_MEMORY_ALL && !is_full(o)) {
        p.n_first = o->zero_memory_layers;
        p.first = p.others;
        *(p.n_first ? &p.first.again : &p.others.again) |= 1u << TS_PART_SENT | 1u << TS_PART_SHARED;
    }
    if (!o->swap_attention)
        return p;
    const char *wrong;
    p.others.swap = swapped_parts(o, &wrong) & ~(p.others.again ? mlp : none);
    p.first = p.others;
    if (is_full(o))
        return p;
    p.n_first = o->recompute_num_layers;
    p.first.again = mlp;
    p.first.swap &= ~mlp;
    return p;
}

ts_status ts_recompute_stage(const ts_train_options *o, int64_t stage, int64_t stages, ts_recompute_plan *plan)
{
    static const ts_layer_memory type[] = { { .again = 1u << TS_PART_MLP }, { .again = 1u << TS_PART_ATTENTION },
                                            { .whole = true } };
    int64_t *v, n;
    if (!o->stage_again && !o->recompute_list.n)
        return TS_OK;
    plan->first = type[o->recompute_type];
    if (o->stage_again) {
        plan->n_first = o->stage_again[stage];
        return TS_OK;
    }
    TS_TRY(ts_option_numbers("recompute-module-list", &o->recompute_list, &v, &n));
    plan->n_first = n == stages ? v[stage] : 0;
    ts_free(&v);
    if (n == stages)
        return TS_OK;
    return ts_error(TS_ERR_USER,
                    "--recompute-module-list has %lld numbers: expected one for each of the %lld stages "
                    "(--pipeline-model-parallel-size)",
                    (long long)n, (long long)stages);
}

/* The first n layers of those that are not recomputed as a whole; n below 0: all of them. */
static ts_layer_range layers_after(const ts_train_options *o, int64_t n)
{
    const int64_t first = is_block(o) ? full_layers(o) : 0;
    return (ts_layer_range){ first, n < 0 ? INT64_MAX : first + n };
}

ts_tape_options ts_recompute_tape(const ts_train_options *o)
{
    ts_tape_options t = { .replay = o->replay, .swap = is_full(o) && o->swap_layer_input };
    if (o->recompute_norm)
        t.again[TS_REPLAY_NORM] = layers_after(o, o->recompute_norm_num_layers);
    if (is_selective(o) && has_module(o, "layernorm"))
        t.again[TS_REPLAY_NORM] = layers_after(o, -1);
    if (is_selective(o) && has_module(o, "moe_act"))
        t.again[TS_REPLAY_ACT] = layers_after(o, -1);
    if (o->zero_memory)
        t.again[TS_REPLAY_TRAVEL] = layers_after(o, -1);
    if (o->recompute_activation_function)
        t.again[TS_REPLAY_ACT] = layers_after(o, o->recompute_activation_function_num_layers);
    return t;
}

/* ---- contradictions ---- */

static ts_status check_modules(const ts_option_list *modules)
{
    static const char *const known[] = { "core_attn", "layernorm", "mlp", "moe", "moe_act", "shared_experts" };
    for (int64_t i = 0; i < modules->n; i++) {
        const char *word = modules->v[i];
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            is_known = is_known || !strcmp(word, known[k]);
        if (!is_known)
            return ts_error(TS_ERR_USER,
                            "--recompute-modules %s: %sexpected core_attn, layernorm, mlp, moe, moe_act or "
                            "shared_experts",
                            word, strcmp(word, "mla_up_proj") ? "" : "there is no such module in this version; ");
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

static ts_status check_swap(const ts_train_options *o)
{
    const char *wrong;
    swapped_parts(o, &wrong);
    if (wrong)
        return ts_error(TS_ERR_USER,
                        "--swap-modules %s: expected input_norm, self_attention, post_attention_norm or mlp",
                        wrong);
    return TS_OK;
}

ts_status ts_recompute_check(const ts_train_options *o)
{
    if (o->recompute_activations && is_full(o))
        return ts_error(TS_ERR_USER, "--recompute-activations is --recompute-granularity selective "
                                     "and contradicts --recompute-granularity full: give one");
    TS_TRY(check_modules(&o->recompute_modules));
    TS_TRY(check_swap(o));
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
    } count[] = { { "recompute-num-layers", o->swap_attention && !is_full(o) ? o->recompute_num_layers : 0 },
                  { "recompute-norm-num-layers", o->recompute_norm_num_layers },
                  { "recompute-activation-function-num-layers",
                    o->recompute_activation_function_num_layers } };
    for (size_t i = 0; i < sizeof count / sizeof *count; i++)
        if (layers > 0 && count[i].n > layers)
            return ts_error(TS_ERR_USER, "--%s %lld is more than --num-layers %lld: expected 0 to %lld",
                            count[i].name, (long long)count[i].n, (long long)layers,
                            (long long)layers);
    return TS_OK;
}

/* Who lets the layers' memory be chosen says nothing else of it. The size is the limit of those beside it. */
static ts_status check_chosen(const ts_train_options *o, const ts_option_set *set)
{
    enum { SIZE = 1, WAYS = 6 };
    static const char *const ways[WAYS] = { "adaptive-recompute-device-swap", "adaptive-recompute-device-size",
                                            "adaptive-memory-optimization", "smart-swap",
                                            "automated-pipeline", "recompute-module-list" },
                      *const others[] = { "recompute-granularity", "recompute-activations", "recompute-in-bubble",
                                          "recompute-in-advance", "recompute-activation-function",
                                          "recompute-norm", "swap-attention", "swap-layer-input" };
    for (int i = 0; i < WAYS; i++) {
        if (!ts_option_is_on(set, ways[i]) || (i == SIZE && o->adapt_mb < 0))
            continue;
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            TS_TRY(ts_option_exclude(set, ways[i], others[k]));
        for (int k = i + 1; k < WAYS; k++)
            if ((i != SIZE && k != SIZE) || k > 3)
                TS_TRY(ts_option_exclude(set, ways[i], ways[k]));
    }
    return TS_OK;
}

/* In a pipeline's bubble things are made again that nobody asked for otherwise. */
ts_status ts_recompute_check_together(const ts_train_options *o, const ts_option_set *set,
                                      int64_t layers)
{
    TS_TRY(ts_option_exclude(set, "recompute-in-bubble", "recompute-in-advance"));
    if (is_full(o))
        TS_TRY(ts_option_exclude(set, "recompute-in-bubble", "recompute-granularity"));
    TS_TRY(check_chosen(o, set));
    if (o->zero_memory == TS_ZERO_MEMORY_ALL)
        TS_TRY(ts_option_exclude(set, "moe-zero-memory", "swap-attention"));
    if (o->swap_attention) {
        TS_TRY(ts_option_exclude(set, "swap-attention", "recompute-in-bubble"));
        TS_TRY(ts_option_exclude(set, "swap-attention", "recompute-in-advance"));
    }
    return check_counts(o, layers);
}

/* ---- without effect ---- */

void ts_recompute_warn(const ts_train_options *o, const ts_option_set *set)
{
    const bool full = is_full(o), selective = is_selective(o);
    ts_option_warn_alone(set, "recompute-method", full, "--recompute-granularity full");
    ts_option_warn_alone(set, "recompute-num-layers", full || o->swap_attention,
                         "--recompute-granularity full or --swap-attention");
    ts_option_warn_alone(set, "moe-zero-memory-num-layers", o->zero_memory == TS_ZERO_MEMORY_ALL, "--moe-zero-memory level1");
    ts_option_warn_alone(set, "recompute-type", o->recompute_list.n || o->levels,
                         "--recompute-module-list or --automated-pipeline");
    ts_option_warn_alone(set, "save-memory-ratio", o->levels, "--automated-pipeline");
    ts_option_warn_alone(set, "swap-modules", o->swap_attention, "--swap-attention");
    ts_option_warn_alone(set, "swap-layer-input", full, "--recompute-granularity full");
    ts_option_warn_alone(set, "recompute-modules", selective, "--recompute-granularity selective");
    ts_option_warn_alone(set, "recompute-norm-num-layers", o->recompute_norm, "--recompute-norm");
    ts_option_warn_alone(set, "recompute-activation-function-num-layers",
                         o->recompute_activation_function, "--recompute-activation-function");
    if (o->swap_attention && full && !is_block(o))
        ts_log(TS_LOG_INFO, "accepted, without effect here: --swap-attention (--recompute-method uniform keeps "
                            "nothing but inputs of layers, for which there is --swap-layer-input)");
    if (selective && has_module(o, "core_attn"))
        ts_log(TS_LOG_INFO, "accepted, without effect here: --recompute-modules core_attn (" TS_WHY_ATTENTION ")");
    if (selective && has_module(o, "layernorm") && o->replay)
        ts_log(TS_LOG_INFO, "accepted, without effect here: --recompute-modules layernorm (" TS_WHY_NORM ")");
}
