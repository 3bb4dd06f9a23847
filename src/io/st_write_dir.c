#include "io/st_write.h"

#include "base/file.h"
#include "base/output.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    char *name;
    ts_st_dtype dtype;
    int rank;
    int64_t shape[TS_ST_MAX_RANK];
    size_t size, elements;
    int64_t shard, number; /* which file; which tensor of that file */
} entry;

typedef struct shard {
    ts_st_writer *writer;
    size_t left; /* bytes not yet put */
    int64_t n;   /* tensors */
    bool is_begun, is_finished;
} shard;

struct ts_st_dir_writer {
    char *dir, *stem;
    size_t max_bytes;
    entry *entries;
    size_t n, cap;
    shard *shards;
    size_t n_shards, cap_shards;
};

ts_status ts_st_dir_writer_create(const char *dir, const char *stem, size_t max_shard_bytes,
                                  ts_st_dir_writer **out)
{
    ts_st_dir_writer *w = NULL;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    w->max_bytes = max_shard_bytes ? max_shard_bytes : SIZE_MAX;
    ts_status st = ts_strdup(dir, &w->dir);
    if (st == TS_OK)
        st = ts_strdup(stem ? stem : "model", &w->stem);
    if (st != TS_OK) {
        ts_st_dir_writer_destroy(&w);
        return st;
    }
    *out = w;
    return TS_OK;
}

ts_status ts_st_dir_writer_add(ts_st_dir_writer *w, const char *name, ts_st_dtype dtype, int rank,
                               const int64_t *shape)
{
    TS_ASSERT(rank >= 0 && rank <= TS_ST_MAX_RANK, "tensor %s of rank %d", name, rank);
    entry e = { .dtype = dtype, .rank = rank, .elements = 1 };
    size_t bits;
    for (int i = 0; i < rank; i++) {
        TS_ASSERT(shape[i] >= 0, "%s: dimension %d is %lld", name, i, (long long)shape[i]);
        e.shape[i] = shape[i];
        if (!ts_mul_size(e.elements, (size_t)shape[i], &e.elements))
            return ts_error(TS_ERR_IO, "%s: tensor %s is too large", w->dir, name);
    }
    if (!ts_mul_size(e.elements, (size_t)ts_st_dtype_bits(dtype), &bits))
        return ts_error(TS_ERR_IO, "%s: tensor %s is too large", w->dir, name);
    e.size = bits / 8;
    TS_TRY(ts_grow(&w->entries, &w->cap, w->n + 1, sizeof *w->entries));
    TS_TRY(ts_strdup(name, &e.name));
    w->entries[w->n++] = e;
    return TS_OK;
}

static ts_status new_shard(ts_st_dir_writer *w)
{
    TS_TRY(ts_grow(&w->shards, &w->cap_shards, w->n_shards + 1, sizeof *w->shards));
    w->n_shards++;
    return TS_OK;
}

/* As transformers cuts: tensors in turn into an open shard until one does not fit; a tensor above
 * the limit gets a shard of its own and leaves the open one open. Shards are numbered as they are
 * closed. */
static ts_status cut(ts_st_dir_writer *w)
{
    size_t first = 0, open_bytes = 0; /* entries from `first` with shard -1 are in the open shard */
    bool is_open = false;
    for (size_t i = 0; i <= w->n; i++) {
        entry *e = i < w->n ? &w->entries[i] : NULL;
        if (e && e->size > w->max_bytes) {
            e->shard = (int64_t)w->n_shards;
            TS_TRY(new_shard(w));
            continue;
        }
        if (is_open && (!e || e->size > w->max_bytes - open_bytes)) {
            for (size_t j = first; j < i; j++)
                if (w->entries[j].shard < 0)
                    w->entries[j].shard = (int64_t)w->n_shards;
            TS_TRY(new_shard(w));
            first = i, open_bytes = 0;
        }
        if (e) {
            e->shard = -1;
            open_bytes += e->size;
            is_open = true;
        }
    }
    return w->n_shards ? TS_OK : new_shard(w); /* no tensors: one empty file */
}

static ts_status shard_name(const ts_st_dir_writer *w, int64_t i, ts_str *out)
{
    ts_str_reset(out);
    if (w->n_shards == 1)
        return ts_str_printf(out, "%s.safetensors", w->stem);
    return ts_str_printf(out, "%s-%05lld-of-%05zu.safetensors", w->stem, (long long)i + 1,
                         w->n_shards);
}

ts_status ts_st_dir_writer_begin(ts_st_dir_writer *w)
{
    ts_str name = { 0 }, path = { 0 };
    ts_status st = cut(w);
    for (size_t i = 0; st == TS_OK && i < w->n_shards; i++) {
        st = shard_name(w, (int64_t)i, &name);
        if (st == TS_OK)
            st = ts_path_join(&path, w->dir, name.s);
        if (st == TS_OK)
            st = ts_st_writer_create(path.s, &w->shards[i].writer);
    }
    for (size_t i = 0; st == TS_OK && i < w->n; i++) {
        entry *e = &w->entries[i];
        shard *s = &w->shards[e->shard];
        e->number = s->n++;
        s->left += e->size;
        st = ts_st_writer_add(s->writer, e->name, e->dtype, e->rank, e->shape);
    }
    ts_str_deinit(&name);
    ts_str_deinit(&path);
    return st;
}

int64_t ts_st_dir_writer_shards(const ts_st_dir_writer *w) { return (int64_t)w->n_shards; }

int64_t ts_st_dir_writer_shard_of(const ts_st_dir_writer *w, int64_t i)
{
    TS_ASSERT(i >= 0 && (size_t)i < w->n && w->n_shards, "tensor %lld of %zu", (long long)i, w->n);
    return w->entries[i].shard;
}

static ts_status begin_shard(shard *s)
{
    if (s->is_begun)
        return TS_OK;
    s->is_begun = true;
    return ts_st_writer_begin(s->writer);
}

ts_status ts_st_dir_writer_put(ts_st_dir_writer *w, int64_t i, size_t offset, const void *data,
                               size_t n)
{
    TS_ASSERT(i >= 0 && (size_t)i < w->n && w->n_shards, "tensor %lld of %zu", (long long)i, w->n);
    shard *s = &w->shards[w->entries[i].shard];
    TS_TRY(begin_shard(s));
    TS_TRY(ts_st_writer_put(s->writer, w->entries[i].number, offset, data, n));
    s->left -= n;
    if (s->left || s->is_finished)
        return TS_OK;
    s->is_finished = true;
    return ts_st_writer_finish(s->writer);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(entry *const *)a)->name, (*(entry *const *)b)->name);
}

static ts_status index_text(const ts_st_dir_writer *w, entry **order, ts_str *out)
{
    size_t elements = 0, bytes = 0;
    ts_str name = { 0 };
    for (size_t i = 0; i < w->n; i++)
        elements += w->entries[i].elements, bytes += w->entries[i].size;
    ts_status st = ts_str_printf(out,
                                 "{\n  \"metadata\": {\n    \"total_parameters\": %zu,\n"
                                 "    \"total_size\": %zu\n  },\n  \"weight_map\": {",
                                 elements, bytes);
    for (size_t i = 0; st == TS_OK && i < w->n; i++) {
        if (i)
            st = ts_str_puts(out, ",");
        if (st == TS_OK)
            st = ts_str_puts(out, "\n    ");
        if (st == TS_OK)
            st = ts_str_json(out, order[i]->name, strlen(order[i]->name));
        if (st == TS_OK)
            st = shard_name(w, order[i]->shard, &name);
        if (st == TS_OK)
            st = ts_str_printf(out, ": \"%s\"", name.s);
    }
    ts_str_deinit(&name);
    return st == TS_OK ? ts_str_puts(out, "\n  }\n}\n") : st;
}

static ts_status write_index(const ts_st_dir_writer *w)
{
    ts_str text = { 0 }, path = { 0 };
    entry **order = NULL;
    ts_status st = ts_alloc(&order, w->n, sizeof *order);
    if (st == TS_OK) {
        for (size_t i = 0; i < w->n; i++)
            order[i] = &w->entries[i];
        qsort(order, w->n, sizeof *order, by_name);
        st = index_text(w, order, &text);
    }
    if (st == TS_OK)
        st = ts_str_printf(&path, "%s/%s.safetensors.index.json", w->dir, w->stem);
    if (st == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    ts_free(&order);
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_st_dir_writer_finish(ts_st_dir_writer *w)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        shard *s = &w->shards[i];
        if (s->is_finished)
            continue;
        TS_TRY(begin_shard(s)); /* one without bytes: nothing, or empty tensors only */
        s->is_finished = true;
        TS_TRY(ts_st_writer_finish(s->writer));
    }
    return w->n_shards > 1 ? write_index(w) : TS_OK;
}

void ts_st_dir_writer_destroy(ts_st_dir_writer **writer)
{
    ts_st_dir_writer *w = *writer;
    if (!w)
        return;
    for (size_t i = 0; i < w->n_shards; i++)
        ts_st_writer_destroy(&w->shards[i].writer);
    for (size_t i = 0; i < w->n; i++)
        ts_free(&w->entries[i].name);
    ts_free(&w->entries);
    ts_free(&w->shards);
    ts_free(&w->dir);
    ts_free(&w->stem);
    ts_free(writer);
}
