#include "train/dump.h"

#include "base/file.h"
#include "base/output.h"
#include "base/pattern.h"
#include "io/dump.h"
#include "io/st_write.h"
#include "train/options.h"

#include <stdio.h>
#include <string.h>

struct ts_dump {
    const ts_train_options *o;
    ts_device *dev;
    const ts_mesh *mesh;
    const ts_sharers *sharers;
    int64_t *steps, n_steps;
    bool is_ours; /* this rank is to write */
    /* of the step under way */
    bool is_step, is_on; /* it is dumped; this rank writes */
    int64_t iteration, global;
    double scale; /* of gradients as they come */
    ts_viewer viewer;
    ts_str lines;
    float *values; /* of whole tensors, one after another: [n_values] */
    size_t n_values, cap_values;
    int64_t *sizes; /* [n_tensors] */
    size_t n_tensors, cap_sizes;
    void *raw; /* as the device has it */
    size_t cap_raw;
    float *f32;
    size_t cap_f32;
};

/* ---- what is asked for ---- */

static bool has_number(const int64_t *v, int64_t n, int64_t x)
{
    for (int64_t i = 0; i < n; i++)
        if (v[i] == x)
            return true;
    return false;
}

static ts_status steps_of(const ts_train_options *o, int64_t **out, int64_t *n)
{
    static const char *first[] = { "1" };
    const ts_option_list one = { first, 1 };
    return ts_option_numbers("--dump-steps", o->dump_steps.n ? &o->dump_steps : &one, out, n);
}

ts_status ts_dump_check(const ts_train_options *o, const ts_option_set *set)
{
    static const char *const parts[] = { "dump-path", "dump-tensors", "dump-ranks", "dump-level",
                                         "dump-scope" };
    int64_t *v = NULL, n;
    const bool dumps = o->dump_steps.n || o->dump;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ts_option_warn_alone(set, parts[i], dumps, "--dump-steps");
    if (!dumps)
        return TS_OK;
    ts_status st = steps_of(o, &v, &n);
    if (st == TS_OK && has_number(v, n, 0))
        st = ts_error(TS_ERR_USER, "--dump-steps: steps are counted from 1, as in the log");
    ts_free(&v);
    if (st == TS_OK)
        st = ts_option_numbers("--dump-ranks", &o->dump_ranks, &v, &n);
    ts_free(&v);
    if (st == TS_OK && ts_option_is_on(set, "tp-2d"))
        st = ts_error(
            TS_ERR_USER,
            "--dump-steps: the tensors of --tp-2d are cut both ways, which dumps do not have: "
            "leave one of them out");
    return st;
}

/* Found before the first step. */
static ts_status make_folder(const ts_train_options *o)
{
    char text[1024];
    const ts_status st = ts_mkdirs(o->dump_path);
    if (st != TS_ERR_IO && st != TS_ERR_USER)
        return st;
    snprintf(text, sizeof text, "%s", ts_error_message());
    return ts_error(TS_ERR_USER, "--dump-path %s: %s", o->dump_path, text);
}

ts_status ts_dump_create(const ts_train_options *o, ts_device *dev, const ts_mesh *mesh,
                         const ts_sharers *sharers, ts_dump **out)
{
    ts_dump *d;
    int64_t *ranks = NULL, n_ranks;
    *out = NULL;
    if ((!o->dump_steps.n && !o->dump) || !dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    *d = (ts_dump){ .o = o, .dev = dev, .mesh = mesh, .sharers = sharers };
    ts_status st = steps_of(o, &d->steps, &d->n_steps);
    if (st == TS_OK)
        st = ts_option_numbers("--dump-ranks", &o->dump_ranks, &ranks, &n_ranks);
    for (int64_t i = 0; st == TS_OK && i < n_ranks; i++)
        if (ranks[i] >= mesh->world->size)
            st =
                ts_error(TS_ERR_USER, "--dump-ranks: there is no rank %lld, there are %d processes",
                         (long long)ranks[i], mesh->world->size);
    if (st == TS_OK)
        d->is_ours = !n_ranks || has_number(ranks, n_ranks, mesh->world->rank);
    ts_free(&ranks);
    if (st == TS_OK && d->is_ours)
        st = make_folder(o);
    if (st != TS_OK)
        ts_dump_destroy(&d);
    *out = d;
    return st;
}

void ts_dump_destroy(ts_dump **dump)
{
    ts_dump *d = *dump;
    if (!d)
        return;
    ts_free(&d->steps);
    ts_str_deinit(&d->lines);
    ts_free(&d->values);
    ts_free(&d->sizes);
    ts_free(&d->raw);
    ts_free(&d->f32);
    ts_free(dump);
}

/* Whether a name has one of the scopes as whole parts. */
static bool is_in_scope(const ts_dump *d, const char *name)
{
    const ts_option_list *l = &d->o->dump_scope;
    for (int64_t i = 0; i < l->n; i++)
        if (ts_name_has(name, l->v[i]))
            return true;
    return !l->n;
}

/* ---- pieces ---- */

/* n values of the device as fp32; they stay until the next call. */
static ts_status fetch(ts_dump *d, const void *data, ts_dtype t, int64_t n, float **out)
{
    const size_t bytes = (size_t)n * ts_dtype_size(t);
    TS_TRY(ts_grow(&d->raw, &d->cap_raw, bytes, 1));
    TS_TRY(ts_grow(&d->f32, &d->cap_f32, (size_t)n, sizeof *d->f32));
    TS_TRY(ts_device_read(d->dev, d->raw, data, bytes));
    for (int64_t i = 0; i < n; i++)
        d->f32[i] = ts_load_f32(d->raw, i, t);
    *out = d->f32;
    return TS_OK;
}

static ts_status keep_values(ts_dump *d, const float *v, int64_t n)
{
    TS_TRY(ts_grow(&d->values, &d->cap_values, d->n_values + (size_t)n, sizeof *d->values));
    TS_TRY(ts_grow(&d->sizes, &d->cap_sizes, d->n_tensors + 1, sizeof *d->sizes));
    memcpy(d->values + d->n_values, v, (size_t)n * sizeof *v);
    d->n_values += (size_t)n;
    d->sizes[d->n_tensors++] = n;
    return TS_OK;
}

static ts_status put(ts_dump *d, ts_dump_piece *p, float *v)
{
    const bool is_gradient = p->kind == TS_DUMP_OUTPUT_GRADIENT || p->kind == TS_DUMP_GRADIENT;
    for (int64_t i = 0; is_gradient && d->scale != 1 && i < p->n; i++)
        v[i] = (float)((double)v[i] / d->scale);
    ts_dump_measure(p, v);
    p->tensor = -1;
    if (d->o->dump_tensors) {
        p->tensor = (int64_t)d->n_tensors;
        TS_TRY(keep_values(d, v, p->n));
    }
    return ts_dump_write_line(p, &d->lines);
}

/* ---- modules ---- */

static void name_of(const ts_shown *s, char *out, size_t size)
{
    const char *dot = *s->module ? "." : "";
    if (s->layer < 0 || s->layer == TS_SHOWN_BEHIND)
        snprintf(out, size, "%s%s%s", s->module, dot, s->part);
    else
        snprintf(out, size, "decoder.layers.%lld.%s%s%s", (long long)s->layer, s->module, dot,
                 s->part);
}

/* What all processes of a tensor-parallel group have alike one of them writes. */
static bool is_elsewhere(const ts_dump *d, const ts_shown *s)
{
    return d->mesh->at[TS_MESH_TP] > 0 && !s->n_spans && !s->row0;
}

/* The rows of the micro-batch's sequences in the global batch; neighbours become one. */
static ts_status rows_of(const ts_shown *s, int64_t samples, ts_stretch **out, size_t *n)
{
    ts_stretch *v;
    TS_TRY(ts_alloc(&v, (size_t)(samples * s->at.n), sizeof *v));
    *n = 0;
    for (int64_t b = 0; b < samples; b++)
        for (int i = 0; i < s->at.n; i++) {
            const ts_stretch x = { (s->sample0 + b) * s->length + s->at.piece[i].begin,
                                   s->at.piece[i].n };
            if (*n && v[*n - 1].begin + v[*n - 1].n == x.begin)
                v[*n - 1].n += x.n;
            else
                v[(*n)++] = x;
        }
    *out = v;
    return TS_OK;
}

static ts_status columns_of(const ts_shown *s, int64_t left, ts_stretch **out, size_t *n)
{
    ts_stretch *v;
    TS_TRY(ts_alloc(&v, TS_PLACE_SPANS, sizeof *v));
    *n = 0;
    if (!s->n_spans)
        v[(*n)++] = (ts_stretch){ 0, s->cols };
    for (int i = 0; i < s->n_spans && left > 0; i++) {
        const int64_t k = s->span[i].n < left ? s->span[i].n : left;
        v[(*n)++] = (ts_stretch){ s->span[i].begin, k };
        left -= k;
    }
    *out = v;
    return TS_OK;
}

static ts_status see(void *ctx, const ts_shown *s, const ts_tensor *t, bool is_gradient)
{
    ts_dump *d = ctx;
    char name[256];
    name_of(s, name, sizeof name);
    const int64_t width = t->rank == 1 ? 1 : ts_tensor_cols(t), rows = ts_tensor_count(t) / width;
    const bool adds = is_gradient && s->adds;
    const int64_t own = adds ? width : s->own;
    if (is_elsewhere(d, s) || !own || !is_in_scope(d, name))
        return TS_OK;
    const int64_t here = ts_stretches_count(&s->at), samples = (s->row0 + rows + here - 1) / here;
    ts_dump_piece p = { .name = name,
                        .kind = is_gradient ? TS_DUMP_OUTPUT_GRADIENT : TS_DUMP_OUTPUT,
                        .order = s->layer,
                        .whole = { d->global * s->length, s->cols },
                        .from = s->row0 * own,
                        .n = rows * own,
                        .adds = adds };
    float *v;
    TS_TRY(fetch(d, ts_tensor_data(t), t->dtype, rows * width, &v));
    for (int64_t r = 0; r < rows && own < width; r++)
        memmove(v + r * own, v + r * width, (size_t)own * sizeof *v);
    ts_status st = rows_of(s, samples, &p.span[0], &p.n_spans[0]);
    if (st == TS_OK)
        st = columns_of(s, own, &p.span[1], &p.n_spans[1]);
    if (st == TS_OK)
        st = put(d, &p, v);
    ts_free(&p.span[0]);
    ts_free(&p.span[1]);
    return st;
}

void ts_dump_begin(ts_dump *d, int64_t iteration, int64_t global, double scale)
{
    if (!d)
        return;
    d->is_step = has_number(d->steps, d->n_steps, iteration);
    d->is_on = d->is_step && d->is_ours;
    d->iteration = iteration;
    d->global = global;
    d->scale = scale;
    d->viewer = (ts_viewer){ see, d };
    d->n_values = d->n_tensors = 0;
    ts_str_reset(&d->lines);
}

const ts_viewer *ts_dump_viewer(const ts_dump *d)
{
    return d && d->is_on && d->o->dump_level != TS_DUMP_LEVEL_PARAMETERS ? &d->viewer : NULL;
}

/* ---- parameters ---- */

/* What is here of dimension k, in how many stretches. out NULL: they are counted alone. */
static size_t spans_of(const ts_place *place, int k, ts_stretch *out)
{
    const int64_t n = ts_place_local(place, k);
    size_t spans = 0;
    for (int64_t at = 0, run, whole; at < n; at += run, spans++) {
        run = ts_place_along(&place->dim[k], at, &whole);
        if (out)
            out[spans] = (ts_stretch){ whole, run };
    }
    return spans;
}

/* Rows of a stack: those of its matrices one below the other. *out [n] is the caller's. */
static ts_status param_rows(const ts_place *place, ts_stretch **out, size_t *n)
{
    const bool is_stack = place->rank > 2;
    const size_t each = spans_of(place, is_stack, NULL);
    const int64_t stack = is_stack ? ts_place_local(place, 0) : 1;
    TS_TRY(ts_alloc(out, each * (size_t)stack, sizeof **out));
    for (int64_t i = 0; i < stack; i++) {
        int64_t matrix = 0;
        ts_stretch *rows = *out + (size_t)i * each;
        if (is_stack)
            ts_place_along(&place->dim[0], i, &matrix);
        spans_of(place, is_stack, rows);
        for (size_t k = 0; k < each; k++)
            rows[k].begin += matrix * place->dim[1].whole * is_stack;
    }
    *n = each * (size_t)stack;
    return TS_OK;
}

/* What processes have alike one of them writes: the one that counts it for norms. */
static ts_status put_param(ts_dump *d, const ts_shard_piece *x, ts_dump_kind kind, const void *data,
                           ts_dtype t)
{
    ts_stretch *rows, cols[TS_PLACE_SPANS] = { { 0, 1 } };
    const ts_place *place = &x->p->place;
    const int64_t left = x->p->counted - x->at, n = left < x->n ? left : x->n;
    const bool is_matrix = place->rank > 1;
    const int last = place->rank - 1;
    const ts_place_dim *across = &place->dim[last];
    float *v;
    if (n <= 0 || x->p->is_elsewhere || !is_in_scope(d, x->p->name))
        return TS_OK;
    ts_dump_piece p = { .name = x->p->name,
                        .kind = kind,
                        .order = x->p->id,
                        .whole = { ts_place_whole_count(place) / (is_matrix ? across->whole : 1),
                                   is_matrix ? across->whole : 1 },
                        .from = x->at,
                        .n = n };
    TS_TRY(param_rows(place, &rows, &p.n_spans[0]));
    p.n_spans[1] = is_matrix ? spans_of(place, last, cols) : 1;
    p.span[0] = rows, p.span[1] = cols;
    ts_status st = fetch(d, data, t, n, &v);
    if (st == TS_OK)
        st = put(d, &p, v);
    ts_free(&rows);
    return st;
}

static bool writes_params(const ts_dump *d)
{
    return d && d->is_on && d->o->dump_level != TS_DUMP_LEVEL_MODULES;
}

/* Where parameters are not shared out all replicas have the same, and where groups share them out, all groups. */
static bool writes(const ts_dump *d, const ts_optimizer *z, const ts_param *p)
{
    const ts_comm *copies = ts_sharers_copies(d->sharers, p->is_expert);
    if (z->sharers)
        return !copies || copies->rank == 0;
    return ts_sharers_share(d->sharers, p->is_expert)->rank == 0;
}

/* One that is in few bits, read as a whole. */
static ts_status put_read(ts_dump *d, const ts_optimizer *z, const ts_shard_piece *x)
{
    ts_storage *read;
    TS_TRY(ts_storage_create(z->params->dev, TS_MEM_OTHER, (size_t)x->n * sizeof(float), &read));
    ts_main_grads_read(z->main, x, 0, x->n, read->data);
    const ts_status st = put_param(d, x, TS_DUMP_GRADIENT, read->data, TS_DTYPE_F32);
    ts_storage_release(&read);
    return st;
}

ts_status ts_dump_gradients(ts_dump *d, const ts_optimizer *z, const float *grads)
{
    const ts_shards *s = &z->params->shards;
    const ts_step_grads g = ts_optimizer_grads(z, grads);
    for (int64_t i = 0; writes_params(d) && i < s->n_pieces; i++)
        if (writes(d, z, s->piece[i].p))
            TS_TRY(z->main ? put_read(d, z, &s->piece[i])
                       : put_param(d, &s->piece[i], TS_DUMP_GRADIENT,
                                   ts_step_grads_at(&g, &s->piece[i], 0, s->piece[i].n), TS_DTYPE_F32));
    return TS_OK;
}

/* One whose master is in 8 bits. */
static ts_status put_coded(ts_dump *d, const ts_optimizer *z, const ts_shard_piece *x)
{
    ts_storage *read;
    TS_TRY(ts_storage_create(z->params->dev, TS_MEM_OTHER, (size_t)x->n * sizeof(float), &read));
    ts_shard_piece_decode(x, 0, x->n, TS_DTYPE_F32, read->data);
    const ts_status st = put_param(d, x, TS_DUMP_WEIGHT, read->data, TS_DTYPE_F32);
    ts_storage_release(&read);
    return st;
}

ts_status ts_dump_weights(ts_dump *d, const ts_optimizer *z)
{
    const ts_shards *s = &z->params->shards;
    for (int64_t i = 0; writes_params(d) && i < s->n_pieces; i++)
        if (writes(d, z, s->piece[i].p))
            TS_TRY(ts_shard_piece_codes(&s->piece[i])
                   ? put_coded(d, z, &s->piece[i])
                   : put_param(d, &s->piece[i], TS_DUMP_WEIGHT, ts_shard_piece_master(&s->piece[i]),
                               ts_shard_piece_type(&s->piece[i])));
    return TS_OK;
}

/* ---- files ---- */

static ts_status write_tensors(const ts_dump *d, const char *path)
{
    ts_st_writer *w;
    const float *v = d->values;
    char name[32];
    TS_TRY(ts_st_writer_create(path, &w));
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < d->n_tensors; i++) {
        snprintf(name, sizeof name, "%zu", i);
        st = ts_st_writer_add(w, name, TS_ST_F32, 1, &d->sizes[i]);
    }
    if (st == TS_OK)
        st = ts_st_writer_begin(w);
    for (size_t i = 0; st == TS_OK && i < d->n_tensors; v += d->sizes[i++])
        st = ts_st_writer_put(w, (int64_t)i, 0, v, (size_t)d->sizes[i] * sizeof *v);
    if (st == TS_OK)
        st = ts_st_writer_finish(w);
    ts_st_writer_destroy(&w);
    return st;
}

static ts_status write_files(const ts_dump *d, ts_str *path)
{
    const char *dir = d->o->dump_path;
    const int rank = d->mesh->world->rank, size = d->mesh->world->size;
    TS_TRY(ts_str_printf(path, "%s/iter_%07lld", dir, (long long)d->iteration));
    TS_TRY(ts_mkdirs(path->s));
    const size_t n = path->len;
    TS_TRY(ts_str_printf(path, "/rank_%05d-of-%05d.safetensors", rank, size));
    if (d->n_tensors)
        TS_TRY(write_tensors(d, path->s));
    path->len = n;
    TS_TRY(ts_str_printf(path, "/rank_%05d-of-%05d.jsonl", rank, size));
    return ts_file_write_atomic(path->s, ts_str_text(&d->lines), d->lines.len);
}

ts_status ts_dump_end(ts_dump *d)
{
    ts_str path = { 0 };
    if (!d || !d->is_step)
        return TS_OK;
    const ts_status st = d->is_on ? write_files(d, &path) : TS_OK;
    d->is_step = d->is_on = false;
    ts_str_deinit(&path);
    return ts_comm_agree(d->mesh->world, st);
}
