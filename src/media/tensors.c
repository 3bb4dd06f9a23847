#include "media/tensors.h"

#include "base/str.h"

#include <string.h>

void ts_media_tensors_deinit(ts_media_tensors *t)
{
    for (size_t i = 0; i < t->n; i++) {
        ts_free(&t->v[i].name);
        ts_free(&t->v[i].data);
    }
    ts_free(&t->v);
    *t = (ts_media_tensors){ 0 };
}

static size_t find(const ts_media_tensors *t, const char *name)
{
    size_t i = 0;
    while (i < t->n && strcmp(t->v[i].name, name) != 0)
        i++;
    return i;
}

const ts_media_tensor *ts_media_tensors_find(const ts_media_tensors *t, const char *name)
{
    const size_t i = find(t, name);
    return i < t->n ? &t->v[i] : NULL;
}

int64_t ts_media_tensor_elements(const ts_media_tensor *t)
{
    int64_t n = 1;
    for (int d = 0; d < t->rank; d++)
        n *= t->shape[d];
    return n;
}

static size_t row_bytes(const ts_media_tensor *t)
{
    size_t n = (size_t)ts_st_dtype_bits(t->dtype) / 8;
    for (int d = 1; d < t->rank; d++)
        n *= (size_t)t->shape[d];
    return n;
}

ts_status ts_media_tensors_of(ts_media_tensors *t, const char *name, ts_st_dtype dtype, int rank, const int64_t *inner,
                              ts_media_tensor **out)
{
    TS_ASSERT(rank >= 1 && rank <= TS_MEDIA_RANK, "rank %d", rank);
    const size_t i = find(t, name);
    if (i == t->n) {
        TS_TRY(ts_grow(&t->v, &t->cap, t->n + 1, sizeof *t->v));
        ts_media_tensor v = { .dtype = dtype, .rank = rank };
        for (int d = 1; d < rank; d++)
            v.shape[d] = inner[d - 1];
        TS_TRY(ts_strdup(name, &v.name));
        t->v[t->n++] = v;
    }
    const ts_media_tensor *v = &t->v[i];
    bool fits = v->dtype == dtype && v->rank == rank;
    for (int d = 1; fits && d < rank; d++)
        fits = v->shape[d] == inner[d - 1];
    if (!fits)
        return ts_error(TS_ERR_USER, "%s: the media of a sample give arrays of several shapes, which cannot stand in one",
                        name);
    *out = &t->v[i];
    return TS_OK;
}

ts_status ts_media_tensor_rows(ts_media_tensor *t, int64_t n, void *rows)
{
    const size_t row = row_bytes(t), before = row * (size_t)t->shape[0];
    size_t more, need;
    if (!ts_mul_size(row, (size_t)n, &more) || !ts_add_size(before, more, &need))
        return ts_error(TS_ERR_NOMEM, "%s: too large", t->name);
    if (t->data)
        TS_TRY(ts_grow(&t->data, &t->cap, need, 1));
    else { /* the only ones, as a rule: no more than they need */
        TS_TRY(ts_alloc(&t->data, need, 1));
        t->cap = need;
    }
    t->shape[0] += n;
    void *first = t->data ? (char *)t->data + before : NULL;
    memcpy(rows, &first, sizeof first);
    return TS_OK;
}

static ts_status name_all(const ts_media_tensors *t, size_t n, bool numbered, ts_str *name, ts_st_writer *w)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < t[k].n; i++) {
            const ts_media_tensor *v = &t[k].v[i];
            ts_str_reset(name);
            if (numbered)
                TS_TRY(ts_str_printf(name, "%zu.", k));
            TS_TRY(ts_str_puts(name, v->name));
            TS_TRY(ts_st_writer_add(w, name->s, v->dtype, v->rank, v->shape));
        }
    return ts_st_writer_begin(w);
}

static ts_status put_all(const ts_media_tensors *t, size_t n, ts_st_writer *w)
{
    int64_t at = 0;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < t[k].n; i++) {
            const ts_media_tensor *v = &t[k].v[i];
            TS_TRY(ts_st_writer_put(w, at++, 0, v->data, row_bytes(v) * (size_t)v->shape[0]));
        }
    return ts_st_writer_finish(w);
}

ts_status ts_media_tensors_write(const ts_media_tensors *t, size_t n, bool numbered, const char *path)
{
    ts_st_writer *w = NULL;
    ts_str name = { 0 };
    TS_TRY(ts_st_writer_create(path, &w));
    ts_status st = name_all(t, n, numbered, &name, w);
    if (st == TS_OK)
        st = put_all(t, n, w);
    ts_str_deinit(&name);
    ts_st_writer_destroy(&w);
    return st;
}
