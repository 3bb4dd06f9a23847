/* Values of adapters: where they begin, and what they add to a weight. */
#include "model/adapters.h"
#include "model/param_list.h"
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

enum { NAME = 512 };

/* ---- what is trained ---- */

/* Weights of adapters stand behind those that they are of. */
static ts_status note_weights(const ts_adapters *a, ts_decoder *d)
{
    const int64_t n_adapted = (int64_t)a->plan.n;
    ts_param_list list;
    ts_decoder_weight *all;
    size_t n = 0;
    TS_TRY(ts_param_list_make(&d->arch, &list));
    ts_status st = ts_alloc(&all, d->n_weights + (size_t)n_adapted, sizeof *all);
    for (size_t i = 0; st == TS_OK && i < d->n_weights; i++) {
        const char *name = ts_names_text(list.names, i);
        char linear[TS_DECLARED_NAME];
        const ts_decoder_weight w = d->weights[i];
        all[n] = w;
        all[n].trained = w.trained && ts_names_find(a->saved, name) >= 0;
        n++;
        if (!w.multiplies || strlen(name) < sizeof ".weight")
            continue;
        snprintf(linear, sizeof linear, "%.*s", (int)(strlen(name) - (sizeof ".weight" - 1)), name);
        const int64_t s = ts_names_find(a->plan.linears, linear);
        if (s < 0)
            continue;
        const ts_adapter_site *site = &a->plan.site[s];
        all[n] = (ts_decoder_weight){ .layer = w.layer, .multiplies = true, .trained = true, .share = 1, .times = w.times };
        for (int k = 0; k < site->n; k++)
            all[n].count += site->part[k].rank * (site->in + site->part[k].rows);
        n++;
    }
    ts_param_list_deinit(&list);
    TS_TRY(st);
    ts_free(&d->weights);
    d->weights = all, d->n_weights = n;
    ts_decoder_note_trained(d);
    return TS_OK;
}

ts_status ts_adapters_freeze(const ts_adapters *a, ts_decoder *d)
{
    for (size_t i = 0; i < d->params.n; i++) {
        ts_param *p = d->params.p[i];
        const bool exact = p->rank == 1 || p->is_router || p->is_filter, is_whole = ts_names_find(a->saved, p->name) >= 0;
        if (p->id >= a->n_base || p->has_type || is_whole == a->plan.training)
            continue;
        ts_param_hold(p, TS_HELD_FROZEN, exact ? TS_DTYPE_F32 : d->compute, TS_QUANT_NONE);
    }
    return a->plan.training ? note_weights(a, d) : TS_OK;
}

/* ---- beginning, and reading ---- */

static ts_status find_tensor(const ts_adapters *a, const char *module, const char *which, int64_t d0, int64_t d1,
                             const ts_st_tensor **out)
{
    char name[NAME];
    const ts_name_tensor want = { .rank = 2, .dim = { d0, d1 } };
    snprintf(name, sizeof name, "base_model.model.%s.%s.weight", module, which);
    *out = ts_st_dir_find(a->dir, name);
    if (!*out)
        return ts_error(TS_ERR_USER, "--lora-load %s: tensor %s is missing, which adapter_config.json asks for", a->folder, name);
    const ts_st_tensor *t = *out;
    if (t->rank == 2 && t->shape[0] == d0 && t->shape[1] == d1)
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: tensor %s has shape [%lld%s%lld], but the model and adapter_config.json say [%lld, %lld]",
                    t->path, t->name, (long long)t->shape[0], t->rank > 1 ? ", " : "", (long long)(t->rank > 1 ? t->shape[1] : 0),
                    (long long)want.dim[0], (long long)want.dim[1]);
}

/* Our parameter of a part; NULL: on another stage. */
static ts_param *param_of(const ts_adapters *a, const ts_decoder *d, const ts_adapted *m, const char *which)
{
    const ts_adapter_site *s = &a->plan.site[m->site];
    char name[TS_DECLARED_NAME];
    snprintf(name, sizeof name, "%s.%s.%s.weight", s->linear, which, s->part[m->part].name);
    return ts_param_find(&d->params, name);
}

static ts_status read_a(const ts_st_tensor *t, ts_param *p)
{
    float *x;
    TS_TRY(ts_alloc(&x, (size_t)t->elements, sizeof *x));
    ts_status st = ts_st_read_f32(t, 0, t->elements, x);
    if (st == TS_OK)
        st = ts_weights_put_rows(p, 0, t->shape[0], x);
    ts_free(&x);
    return st;
}

static ts_status read_b(const ts_st_tensor *t, const ts_adapted *m, ts_param *p)
{
    const int64_t rank = t->shape[1];
    float *x;
    TS_TRY(ts_alloc(&x, (size_t)rank, sizeof *x));
    ts_status st = TS_OK;
    for (size_t k = 0; k < m->n_rows; k++)
        for (int64_t i = 0; st == TS_OK && i < m->rows[k].n; i++) {
            st = ts_st_read_f32(t, (m->rows[k].hf + i * m->rows[k].step) * rank, rank, x);
            if (st == TS_OK)
                st = ts_weights_put_rows(p, m->rows[k].row + i, 1, x);
        }
    ts_free(&x);
    return st;
}

static ts_status read_module(const ts_adapters *a, ts_decoder *d, const ts_adapted *m)
{
    const ts_adapter_site *s = &a->plan.site[m->site];
    const int64_t rank = s->part[m->part].rank;
    const ts_st_tensor *ta, *tb;
    ts_param *pa = param_of(a, d, m, "lora_A"), *pb = param_of(a, d, m, "lora_B");
    TS_TRY(find_tensor(a, m->name, "lora_A", rank, s->in, &ta));
    TS_TRY(find_tensor(a, m->name, "lora_B", m->out, rank, &tb));
    if (!pa)
        return TS_OK;
    TS_TRY(read_a(ta, pa));
    return read_b(tb, m, pb);
}

/* Modules that were trained whole. */
static ts_status read_saved(const ts_adapters *a, ts_decoder *d, const ts_family *family)
{
    ts_name_map map = { 0 };
    char name[NAME];
    if (!ts_names_count(a->saved))
        return TS_OK;
    ts_status st = ts_family_names(family, &d->arch, &map);
    for (size_t i = 0; st == TS_OK && i < map.n_tensors; i++) {
        if (ts_names_find(a->saved_files, map.tensor[i].hf_name) < 0)
            continue;
        snprintf(name, sizeof name, "base_model.model.%s", map.tensor[i].hf_name);
        const ts_st_tensor *t = ts_st_dir_find(a->dir, name);
        st = t ? ts_weights_put_tensor(d, &map, &map.tensor[i], t)
               : ts_error(TS_ERR_USER, "--lora-load %s: tensor %s is missing (modules_to_save)", a->folder, name);
    }
    ts_name_map_deinit(&map);
    return st;
}

/* Whether the folder has nothing beside what was read. */
static ts_status check_rest(const ts_adapters *a)
{
    static const char begin[] = "base_model.model.";
    const int64_t used = 2 * (int64_t)a->n + (int64_t)ts_names_count(a->saved_files);
    for (int64_t i = 0; used < ts_st_dir_count(a->dir) && i < ts_st_dir_count(a->dir); i++) {
        const ts_st_tensor *t = ts_st_dir_at(a->dir, i);
        const char *name = strncmp(t->name, begin, sizeof begin - 1) ? t->name : t->name + sizeof begin - 1;
        bool known = ts_names_find(a->saved_files, name) >= 0;
        for (size_t k = 0; !known && k < a->n; k++) {
            const size_t n = strlen(a->module[k].name);
            known = !strncmp(name, a->module[k].name, n) &&
                    (!strcmp(name + n, ".lora_A.weight") || !strcmp(name + n, ".lora_B.weight"));
        }
        if (!known)
            return ts_error(TS_ERR_USER, "%s: tensor %s fits nothing in the model that adapter_config.json gives an adapter to",
                            t->path, t->name);
    }
    return TS_OK;
}

/* A random, B zero. */
static ts_status begin(const ts_adapters *a, ts_decoder *d, uint64_t seed)
{
    for (size_t i = 0; i < d->params.n; i++)
        if (d->params.p[i]->id >= a->n_base)
            TS_TRY(ts_param_begin(d->params.p[i], seed, 0));
    return TS_OK;
}

ts_status ts_adapters_fill(ts_adapters *a, ts_decoder *d, const ts_family *family, uint64_t seed)
{
    if (!d->dev->computes)
        return TS_OK;
    ts_status st = a->dir ? check_rest(a) : begin(a, d, seed);
    for (size_t i = 0; a->dir && st == TS_OK && i < a->n; i++)
        st = read_module(a, d, &a->module[i]);
    if (st == TS_OK && a->dir)
        st = read_saved(a, d, family);
    ts_st_dir_destroy(&a->dir);
    ts_param_set_changed(&d->params);
    return st;
}

ts_status ts_adapters_list(const ts_adapters *a, ts_names *names)
{
    static const char *const which[] = { "lora_A", "lora_B" };
    char name[TS_DECLARED_NAME];
    for (size_t i = 0; i < a->plan.n; i++)
        for (int w = 0; w < 2; w++)
            for (int k = 0; k < a->plan.site[i].n; k++) {
                snprintf(name, sizeof name, "%s.%s.%s.weight", a->plan.site[i].linear, which[w], a->plan.site[i].part[k].name);
                TS_TRY(ts_names_add(names, name));
            }
    return TS_OK;
}

/* ---- merging ---- */

/* to [n, in], rows [row, row + n) of the weight, plus what one stretch of a part's rows adds. */
static ts_status add_run(ts_merger *m, const ts_adapter_site *s, const ts_adapter_part *p, const ts_lora_run *run, int64_t row,
                         int64_t n, float *to)
{
    const int64_t begin = run->to > row ? run->to : row, stop = run->to + run->n < row + n ? run->to + run->n : row + n;
    const int64_t rows = stop - begin, r = p->rank;
    char name[TS_DECLARED_NAME];
    if (rows <= 0)
        return TS_OK;
    TS_TRY(ts_grow(&m->x, &m->room, (size_t)(r * s->in + rows * r), sizeof *m->x));
    float *a = m->x, *b = m->x + r * s->in;
    snprintf(name, sizeof name, "%s.lora_A.%s.weight", s->linear, p->name);
    TS_TRY(m->read(m->ctx, name, 0, r * s->in, a));
    snprintf(name, sizeof name, "%s.lora_B.%s.weight", s->linear, p->name);
    TS_TRY(m->read(m->ctx, name, (run->from + begin - run->to) * r, rows * r, b));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < r; k++) {
            const float by = p->scale * b[i * r + k], *from = a + k * s->in;
            float *y = to + (begin - row + i) * s->in;
            for (int64_t c = 0; c < s->in; c++)
                y[c] += by * from[c];
        }
    return TS_OK;
}

ts_status ts_merger_read(void *merger, const char *param, int64_t at, int64_t n, float *to)
{
    ts_merger *m = merger;
    char linear[TS_DECLARED_NAME];
    const size_t length = strlen(param), end = sizeof ".weight" - 1;
    TS_TRY(m->read(m->ctx, param, at, n, to));
    if (length <= end || length >= sizeof linear || strcmp(param + length - end, ".weight"))
        return TS_OK;
    snprintf(linear, sizeof linear, "%.*s", (int)(length - end), param);
    const int64_t i = ts_names_find(m->a->plan.linears, linear);
    if (i < 0)
        return TS_OK;
    const ts_adapter_site *s = &m->a->plan.site[i];
    TS_ASSERT(at % s->in == 0 && n % s->in == 0, "%s is read in parts of rows", param);
    for (int k = 0; k < s->n; k++)
        for (int64_t r = 0; r < s->part[k].n_runs; r++)
            TS_TRY(add_run(m, s, &s->part[k], &s->part[k].run[r], at / s->in, n / s->in, to));
    return TS_OK;
}

void ts_merger_deinit(ts_merger *m) { ts_free(&m->x); }
