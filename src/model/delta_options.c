/* Gated delta nets and Kimi delta attention by options, in Megatron core's words. */
#include "model/options.h"

#include <stdlib.h>

#define VARIANT "experimental-attention-variant"

static const char *const of_layers[] = { "linear-attention-freq", "full-attention-interval" };

/* What each of the other options says, and where it goes. */
typedef struct size_row {
    const char *option;
    size_t said, field;
} size_row;
#define SIZE(option_, said_, field_)                                                               \
    { option_, offsetof(ts_model_options, said_), offsetof(ts_delta_arch, field_) }
static const size_row sizes[] = {
    SIZE("linear-num-key-heads", linear_key_heads, key_heads), SIZE("linear-num-value-heads", linear_heads, heads),
    SIZE("linear-key-head-dim", linear_key_dim, key_dim), SIZE("linear-value-head-dim", linear_value_dim, value_dim),
    SIZE("linear-conv-kernel-dim", linear_conv, conv),
};
enum { SIZES = sizeof sizes / sizeof *sizes };

static int64_t *at(void *base, size_t offset) { return (int64_t *)(void *)((char *)base + offset); }
static int64_t value(const void *base, size_t offset) { return *(const int64_t *)(const void *)((const char *)base + offset); }

static bool is_delta(const ts_model_options *o)
{
    return o->attention_variant == TS_MODEL_VARIANT_DELTA || o->attention_variant == TS_MODEL_VARIANT_KIMI;
}
static bool is_kimi(const ts_model_options *o) { return o->attention_variant == TS_MODEL_VARIANT_KIMI; }

/* Which layers have a delta rule: all but every N-th, or those with a 1 in the list. */
static ts_status find_layers(const ts_model_options *o, bool *has, int64_t n)
{
    const ts_option_list *words = &o->linear_freq;
    const char *text = words->n ? words->v[0] : NULL;
    char *end = NULL;
    const long long every = text ? strtoll(text, &end, 10) : o->full_interval ? o->full_interval : 4;
    bool good = words->n <= 1;
    if (!text || (end != text && !*end))
        for (int64_t i = 0; (good = good && every >= 1) && i < n; i++)
            has[i] = (i + 1) % every != 0;
    else
        good = good && ts_model_read_pattern(text, has, n);
    return good ? TS_OK
                : ts_error(TS_ERR_USER,
                           "--linear-attention-freq %s: expected a number N (every N-th layer has full attention, the "
                           "others a delta rule) or a 1 (delta rule) or 0 for each of the %lld layers, as [1,1,0] or "
                           "([1]*3+[0]*1)",
                           text ? text : "", (long long)n);
}

static ts_status place(const ts_model_options *o, ts_arch *a)
{
    bool *has;
    TS_TRY(ts_alloc(&has, (size_t)a->n_layers, sizeof *has));
    const ts_status st = find_layers(o, has, a->n_layers);
    for (int64_t i = 0; st == TS_OK && i < a->n_layers; i++)
        if (has[i]) {
            a->layer[i].attention = is_kimi(o) ? TS_ATTENTION_KDA : TS_ATTENTION_DELTA;
            a->layer[i].window = 0;
        }
    ts_free(&has);
    return st;
}

static ts_status there_are_none(const ts_model_options *o, const ts_option_set *set)
{
    for (int i = 0; set && i < SIZES + 2; i++) {
        const char *name = i < SIZES ? sizes[i].option : of_layers[i - SIZES];
        if (ts_option_given(set, name) && !(i == SIZES + 1 && o->full_interval == 1))
            return ts_error(TS_ERR_USER,
                            "--%s is of layers with a delta rule, and there are none: give --" VARIANT
                            " gated_delta_net or kimi_delta_attention", name);
    }
    return TS_OK;
}

ts_status ts_model_describe_delta(const ts_model_options *o, const ts_option_set *set, ts_arch *a)
{
    if (!is_delta(o))
        return there_are_none(o, set);
    if (ts_model_is_mamba(set))
        return ts_error(TS_ERR_USER, "--" VARIANT " and options of state-space layers: a model has layers of one of the "
                                     "two kinds by options");
    for (int i = 0; i < SIZES; i++)
        *at(&a->delta, sizes[i].field) = value(o, sizes[i].said);
    if (is_kimi(o) && set && !ts_option_given(set, "linear-num-key-heads")) /* which are as many */
        a->delta.key_heads = a->delta.heads;
    return place(o, a);
}

ts_status ts_model_compare_delta(const ts_model_options *o, const ts_option_set *set, const ts_arch *a, const char *folder)
{
    ts_arch said;
    if (!set)
        return TS_OK;
    for (int i = 0; i < SIZES; i++)
        if (ts_option_given(set, sizes[i].option) && value(o, sizes[i].said) != value(&a->delta, sizes[i].field))
            return ts_error(TS_ERR_USER, "--%s %lld contradicts %s, which says %lld", sizes[i].option,
                            (long long)value(o, sizes[i].said), folder, (long long)value(&a->delta, sizes[i].field));
    const char *name = ts_option_given(set, of_layers[0]) ? of_layers[0] : of_layers[1];
    if (!ts_option_given(set, name))
        return TS_OK;
    TS_TRY(ts_arch_copy(a, &said));
    for (int64_t i = 0; i < a->n_layers; i++)
        said.layer[i].attention = TS_ATTENTION_SOFTMAX;
    ts_status st = place(o, &said);
    for (int64_t i = 0; st == TS_OK && i < a->n_layers; i++)
        if (ts_is_delta(said.layer[i].attention) != ts_is_delta(a->layer[i].attention))
            st = ts_error(TS_ERR_USER, "--%s contradicts %s, whose layer %lld has %s", name, folder, (long long)i,
                          ts_is_delta(a->layer[i].attention) ? "a delta rule" : "none");
    ts_arch_deinit(&said);
    return st;
}
