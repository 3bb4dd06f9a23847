/* Values of adapters: where they begin, and what they add to a weight. */
#include "model/adapters.h"
#include "model/adapter_start.h"
#include "model/param_list.h"
#include "model/weights.h"

#include <math.h>
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
        if ((!w.multiplies && !w.is_table) || strlen(name) < sizeof ".weight")
            continue;
        snprintf(linear, sizeof linear, "%.*s", (int)(strlen(name) - (sizeof ".weight" - 1)), name);
        const int64_t s = ts_names_find(a->plan.linears, linear);
        if (s < 0)
            continue;
        const ts_adapter_site *site = &a->plan.site[s];
        all[n] = (ts_decoder_weight){ .layer = w.layer, .multiplies = w.multiplies, .is_table = w.is_table, .trained = true, .share = w.share, .times = w.times };
        for (int k = 0; k < site->n; k++)
            all[n].count += ts_adapter_site_rows(site, site->part[k].rank * (site->in + site->part[k].rows)) +
                            (site->dora ? site->part[k].rows : 0);
        n++;
    }
    ts_param_list_deinit(&list);
    TS_TRY(st);
    ts_free(&d->weights);
    d->weights = all, d->n_weights = n;
    ts_decoder_note_trained(d);
    return TS_OK;
}

/* The site of the weight; NULL: it has no adapter. */
static const ts_adapter_site *site_of(const ts_adapters *a, const char *param)
{
    char linear[TS_DECLARED_NAME];
    const size_t length = strlen(param), end = sizeof ".weight" - 1;
    if (length <= end || length >= sizeof linear || strcmp(param + length - end, ".weight"))
        return NULL;
    snprintf(linear, sizeof linear, "%.*s", (int)(length - end), param);
    const int64_t i = ts_names_find(a->plan.linears, linear);
    return i < 0 ? NULL : &a->plan.site[i];
}

/* Lengths are of rows, which a weight that is held in one form does not have. */
static bool needs_rows(const ts_adapters *a, const ts_param *p)
{
    const ts_adapter_site *s = a->plan.training ? NULL : site_of(a, p->name);
    return s && s->dora;
}

ts_status ts_adapters_freeze(const ts_adapters *a, ts_decoder *d)
{
    for (size_t i = 0; i < d->params.n; i++) {
        ts_param *p = d->params.p[i];
        if (p->id < a->n_base && a->plan.decoupled)
            p->decoupled = false; /* the second rate is B's */
        const bool exact = p->rank == 1 || p->is_router || p->is_filter, is_whole = ts_names_find(a->saved, p->name) >= 0;
        if (p->id >= a->n_base || p->has_type || (is_whole == a->plan.training && !needs_rows(a, p)))
            continue;
        ts_param_hold(p, TS_HELD_FROZEN, exact ? TS_DTYPE_F32 : d->compute, TS_QUANT_NONE);
    }
    return a->plan.training ? note_weights(a, d) : TS_OK;
}

/* ---- beginning, and reading ---- */

static ts_status find_tensor(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, const ts_st_tensor **out)
{
    char name[TS_ADAPTER_FILE_NAME], old[TS_ADAPTER_FILE_NAME];
    int64_t dim[2];
    ts_adapter_file_name(a, m, kind, name, dim);
    const ts_name_tensor want = { .rank = dim[1] ? 2 : 1, .dim = { dim[0], dim[1] } };
    *out = ts_st_dir_find(a->dir, name);
    if (!*out && !a->plan.site[m->site].experts && ts_adapted_old_name(a, m, kind, 0, old))
        *out = ts_st_dir_find(a->dir, old);
    if (!*out)
        return ts_error(TS_ERR_USER, "--lora-load %s: tensor %s is missing, which adapter_config.json asks for", a->folder, name);
    return ts_weights_check_shape(*out, &want, "the model and adapter_config.json say");
}

/* Our parameter of a part; NULL: on another stage. */
static ts_param *param_of(const ts_adapters *a, const ts_decoder *d, const ts_adapted *m, ts_adapter_kind kind)
{
    char name[TS_DECLARED_NAME];
    ts_adapter_name(&a->plan.site[m->site], m->part, kind, name);
    return ts_param_find(&d->params, name);
}

/* Elements that a module has of one of the part's parameters, and rows of these. */
static int64_t count_of(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, int64_t *rows)
{
    char name[TS_ADAPTER_FILE_NAME];
    int64_t dim[2];
    ts_adapter_file_name(a, m, kind, name, dim);
    const int64_t n = dim[0] * (dim[1] ? dim[1] : 1);
    const ts_adapter_site *s = &a->plan.site[m->site];
    const bool is_stack = kind == TS_ADAPTER_B && (s->experts || s->is_table);
    *rows = is_stack ? n / a->plan.site[m->site].part[0].rank : dim[0];
    return n;
}

/* All of a parameter of experts, or of an embedding, in the order of ours. */
static ts_status read_experts(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, float *to)
{
    const ts_st_tensor *t;
    char old[TS_ADAPTER_FILE_NAME];
    float *file;
    if (a->plan.site[m->site].experts && ts_adapted_old_name(a, m, kind, 0, old) && ts_st_dir_find(a->dir, old))
        return ts_adapted_old_read(a, m, kind, to);
    TS_TRY(find_tensor(a, m, kind, &t));
    if (kind == TS_ADAPTER_A)
        return ts_st_read_f32(t, 0, t->elements, to);
    TS_TRY(ts_alloc(&file, (size_t)t->elements, sizeof *file));
    const ts_status st = ts_st_read_f32(t, 0, t->elements, file);
    if (st == TS_OK)
        ts_adapted_experts(m, &a->plan.site[m->site], false, file, to);
    ts_free(&file);
    return st;
}

/* Of these elements [at, at + n). */
static ts_status read_experts_part(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, int64_t at, int64_t n, float *to)
{
    int64_t rows;
    float *all;
    TS_TRY(ts_alloc(&all, (size_t)count_of(a, m, kind, &rows), sizeof *all));
    const ts_status st = read_experts(a, m, kind, all);
    if (st == TS_OK)
        memcpy(to, all + at, (size_t)n * sizeof *to);
    ts_free(&all);
    return st;
}

/* Elements [at, at + n), whole rows, of what a file's tensor is in the order of the model's. */
static ts_status read_rows(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, int64_t at, int64_t n, float *to)
{
    const ts_st_tensor *t;
    if (a->plan.site[m->site].experts || a->plan.site[m->site].is_table)
        return read_experts_part(a, m, kind, at, n, to);
    TS_TRY(find_tensor(a, m, kind, &t));
    const int64_t cols = t->rank > 1 ? t->shape[1] : 1;
    if (kind == TS_ADAPTER_A)
        return ts_st_read_f32(t, at, n, to);
    for (size_t k = 0; k < m->n_rows; k++) {
        const ts_adapted_rows *r = &m->rows[k];
        for (int64_t row = r->row; row < r->row + r->n; row++)
            if (row * cols >= at && (row + 1) * cols <= at + n)
                TS_TRY(ts_st_read_f32(t, (r->hf + (row - r->row) * r->step) * cols, cols, to + row * cols - at));
    }
    return TS_OK;
}

static ts_status read_module(const ts_adapters *a, ts_decoder *d, const ts_adapted *m)
{
    const int kinds = ts_adapter_kinds(&a->plan.site[m->site]);
    ts_status st = TS_OK;
    for (int k = 0; st == TS_OK && k < kinds; k++) {
        const ts_adapter_kind kind = (ts_adapter_kind)k;
        ts_param *p = param_of(a, d, m, kind);
        int64_t rows, n = count_of(a, m, kind, &rows);
        float *x;
        TS_TRY(ts_alloc(&x, (size_t)n, sizeof *x));
        st = read_rows(a, m, kind, 0, n, x);
        if (st == TS_OK && p)
            st = ts_weights_put_rows(p, 0, rows, x);
        ts_free(&x);
    }
    return st;
}

/* What the folder has of a module's own weight, as the adapter was trained beside it; NULL: nothing. */
static const ts_st_tensor *base_of(const ts_adapters *a, const char *hf_name)
{
    const size_t n = strlen(hf_name), end = sizeof ".weight" - 1;
    char name[NAME];
    if (n <= end || strcmp(hf_name + n - end, ".weight"))
        return NULL;
    snprintf(name, sizeof name, "base_model.model.%.*s.base_layer.weight", (int)(n - end), hf_name);
    return ts_st_dir_find(a->dir, name);
}

/* Modules that were trained whole, and weights that came with the adapter. */
static ts_status read_saved(const ts_adapters *a, ts_decoder *d, const ts_family *family)
{
    ts_name_map map = { 0 };
    char name[NAME];
    ts_status st = ts_family_names(family, &d->arch, &map);
    for (size_t i = 0; st == TS_OK && i < map.n_tensors; i++) {
        const ts_st_tensor *base = base_of(a, map.tensor[i].hf_name);
        if (base)
            st = ts_weights_put_tensor(d, &map, &map.tensor[i], base);
        if (base || ts_names_find(a->saved_files, map.tensor[i].hf_name) < 0)
            continue;
        snprintf(name, sizeof name, "base_model.model.%s", map.tensor[i].hf_name);
        const ts_st_tensor *t = ts_st_dir_find(a->dir, name);
        st = t ? ts_weights_put_tensor(d, &map, &map.tensor[i], t)
               : ts_error(TS_ERR_USER, "--lora-load %s: tensor %s is missing (modules_to_save)", a->folder, name);
    }
    ts_name_map_deinit(&map);
    return st;
}

/* Whether the tensor is this one of a module. */
static bool is_of_module(const ts_adapters *a, const ts_adapted *m, ts_adapter_kind kind, const char *tensor)
{
    char name[TS_ADAPTER_FILE_NAME];
    int64_t dim[2];
    ts_adapter_file_name(a, m, kind, name, dim);
    bool is = !strcmp(tensor, name);
    for (int64_t i = 0; !is && ts_adapted_old_name(a, m, kind, i, name); i++)
        is = !strcmp(tensor, name);
    return is;
}

/* Whether the tensor is a module's own weight, which PEFT writes of output layers and embeddings. */
static bool is_base(const ts_adapters *a, const char *tensor)
{
    char name[TS_ADAPTER_FILE_NAME];
    for (size_t i = 0; i < a->n; i++) {
        snprintf(name, sizeof name, "base_model.model.%s.base_layer.weight", a->module[i].name);
        if (!strcmp(name, tensor))
            return true;
    }
    return false;
}

/* Whether the tensor is one that a module has. */
static bool is_known(const ts_adapters *a, const char *tensor)
{
    static const char begin[] = "base_model.model.";
    if (a->tied && !strcmp(tensor, a->tied))
        return true;
    if (is_base(a, tensor))
        return true;
    if (!strncmp(tensor, begin, sizeof begin - 1) && ts_names_find(a->saved_files, tensor + sizeof begin - 1) >= 0)
        return true;
    for (size_t i = 0; i < a->n; i++)
        for (int k = 0; k < ts_adapter_kinds(&a->plan.site[a->module[i].site]); k++)
            if (is_of_module(a, &a->module[i], (ts_adapter_kind)k, tensor))
                return true;
    return false;
}

ts_status ts_adapters_check_rest(const ts_adapters *a)
{
    int64_t used = (int64_t)ts_names_count(a->saved_files);
    for (size_t i = 0; i < a->n; i++)
        used += ts_adapter_kinds(&a->plan.site[a->module[i].site]);
    for (int64_t i = 0; used < ts_st_dir_count(a->dir) && i < ts_st_dir_count(a->dir); i++) {
        const ts_st_tensor *t = ts_st_dir_at(a->dir, i);
        if (!is_known(a, t->name))
            return ts_error(TS_ERR_USER, "%s: tensor %s fits nothing in the model that adapter_config.json gives an adapter to",
                            t->path, t->name);
    }
    return TS_OK;
}

/* Lengths of the weight's rows, over all processes that have columns of them. */
static ts_status begin_lengths(ts_adapter_site *s, const ts_decoder *d)
{
    const ts_linear *l = s->here.of;
    const int64_t in = l ? l->w->dim[1] : 0, out = l ? l->w->dim[0] : 0;
    const size_t size = l ? ts_dtype_size(l->w->dtype) : 0;
    float *row, *square;
    if (!l || !s->dora)
        return TS_OK;
    TS_TRY(ts_alloc(&row, (size_t)in, sizeof *row));
    ts_status st = ts_alloc(&square, (size_t)out, sizeof *square);
    for (int64_t r = 0; st == TS_OK && r < out; r++) {
        st = ts_device_read(d->dev, row, (const char *)l->w->value + (size_t)(r * in) * size, (size_t)in * size);
        double sum = 0;
        for (int64_t c = 0; st == TS_OK && c < in; c++)
            sum += pow((double)ts_load_f32(row, c, l->w->dtype), 2);
        square[r] = (float)sum;
    }
    if (st == TS_OK && l->group && l->cut == TS_CUT_ROW)
        st = ts_comm_run(l->group->comm, ts_all_reduce(square, out, TS_COMM_F32, TS_COMM_SUM));
    for (int64_t r = 0; st == TS_OK && r < out; r++)
        square[r] = sqrtf(square[r]);
    for (int i = 0; st == TS_OK && i < s->n; i++)
        for (int64_t k = 0; st == TS_OK && k < s->here.op.part[i].n_runs; k++) {
            const ts_lora_run *run = &s->here.op.part[i].run[k];
            st = ts_param_put(s->here.op.part[i].m, run->from, run->n, square + run->to);
        }
    ts_free(&row);
    ts_free(&square);
    return st;
}

/* Random numbers of the standard deviation 1 / rank; an embedding's are as they always are. */
static ts_status begin_normal(const ts_adapter_site *s, uint64_t seed)
{
    for (int i = 0; i < s->n && !s->is_table; i++) {
        ts_param *a = s->experts ? s->apart.a : s->here.op.part[i].a;
        if (!a) /* on another stage */
            continue;
        a->start = TS_START_NORMAL;
        TS_TRY(ts_param_begin(a, seed, 1 / (float)s->part[i].rank));
    }
    return TS_OK;
}

/* A random, B zero, or as the weights ask. */
static ts_status begin(ts_adapters *a, ts_decoder *d, uint64_t seed)
{
    for (size_t i = 0; i < d->params.n; i++)
        if (d->params.p[i]->id >= a->n_base)
            TS_TRY(ts_param_begin(d->params.p[i], seed, 1)); /* of an embedding's: others are not normal */
    for (size_t i = 0; a->start == TS_ADAPTER_START_GAUSSIAN && i < a->plan.n; i++)
        TS_TRY(begin_normal(&a->plan.site[i], seed));
    for (size_t i = 0; i < a->plan.n; i++)
        TS_TRY(begin_lengths(&a->plan.site[i], d));
    return ts_adapter_start_fill(a, d, true);
}

ts_status ts_adapters_fill(ts_adapters *a, ts_decoder *d, const ts_family *family, uint64_t seed)
{
    if (!d->dev->computes)
        return TS_OK;
    ts_status st = a->dir ? ts_adapters_check_rest(a) : begin(a, d, seed);
    for (size_t i = 0; a->dir && st == TS_OK && i < a->n; i++)
        st = read_module(a, d, &a->module[i]);
    if (st == TS_OK && a->dir)
        st = read_saved(a, d, family);
    if (st == TS_OK && a->dir)
        st = ts_adapter_start_fill(a, d, false);
    ts_adapter_start_drop(a);
    ts_st_dir_destroy(&a->dir);
    ts_param_set_changed(&d->params);
    return st;
}

static bool has_kind(const ts_adapter_site *s, ts_adapter_kind k)
{
    return k < TS_ADAPTER_M || (k == TS_ADAPTER_M ? s->dora : s->starts);
}

ts_status ts_adapters_list(const ts_adapters *a, ts_names *names)
{
    char name[TS_DECLARED_NAME];
    for (size_t i = 0; i < a->plan.n; i++)
        for (int w = 0; w <= TS_ADAPTER_START_B; w++)
            for (int k = 0; k < a->plan.site[i].n && has_kind(&a->plan.site[i], (ts_adapter_kind)w); k++) {
                ts_adapter_name(&a->plan.site[i], k, (ts_adapter_kind)w, name);
                TS_TRY(ts_names_add(names, name));
            }
    return TS_OK;
}

/* ---- merging ---- */

/* to [n, in], rows of a weight, plus scale B A; B [n, rank]. With m [n] they are made that long. */
static void add_rows(const float *a, const float *b, const float *m, int64_t rank, float scale, int64_t n, int64_t in, float *to)
{
    for (int64_t i = 0; i < n; i++) {
        float *y = to + i * in;
        double square = 0;
        for (int64_t k = 0; k < rank; k++) {
            const float by = scale * b[i * rank + k], *from = a + k * in;
            for (int64_t c = 0; c < in; c++)
                y[c] += by * from[c];
        }
        for (int64_t c = 0; m && c < in; c++)
            square += (double)y[c] * (double)y[c];
        for (int64_t c = 0; m && c < in; c++)
            y[c] = (float)((double)y[c] * (double)m[i] / sqrt(square));
    }
}

/* to [n, in], rows [row, row + n) of the weight, with what is added to one stretch of them. */
static ts_status add_run(ts_merger *m, const ts_adapter_site *s, int part, const ts_lora_run *run, int64_t row, int64_t n,
                         float *to)
{
    const int64_t begin = run->to > row ? run->to : row, stop = run->to + run->n < row + n ? run->to + run->n : row + n;
    const int64_t rows = stop - begin, r = s->part[part].rank, first = run->from + begin - run->to;
    char name[TS_DECLARED_NAME];
    if (rows <= 0)
        return TS_OK;
    TS_TRY(ts_grow(&m->x, &m->room, (size_t)(2 * r * s->in + rows * (r + 1)), sizeof *m->x));
    float *a = m->x, *b = a + r * s->in, *length = b + rows * r, *turned = length + rows;
    ts_adapter_name(s, part, TS_ADAPTER_A, name);
    TS_TRY(m->read(m->ctx, name, s->experts ? (run - s->part[part].run) * r * s->in : 0, r * s->in, s->is_table ? turned : a));
    for (int64_t i = 0; s->is_table && i < r * s->in; i++)
        a[i % r * s->in + i / r] = turned[i];
    ts_adapter_name(s, part, TS_ADAPTER_B, name);
    TS_TRY(m->read(m->ctx, name, first * r, rows * r, b));
    ts_adapter_name(s, part, TS_ADAPTER_M, name);
    if (s->dora)
        TS_TRY(m->read(m->ctx, name, first, rows, length));
    add_rows(a, b, s->dora ? length : NULL, r, s->part[part].scale, rows, s->in, to + (begin - row) * s->in);
    return TS_OK;
}

/* to [n, in], rows [row, row + n) of the weight, with all that is added to them. */
static ts_status add_runs(ts_merger *m, const ts_adapter_site *s, int64_t row, int64_t n, float *to)
{
    for (int k = 0; k < s->n; k++)
        for (int64_t r = 0; r < s->part[k].n_runs; r++)
            TS_TRY(add_run(m, s, k, &s->part[k].run[r], row, n, to));
    return TS_OK;
}

ts_status ts_merger_read(void *merger, const char *param, int64_t at, int64_t n, float *to)
{
    ts_merger *m = merger;
    TS_TRY(m->read(m->ctx, param, at, n, to));
    const ts_adapter_site *s = site_of(m->a, param);
    if (!s)
        return TS_OK;
    TS_ASSERT(at % s->in == 0 && n % s->in == 0, "%s is read in parts of rows", param);
    return add_runs(m, s, at / s->in, n / s->in, to);
}

void ts_merger_deinit(ts_merger *m) { ts_free(&m->x); }

/* ---- in files ---- */

ts_status ts_adapters_read(const ts_adapters *a, const char *param, int64_t at, int64_t n, float *to, bool *found)
{
    char name[TS_DECLARED_NAME];
    *found = false;
    for (size_t i = 0; i < a->n && !*found; i++)
        for (int k = 0; k < ts_adapter_kinds(&a->plan.site[a->module[i].site]) && !*found; k++) {
            ts_adapter_name(&a->plan.site[a->module[i].site], a->module[i].part, (ts_adapter_kind)k, name);
            if (strcmp(name, param))
                continue;
            TS_TRY(read_rows(a, &a->module[i], (ts_adapter_kind)k, at, n, to));
            *found = true;
        }
    return TS_OK;
}

bool ts_adapters_change(const ts_adapters *a, const ts_name_map *map, const ts_name_tensor *t)
{
    for (size_t i = t->first_piece; !t->is_copy && i < t->first_piece + t->n_pieces; i++) {
        const ts_name_piece *p = &map->piece[i];
        const ts_adapter_site *s = site_of(a, p->name);
        for (int k = 0; s && k < s->n; k++)
            for (int64_t r = 0; r < s->part[k].n_runs; r++) {
                const ts_lora_run *run = &s->part[k].run[r];
                if (run->to < p->row + p->rows && p->row < run->to + run->n)
                    return true;
            }
    }
    return false;
}

static ts_status read_of_folder(void *ctx, const char *param, int64_t at, int64_t n, float *to)
{
    bool found;
    TS_TRY(ts_adapters_read(ctx, param, at, n, to, &found));
    TS_ASSERT(found, "the adapter has no %s", param);
    return TS_OK;
}

/* Column c of our row i of a piece, in the tensor. */
static float *place_in(const ts_name_tensor *t, const ts_name_piece *p, int64_t in, int64_t i, int64_t c, float *w)
{
    const int64_t row = p->hf_row + i * p->step, out = t->dim[t->rank - 1];
    return p->transposed ? w + p->matrix * in * out + c * out + row : w + row * in + c;
}

static ts_status merge_piece(ts_merger *m, const ts_adapter_site *s, const ts_name_tensor *t, const ts_name_piece *p, float *w)
{
    float *rows;
    TS_TRY(ts_alloc(&rows, (size_t)(p->rows * s->in), sizeof *rows));
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t c = 0; c < s->in; c++)
            rows[i * s->in + c] = *place_in(t, p, s->in, i, c, w);
    const ts_status st = add_runs(m, s, p->row, p->rows, rows);
    for (int64_t i = 0; st == TS_OK && i < p->rows; i++)
        for (int64_t c = 0; c < s->in; c++)
            *place_in(t, p, s->in, i, c, w) = rows[i * s->in + c];
    ts_free(&rows);
    return st;
}

ts_status ts_adapters_merge(const ts_adapters *a, const ts_name_map *map, const ts_name_tensor *t, float *w)
{
    ts_merger m = { .a = a, .read = read_of_folder, .ctx = (void *)a };
    ts_status st = TS_OK;
    for (size_t i = t->first_piece; st == TS_OK && i < t->first_piece + t->n_pieces; i++) {
        const ts_adapter_site *s = site_of(a, map->piece[i].name);
        if (s)
            st = merge_piece(&m, s, t, &map->piece[i], w);
    }
    ts_merger_deinit(&m);
    return st;
}
