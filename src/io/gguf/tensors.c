#include "io/gguf/tensors.h"

#include "io/gguf/models.h"

#include <stdio.h>
#include <string.h>

enum { NAME = 128, MAX_TENSORS = 1000 * 1000, MAX_EXPERTS = 1 << 16 };

/* How a tensor's elements come about. */
typedef struct made {
    const ts_block_type *type;
    int64_t width;     /* of a row */
    ts_gguf_order order;
    int64_t columns;   /* of a matrix that stands turned there; 0: it does not */
    float added;       /* to every value */
} made;

struct ts_gguf_tensors {
    ts_gguf *file;
    ts_st_tensor *v;
    made *how;
    char (*names)[NAME];
    size_t n;
};

static void read_run(const made *m, const unsigned char *data, int64_t first, int64_t n, float *to)
{
    if (m->type->decode)
        ts_blocks_read(m->type, data, first, n, to);
    else /* a type that it knows: checked before */
        (void)ts_st_to_f32(m->type->plain, data + first * m->type->bytes, n, to);
    for (int64_t i = 0; m->added != 0 && i < n; i++)
        to[i] += m->added;
}

static void make(const ts_st_tensor *t, int64_t first, int64_t n, float *out)
{
    const made *m = t->made_of;
    for (int64_t i = 0; m->columns && i < n; i++) /* row (first + i) / columns is a column there */
        read_run(m, t->data, (first + i) % m->columns * m->width + (first + i) / m->columns, 1, out + i);
    if (m->columns)
        return;
    if (!ts_gguf_is_ordered(&m->order)) {
        read_run(m, t->data, first, n, out);
        return;
    }
    while (n > 0) {
        const int64_t row = first / m->width, skip = first % m->width;
        const int64_t now = m->width - skip < n ? m->width - skip : n;
        read_run(m, t->data, ts_gguf_row_in_file(&m->order, row) * m->width + skip, now, out);
        first += now;
        out += now;
        n -= now;
    }
}

/* ---- names ---- */

/* Hugging Face's name: the layer's number for '*', the expert's for '#'. */
static bool full_name(const ts_gguf_name *row, int64_t layer, int64_t expert, const char *end, char to[NAME])
{
    size_t at = 0;
    for (const char *s = row->hf; *s && at < NAME; s++) {
        if (*s == '*' || *s == '#')
            at += (size_t)snprintf(to + at, NAME - at, "%lld", (long long)(*s == '*' ? layer : expert));
        else
            to[at++] = *s;
    }
    return at < NAME && at + (size_t)snprintf(to + at, NAME - at, "%s", end) < NAME;
}

/* ---- one tensor ---- */

typedef struct context {
    ts_gguf_tensors *out;
    const ts_gguf_model *model;
    int64_t heads, kv_heads;
} context;

static ts_status wrong(const context *c, const ts_gguf_tensor *t, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: tensor %s: %s", ts_gguf_path(c->out->file), t->name, what);
}

static bool is_real(const ts_block_type *t)
{
    return t->decode || (t->is_plain && (t->plain == TS_ST_F32 || t->plain == TS_ST_F16 || t->plain == TS_ST_BF16 ||
                                         t->plain == TS_ST_F64));
}

/* Tensor `expert` of t, which is one of `of` (1: t itself), to the next place. */
static ts_status add_tensor(const context *c, const ts_gguf_tensor *t, const ts_gguf_name *row, int64_t layer,
                            const char *end, int64_t expert, int64_t of)
{
    ts_gguf_tensors *g = c->out;
    const int skip = row->part == TS_GGUF_PART_EXPERTS;
    const size_t i = g->n++;
    if (!full_name(row, layer, expert, end, g->names[i]))
        return wrong(c, t, "its name is too long");
    made m = { .type = t->type, .width = t->rank > 1 ? t->shape[t->rank - 1] : 1 };
    ts_st_tensor v = { .name = g->names[i], .path = ts_gguf_path(g->file), .made_of = &g->how[i], .rank = t->rank - skip, .elements = t->elements / of,
                       .size = t->size / (size_t)of, .dtype = t->type->is_plain ? t->type->plain : TS_ST_F32 };
    memcpy(v.shape, t->shape + skip, (size_t)v.rank * sizeof *v.shape);
    v.data = t->data + (size_t)expert * v.size;
    if (row->part == TS_GGUF_PART_LINE && v.rank == 1) {
        v.rank = 2;
        v.shape[1] = v.shape[0];
        v.shape[0] = 1;
    }
    if (!ts_gguf_order_of(c->model, row->part, c->heads, c->kv_heads, t->rank ? t->shape[0] : 1, &m.order))
        return wrong(c, t, "its rows are no heads, or not of an even number of rows");
    if (row->part == TS_GGUF_PART_TURNED && t->rank == 2) {
        m.columns = t->shape[0];
        v.shape[0] = t->shape[1];
        v.shape[1] = t->shape[0];
    }
    m.added = row->part == TS_GGUF_PART_NORM && !strcmp(end, ".weight") ? -c->model->norm_offset : 0;
    if (!m.type->is_plain || ts_gguf_is_ordered(&m.order) || m.columns || m.added != 0)
        v.make = make;
    g->v[i] = v;
    g->how[i] = m;
    return TS_OK;
}

/* Whether it can be taken, and *n: how many it becomes. */
static ts_status check(const context *c, const ts_gguf_tensor *t, int64_t *n)
{
    const char *end;
    int64_t layer;
    const ts_gguf_name *row = ts_gguf_name_of(c->model, t->name, &layer, &end);
    if (!row)
        return ts_error(TS_ERR_USER, "%s: tensor %s is not part of models of the architecture %s",
                        ts_gguf_path(c->out->file), t->name, c->model->arch);
    if (!is_real(t->type))
        return ts_error(TS_ERR_USER, "%s: tensor %s is of type %s, which weights are not read of",
                        ts_gguf_path(c->out->file), t->name, t->type->name);
    if (row->part == TS_GGUF_PART_EXPERTS && (t->rank != 3 || t->shape[0] > MAX_EXPERTS))
        return wrong(c, t, "expected three dimensions, a matrix for each of at most 65536 experts");
    *n = row->part == TS_GGUF_PART_EXPERTS ? t->shape[0] : row->part != TS_GGUF_PART_NONE;
    return TS_OK;
}

static ts_status take(const context *c, const ts_gguf_tensor *t)
{
    const char *end;
    int64_t layer, n;
    const ts_gguf_name *row = ts_gguf_name_of(c->model, t->name, &layer, &end);
    TS_TRY(check(c, t, &n));
    for (int64_t e = 0; e < n; e++)
        TS_TRY(add_tensor(c, t, row, layer, end, e, n));
    return TS_OK;
}

/* Room for what the file's tensors become. */
static ts_status reserve(const context *c)
{
    ts_gguf_tensors *g = c->out;
    size_t all = 0;
    for (int64_t i = 0; i < ts_gguf_count(g->file); i++) {
        int64_t n;
        TS_TRY(check(c, ts_gguf_at(g->file, i), &n));
        all += (size_t)n;
    }
    if (all > MAX_TENSORS)
        return ts_error(TS_ERR_USER, "%s: %zu tensors, at most %d are read", ts_gguf_path(g->file), all, MAX_TENSORS);
    TS_TRY(ts_alloc(&g->v, all, sizeof *g->v));
    TS_TRY(ts_alloc(&g->how, all, sizeof *g->how));
    return ts_alloc(&g->names, all, sizeof *g->names);
}

static ts_status take_all(ts_gguf_tensors *g)
{
    context c = { .out = g };
    char key[TS_GGUF_KEY_TEXT];
    TS_TRY(ts_gguf_model_of(g->file, &c.model));
    TS_TRY(ts_gguf_int(g->file, ts_gguf_arch_key(c.model, "attention.head_count", key), 1, 1, INT32_MAX, &c.heads));
    TS_TRY(ts_gguf_int(g->file, ts_gguf_arch_key(c.model, "attention.head_count_kv", key), c.heads, 1, INT32_MAX,
                       &c.kv_heads));
    TS_TRY(reserve(&c));
    for (int64_t i = 0; i < ts_gguf_count(g->file); i++)
        TS_TRY(take(&c, ts_gguf_at(g->file, i)));
    return TS_OK;
}

ts_status ts_gguf_tensors_open(const char *path, ts_gguf_tensors **out)
{
    ts_gguf_tensors *g = NULL;
    TS_TRY(ts_alloc(&g, 1, sizeof *g));
    ts_status st = ts_gguf_open(path, &g->file);
    if (st == TS_OK)
        st = take_all(g);
    if (st != TS_OK) {
        ts_gguf_tensors_close(&g);
        return st;
    }
    *out = g;
    return TS_OK;
}

void ts_gguf_tensors_close(ts_gguf_tensors **tensors)
{
    ts_gguf_tensors *g = *tensors;
    if (!g)
        return;
    ts_gguf_close(&g->file);
    ts_free(&g->v);
    ts_free(&g->how);
    ts_free(&g->names);
    ts_free(tensors);
}

void ts_gguf_tensors_is_done(const ts_gguf_tensors *g, const ts_st_tensor *t) { ts_gguf_is_done(g->file, t->data, t->size); }
int64_t ts_gguf_tensors_count(const ts_gguf_tensors *g) { return (int64_t)g->n; }

const ts_st_tensor *ts_gguf_tensors_at(const ts_gguf_tensors *g, int64_t i)
{
    TS_ASSERT(i >= 0 && (size_t)i < g->n, "tensor %lld of %zu", (long long)i, g->n);
    return &g->v[i];
}
