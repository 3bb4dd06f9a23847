#include "data/indexed.h"

#include "base/file.h"
#include "base/output.h"

#include <string.h>

enum { BUFFER = 1 << 20 };

/* A file written from front to back. */
typedef struct sink {
    ts_output out;
    unsigned char *buf;
    size_t used;
} sink;

struct ts_indexed_builder {
    sink bin, idx;
    ts_indexed_dtype dtype;
    int32_t *lengths;
    size_t n_seq, cap_seq;
    /* Boundaries after the first (0). As long as every document is one sequence they are 1, 2, 3,
     * ... and no list is kept. */
    int64_t *ends;
    size_t n_doc, cap_doc;
    bool is_plain;
    int64_t tokens;
};

/* A prefix that cannot be written is found before the work. */
static ts_status sink_open(sink *s, const char *prefix, const char *end)
{
    ts_str path = { 0 };
    TS_TRY(ts_alloc(&s->buf, BUFFER, 1));
    TS_TRY(ts_str_printf(&path, "%s.%s", prefix, end));
    const ts_status st = ts_output_open(&s->out, "--output-prefix", path.s, TS_OUTPUT_REPLACE);
    ts_str_deinit(&path);
    return st;
}

static ts_status sink_flush(sink *s)
{
    const size_t n = s->used;
    s->used = 0;
    return ts_output_write(&s->out, s->buf, n);
}

static ts_status sink_put(sink *s, const void *data, size_t n)
{
    if (n > BUFFER - s->used)
        TS_TRY(sink_flush(s));
    if (n >= BUFFER)
        return ts_output_write(&s->out, data, n);
    memcpy(s->buf + s->used, data, n);
    s->used += n;
    return TS_OK;
}

static void sink_deinit(sink *s)
{
    ts_output_abandon(&s->out);
    ts_free(&s->buf);
}

ts_status ts_indexed_builder_create(const char *prefix, ts_indexed_dtype dtype,
                                    ts_indexed_builder **out)
{
    TS_ASSERT(ts_indexed_dtype_size(dtype), "no data type %d", (int)dtype);
    ts_indexed_builder *b = NULL;
    TS_TRY(ts_alloc(&b, 1, sizeof *b));
    b->dtype = dtype;
    b->is_plain = true;
    ts_status st = sink_open(&b->bin, prefix, "bin");
    if (st == TS_OK)
        st = sink_open(&b->idx, prefix, "idx");
    if (st != TS_OK) {
        ts_indexed_builder_destroy(&b);
        return st;
    }
    *out = b;
    return TS_OK;
}

/* n items of another type than int32, a piece at a time. */
static ts_status put_narrow(ts_indexed_builder *b, const int32_t *ids, int64_t n)
{
    const int item = ts_indexed_dtype_size(b->dtype);
    for (int64_t i = 0; i < n; i++) {
        const int64_t v = ids[i];
        const float f = (float)v;
        const double g = (double)v;
        const void *p = b->dtype == TS_INDEXED_F32 ? (const void *)&f
                        : b->dtype == TS_INDEXED_F64 ? (const void *)&g : (const void *)&v;
        if (item < 4) {
            const bool is_signed = b->dtype == TS_INDEXED_I8 || b->dtype == TS_INDEXED_I16;
            const int64_t hi = (int64_t)1 << (8 * item - is_signed), lo = is_signed ? -hi : 0;
            TS_ASSERT(v >= lo && v < hi, "id %lld does not fit %d bytes", (long long)v, item);
        }
        TS_TRY(sink_put(&b->bin, p, (size_t)item));
    }
    return TS_OK;
}

static ts_status add_length(ts_indexed_builder *b, int32_t n)
{
    TS_TRY(ts_grow(&b->lengths, &b->cap_seq, b->n_seq + 1, sizeof *b->lengths));
    b->lengths[b->n_seq++] = n;
    b->tokens += n;
    return TS_OK;
}

ts_status ts_indexed_builder_add(ts_indexed_builder *b, const int32_t *ids, int64_t n)
{
    TS_ASSERT(n >= 0, "length %lld", (long long)n);
    if (n > INT32_MAX)
        return ts_error(TS_ERR_USER, "%s: a sequence of %lld tokens, at most %d fit the format",
                        b->bin.out.name.s, (long long)n, INT32_MAX);
    TS_TRY(add_length(b, (int32_t)n));
    return b->dtype == TS_INDEXED_I32 ? sink_put(&b->bin, ids, (size_t)n * sizeof *ids)
                                      : put_narrow(b, ids, n);
}

/* A boundary at sequence `end`. */
static ts_status add_end(ts_indexed_builder *b, int64_t end)
{
    if (b->is_plain && end != (int64_t)b->n_doc + 1) {
        TS_TRY(ts_grow(&b->ends, &b->cap_doc, b->n_doc + 1, sizeof *b->ends));
        for (size_t i = 0; i < b->n_doc; i++)
            b->ends[i] = (int64_t)i + 1;
        b->is_plain = false;
    }
    if (!b->is_plain) {
        TS_TRY(ts_grow(&b->ends, &b->cap_doc, b->n_doc + 1, sizeof *b->ends));
        b->ends[b->n_doc] = end;
    }
    b->n_doc++;
    return TS_OK;
}

ts_status ts_indexed_builder_end_document(ts_indexed_builder *b)
{
    return add_end(b, (int64_t)b->n_seq);
}

static ts_status copy_bin(ts_indexed_builder *b, const char *prefix)
{
    ts_map m = { 0 };
    ts_str path = { 0 };
    ts_status st = ts_str_printf(&path, "%s.bin", prefix);
    if (st == TS_OK)
        st = ts_map_open(path.s, &m);
    if (st == TS_OK)
        st = sink_put(&b->bin, m.size ? m.data : (const unsigned char *)"", m.size);
    ts_map_close(&m);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_indexed_builder_merge(ts_indexed_builder *b, const ts_indexed *other)
{
    if (ts_indexed_type(other) != b->dtype)
        return ts_error(TS_ERR_USER, "%s.idx: data type code %d, but the files before it have %d",
                        ts_indexed_prefix(other), (int)ts_indexed_type(other), (int)b->dtype);
    const int64_t base = (int64_t)b->n_seq, n = ts_indexed_count(other);
    for (int64_t i = 0; i < n; i++)
        TS_TRY(add_length(b, ts_indexed_length(other, i)));
    for (int64_t k = 1; k <= ts_indexed_documents(other); k++)
        TS_TRY(add_end(b, base + ts_indexed_boundary(other, k)));
    return copy_bin(b, ts_indexed_prefix(other));
}

static ts_status put_u64(sink *s, uint64_t v) { return sink_put(s, &v, sizeof v); }

static ts_status write_index(ts_indexed_builder *b)
{
    sink *s = &b->idx;
    const unsigned char code = (unsigned char)b->dtype;
    const uint64_t item = (uint64_t)ts_indexed_dtype_size(b->dtype);
    TS_TRY(sink_put(s, "MMIDIDX\0\0", 9));
    TS_TRY(put_u64(s, 1));
    TS_TRY(sink_put(s, &code, 1));
    TS_TRY(put_u64(s, b->n_seq));
    TS_TRY(put_u64(s, b->n_doc + 1));
    if (b->n_seq)
        TS_TRY(sink_put(s, b->lengths, b->n_seq * sizeof *b->lengths));
    uint64_t at = 0;
    for (size_t i = 0; i < b->n_seq; i++) {
        TS_TRY(put_u64(s, at));
        at += (uint64_t)b->lengths[i] * item;
    }
    TS_TRY(put_u64(s, 0));
    for (size_t i = 0; i < b->n_doc; i++)
        TS_TRY(put_u64(s, b->is_plain ? i + 1 : (uint64_t)b->ends[i]));
    return TS_OK;
}

ts_status ts_indexed_builder_finish(ts_indexed_builder *b)
{
    TS_TRY(write_index(b));
    TS_TRY(sink_flush(&b->bin));
    TS_TRY(sink_flush(&b->idx));
    /* An old index never describes a new .bin. */
    return ts_output_finish_all((ts_output *const[]){ &b->bin.out, &b->idx.out }, 2);
}

void ts_indexed_builder_destroy(ts_indexed_builder **builder)
{
    ts_indexed_builder *b = *builder;
    if (!b)
        return;
    sink_deinit(&b->bin);
    sink_deinit(&b->idx);
    ts_free(&b->lengths);
    ts_free(&b->ends);
    ts_free(builder);
}

int64_t ts_indexed_builder_count(const ts_indexed_builder *b) { return (int64_t)b->n_seq; }
int64_t ts_indexed_builder_tokens(const ts_indexed_builder *b) { return b->tokens; }
