/* Which model a checkpoint's options say that it is. */
#include "base/file.h"
#include "model/megatron/read.h"
#include "model/megatron/read_parts.h"
#include "model/options.h"

#include <stdio.h>
#include <string.h>

/* ---- as words of a command line ---- */

typedef struct words {
    char **v;
    size_t n, cap;
} words;

static ts_status add_word(words *w, const char *s)
{
    TS_TRY(ts_grow(&w->v, &w->cap, w->n + 1, sizeof *w->v));
    TS_TRY(ts_strdup(s, &w->v[w->n]));
    w->n++;
    return TS_OK;
}

static void words_deinit(words *w)
{
    for (size_t i = 0; i < w->n; i++)
        ts_free(&w->v[i]);
    ts_free(&w->v);
}

static ts_status value_text(const ts_pickle_node *v, ts_str *out)
{
    ts_str_reset(out);
    switch (v->kind) {
    case TS_PICKLE_INT: return ts_str_printf(out, "%lld", (long long)v->whole);
    case TS_PICKLE_REAL: return ts_str_printf(out, "%.17g", v->real);
    case TS_PICKLE_TEXT: return ts_str_add(out, v->text.s, v->text.n);
    default: return TS_OK;
    }
}

static bool is_on(const ts_pickle_node *args, const char *name)
{
    const ts_pickle_node *v = ts_pickle_get(args, name);
    return ts_pickle_is(v, TS_PICKLE_BOOL) && v->truth;
}

/* What these begin with counts only where the option behind it is on: Megatron's namespaces hold defaults of all. */
static const struct {
    const char *begins, *flag, *or_given;
} only_with[] = {
    { "mamba-", "is_hybrid_model", "hybrid_override_pattern" },
    { "hybrid-", "is_hybrid_model", "hybrid_override_pattern" },
    { "linear-", NULL, "experimental_attention_variant" },
    { "index-", "enable_dsa_indexer", NULL },
    { "dsa-", "enable_dsa_indexer", NULL },
    { "moe-", NULL, "num_experts" },
    { "num-query-groups", "group_query_attention", NULL },
    { "kv-lora-rank", "multi_latent_attention", NULL },
    { "q-lora-rank", "multi_latent_attention", NULL },
    { "qk-head-dim", "multi_latent_attention", NULL },
    { "qk-pos-emb-head-dim", "multi_latent_attention", NULL },
    { "v-head-dim", "multi_latent_attention", NULL },
    { "rotary-scaling-factor", "multi_latent_attention", NULL },
    { "mscale", "multi_latent_attention", NULL },
    { "beta-", "multi_latent_attention", "rope_scaling_type" },
    { "original-max-position-embeddings", NULL, "rope_scaling_type" },
    { "rope-scaling-", "use_rope_scaling", "rope_scaling_type" },
    { "low-freq-factor", "use_rope_scaling", "rope_scaling_type" },
    { "high-freq-factor", "use_rope_scaling", "rope_scaling_type" },
    { "mtp-num-layers", NULL, NULL }, /* told by the tensors */
    { "num-nextn-predict-layers", NULL, NULL },
    { "noop-layers", NULL, NULL },
    { "padded-vocab-size", NULL, NULL },
    { "make-vocab-size-divisible-by", NULL, NULL },
};

static bool is_given(const ts_pickle_node *args, const char *name)
{
    const ts_pickle_node *v = name ? ts_pickle_get(args, name) : NULL;
    return v && !ts_pickle_is(v, TS_PICKLE_NONE) && !(ts_pickle_is(v, TS_PICKLE_INT) && !v->whole);
}

static bool counts(const ts_pickle_node *args, const char *option)
{
    for (size_t i = 0; i < sizeof only_with / sizeof *only_with; i++)
        if (!strncmp(option, only_with[i].begins, strlen(only_with[i].begins)))
            return (only_with[i].flag && is_on(args, only_with[i].flag)) || is_given(args, only_with[i].or_given);
    return true;
}

/* The attribute of an option: its name with _ for -, of --disable-x add_x. */
static const ts_pickle_node *attribute(const ts_pickle_node *args, const ts_option *row, bool *inverted)
{
    char name[128];
    *inverted = !strncmp(row->name, "disable-", 8);
    snprintf(name, sizeof name, "%s%s", *inverted ? "add-" : "", row->name + (*inverted ? 8 : 0));
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c;
    return ts_pickle_get(args, name);
}

/* Where args do not have an option, its tensors tell. */
static bool is_seen(const ts_mg_checkpoint *ck, const char *option)
{
    return (!strcmp(option, "disable-bias-linear") && !ck->proj_bias) ||
           (!strcmp(option, "add-qkv-bias") && ck->qkv_bias && !ck->proj_bias) || (!strcmp(option, "qk-layernorm") && ck->qk_norm);
}

/* A list in words; which layers have what is one word, "[0,1,1]". */
static ts_status add_list(const ts_pickle_node *v, const char *option, words *w, ts_str *text)
{
    const bool is_pattern = ts_path_ends(option, "-freq");
    ts_str all = { 0 };
    ts_status st = add_word(w, option);
    for (size_t i = 0; st == TS_OK && i < ts_pickle_count(v); i++) {
        st = value_text(ts_pickle_at(v, i), text);
        if (st == TS_OK)
            st = is_pattern ? ts_str_printf(&all, "%s%s", i ? "," : "[", ts_str_text(text)) : add_word(w, ts_str_text(text));
    }
    if (st == TS_OK && is_pattern)
        st = ts_str_puts(&all, "]");
    if (st == TS_OK && is_pattern)
        st = add_word(w, all.s);
    ts_str_deinit(&all);
    return st;
}

static ts_status add_option(const ts_mg_checkpoint *ck, const ts_option *row, words *w, ts_str *text)
{
    const ts_pickle_node *args = ck->args;
    bool inverted;
    const ts_pickle_node *v = attribute(args, row, &inverted);
    char option[128];
    snprintf(option, sizeof option, "--%s", row->name);
    if (!v && is_seen(ck, row->name))
        return add_word(w, option);
    if (!v || !counts(args, row->name))
        return TS_OK;
    if (row->type == TS_OPTION_FLAG || row->type == TS_OPTION_NOFLAG)
        return ts_pickle_is(v, TS_PICKLE_BOOL) && v->truth != inverted ? add_word(w, option) : TS_OK;
    TS_TRY(value_text(v, text));
    if (text->len) {
        TS_TRY(add_word(w, option));
        return add_word(w, text->s);
    }
    return row->type == TS_OPTION_LIST && ts_pickle_at(v, 0) ? add_list(v, option, w, text) : TS_OK;
}

static ts_status collect(const ts_mg_checkpoint *ck, words *w)
{
    const int64_t empty = ck->split.n_noop;
    ts_str text = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < ts_model_option_count; i++)
        st = add_option(ck, &ts_model_option_rows[i], w, &text);
    int64_t layers;
    if (st == TS_OK && empty && ts_pickle_int(ts_pickle_get(ck->args, "num_layers"), 1, INT32_MAX, &layers)) {
        ts_str_reset(&text);
        st = ts_str_printf(&text, "%lld", (long long)(layers - empty));
        if (st == TS_OK)
            st = add_word(w, "--num-layers");
        if (st == TS_OK)
            st = add_word(w, text.s);
    }
    if (st == TS_OK)
        st = add_word(w, "--make-vocab-size-divisible-by");
    if (st == TS_OK)
        st = add_word(w, "1");
    ts_str_deinit(&text);
    return st;
}

static ts_status describe_by(words *w, int64_t vocab, ts_arch *a)
{
    ts_model_options o = { 0 };
    const ts_option_table table = { ts_model_option_rows, ts_model_option_count, &o };
    ts_option_set *set;
    TS_TRY(ts_option_set_create(&table, 1, &set));
    ts_status st = ts_option_parse(set, (int)w->n, w->v);
    if (st == TS_OK)
        st = ts_option_finish(set);
    if (st == TS_OK)
        st = ts_model_describe(&o, set, vocab, a);
    ts_option_set_destroy(&set);
    return st;
}

static ts_status by_args(const ts_mg_checkpoint *ck, const ts_family **family, ts_arch *a, json_t **config)
{
    const ts_pickle_node *args = ck->args;
    const char *path = ck->folder;
    words w = { 0 };
    int64_t vocab = 0;
    if (!ts_pickle_int(ts_pickle_get(args, "padded_vocab_size"), 1, INT32_MAX, &vocab))
        (void)ts_pickle_int(ts_pickle_get(args, "vocab_size"), 1, INT32_MAX, &vocab);
    ts_status st = collect(ck, &w);
    if (st == TS_OK)
        st = describe_by(&w, vocab, a);
    words_deinit(&w);
    if (st == TS_OK)
        st = ts_arch_check(a, path);
    if (st == TS_OK)
        st = ts_family_describe(a, family, config);
    return st == TS_OK ? TS_OK
                       : ts_error_context(st, "while reading what model %s is from its args; --hf-cfg-dir names a folder whose "
                                              "config.json says it", path);
}

/* ---- as a config.json ---- */

static ts_status by_config(json_t *o, const char *file, const ts_family **family, ts_arch *a)
{
    TS_TRY(ts_family_of(o, file, family));
    snprintf(a->family, sizeof a->family, "%s", (*family)->model_type);
    TS_TRY(ts_family_read(*family, o, file, a));
    return ts_arch_check(a, file);
}

ts_status ts_mg_checkpoint_describe(const ts_mg_checkpoint *ck, const char *config_dir, const ts_family **family, ts_arch *a,
                                    json_t **config)
{
    const ts_pickle_node *own = ts_pickle_get(ck->args, "hf_config");
    if (config_dir) {
        TS_TRY(ts_family_read_folder(config_dir, family, a, config));
    } else if (ts_pickle_is(own, TS_PICKLE_TEXT)) {
        TS_TRY(ts_json_parse(own->text.s, own->text.n, ck->folder, config));
        TS_TRY(by_config(*config, ck->folder, family, a));
    } else {
        TS_TRY(by_args(ck, family, a, config));
    }
    /* the folder's names that its config.json does not tell of */
    a->experts_stacked = is_on(ck->args, "hf_experts_stacked");
    a->other_names = is_on(ck->args, "hf_other_names");
    return ts_weights_want_mtp(ck->folder, ck->mtp_layers, a, *config);
}
