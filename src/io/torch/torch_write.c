#include "io/torch/torch_write.h"

#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ALIGN = 64, LOCAL = 30, HEADER = 46, NAME = 64, ZIP64 = 20 };

/* An entry of the zip: a tensor's bytes, or one of the small texts. */
typedef struct entry {
    char name[NAME];
    size_t size, header, data; /* places in the file */
    uint32_t crc;
    const char *text; /* NULL: a tensor */
} entry;

struct ts_torch_writer {
    char *path, *top; /* the folder in the zip: the file's name without its end */
    ts_str pickle;
    entry *e; /* data.pkl, byteorder, the tensors, version */
    size_t n, cap;
    ts_output out;
    bool is_open;
    size_t now, done, end; /* of putting: which entry, how much of it; where the directory begins */
};

static ts_status add_entry(ts_torch_writer *w, const char *name, const char *text, size_t size)
{
    TS_TRY(ts_grow(&w->e, &w->cap, w->n + 1, sizeof *w->e));
    entry *e = &w->e[w->n++];
    *e = (entry){ .text = text, .size = size };
    snprintf(e->name, sizeof e->name, "%s", name);
    return TS_OK;
}

ts_status ts_torch_writer_create(const char *path, ts_torch_writer **out)
{
    ts_torch_writer *w;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    ts_status st = ts_strdup(path, &w->path);
    if (st == TS_OK)
        st = ts_strndup(name, dot ? (size_t)(dot - name) : strlen(name), &w->top);
    if (st == TS_OK)
        st = add_entry(w, "data.pkl", "", 0);
    if (st == TS_OK)
        st = add_entry(w, "byteorder", "little", 6);
    if (st == TS_OK)
        st = ts_pickle_begin(&w->pickle);
    if (st == TS_OK)
        *out = w;
    else
        ts_torch_writer_destroy(&w);
    return st;
}

ts_str *ts_torch_writer_pickle(ts_torch_writer *w) { return &w->pickle; }

static const char *storage_of(ts_st_dtype t)
{
    switch (t) {
    case TS_ST_F32: return "FloatStorage";
    case TS_ST_BF16: return "BFloat16Storage";
    case TS_ST_F16: return "HalfStorage";
    case TS_ST_F64: return "DoubleStorage";
    case TS_ST_I64: return "LongStorage";
    case TS_ST_U8: return "ByteStorage";
    default: return NULL;
    }
}

/* torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
ts_status ts_torch_writer_add(ts_torch_writer *w, ts_st_dtype dtype, int rank, const int64_t *shape)
{
    ts_str *p = &w->pickle;
    char key[24], name[NAME];
    int64_t stride[TS_ST_MAX_RANK], n = 1;
    const char *storage = storage_of(dtype);
    TS_ASSERT(storage, "%s: tensors of type %s are not written", w->path, ts_st_dtype_name(dtype));
    for (int i = rank; i-- > 0; n *= shape[i])
        stride[i] = n;
    snprintf(key, sizeof key, "%zu", w->n - 2);
    snprintf(name, sizeof name, "data/%s", key);
    TS_TRY(add_entry(w, name, NULL, (size_t)n * (size_t)ts_st_dtype_bits(dtype) / 8));
    TS_TRY(ts_pickle_put_name(p, "torch._utils", "_rebuild_tensor_v2"));
    TS_TRY(ts_str_puts(p, "(("));
    TS_TRY(ts_pickle_put_text(p, "storage"));
    TS_TRY(ts_pickle_put_name(p, "torch", storage));
    TS_TRY(ts_pickle_put_text(p, key));
    TS_TRY(ts_pickle_put_text(p, "cpu"));
    TS_TRY(ts_pickle_put_int(p, n));
    TS_TRY(ts_str_puts(p, "tQ"));
    TS_TRY(ts_pickle_put_int(p, 0));
    TS_TRY(ts_pickle_put_ints(p, shape, rank));
    TS_TRY(ts_pickle_put_ints(p, stride, rank));
    TS_TRY(ts_pickle_put_bool(p, false));
    TS_TRY(ts_pickle_put_name(p, "collections", "OrderedDict"));
    return ts_str_puts(p, ")RtR");
}

/* ---- the zip ---- */

static void number(char *to, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (char)(v >> 8 * i);
}

static ts_status write_at(ts_torch_writer *w, const void *data, size_t n, size_t at)
{
    for (const char *p = data; n;) {
        const ssize_t k = pwrite(w->out.fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return ts_output_error(&w->out, "writing");
        p += k, at += (size_t)k, n -= (size_t)k;
    }
    return TS_OK;
}

static size_t name_length(const ts_torch_writer *w, const entry *e) { return strlen(w->top) + 1 + strlen(e->name); }
static bool is_large(const entry *e) { return e->size >= UINT32_MAX; }

/* Where everything goes; the data at multiples of 64, by an extra field that fills up. */
static void place(ts_torch_writer *w)
{
    size_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        entry *e = &w->e[i];
        e->header = at;
        at += LOCAL + name_length(w, e) + (is_large(e) ? ZIP64 : 0) + 4;
        at = (at + ALIGN - 1) / ALIGN * ALIGN;
        e->data = at;
        at += e->size;
    }
    w->end = at;
}

/* What the header in front of the data and the one in the directory have alike, from the version on: 26 bytes. */
static void common(const entry *e, size_t name, size_t extra, char to[26])
{
    memset(to, 0, 26);
    number(to, is_large(e) ? 45 : 20, 2);
    number(to + 2, 1 << 11, 2); /* names in UTF-8 */
    number(to + 8, 33, 2);      /* 1980-01-01 */
    number(to + 10, e->crc, 4);
    number(to + 14, is_large(e) ? UINT32_MAX : e->size, 4);
    number(to + 18, is_large(e) ? UINT32_MAX : e->size, 4);
    number(to + 22, name, 2);
    number(to + 24, extra, 2);
}

static ts_status write_local(ts_torch_writer *w, const entry *e)
{
    const size_t name = name_length(w, e), size = e->data - e->header;
    char *h;
    TS_TRY(ts_alloc(&h, size + 1, 1));
    number(h, 0x04034b50, 4);
    common(e, name, size - LOCAL - name, h + 4);
    snprintf(h + LOCAL, name + 1, "%s/%s", w->top, e->name);
    char *extra = h + LOCAL + name;
    if (is_large(e)) {
        number(extra, 1, 2);
        number(extra + 2, 16, 2);
        number(extra + 4, e->size, 8);
        number(extra + 12, e->size, 8);
        extra += ZIP64;
    }
    const size_t fill = (size_t)(h + size - extra) - 4;
    number(extra, 0x4246, 2); /* "FB", as torch has it */
    number(extra + 2, fill, 2);
    memset(extra + 4, 'Z', fill);
    const ts_status st = write_at(w, h, size, e->header);
    ts_free(&h);
    return st;
}

ts_status ts_torch_writer_begin(ts_torch_writer *w)
{
    TS_TRY(ts_pickle_end(&w->pickle));
    w->e[0].text = w->pickle.s;
    w->e[0].size = w->pickle.len;
    TS_TRY(add_entry(w, "version", "3\n", 2));
    place(w);
    TS_TRY(ts_output_open(&w->out, NULL, w->path, TS_OUTPUT_SEEK));
    w->is_open = true;
    if (fallocate(w->out.fd, 0, 0, (off_t)w->end) < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
        return ts_output_error(&w->out, "booking space");
    for (size_t i = 0; i < w->n; i++) {
        entry *e = &w->e[i];
        if (!e->text)
            continue;
        e->crc = libdeflate_crc32(0, e->text, e->size);
        TS_TRY(write_at(w, e->text, e->size, e->data));
    }
    w->now = 2;
    return TS_OK;
}

ts_status ts_torch_writer_put(ts_torch_writer *w, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        TS_ASSERT(w->now + 1 < w->n, "%s: more bytes than its tensors have", w->path);
        entry *e = &w->e[w->now];
        const size_t k = e->size - w->done < n ? e->size - w->done : n;
        TS_TRY(write_at(w, p, k, e->data + w->done));
        /* on its way to the disk while the next is made; where that cannot be, finishing waits for all */
        (void)sync_file_range(w->out.fd, (off_t)(e->data + w->done), (off_t)k, SYNC_FILE_RANGE_WRITE);
        e->crc = libdeflate_crc32(e->crc, p, k);
        p += k, n -= k, w->done += k;
        if (w->done == e->size)
            w->now++, w->done = 0;
    }
    return TS_OK;
}

static ts_status add_directory(const ts_torch_writer *w, ts_str *d)
{
    for (size_t i = 0; i < w->n; i++) {
        const entry *e = &w->e[i];
        const bool is_far = e->header >= UINT32_MAX;
        char h[HEADER] = { 0 }, extra[4 + 24];
        int more = 0;
        if (is_large(e)) {
            number(extra + 4, e->size, 8);
            number(extra + 12, e->size, 8);
            more = 16;
        }
        if (is_far) {
            number(extra + 4 + more, e->header, 8);
            more += 8;
        }
        number(extra, 1, 2);
        number(extra + 2, (uint64_t)more, 2);
        number(h, 0x02014b50, 4);
        number(h + 4, 45, 2);
        common(e, name_length(w, e), more ? 4 + (size_t)more : 0, h + 6);
        number(h + 42, is_far ? UINT32_MAX : e->header, 4);
        TS_TRY(ts_str_add(d, h, sizeof h));
        TS_TRY(ts_str_printf(d, "%s/%s", w->top, e->name));
        TS_TRY(ts_str_add(d, extra, more ? 4 + (size_t)more : 0));
    }
    return TS_OK;
}

/* The directory's end, with the second record that holds large numbers. */
static ts_status add_end(const ts_torch_writer *w, ts_str *d)
{
    char e64[56] = { 0 }, locator[20] = { 0 }, end[22] = { 0 };
    const size_t size = d->len, n = w->n;
    number(e64, 0x06064b50, 4);
    number(e64 + 4, 44, 8);
    number(e64 + 12, 45, 2);
    number(e64 + 14, 45, 2);
    number(e64 + 24, n, 8);
    number(e64 + 32, n, 8);
    number(e64 + 40, size, 8);
    number(e64 + 48, w->end, 8);
    number(locator, 0x07064b50, 4);
    number(locator + 8, w->end + size, 8);
    number(locator + 16, 1, 4);
    number(end, 0x06054b50, 4);
    number(end + 8, n < 0xffff ? n : 0xffff, 2);
    number(end + 10, n < 0xffff ? n : 0xffff, 2);
    number(end + 12, size < UINT32_MAX ? size : UINT32_MAX, 4);
    number(end + 16, w->end < UINT32_MAX ? w->end : UINT32_MAX, 4);
    TS_TRY(ts_str_add(d, e64, sizeof e64));
    TS_TRY(ts_str_add(d, locator, sizeof locator));
    return ts_str_add(d, end, sizeof end);
}

ts_status ts_torch_writer_finish(ts_torch_writer *w)
{
    ts_str d = { 0 };
    while (w->now + 1 < w->n && !w->e[w->now].size)
        w->now++;
    TS_ASSERT(w->now + 1 == w->n && !w->done, "%s: bytes of tensors are missing", w->path);
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < w->n; i++)
        st = write_local(w, &w->e[i]);
    if (st == TS_OK)
        st = add_directory(w, &d);
    if (st == TS_OK)
        st = add_end(w, &d);
    if (st == TS_OK)
        st = write_at(w, d.s, d.len, w->end);
    ts_str_deinit(&d);
    return st == TS_OK ? ts_output_finish(&w->out) : st;
}

void ts_torch_writer_destroy(ts_torch_writer **writer)
{
    ts_torch_writer *w = *writer;
    if (!w)
        return;
    if (w->is_open)
        ts_output_abandon(&w->out);
    ts_str_deinit(&w->pickle);
    ts_free(&w->e);
    ts_free(&w->path);
    ts_free(&w->top);
    ts_free(writer);
}
