#include "ckpt/write.h"

#include "base/file.h"
#include "ckpt/manifest.h"
#include "io/st_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Bytes handed to the system at once: they are still in the cache after the checksum was taken. */
enum { PIECE = 1 << 20 };

static ts_status watch(void *ctx, size_t at, const void *data, size_t n)
{
    ckpt_sums *s = ctx;
    TS_ASSERT(at == s->size, "written at %zu, expected %zu", at, s->size);
    return ckpt_sums_add(s, data, n);
}

/* One tensor, piece by piece; buffer [PIECE]: where pieces are fetched to, NULL: they are here. */
static ts_status put_tensor(const ts_ckpt_options *o, const char *data, size_t size, int64_t i,
                            char *buffer, ts_st_writer *w)
{
    for (size_t at = 0; at < size; at += PIECE) {
        const size_t n = size - at < PIECE ? size - at : PIECE;
        if (buffer)
            TS_TRY(o->fetch(o->fetch_ctx, buffer, data + at, n));
        TS_TRY(ts_st_writer_put(w, i, at, buffer ? buffer : data + at, n));
    }
    return TS_OK;
}

static ts_status put_tensors(const ckpt_plan *p, const ckpt_shard *s, const ts_ckpt_options *o,
                             ts_st_writer *w)
{
    char *buffer = NULL;
    for (int64_t i = 0; i < s->n; i++) {
        const ts_ckpt_tensor *t = &p->tensors[s->first + i];
        TS_TRY(ts_st_writer_add(w, t->name, t->dtype, t->rank, t->shape));
    }
    TS_TRY(ts_st_writer_begin(w));
    if (o->fetch && !s->is_staged)
        TS_TRY(ts_alloc(&buffer, PIECE, 1));
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && i < s->n; i++)
        st = put_tensor(o, p->tensors[s->first + i].data, p->sizes[s->first + i], i,
                        p->tensors[s->first + i].on_host ? NULL : buffer, w);
    ts_free(&buffer);
    return st == TS_OK ? ts_st_writer_finish(w) : st;
}

ts_status ckpt_write_shard(const ckpt_plan *p, const ckpt_shard *s, const ts_ckpt_options *o,
                           const char *folder, ts_str *entries)
{
    ts_str path = { 0 };
    ckpt_sums sums = { 0 };
    ts_st_writer *w = NULL;
    ts_status st = ts_path_join(&path, folder, s->name);
    if (st == TS_OK)
        st = ts_st_writer_create(path.s, &w);
    if (st == TS_OK) {
        ts_st_writer_watch(w, watch, &sums);
        st = put_tensors(p, s, o, w);
    }
    if (st == TS_OK)
        st = ckpt_sums_finish(&sums);
    if (st == TS_OK)
        st = ckpt_manifest_entry(entries, s->name, &sums);
    ts_st_writer_destroy(&w);
    ts_str_deinit(&sums.hex);
    ts_str_deinit(&path);
    return st;
}

static ts_status io_error(const char *path, const char *doing)
{
    const int e = errno;
    if (e == ENOSPC || e == EDQUOT)
        return ts_error(TS_ERR_IO, "%s: no space left on device while %s", path, doing);
    return ts_error(TS_ERR_IO, "%s: %s failed: %s", path, doing, strerror(e));
}

static ts_status put_text(const char *path, const char *text, size_t n)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return io_error(path, "making the file");
    ts_status st = TS_OK;
    while (st == TS_OK && n) {
        const ssize_t k = write(fd, text, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            st = io_error(path, "writing");
        else
            text += k, n -= (size_t)k;
    }
    if (st == TS_OK && fsync(fd) < 0)
        st = io_error(path, "flushing");
    if (close(fd) < 0 && st == TS_OK)
        st = io_error(path, "closing");
    return st;
}

ts_status ckpt_write_file(const char *folder, const char *name, const char *text, size_t n,
                          ts_str *entries)
{
    ts_str path = { 0 };
    ckpt_sums sums = { 0 };
    ts_status st = ts_path_join(&path, folder, name);
    if (st == TS_OK)
        st = put_text(path.s, text, n);
    if (st == TS_OK && entries) {
        st = ckpt_sums_add(&sums, text, n);
        if (st == TS_OK)
            st = ckpt_sums_finish(&sums);
        if (st == TS_OK)
            st = ckpt_manifest_entry(entries, name, &sums);
    }
    ts_str_deinit(&sums.hex);
    ts_str_deinit(&path);
    return st;
}

/* As transformers writes it. */
static ts_status index_text(const ckpt_plan *p, ts_ckpt_part part, ts_str *out)
{
    size_t total = 0;
    const char *comma = "";
    for (int64_t i = 0; i < p->n; i++)
        total += p->tensors[i].part == part ? p->sizes[i] : 0;
    TS_TRY(ts_str_printf(
        out, "{\n  \"metadata\": {\n    \"total_size\": %zu\n  },\n  \"weight_map\": {", total));
    for (size_t i = 0; i < p->n_shards; i++) {
        const ckpt_shard *s = &p->shards[i];
        for (int64_t j = s->first; s->part == part && j < s->first + s->n; j++) {
            const char *name = p->tensors[j].name;
            TS_TRY(ts_str_printf(out, "%s\n    ", comma));
            TS_TRY(ts_str_json(out, name, strlen(name)));
            TS_TRY(ts_str_printf(out, ": \"%s\"", s->name));
            comma = ",";
        }
    }
    return ts_str_puts(out, "\n  }\n}\n");
}

ts_status ckpt_write_index(const ckpt_plan *p, ts_ckpt_part part, const char *folder,
                           ts_str *entries)
{
    char name[CKPT_NAME];
    bool is_empty = true;
    for (size_t i = 0; i < p->n_shards; i++)
        is_empty = is_empty && p->shards[i].part != part;
    if (is_empty)
        return TS_OK;
    ts_str text = { 0 };
    snprintf(name, sizeof name, "%s.safetensors.index.json", ckpt_part_stem(part));
    ts_status st = index_text(p, part, &text);
    if (st == TS_OK)
        st = ckpt_write_file(folder, name, text.s, text.len, entries);
    ts_str_deinit(&text);
    return st;
}
