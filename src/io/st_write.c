#include "io/st_write.h"

#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct item {
    char *name;
    ts_st_dtype dtype;
    int rank;
    int64_t shape[TS_ST_MAX_RANK];
    /* bytes; begin counts from the start of the file once the header is written */
    size_t size, begin;
    size_t done;        /* bytes put so far */
} item;

struct ts_st_writer {
    char *path;
    ts_str metadata; /* the inside of __metadata__'s braces */
    item *items;     /* in the order of adding */
    size_t n, cap;
    size_t total; /* bytes of data */
    ts_output out;
    bool is_begun;
    ts_status (*watch)(void *ctx, size_t at, const void *data, size_t n); /* NULL: nobody watches */
    void *watch_ctx;
};

static ts_status io_error(const ts_st_writer *w, const char *doing)
{
    const int e = errno;
    if (e == ENOSPC || e == EDQUOT)
        return ts_error(TS_ERR_IO, "%s: no space left on device while %s (%zu bytes of tensors)",
                        w->path, doing, w->total);
    return ts_error(TS_ERR_IO, "%s: %s failed: %s", w->path, doing, strerror(e));
}

ts_status ts_st_writer_create(const char *path, ts_st_writer **out)
{
    ts_st_writer *w = NULL;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    ts_status st = ts_strdup(path, &w->path);
    if (st == TS_OK)
        st = ts_str_puts(&w->metadata, "\"format\":\"pt\"");
    if (st != TS_OK) {
        ts_st_writer_destroy(&w);
        return st;
    }
    *out = w;
    return TS_OK;
}

ts_status ts_st_writer_metadata(ts_st_writer *w, const char *key, const char *value)
{
    TS_TRY(ts_str_puts(&w->metadata, ","));
    TS_TRY(ts_str_json(&w->metadata, key, strlen(key)));
    TS_TRY(ts_str_puts(&w->metadata, ":"));
    return ts_str_json(&w->metadata, value, strlen(value));
}

ts_status ts_st_writer_add(ts_st_writer *w, const char *name, ts_st_dtype dtype, int rank,
                           const int64_t *shape)
{
    TS_ASSERT(!w->is_begun && rank >= 0 && rank <= TS_ST_MAX_RANK, "%s: tensor %s of rank %d",
              w->path, name, rank);
    item t = { .dtype = dtype, .rank = rank };
    size_t n = 1, bits;
    for (int i = 0; i < rank; i++) {
        TS_ASSERT(shape[i] >= 0, "%s: dimension %d is %lld", name, i, (long long)shape[i]);
        t.shape[i] = shape[i];
        if (!ts_mul_size(n, (size_t)shape[i], &n))
            return ts_error(TS_ERR_IO, "%s: tensor %s is too large", w->path, name);
    }
    if (!ts_mul_size(n, (size_t)ts_st_dtype_bits(dtype), &bits))
        return ts_error(TS_ERR_IO, "%s: tensor %s is too large", w->path, name);
    TS_ASSERT(bits % 8 == 0, "%s does not fill whole bytes", name);
    t.size = bits / 8;
    if (!ts_add_size(w->total, t.size, &w->total))
        return ts_error(TS_ERR_IO, "%s: tensor %s is too large", w->path, name);
    TS_TRY(ts_grow(&w->items, &w->cap, w->n + 1, sizeof *w->items));
    TS_TRY(ts_strdup(name, &t.name));
    w->items[w->n++] = t;
    return TS_OK;
}

/* The order of the format's library: widest type first, then by name. */
static int by_layout(const void *a, const void *b)
{
    const item *x = *(item *const *)a, *y = *(item *const *)b;
    return x->dtype != y->dtype ? (int)y->dtype - (int)x->dtype : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(item *const *)a)->name, (*(item *const *)b)->name);
}

static ts_status put_entry(ts_str *h, const item *t, size_t begin)
{
    TS_TRY(ts_str_puts(h, ","));
    TS_TRY(ts_str_json(h, t->name, strlen(t->name)));
    TS_TRY(ts_str_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", ts_st_dtype_name(t->dtype)));
    for (int i = 0; i < t->rank; i++)
        TS_TRY(ts_str_printf(h, "%s%lld", i ? "," : "", (long long)t->shape[i]));
    return ts_str_printf(h, "],\"data_offsets\":[%zu,%zu]}", begin, begin + t->size);
}

/* The header with its length in front; sets every item's begin. */
static ts_status make_header(ts_st_writer *w, item **order, ts_str *h)
{
    size_t at = 0;
    qsort(order, w->n, sizeof *order, by_name);
    for (size_t i = 1; i < w->n; i++)
        TS_ASSERT(strcmp(order[i - 1]->name, order[i]->name), "%s: tensor %s is written twice",
                  w->path, order[i]->name);
    qsort(order, w->n, sizeof *order, by_layout);
    TS_TRY(ts_str_printf(h, "........{\"__metadata__\":{%s}", w->metadata.s));
    for (size_t i = 0; i < w->n; i++) {
        order[i]->begin = at;
        TS_TRY(put_entry(h, order[i], at));
        at += order[i]->size;
    }
    TS_TRY(ts_str_puts(h, "}"));
    while (h->len % 8)
        TS_TRY(ts_str_puts(h, " "));
    const uint64_t n = h->len - 8;
    for (int i = 0; i < 8; i++)
        h->s[i] = (char)(n >> 8 * i);
    for (size_t i = 0; i < w->n; i++)
        order[i]->begin += h->len;
    return TS_OK;
}

void ts_st_writer_watch(ts_st_writer *w,
                        ts_status (*fn)(void *ctx, size_t at, const void *data, size_t n),
                        void *ctx)
{
    TS_ASSERT(!w->is_begun, "%s: watched too late", w->path);
    w->watch = fn;
    w->watch_ctx = ctx;
}

static ts_status put_bytes(ts_st_writer *w, const void *data, size_t n, size_t at)
{
    const char *p = data;
    if (w->watch)
        TS_TRY(w->watch(w->watch_ctx, at, data, n));
    while (n) {
        const ssize_t k = pwrite(w->out.fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return io_error(w, "writing");
        p += k, at += (size_t)k, n -= (size_t)k;
    }
    return TS_OK;
}

ts_status ts_st_writer_begin(ts_st_writer *w)
{
    ts_str h = { 0 };
    item **order = NULL;
    ts_status st = ts_alloc(&order, w->n, sizeof *order);
    for (size_t i = 0; st == TS_OK && i < w->n; i++)
        order[i] = &w->items[i];
    if (st == TS_OK)
        st = make_header(w, order, &h);
    ts_free(&order);
    if (st == TS_OK)
        st = ts_output_open(&w->out, NULL, w->path, TS_OUTPUT_SEEK);
    w->is_begun = st == TS_OK;
    /* Booking the space finds a full disk before the work; where it cannot be done, writing will
     * tell. */
    if (st == TS_OK && fallocate(w->out.fd, 0, 0, (off_t)(h.len + w->total)) < 0 &&
        (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
        st = io_error(w, "booking space");
    if (st == TS_OK)
        st = put_bytes(w, h.s, h.len, 0);
    ts_str_deinit(&h);
    return st;
}

ts_status ts_st_writer_put(ts_st_writer *w, int64_t i, size_t offset, const void *data, size_t n)
{
    TS_ASSERT(w->is_begun && i >= 0 && (size_t)i < w->n, "%s: tensor %lld of %zu", w->path,
              (long long)i, w->n);
    item *t = &w->items[i];
    TS_ASSERT(offset <= t->size && n <= t->size - offset, "%s: bytes [%zu, +%zu) of %zu", t->name,
              offset, n, t->size);
    TS_TRY(put_bytes(w, data, n, t->begin + offset));
    t->done += n;
    return TS_OK;
}

ts_status ts_st_writer_finish(ts_st_writer *w)
{
    for (size_t i = 0; i < w->n; i++)
        TS_ASSERT(w->items[i].done == w->items[i].size, "%s: tensor %s has %zu of %zu bytes",
                  w->path, w->items[i].name, w->items[i].done, w->items[i].size);
    return ts_output_finish(&w->out);
}

void ts_st_writer_destroy(ts_st_writer **writer)
{
    ts_st_writer *w = *writer;
    if (!w)
        return;
    ts_output_abandon(&w->out);
    for (size_t i = 0; i < w->n; i++)
        ts_free(&w->items[i].name);
    ts_free(&w->items);
    ts_str_deinit(&w->metadata);
    ts_free(&w->path);
    ts_free(writer);
}
