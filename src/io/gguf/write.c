#include "io/gguf/write.h"

#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ALIGNMENT = 32, VERSION = 3 };

/* ---- values ---- */

static ts_status put(ts_str *b, const void *v, size_t n) { return ts_str_add(b, v, n); }
static ts_status put32(ts_str *b, uint32_t v) { return put(b, &v, sizeof v); }
static ts_status put64(ts_str *b, uint64_t v) { return put(b, &v, sizeof v); }

static ts_status put_text(ts_str *b, const char *s, size_t n)
{
    TS_TRY(put64(b, n));
    return put(b, s, n);
}

void ts_gguf_keys_deinit(ts_gguf_keys *k)
{
    ts_str_deinit(&k->bytes);
    *k = (ts_gguf_keys){ 0 };
}

static ts_status add_key(ts_gguf_keys *k, const char *key, ts_gguf_kind kind)
{
    k->n++;
    TS_TRY(put_text(&k->bytes, key, strlen(key)));
    return put32(&k->bytes, kind);
}

ts_status ts_gguf_add_u32(ts_gguf_keys *k, const char *key, uint32_t v)
{
    TS_TRY(add_key(k, key, TS_GGUF_U32));
    return put32(&k->bytes, v);
}

ts_status ts_gguf_add_f32(ts_gguf_keys *k, const char *key, float v)
{
    TS_TRY(add_key(k, key, TS_GGUF_F32));
    return put(&k->bytes, &v, sizeof v);
}

ts_status ts_gguf_add_bool(ts_gguf_keys *k, const char *key, bool v)
{
    const char byte = v;
    TS_TRY(add_key(k, key, TS_GGUF_BOOL));
    return put(&k->bytes, &byte, 1);
}

ts_status ts_gguf_add_text(ts_gguf_keys *k, const char *key, const char *s, size_t n)
{
    TS_TRY(add_key(k, key, TS_GGUF_TEXT));
    return put_text(&k->bytes, s, n);
}

static ts_status add_head(ts_gguf_keys *k, const char *key, ts_gguf_kind of, int64_t n)
{
    TS_TRY(add_key(k, key, TS_GGUF_LIST));
    TS_TRY(put32(&k->bytes, of));
    return put64(&k->bytes, (uint64_t)n);
}

ts_status ts_gguf_add_list(ts_gguf_keys *k, const char *key, ts_gguf_kind of, const void *v, int64_t n)
{
    TS_ASSERT(of == TS_GGUF_F32 || of == TS_GGUF_I32 || of == TS_GGUF_U32, "%s: a list of kind %d", key, (int)of);
    TS_TRY(add_head(k, key, of, n));
    return put(&k->bytes, v, (size_t)n * 4);
}

ts_status ts_gguf_add_texts(ts_gguf_keys *k, const char *key, int64_t n) { return add_head(k, key, TS_GGUF_TEXT, n); }
ts_status ts_gguf_add_element(ts_gguf_keys *k, const char *s, size_t n) { return put_text(&k->bytes, s, n); }

/* ---- tensors ---- */

typedef struct item {
    char name[TS_GGUF_MAX_NAME + 1];
    const ts_block_type *type;
    int rank;
    int64_t shape[TS_GGUF_MAX_RANK];
    size_t size, begin; /* bytes; begin counts from the file's once it is begun, from the data's before */
} item;

struct ts_gguf_writer {
    const char *option;
    char *path;
    item *items;
    size_t n, cap;
    size_t total; /* bytes of data, with what is between tensors */
    size_t bytes;
    ts_output out;
    bool is_begun;
};

static size_t aligned(size_t n) { return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

ts_status ts_gguf_writer_create(const char *option, const char *path, ts_gguf_writer **out)
{
    ts_gguf_writer *w = NULL;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    w->option = option;
    const ts_status st = ts_strdup(path, &w->path);
    if (st != TS_OK)
        ts_gguf_writer_destroy(&w);
    else
        *out = w;
    return st;
}

ts_status ts_gguf_writer_add(ts_gguf_writer *w, const char *name, const ts_block_type *type, int rank, const int64_t *shape)
{
    item t = { .type = type, .rank = rank };
    size_t n = 1;
    TS_ASSERT(!w->is_begun && rank > 0 && rank <= TS_GGUF_MAX_RANK, "%s: tensor %s of rank %d", w->path, name, rank);
    TS_ASSERT(shape[rank - 1] % type->values == 0, "%s: rows of %lld elements in blocks of %d", name,
              (long long)shape[rank - 1], type->values);
    if (strlen(name) > TS_GGUF_MAX_NAME)
        return ts_error(TS_ERR_USER, "%s: tensor %s: GGUF files hold names of at most %d bytes", w->path, name, TS_GGUF_MAX_NAME);
    strcpy(t.name, name);
    for (int i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        if (!ts_mul_size(n, (size_t)shape[i], &n))
            return ts_error(TS_ERR_IO, "%s: tensor %s is too large", w->path, name);
    }
    t.begin = w->total;
    if (!ts_mul_size(n / (size_t)type->values, (size_t)type->bytes, &t.size) || !ts_add_size(w->total, aligned(t.size), &w->total))
        return ts_error(TS_ERR_IO, "%s: tensor %s is too large", w->path, name);
    TS_TRY(ts_grow(&w->items, &w->cap, w->n + 1, sizeof *w->items));
    w->items[w->n++] = t;
    return TS_OK;
}

static ts_status put_item(ts_str *b, const item *t)
{
    TS_TRY(put_text(b, t->name, strlen(t->name)));
    TS_TRY(put32(b, (uint32_t)t->rank));
    for (int i = t->rank - 1; i >= 0; i--)
        TS_TRY(put64(b, (uint64_t)t->shape[i]));
    TS_TRY(put32(b, ts_block_type_id(t->type)));
    return put64(b, t->begin);
}

static ts_status make_head(const ts_gguf_writer *w, const ts_gguf_keys *keys, ts_str *b)
{
    TS_TRY(ts_str_puts(b, "GGUF"));
    TS_TRY(put32(b, VERSION));
    TS_TRY(put64(b, w->n));
    TS_TRY(put64(b, (uint64_t)keys->n));
    TS_TRY(put(b, ts_str_text(&keys->bytes), keys->bytes.len));
    for (size_t i = 0; i < w->n; i++)
        TS_TRY(put_item(b, &w->items[i]));
    while (b->len % ALIGNMENT)
        TS_TRY(put(b, "", 1));
    return TS_OK;
}

ts_status ts_gguf_writer_error(const ts_gguf_writer *w, const char *doing)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return ts_error(TS_ERR_IO, "%s: no space left on device while %s (%zu bytes of tensors)", w->path, doing, w->total);
    return ts_output_error(&w->out, doing);
}

static bool put_at(const ts_gguf_writer *w, const void *data, size_t n, size_t at)
{
    const char *p = data;
    while (n) {
        const ssize_t k = pwrite(w->out.fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return false;
        p += k, at += (size_t)k, n -= (size_t)k;
    }
    return true;
}

/* The whole size at once: a full disk is found before the work, and what is between tensors is zeros. */
static ts_status book(ts_gguf_writer *w)
{
    if (fallocate(w->out.fd, 0, 0, (off_t)w->bytes) < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
        return ts_gguf_writer_error(w, "booking space");
    return ftruncate(w->out.fd, (off_t)w->bytes) < 0 ? ts_gguf_writer_error(w, "booking space") : TS_OK;
}

ts_status ts_gguf_writer_begin(ts_gguf_writer *w, const ts_gguf_keys *keys)
{
    ts_str head = { 0 };
    ts_status st = make_head(w, keys, &head);
    for (size_t i = 0; i < w->n; i++)
        w->items[i].begin += head.len;
    w->bytes = head.len + w->total;
    if (st == TS_OK)
        st = ts_output_open(&w->out, w->option, w->path, TS_OUTPUT_SEEK);
    w->is_begun = st == TS_OK;
    if (st == TS_OK)
        st = book(w);
    if (st == TS_OK && !put_at(w, head.s, head.len, 0))
        st = ts_gguf_writer_error(w, "writing");
    ts_str_deinit(&head);
    return st;
}

bool ts_gguf_writer_put(const ts_gguf_writer *w, int64_t i, size_t offset, const void *data, size_t n)
{
    const item *t = &w->items[i];
    TS_ASSERT(w->is_begun && (size_t)i < w->n && offset <= t->size && n <= t->size - offset, "%s: bytes [%zu, +%zu) of %zu",
              t->name, offset, n, t->size);
    return put_at(w, data, n, t->begin + offset);
}

size_t ts_gguf_writer_bytes(const ts_gguf_writer *w) { return w->bytes; }
ts_status ts_gguf_writer_finish(ts_gguf_writer *w) { return ts_output_finish(&w->out); }

void ts_gguf_writer_destroy(ts_gguf_writer **writer)
{
    ts_gguf_writer *w = *writer;
    if (!w)
        return;
    ts_output_abandon(&w->out);
    ts_free(&w->items);
    ts_free(&w->path);
    ts_free(writer);
}
