/* Which layers an adapter fits: PEFT's rules at the names that a family gives to our weights. */
#include "model/adapter_modules.h"

#include "model/adapter_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the model's linear layers ---- */

static ts_status note(ts_met_linears *all, const ts_declarer *in, const ts_met_linear *l)
{
    const size_t n = ts_names_count(all->names);
    char name[TS_DECLARED_NAME];
    snprintf(name, sizeof name, "%.*s", (int)strlen(in->prefix) - 1, in->prefix);
    if (ts_names_find(all->names, name) >= 0)
        return TS_OK;
    TS_TRY(ts_grow(&all->linear, &all->cap, n + 1, sizeof *all->linear));
    all->linear[n] = *l;
    return ts_names_add(all->names, name);
}

static ts_status meet(ts_adapting *adapting, const ts_declarer *in, ts_linear *l)
{
    return l->tied ? TS_OK : note((void *)adapting, in, &(ts_met_linear){ .in = l->in, .out = l->out, .is_table = l->is_table });
}

static ts_status meet_experts(ts_adapting *adapting, const ts_declarer *in, ts_experts_product *p)
{
    const ts_place_dim *d = p->place.dim;
    return note((void *)adapting, in, &(ts_met_linear){ .in = d[2].whole, .out = d[1].whole, .experts = d[0].whole });
}

ts_status ts_met_linears_make(const ts_arch *a, ts_met_linears *out)
{
    *out = (ts_met_linears){ .adapting = { meet, meet_experts } };
    TS_TRY(ts_names_create(64, &out->names));
    return ts_decoder_meet_linears(a, &out->adapting);
}

void ts_met_linears_deinit(ts_met_linears *m)
{
    ts_names_destroy(&m->names);
    ts_free(&m->linear);
}

static const char *leaf_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

int64_t ts_met_linear_of(const ts_met_linears *all, const char *param)
{
    char name[TS_DECLARED_NAME];
    const size_t n = strlen(param), end = sizeof ".weight" - 1;
    if (n <= end || n >= sizeof name || strcmp(param + n - end, ".weight"))
        return -1;
    snprintf(name, sizeof name, "%.*s", (int)(n - end), param);
    return ts_names_find(all->names, name);
}

/* ---- resolving ---- */

typedef ts_adapter_resolving resolving;

ts_status ts_adapter_add_module(ts_adapters *a, const char *name, size_t n_rows, ts_adapted **out)
{
    TS_TRY(ts_grow(&a->module, &a->cap, a->n + 1, sizeof *a->module));
    ts_adapted *m = &a->module[a->n];
    *m = (ts_adapted){ 0 };
    TS_TRY(ts_strdup(name, &m->name));
    a->n++;
    TS_TRY(ts_alloc(&m->rows, n_rows, sizeof *m->rows));
    *out = m;
    return TS_OK;
}

/* weight: the tensor's name there. */
static ts_status add_module(ts_adapters *a, const ts_name_tensor *t, const char *weight, ts_adapted **out)
{
    char name[TS_FAMILY_NAME];
    snprintf(name, sizeof name, "%.*s", (int)(strlen(weight) - (sizeof ".weight" - 1)), weight);
    return ts_adapter_add_module(a, name, t->n_pieces, out);
}

static int64_t out_of(const resolving *r, const ts_name_tensor *t)
{
    return r->map.piece[t->first_piece].transposed ? t->dim[1] : t->dim[0];
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

ts_status ts_adapter_add_whole_part(ts_adapter_site *s, int64_t rank, float scale)
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

/* Where a tensor of the map is the weight of linear layers, or rows of one. Routers are none: transformers has parameters. */
static bool is_module(const resolving *r, const ts_name_tensor *t, int64_t *linear)
{
    const ts_name_piece *piece = &r->map.piece[t->first_piece];
    *linear = t->rank == 2 && !t->is_line && !t->is_copy ? ts_met_linear_of(&r->linears, piece->name) : -1;
    return *linear >= 0 && !r->linears.linear[*linear].experts &&
           strcmp(leaf_of(ts_names_text(r->linears.names, (size_t)*linear)), "router");
}

static bool is_output(const char *param) { return !strcmp(param, "output_layer.weight"); }

ts_status ts_adapter_leaves(const resolving *r, json_t **out)
{
    json_t *list = json_array();
    bool failed = !list;
    for (size_t i = 0; !failed && i < r->map.n_tensors; i++) {
        const ts_name_tensor *t = &r->map.tensor[i];
        char module[TS_FAMILY_NAME];
        bool there = false;
        int64_t linear;
        if (!is_module(r, t, &linear) || is_output(r->map.piece[t->first_piece].name) || r->linears.linear[linear].is_table)
            continue;
        snprintf(module, sizeof module, "%.*s", (int)(strlen(t->hf_name) - (sizeof ".weight" - 1)), t->hf_name);
        for (size_t k = 0; k < json_array_size(list); k++)
            there = there || !strcmp(json_string_value(json_array_get(list, k)), leaf_of(module));
        failed = !there && json_array_append_new(list, json_string(leaf_of(module)));
    }
    *out = list;
    return failed ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}

static ts_status check_module(const resolving *r, const ts_name_tensor *t, const char *module)
{
    const ts_name_piece *piece = &r->map.piece[t->first_piece];
    for (size_t i = 1; i < t->n_pieces; i++)
        if (strcmp(piece[i].name, piece[0].name))
            return ts_error(TS_ERR_USER, "%s: %s is several matrices here, which have no adapter in common: leave it out",
                            r->file, module);
    if (r->rules.dora && !strcmp(piece->name, "embedding.word_embeddings.weight"))
        return ts_error(TS_ERR_USER, "%s: the embedding (%s) has no adapter with use_dora here: leave it out", r->file, module);
    if (is_output(piece->name) && (r->rules.dora || r->arch->unit_head))
        return ts_error(TS_ERR_USER, "%s: the output layer (%s) has no adapter here that counts its rows' lengths: leave it out, or "
                                     "train it whole (modules_to_save)", r->file, module);
    return TS_OK;
}

ts_status ts_adapter_adapt(resolving *r, const ts_name_tensor *t, int64_t linear, const char *key)
{
    const ts_met_linear *l = &r->linears.linear[linear];
    ts_adapters *a = r->out;
    ts_adapter_site *s;
    ts_adapted *m;
    int64_t rank;
    float scale;
    TS_TRY(add_module(a, t, key ? key : t->hf_name, &m));
    TS_TRY(check_module(r, t, m->name));
    TS_TRY(ts_adapter_rules_rank(&r->rules, key ? key : m->name, &rank, &scale));
    TS_TRY(ts_adapter_plan_site(&a->plan, ts_names_text(r->linears.names, (size_t)linear), l->in, l->out, &s));
    m->site = (size_t)(s - a->plan.site);
    m->out = out_of(r, t);
    s->is_table = l->is_table;
    s->dora = r->rules.dora;
    s->starts = a->plan.starts;
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
        TS_TRY(ts_adapter_rules_match(&r->rules, module, is_output(r->map.piece[t->first_piece].name) || r->linears.linear[linear].is_table, &is));
        if (!is)
            continue;
        note_fits(r, module);
        TS_TRY(ts_adapter_adapt(r, t, linear, NULL));
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
    const ts_met_linear *l = &r->linears.linear[linear];
    int64_t rank;
    float scale;
    if (l->experts)
        return ts_adapter_resolve_experts(r, linear);
    TS_TRY(ts_adapter_plan_site(&a->plan, name, l->in, l->out, &s));
    TS_TRY(ts_adapter_rules_rank(&r->rules, name, &rank, &scale));
    TS_TRY(ts_adapter_add_whole_part(s, rank, scale));
    s->dora = r->rules.dora;
    const size_t site = (size_t)(s - a->plan.site);
    for (size_t i = 0; i < r->map.n_tensors; i++) {
        const ts_name_tensor *t = &r->map.tensor[i];
        int64_t is;
        ts_adapted *m;
        if (!is_module(r, t, &is) || is != (int64_t)linear)
            continue;
        TS_TRY(add_module(a, t, t->hf_name, &m));
        m->out = out_of(r, t);
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
        if (i < r->map.n_tensors && (!is_module(r, t, &linear) || r->linears.linear[linear].is_table))
            continue;
        if (i < r->map.n_tensors)
            snprintf(name, sizeof name, "%.*s", (int)(strlen(t->hf_name) - (sizeof ".weight" - 1)), t->hf_name);
        const char *leaf = leaf_of(i < r->map.n_tensors ? name : ts_names_text(r->linears.names, i - r->map.n_tensors));
        if (ts_names_find(seen, leaf) >= 0 || !strcmp(leaf, "output_layer") || !strcmp(leaf, "lm_head") ||
            !strcmp(leaf, "word_embeddings") || !strcmp(leaf, "router"))
            continue;
        st = ts_names_add(seen, leaf);
        if (st == TS_OK)
            st = ts_str_printf(out, "%s%s", out->len ? " " : "", leaf);
    }
    ts_names_destroy(&seen);
    return st;
}

/* Who asks for the output layer of a model where that is the embedding. */
static bool is_tied_output(const resolving *r, const char *target)
{
    return r->arch->tied && r->family && !strcmp(target, leaf_of(ts_family_module(r->family, r->arch, "output_layer")));
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

/* Whether the config has it no longer: it is a parameter there (ts_adapter_config_modernise). */
static bool is_renamed(const resolving *r, const char *target)
{
    const json_t *targets = json_object_get(r->rules.config, "target_modules"), *v;
    size_t i;
    json_array_foreach(targets, i, v)
        if (!strcmp(json_string_value(v), target))
            return false;
    return ts_adapter_rules_has_parameters(&r->rules);
}

static ts_status resolve(resolving *r)
{
    bool megatron = false;
    char what[256];
    TS_TRY(ts_alloc(&r->fits, (size_t)r->targets.n + 1, sizeof *r->fits));
    if (r->targets.n)
        TS_TRY(choose_names(r, &megatron));
    TS_TRY((megatron ? resolve_linears : resolve_modules)(r));
    if (!megatron)
        TS_TRY(ts_adapter_resolve_parameters(r));
    for (int64_t i = 0; i < r->targets.n; i++)
        if (!r->fits[i] && is_tied_output(r, r->targets.v[i]))
            return ts_error(TS_ERR_USER, "--lora-target-modules %s: the output layer is the embedding in this model, and has no adapter "
                                         "of its own here: name that instead", r->targets.v[i]);
        else if (!r->fits[i] && !is_renamed(r, r->targets.v[i])) {
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
    for (size_t i = 0; i < r->rules.save.n; i++)
        if (is_tied_output(r, r->rules.save.text[i]))
            return ts_error(TS_ERR_USER, "%s: modules_to_save: %s is the embedding too in this model, and cannot be trained as one of "
                                         "the two", r->file, r->rules.save.text[i]);
    if (r->rules.save.n && !ts_names_count(a->saved))
        return ts_error(TS_ERR_USER, "%s: modules_to_save fits nothing in the model", r->file);
    return ts_adapter_settle_tie(a->config, r->file, r->family, r->arch, a->saved, &a->tied);
}

ts_status ts_adapter_resolve(resolving *r)
{
    TS_TRY(resolve(r));
    return keep_whole(r);
}
