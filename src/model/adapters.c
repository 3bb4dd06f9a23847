/* Which layers an adapter fits: PEFT's rules at the names that a family gives to our weights. */
#include "model/adapters.h"

#include "base/file.h"
#include "model/adapter_rules.h"
#include "model/adapter_tokens.h"
#include "model/param_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the model's linear layers ---- */

typedef struct linears {
    ts_adapting adapting; /* first, so that its function finds the rest */
    ts_names *names;
    int64_t (*size)[2]; /* [n] in, out */
    size_t cap;
} linears;

static ts_status meet(ts_adapting *adapting, const ts_declarer *in, ts_linear *l)
{
    linears *all = (void *)adapting;
    const size_t n = ts_names_count(all->names);
    char name[TS_DECLARED_NAME];
    snprintf(name, sizeof name, "%.*s", (int)strlen(in->prefix) - 1, in->prefix);
    if (l->tied || ts_names_find(all->names, name) >= 0)
        return TS_OK;
    TS_TRY(ts_grow(&all->size, &all->cap, n + 1, sizeof *all->size));
    all->size[n][0] = l->in, all->size[n][1] = l->out;
    return ts_names_add(all->names, name);
}

static const char *leaf_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

/* The layer whose weight the parameter is; -1: it is none's. */
static int64_t linear_of(const linears *all, const char *param)
{
    char name[TS_DECLARED_NAME];
    const size_t n = strlen(param), end = sizeof ".weight" - 1;
    if (n <= end || n >= sizeof name || strcmp(param + n - end, ".weight"))
        return -1;
    snprintf(name, sizeof name, "%.*s", (int)(n - end), param);
    return ts_names_find(all->names, name);
}

/* ---- resolving ---- */

typedef struct resolving {
    ts_adapters *out;
    const ts_lora_options *o;
    const ts_family *family;
    const ts_arch *arch;
    linears linears;
    ts_name_map map;
    ts_adapter_rules rules;
    const char *file; /* for messages */
    const char **told; /* the names that a checkpoint tells */
    ts_option_list targets; /* names that are asked for; none where a config decides */
    bool *fits;             /* [targets.n] */
} resolving;

static ts_status add_module(ts_adapters *a, const ts_name_tensor *t, const ts_name_piece *first, ts_adapted **out)
{
    TS_TRY(ts_grow(&a->module, &a->cap, a->n + 1, sizeof *a->module));
    ts_adapted *m = &a->module[a->n];
    *m = (ts_adapted){ .transposed = first->transposed };
    TS_TRY(ts_strndup(t->hf_name, strlen(t->hf_name) - (sizeof ".weight" - 1), &m->name));
    a->n++;
    TS_TRY(ts_alloc(&m->rows, t->n_pieces, sizeof *m->rows));
    m->out = first->transposed ? t->dim[1] : t->dim[0];
    *out = m;
    return TS_OK;
}

static int by_row(const void *a, const void *b)
{
    const int64_t x = ((const ts_adapted_rows *)a)->row, y = ((const ts_adapted_rows *)b)->row;
    return x < y ? -1 : x > y;
}

/* The tensor's rows in the weight. */
static void take_rows(const ts_name_piece *piece, size_t n, ts_adapted *m)
{
    for (size_t i = 0; i < n; i++)
        m->rows[m->n_rows++] = (ts_adapted_rows){ piece[i].row, piece[i].hf_row, piece[i].step, piece[i].rows };
    qsort(m->rows, m->n_rows, sizeof *m->rows, by_row);
}

/* A part of its own for the module: B has its rows in the order of the weight. */
static ts_status add_own_part(ts_adapter_site *s, const char *name, int64_t rank, float scale, ts_adapted *m)
{
    if (s->n == TS_LORA_PARTS)
        return ts_error(TS_ERR_USER, "%s: %s has more than %d modules of Hugging Face's with adapters", m->name, s->linear,
                        TS_LORA_PARTS);
    ts_adapter_part *p = &s->part[s->n];
    *p = (ts_adapter_part){ .rank = rank, .scale = scale };
    snprintf(p->name, sizeof p->name, "%s", name);
    TS_TRY(ts_alloc(&p->run, m->n_rows, sizeof *p->run));
    for (size_t i = 0; i < m->n_rows; i++) {
        ts_lora_run *last = p->n_runs ? &p->run[p->n_runs - 1] : NULL;
        if (last && last->to + last->n == m->rows[i].row)
            last->n += m->rows[i].n;
        else
            p->run[p->n_runs++] = (ts_lora_run){ p->rows, m->rows[i].row, m->rows[i].n };
        m->rows[i].row = p->rows;
        p->rows += m->rows[i].n;
    }
    m->part = s->n++;
    return TS_OK;
}

/* One part for all rows of the weight, which the first of its modules makes. */
static ts_status add_whole_part(ts_adapter_site *s, int64_t rank, float scale)
{
    ts_adapter_part *p = &s->part[0];
    if (s->n)
        return TS_OK;
    *p = (ts_adapter_part){ .name = "default", .rank = rank, .scale = scale, .rows = s->out, .n_runs = 1 };
    TS_TRY(ts_alloc(&p->run, 1, sizeof *p->run));
    p->run[0] = (ts_lora_run){ 0, 0, s->out };
    s->n = 1;
    return TS_OK;
}

/* Where a tensor of the map is the weight of linear layers, or rows of one. */
static bool is_module(const resolving *r, const ts_name_tensor *t, int64_t *linear)
{
    const ts_name_piece *piece = &r->map.piece[t->first_piece];
    *linear = t->rank == 2 && !t->is_line && !t->is_copy ? linear_of(&r->linears, piece->name) : -1;
    return *linear >= 0;
}

static bool is_output(const char *param) { return !strcmp(param, "output_layer.weight"); }

static ts_status check_module(const resolving *r, const ts_name_tensor *t, const char *module)
{
    const ts_name_piece *piece = &r->map.piece[t->first_piece];
    for (size_t i = 1; i < t->n_pieces; i++)
        if (strcmp(piece[i].name, piece[0].name))
            return ts_error(TS_ERR_USER, "%s: %s is several matrices here, which have no adapter in common: leave it out",
                            r->file, module);
    if (is_output(piece->name))
        return ts_error(TS_ERR_USER, "%s: the output layer (%s) has no adapter here: leave it out, or train it whole "
                                     "(modules_to_save)", r->file, module);
    return TS_OK;
}

static ts_status adapt_module(resolving *r, const ts_name_tensor *t, int64_t linear)
{
    ts_adapters *a = r->out;
    ts_adapter_site *s;
    ts_adapted *m;
    int64_t rank;
    float scale;
    TS_TRY(add_module(a, t, &r->map.piece[t->first_piece], &m));
    TS_TRY(check_module(r, t, m->name));
    TS_TRY(ts_adapter_rules_rank(&r->rules, m->name, &rank, &scale));
    TS_TRY(ts_adapter_plan_site(&a->plan, ts_names_text(r->linears.names, (size_t)linear), r->linears.size[linear][0],
                                r->linears.size[linear][1], &s));
    m->site = (size_t)(s - a->plan.site);
    s->dora = r->rules.dora;
    take_rows(&r->map.piece[t->first_piece], t->n_pieces, m);
    return add_own_part(s, leaf_of(m->name), rank, scale, m);
}

static void note_fits(resolving *r, const char *module)
{
    const size_t n = strlen(module);
    for (int64_t i = 0; i < r->targets.n; i++) {
        const char *t = r->targets.v[i];
        const size_t m = strlen(t);
        r->fits[i] = r->fits[i] || !strcmp(t, "all-linear") || !strcmp(t, module) ||
                     (n > m && module[n - m - 1] == '.' && !strcmp(module + n - m, t));
    }
}

static ts_status resolve_modules(resolving *r)
{
    char module[TS_FAMILY_NAME];
    for (size_t i = 0; i < r->map.n_tensors; i++) {
        const ts_name_tensor *t = &r->map.tensor[i];
        int64_t linear;
        bool is;
        if (!is_module(r, t, &linear))
            continue;
        snprintf(module, sizeof module, "%.*s", (int)(strlen(t->hf_name) - (sizeof ".weight" - 1)), t->hf_name);
        TS_TRY(ts_adapter_rules_match(&r->rules, module, is_output(r->map.piece[t->first_piece].name), &is));
        if (!is)
            continue;
        note_fits(r, module);
        TS_TRY(adapt_module(r, t, linear));
    }
    return TS_OK;
}

/* ---- Megatron's names ---- */

static bool is_megatron(const char *target) { return !strncmp(target, "linear_", 7); }

static ts_status adapt_linear(resolving *r, size_t linear)
{
    ts_adapters *a = r->out;
    ts_adapter_site *s;
    const char *name = ts_names_text(r->linears.names, linear);
    int64_t rank;
    float scale;
    TS_TRY(ts_adapter_plan_site(&a->plan, name, r->linears.size[linear][0], r->linears.size[linear][1], &s));
    TS_TRY(ts_adapter_rules_rank(&r->rules, name, &rank, &scale));
    TS_TRY(add_whole_part(s, rank, scale));
    s->dora = r->rules.dora;
    const size_t site = (size_t)(s - a->plan.site);
    for (size_t i = 0; i < r->map.n_tensors; i++) {
        const ts_name_tensor *t = &r->map.tensor[i];
        int64_t is;
        ts_adapted *m;
        if (!is_module(r, t, &is) || is != (int64_t)linear)
            continue;
        TS_TRY(add_module(a, t, &r->map.piece[t->first_piece], &m));
        TS_TRY(check_module(r, t, m->name));
        m->site = site;
        take_rows(&r->map.piece[t->first_piece], t->n_pieces, m);
    }
    return TS_OK;
}

static ts_status resolve_linears(resolving *r)
{
    for (size_t i = 0; i < ts_names_count(r->linears.names); i++) {
        const char *leaf = leaf_of(ts_names_text(r->linears.names, i));
        bool is = false;
        for (int64_t k = 0; k < r->targets.n; k++)
            if (!strcmp(leaf, r->targets.v[k]))
                is = r->fits[k] = true;
        if (is)
            TS_TRY(adapt_linear(r, i));
    }
    return TS_OK;
}

/* What the layers of the model are called, for a message. */
static ts_status list_names(const resolving *r, ts_str *out)
{
    ts_names *seen;
    TS_TRY(ts_names_create(16, &seen));
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < r->map.n_tensors + ts_names_count(r->linears.names); i++) {
        int64_t linear;
        char name[TS_FAMILY_NAME];
        const ts_name_tensor *t = &r->map.tensor[i];
        if (i < r->map.n_tensors && !is_module(r, t, &linear))
            continue;
        if (i < r->map.n_tensors)
            snprintf(name, sizeof name, "%.*s", (int)(strlen(t->hf_name) - (sizeof ".weight" - 1)), t->hf_name);
        const char *leaf = leaf_of(i < r->map.n_tensors ? name : ts_names_text(r->linears.names, i - r->map.n_tensors));
        if (ts_names_find(seen, leaf) >= 0 || !strcmp(leaf, "output_layer") || !strcmp(leaf, "lm_head"))
            continue;
        st = ts_names_add(seen, leaf);
        if (st == TS_OK)
            st = ts_str_printf(out, "%s%s", out->len ? " " : "", leaf);
    }
    ts_names_destroy(&seen);
    return st;
}

static ts_status fits_nothing(const resolving *r, const char *what)
{
    ts_str names = { 0 };
    ts_status st = list_names(r, &names);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: no linear layer of the model has that name; there are %s", what, ts_str_text(&names));
    ts_str_deinit(&names);
    return st;
}

/* Which names the options have; both kinds together are refused. */
static ts_status choose_names(const resolving *r, bool *megatron)
{
    int64_t n = 0;
    for (int64_t i = 0; i < r->targets.n; i++)
        n += is_megatron(r->targets.v[i]);
    *megatron = n > 0;
    if (n && n < r->targets.n)
        return ts_error(TS_ERR_USER, "--lora-target-modules: Megatron's names (linear_...) have one adapter for all that a "
                                     "weight holds, Hugging Face's one for each: give names of one kind");
    if (!n && !r->family)
        return ts_error(TS_ERR_USER, "--lora-target-modules %s: a model that no Hugging Face class describes has Megatron's "
                                     "names alone: linear_qkv linear_proj linear_fc1 linear_fc2", r->targets.v[0]);
    return TS_OK;
}

static ts_status note_names(const resolving *r)
{
    json_t *names = json_array();
    bool failed = !names;
    for (int64_t i = 0; !failed && i < r->targets.n; i++)
        failed = json_array_append_new(names, json_string(r->targets.v[i]));
    r->out->megatron = names;
    return failed ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}

/* Names that mean experts' weights too, which have no adapters here. */
static ts_status check_experts(const resolving *r)
{
    const char *name = r->rules.all_linear ? "all-linear" : NULL;
    for (int64_t i = 0; i < r->targets.n; i++)
        if (!strcmp(r->targets.v[i], "linear_fc1") || !strcmp(r->targets.v[i], "linear_fc2"))
            name = r->targets.v[i];
    bool has = false;
    for (size_t i = 0; i < r->map.n_pieces; i++)
        has = has || strstr(r->map.piece[i].name, ".experts.linear_fc");
    return name && (r->family ? has : r->arch->n_experts > 0)
               ? ts_error(TS_ERR_USER, "%s: %s gives experts adapters too, which they cannot have here: name other layers, such as "
                                       "those of attention", r->file, name)
               : TS_OK;
}

static ts_status resolve(resolving *r)
{
    bool megatron = false;
    char what[256];
    TS_TRY(check_experts(r));
    TS_TRY(ts_alloc(&r->fits, (size_t)r->targets.n + 1, sizeof *r->fits));
    if (r->targets.n)
        TS_TRY(choose_names(r, &megatron));
    TS_TRY((megatron ? resolve_linears : resolve_modules)(r));
    for (int64_t i = 0; i < r->targets.n; i++)
        if (!r->fits[i]) {
            snprintf(what, sizeof what, "--lora-target-modules %s", r->targets.v[i]);
            return fits_nothing(r, what);
        }
    snprintf(what, sizeof what, "%s: target_modules", r->file);
    if (!r->out->plan.n)
        return fits_nothing(r, what);
    return megatron ? note_names(r) : TS_OK;
}

/* ---- modules that are trained whole ---- */

static bool saves_tensor(const resolving *r, const char *hf_name)
{
    char module[TS_FAMILY_NAME];
    snprintf(module, sizeof module, "%s", hf_name);
    for (char *dot; (dot = strrchr(module, '.'));) {
        *dot = 0;
        if (ts_adapter_rules_saves(&r->rules, module))
            return true;
    }
    return false;
}

static ts_status keep_whole(resolving *r)
{
    ts_adapters *a = r->out;
    for (size_t i = 0; r->rules.save.n && i < r->map.n_tensors; i++) {
        const ts_name_tensor *t = &r->map.tensor[i];
        if (t->is_copy || !saves_tensor(r, t->hf_name))
            continue;
        TS_TRY(ts_names_add(a->saved_files, t->hf_name));
        for (size_t k = t->first_piece; k < t->first_piece + t->n_pieces; k++)
            if (ts_names_find(a->saved, r->map.piece[k].name) < 0)
                TS_TRY(ts_names_add(a->saved, r->map.piece[k].name));
    }
    for (size_t i = 0; i < r->map.n_pieces; i++) {
        const ts_name_piece *p = &r->map.piece[i];
        if (ts_names_find(a->saved, p->name) >= 0 && ts_names_find(a->saved_files, p->hf_name) < 0)
            return ts_error(TS_ERR_USER, "%s: modules_to_save: %s stands in one weight with others here, which would be trained "
                                         "too: add %s", r->file, p->name, p->hf_name);
    }
    if (r->rules.save.n && !ts_names_count(a->saved))
        return ts_error(TS_ERR_USER, "%s: modules_to_save fits nothing in the model", r->file);
    return ts_adapter_settle_tie(a->config, r->file, r->family, r->arch, a->saved, &a->tied);
}

/* ---- the config ---- */

/* As PEFT writes one of its defaults. */
static json_t *new_config(const ts_lora_options *o)
{
    static const char defaults[] =
        "{\"alora_invocation_tokens\":null,\"alpha_pattern\":{},\"arrow_config\":null,\"auto_mapping\":null,"
        "\"base_model_name_or_path\":null,\"bias\":\"none\",\"corda_config\":null,\"ensure_weight_tying\":false,"
        "\"eva_config\":null,\"exclude_modules\":null,\"fan_in_fan_out\":false,\"inference_mode\":true,"
        "\"init_lora_weights\":true,\"layer_replication\":null,\"layers_pattern\":null,\"layers_to_transform\":null,"
        "\"loftq_config\":{},\"lora_bias\":false,\"lora_dropout\":0.0,\"megatron_config\":null,"
        "\"megatron_core\":\"megatron.core\",\"modules_to_save\":null,\"peft_type\":\"LORA\",\"qalora_group_size\":16,"
        "\"rank_pattern\":{},\"revision\":null,\"target_parameters\":null,\"task_type\":\"CAUSAL_LM\","
        "\"trainable_token_indices\":null,\"use_dora\":false,\"use_qalora\":false,\"use_rslora\":false}";
    json_t *c = NULL, *targets = json_array();
    const bool whole = o->alpha == (double)(int64_t)o->alpha;
    bool failed = ts_json_parse(defaults, sizeof defaults - 1, "adapter_config.json", &c) != TS_OK || !targets;
    for (int64_t i = 0; !failed && i < o->targets.n; i++)
        failed = json_array_append_new(targets, json_string(o->targets.v[i]));
    const bool all = o->targets.n == 1 && !strcmp(o->targets.v[0], "all-linear");
    failed = failed || json_object_set(c, "target_modules", all ? json_array_get(targets, 0) : targets) ||
             json_object_set_new(c, "r", json_integer(o->r)) || json_object_set_new(c, "use_rslora", json_boolean(o->rslora)) ||
             json_object_set_new(c, "use_dora", json_boolean(o->dora)) ||
             json_object_set_new(c, "lora_alpha", whole ? json_integer((int64_t)o->alpha) : json_real(o->alpha));
    json_decref(targets);
    if (failed)
        json_decref(c);
    return failed ? NULL : c;
}

/* The config of a new adapter tells the names that its modules have in the end. */
static ts_status tell_targets(ts_adapters *a)
{
    json_t *targets = json_array();
    ts_status st = targets ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory");
    for (size_t i = 0; st == TS_OK && i < a->n; i++) {
        const char *leaf = leaf_of(a->module[i].name);
        bool there = false;
        for (size_t k = 0; k < json_array_size(targets); k++)
            there = there || !strcmp(json_string_value(json_array_get(targets, k)), leaf);
        if (!there && json_array_append_new(targets, json_string(leaf)))
            st = ts_error(TS_ERR_NOMEM, "no memory");
    }
    if (st == TS_OK && json_object_set(a->config, "target_modules", targets))
        st = ts_error(TS_ERR_NOMEM, "no memory");
    json_decref(targets);
    return st;
}

static ts_status contradicts(const char *option, const char *file, const char *key, const json_t *v)
{
    ts_str text = { 0 };
    ts_status st = ts_json_write(v, JSON_ENCODE_ANY, file, &text);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "--%s contradicts %s, whose %s is %s: leave it out", option, file, key, text.s);
    ts_str_deinit(&text);
    return st;
}

static bool same_targets(const json_t *v, const ts_option_list *l)
{
    bool same = json_is_array(v) ? (int64_t)json_array_size(v) == l->n : l->n == 1 && json_is_string(v);
    for (int64_t i = 0; same && i < l->n; i++) {
        bool found = json_is_string(v) && !strcmp(json_string_value(v), l->v[i]);
        for (size_t k = 0; k < json_array_size(v); k++)
            found = found || !strcmp(json_string_value(json_array_get(v, k)), l->v[i]);
        same = found;
    }
    return same;
}

/* A folder decides everything: an option that says the same is as good as none. set NULL: what is zero is not given. */
static ts_status compare(const ts_lora_options *o, const ts_option_set *set, const ts_adapter_rules *r)
{
    const json_t *c = r->config, *targets = json_object_get(c, "target_modules");
    if (o->r && o->r != r->r)
        return contradicts("lora-r", r->file, "r", json_object_get(c, "r"));
    if ((set ? ts_option_given(set, "lora-alpha") : o->alpha > 0) && o->alpha != r->alpha)
        return contradicts("lora-alpha", r->file, "lora_alpha", json_object_get(c, "lora_alpha"));
    if (set && ts_option_given(set, "lora-rslora") && o->rslora != r->rslora)
        return contradicts("lora-rslora", r->file, "use_rslora", json_boolean(r->rslora));
    if (set && ts_option_given(set, "lora-dora") && o->dora != r->dora)
        return contradicts("lora-dora", r->file, "use_dora", json_boolean(r->dora));
    return o->targets.n && !same_targets(targets, &o->targets) ? contradicts("lora-target-modules", r->file, "target_modules", targets)
                                                                : TS_OK;
}

/* ---- opening ---- */

static ts_status read_config(const char *folder, ts_str *path, ts_adapters *a)
{
    if (!ts_path_is_dir(folder))
        return ts_error(TS_ERR_USER, "--lora-load %s: there is no such folder", folder);
    TS_TRY(ts_path_join(path, folder, "adapter_config.json"));
    if (!ts_path_exists(path->s))
        return ts_error(TS_ERR_USER, "--lora-load %s: there is no adapter_config.json in it", folder);
    TS_TRY(ts_json_read(path->s, &a->config));
    TS_TRY(ts_strdup(folder, &a->folder));
    return ts_st_dir_open(folder, "adapter_model", &a->dir);
}

/* Of a checkpoint. */
static ts_status take_config(resolving *r, ts_str *path)
{
    const json_t *names = json_object_get(r->o->told, "megatron"), *v;
    size_t i;
    r->out->config = json_deep_copy(json_object_get(r->o->told, "config"));
    TS_TRY(ts_str_puts(path, "the checkpoint's adapter"));
    if (!r->out->config)
        return ts_error(TS_ERR_USER, "%s has no config", path->s);
    if (!json_array_size(names))
        return TS_OK;
    TS_TRY(ts_alloc(&r->told, json_array_size(names), sizeof *r->told));
    json_array_foreach(names, i, v)
        r->told[r->targets.n++] = json_is_string(v) ? json_string_value(v) : "";
    r->targets.v = r->told;
    return TS_OK;
}

static ts_status begin_config(const resolving *r, ts_str *path, ts_adapters *a)
{
    a->config = new_config(r->o);
    TS_TRY(ts_str_puts(path, "--lora-target-modules"));
    TS_TRY(a->config ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory"));
    return r->o->tokens ? ts_adapter_save_tokens(r->family, r->arch, a->config) : TS_OK;
}

static ts_status count_base(const ts_arch *arch, int64_t *n)
{
    ts_param_list list;
    TS_TRY(ts_param_list_make(arch, &list));
    *n = (int64_t)ts_names_count(list.names);
    ts_param_list_deinit(&list);
    return TS_OK;
}

/* What changes training alone, and there is not here. */
static ts_status check_training(const resolving *r, bool training)
{
    double dropout;
    TS_TRY(ts_json_real(r->rules.config, r->file, "lora_dropout", 0, &dropout));
    if (training && dropout > 0)
        return ts_error(TS_ERR_USER, "%s: lora_dropout is %g, but what adapters read is not dropped out here: set it to 0 to train on",
                        r->file, dropout);
    return TS_OK;
}

static ts_status open_all(resolving *r, const ts_option_set *set, bool training, ts_str *path)
{
    ts_adapters *a = r->out;
    TS_TRY(ts_adapter_plan_init(&a->plan));
    a->plan.training = training;
    TS_TRY(ts_names_create(4, &a->saved));
    TS_TRY(ts_names_create(4, &a->saved_files));
    TS_TRY(count_base(r->arch, &a->n_base));
    if (!r->o->load && !r->o->told)
        r->targets = r->o->targets;
    TS_TRY(r->o->load   ? read_config(r->o->load, path, a)
           : r->o->told ? take_config(r, path)
                        : begin_config(r, path, a));
    a->alone = r->o->alone;
    a->plan.decoupled = r->o->plus > 0;
    r->file = path->s;
    TS_TRY(ts_adapter_rules_open(a->config, r->file, &r->rules));
    TS_TRY(check_training(r, training));
    if (r->o->load || (r->o->told && !r->targets.n))
        TS_TRY(compare(r->o, set, &r->rules));
    if (r->o->load && !r->family)
        return ts_error(TS_ERR_USER, "--lora-load %s: no Hugging Face class describes the model, so that names in it fit nothing",
                        r->o->load);
    TS_TRY(ts_names_create(64, &r->linears.names));
    TS_TRY(ts_decoder_meet_linears(r->arch, &r->linears.adapting));
    if (r->family)
        TS_TRY(ts_family_names(r->family, r->arch, &r->map));
    TS_TRY(resolve(r));
    TS_TRY(keep_whole(r));
    ts_adapter_plan_number(&a->plan, a->n_base);
    return r->o->load || r->o->told ? TS_OK : tell_targets(a);
}

ts_status ts_adapters_open(const ts_lora_options *o, const ts_option_set *set, const ts_family *family, const ts_arch *arch,
                           bool training, ts_adapters **out)
{
    resolving r = { .o = o, .family = family, .arch = arch, .linears.adapting = { meet } };
    ts_str path = { 0 };
    TS_TRY(ts_alloc(&r.out, 1, sizeof *r.out));
    ts_status st = open_all(&r, set, training, &path);
    ts_str_deinit(&path);
    ts_names_destroy(&r.linears.names);
    ts_free(&r.linears.size);
    ts_name_map_deinit(&r.map);
    ts_adapter_rules_close(&r.rules);
    ts_free(&r.fits);
    ts_free(&r.told);
    if (st != TS_OK)
        ts_adapters_destroy(&r.out);
    else
        *out = r.out;
    return st;
}

void ts_adapters_destroy(ts_adapters **adapters)
{
    ts_adapters *a = *adapters;
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++) {
        ts_free(&a->module[i].name);
        ts_free(&a->module[i].rows);
    }
    ts_free(&a->module);
    ts_adapter_plan_deinit(&a->plan);
    ts_names_destroy(&a->saved);
    ts_names_destroy(&a->saved_files);
    ts_st_dir_destroy(&a->dir);
    json_decref(a->config);
    json_decref(a->megatron);
    ts_free(&a->folder);
    ts_free(&a->tied);
    ts_free(adapters);
}
