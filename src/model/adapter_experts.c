/* Adapters of parameters (PEFT's target_parameters): weights of linear layers and routers, and of all experts in one. */
#include "model/adapter_modules.h"
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

typedef ts_adapter_resolving resolving;

/* ---- names in transformers ---- */

/* What transformers 5 calls what files of Mixtral and its like call block_sparse_moe. */
static void modern_name(const char *hf_name, char out[TS_FAMILY_NAME])
{
    static const char *const olds[] = { ".block_sparse_moe.experts.", ".block_sparse_moe.gate." };
    snprintf(out, TS_FAMILY_NAME, "%s", hf_name);
    for (size_t i = 0; i < sizeof olds / sizeof *olds; i++) {
        const char *at = strstr(hf_name, olds[i]);
        if (at)
            snprintf(out, TS_FAMILY_NAME, "%.*s.mlp%s", (int)(at - hf_name), hf_name, at + sizeof ".block_sparse_moe" - 1);
    }
}

/* The module that has the experts' parameters in transformers, where a file of the family calls their tensor so: one
 * tensor of all ("...mlp.experts.gate_up_proj"), one of each expert ("...mlp.experts.3.up_proj.weight"), or a module
 * of the layer's own ("...block_sparse_moe.input_linear.weight"). */
static void container_of(const char *hf_name, char out[TS_FAMILY_NAME])
{
    static const char experts[] = ".experts", end[] = ".weight";
    char name[TS_FAMILY_NAME];
    modern_name(hf_name, name);
    char *at = strstr(name, ".experts.");
    if (at) {
        at[sizeof experts - 1] = 0;
        snprintf(out, TS_FAMILY_NAME, "%s", name);
        return;
    }
    const size_t n = strlen(name);
    if (n >= sizeof end && !strcmp(name + n - (sizeof end - 1), end))
        name[n - (sizeof end - 1)] = 0;
    char *last = strrchr(name, '.');
    if (last)
        *last = 0;
    snprintf(out, TS_FAMILY_NAME, "%.*s%s", (int)(TS_FAMILY_NAME - sizeof experts), name, experts);
}

/* The parameter that all experts' products of this kind are there. */
static const char *parameter_of(const resolving *r, const char *param)
{
    return strstr(param, "linear_fc2") ? "down_proj" : r->arch->gated ? "gate_up_proj" : "up_proj";
}

/* ---- sites ---- */

/* Of an expert's rows: as they stand in the file where that has those of gate and up in turn, else in the order of ours. */
static void take_rows(const resolving *r, const ts_name_tensor *t, const ts_met_linear *l, ts_adapted *m)
{
    m->out = l->out;
    for (size_t i = t->first_piece; i < t->first_piece + t->n_pieces; i++) {
        const ts_name_piece *p = &r->map.piece[i];
        if (p->step > 1 && p->matrix == 0)
            m->rows[m->n_rows++] = (ts_adapted_rows){ p->row, p->hf_row, p->step, p->rows };
    }
    if (!m->n_rows)
        m->rows[m->n_rows++] = (ts_adapted_rows){ 0, 0, 1, l->out };
}

static ts_status add_part(ts_adapter_site *s, const ts_met_linear *l, int64_t rank, float scale)
{
    ts_adapter_part *p = &s->part[0];
    *p = (ts_adapter_part){ .name = "default", .rank = rank, .scale = scale, .rows = l->out, .n_runs = l->experts };
    TS_TRY(ts_alloc(&p->run, (size_t)l->experts, sizeof *p->run));
    for (int64_t e = 0; e < l->experts; e++)
        p->run[e] = (ts_lora_run){ e * l->out, e * l->out, l->out };
    s->experts = l->experts;
    s->n = 1;
    return TS_OK;
}

/* is_inner: another of the same module has an adapter too, whose module stands around this one's. */
static ts_status adapt(resolving *r, const ts_name_tensor *t, size_t linear, const char *container, bool is_inner)
{
    const ts_met_linear *l = &r->linears.linear[linear];
    const char *name = ts_names_text(r->linears.names, linear), *parameter = parameter_of(r, name);
    char key[TS_FAMILY_NAME + 32], file[TS_FAMILY_NAME + 32];
    ts_adapter_site *s;
    ts_adapted *m;
    int64_t rank;
    float scale;
    snprintf(key, sizeof key, "%s.%s", container, parameter);
    snprintf(file, sizeof file, "%s%s", container, is_inner ? ".base_layer" : "");
    if (r->rules.dora)
        return ts_error(TS_ERR_USER, "%s: %s is a parameter, whose adapter has no use_dora", r->file, key);
    if (!strncmp(r->family->model_type, "llama4", 6)) /* transformers does not say that they stand transposed */
        return ts_error(TS_ERR_USER, "%s: %s: PEFT takes the two sides of Llama 4's experts for each other: leave them out",
                        r->file, key);
    TS_TRY(ts_adapter_rules_rank(&r->rules, key, &rank, &scale));
    TS_TRY(ts_adapter_plan_site(&r->out->plan, name, l->in, l->out, &s));
    TS_TRY(add_part(s, l, rank, scale));
    TS_TRY(ts_adapter_add_module(r->out, file, t->n_pieces + 1, &m));
    TS_TRY(ts_strdup(parameter, &m->parameter));
    m->site = (size_t)(s - r->out->plan.site);
    take_rows(r, t, l, m);
    return TS_OK;
}

/* The first tensor that has rows of the layer's weight; NULL: none has. */
static const ts_name_tensor *tensor_of(const resolving *r, size_t linear)
{
    for (size_t i = 0; i < r->map.n_tensors; i++) {
        const ts_name_tensor *t = &r->map.tensor[i];
        if (!t->is_copy && ts_met_linear_of(&r->linears, r->map.piece[t->first_piece].name) == (int64_t)linear)
            return t;
    }
    return NULL;
}

static bool is_second(const resolving *r, size_t linear) { return strstr(ts_names_text(r->linears.names, linear), "linear_fc2"); }

/* ---- what is asked for ---- */

static bool is_target(const resolving *r, size_t linear)
{
    const ts_name_tensor *t = tensor_of(r, linear);
    char container[TS_FAMILY_NAME], key[TS_FAMILY_NAME + 32];
    if (!t)
        return false;
    container_of(t->hf_name, container);
    snprintf(key, sizeof key, "%s.%s", container, parameter_of(r, ts_names_text(r->linears.names, linear)));
    return ts_adapter_rules_parameter(&r->rules, key);
}

ts_status ts_adapter_resolve_experts(resolving *r, size_t linear)
{
    const ts_name_tensor *t = r->family ? tensor_of(r, linear) : NULL;
    char container[TS_FAMILY_NAME];
    bool both = false;
    if (!t)
        return ts_error(TS_ERR_USER, "%s: experts of a model that no Hugging Face class describes have no adapters here", r->file);
    for (int64_t i = 0; i < r->targets.n; i++)
        both = both || !strcmp(r->targets.v[i], "linear_fc2");
    container_of(t->hf_name, container);
    return adapt(r, t, linear, container, both && !is_second(r, linear));
}

/* A weight that is no stack: its adapter is that of a module. */
static ts_status adapt_single(resolving *r)
{
    char name[TS_FAMILY_NAME];
    for (size_t i = 0; i < r->map.n_tensors; i++) {
        const ts_name_tensor *t = &r->map.tensor[i];
        const int64_t linear = t->rank == 2 && !t->is_line && !t->is_copy
                                   ? ts_met_linear_of(&r->linears, r->map.piece[t->first_piece].name) : -1;
        if (linear < 0 || r->linears.linear[linear].experts)
            continue;
        modern_name(t->hf_name, name);
        if (!ts_adapter_rules_parameter(&r->rules, name))
            continue;
        if (r->rules.dora)
            return ts_error(TS_ERR_USER, "%s: %s is a parameter, whose adapter has no use_dora", r->file, name);
        TS_TRY(ts_adapter_adapt(r, t, linear, name));
    }
    return TS_OK;
}

ts_status ts_adapter_resolve_parameters(resolving *r)
{
    const size_t n = ts_names_count(r->linears.names);
    if (!r->family || !ts_adapter_rules_has_parameters(&r->rules))
        return TS_OK;
    TS_TRY(adapt_single(r));
    for (size_t i = 0; i < n; i++) {
        char container[TS_FAMILY_NAME];
        if (!r->linears.linear[i].experts || !is_target(r, i))
            continue;
        const bool both = !is_second(r, i) && i + 1 < n && r->linears.linear[i + 1].experts && is_target(r, i + 1);
        container_of(tensor_of(r, i)->hf_name, container);
        TS_TRY(adapt(r, tensor_of(r, i), i, container, both));
    }
    return TS_OK;
}

/* ---- values ---- */

void ts_adapted_experts(const ts_adapted *m, const ts_adapter_site *s, bool to_file, const float *from, float *to)
{
    const int64_t r = s->part[0].rank, E = s->experts;
    for (size_t k = 0; k < m->n_rows; k++)
        for (int64_t i = 0; i < m->rows[k].n; i++) {
            const int64_t hf = m->rows[k].hf + i * m->rows[k].step, row = m->rows[k].row + i;
            for (int64_t e = 0; e < E; e++)
                for (int64_t c = 0; c < r; c++) {
                    const int64_t ours = (e * s->out + row) * r + c, theirs = (hf * r + c) * E + e;
                    to[to_file ? theirs : ours] = from[to_file ? ours : theirs];
                }
        }
}

/* ---- folders of before ---- */

static bool has_halves(const ts_adapted *m) { return m->parameter && !strcmp(m->parameter, "gate_up_proj"); }

/* Modules of experts: Mixtral's in block_sparse_moe. */
static bool is_of_mixtral(const ts_adapters *a)
{
    for (int64_t i = 0; i < ts_st_dir_count(a->dir); i++)
        if (strstr(ts_st_dir_at(a->dir, i)->name, ".block_sparse_moe."))
            return true;
    return false;
}

bool ts_adapted_old_name(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, int64_t i, char out[TS_ADAPTER_FILE_NAME])
{
    static const char *const leaf[2][3] = { { "gate_proj", "up_proj", "down_proj" }, { "w1", "w3", "w2" } };
    const int64_t E = a->plan.site[m->site].experts;
    const bool mixtral = is_of_mixtral(a);
    const char *at = strstr(m->name, ".mlp."), *word = kind == TS_ADAPTER_A ? "lora_A" : "lora_B";
    if (!at || i >= (!E ? mixtral : has_halves(m) ? 2 * E : E))
        return false;
    const char *rest = at + sizeof ".mlp" - 1;
    const int n = snprintf(out, TS_ADAPTER_FILE_NAME, "base_model.model.%.*s.%s%.*s", (int)(at - m->name), m->name,
                           mixtral ? "block_sparse_moe" : "mlp", E ? (int)sizeof ".experts" - 1 : (int)strlen(rest), rest);
    if (!E)
        snprintf(out + n, TS_ADAPTER_FILE_NAME - (size_t)n, ".%s.weight", word);
    else
        snprintf(out + n, TS_ADAPTER_FILE_NAME - (size_t)n, ".%lld.%s.%s.weight", (long long)(i % E),
                 leaf[mixtral][has_halves(m) ? i / E : 2], word);
    return true;
}

ts_status ts_adapted_old_read(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, float *to)
{
    const ts_adapter_site *s = &a->plan.site[m->site];
    const int64_t halves = has_halves(m) ? 2 : 1, E = s->experts, rank = s->part[0].rank, r = rank / halves, out = s->out / halves;
    const int64_t rows = kind == TS_ADAPTER_A ? r : out, cols = kind == TS_ADAPTER_A ? s->in : r, size = E * s->out * rank;
    char name[TS_ADAPTER_FILE_NAME];
    if (kind == TS_ADAPTER_B)
        memset(to, 0, (size_t)size * sizeof *to);
    for (int64_t i = 0; ts_adapted_old_name(a, m, kind, i, name); i++) {
        const ts_name_tensor want = { .rank = 2, .dim = { rows, cols } };
        const ts_st_tensor *t = ts_st_dir_find(a->dir, name);
        const int64_t expert = i % E, half = i / E;
        if (!t)
            return ts_error(TS_ERR_USER, "--lora-load %s: tensor %s is missing, which adapter_config.json asks for", a->folder, name);
        TS_TRY(ts_weights_check_shape(t, &want, "the model and adapter_config.json say"));
        for (int64_t k = 0; k < rows; k++) {
            float *row = kind == TS_ADAPTER_A ? to + (expert * rank + half * r + k) * cols
                                              : to + (expert * s->out + half * out + k) * rank + half * r;
            TS_TRY(ts_st_read_f32(t, k * cols, cols, row));
        }
    }
    return TS_OK;
}
