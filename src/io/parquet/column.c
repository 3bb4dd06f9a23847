#include "io/parquet/column.h"

#include "io/parquet/codec.h"
#include "io/parquet/thrift.h"

#include <string.h>

enum { DATA, INDEX, DICTIONARY, DATA_V2 }; /* kinds of pages */
enum { RLE = 3, MOST = 1 << 28 };

typedef struct page {
    int64_t kind, packed, size, n, encoding, def_encoding, rep_encoding;
    int64_t def_bytes, rep_bytes; /* v2 */
    bool is_plain;                /* v2: the values are not packed */
} page;

static ts_status damaged(void) { return ts_error(TS_ERR_USER, "a page of the Parquet file is damaged"); }

void ts_parquet_column_deinit(ts_parquet_column *c)
{
    ts_parquet_values_deinit(&c->values);
    ts_parquet_values_deinit(&c->dictionary);
    ts_free(&c->def);
    ts_free(&c->rep);
    ts_str_deinit(&c->page);
}

/* The header of a page's kind: field ids of what is wanted, -1 for what it has not. */
static void read_kind(ts_thrift *t, page *p)
{
    ts_thrift_field f = { 0 };
    while (ts_thrift_next(t, &f)) {
        const bool v2 = p->kind == DATA_V2;
        int64_t *to = f.id == 1                      ? &p->n
                      : f.id == (v2 ? 4 : 2)         ? &p->encoding
                      : f.id == 3 && p->kind == DATA ? &p->def_encoding
                      : f.id == 4 && p->kind == DATA ? &p->rep_encoding
                      : f.id == 5 && v2              ? &p->def_bytes
                      : f.id == 6 && v2              ? &p->rep_bytes
                                                     : NULL;
        if (to)
            *to = ts_thrift_int(t);
        else if (f.id == 7 && v2)
            p->is_plain = f.type == TS_THRIFT_FALSE;
        else
            ts_thrift_skip(t, f.type);
    }
}

static bool read_header(ts_parquet_bytes *b, page *p)
{
    ts_thrift t = { .p = b->p, .end = b->end };
    ts_thrift_field f = { 0 };
    *p = (page){ .kind = -1, .n = -1, .def_encoding = RLE, .rep_encoding = RLE };
    while (ts_thrift_next(&t, &f))
        switch (f.id) {
        case 1: p->kind = ts_thrift_int(&t); break;
        case 2: p->size = ts_thrift_int(&t); break;
        case 3: p->packed = ts_thrift_int(&t); break;
        case 5:
        case 7:
        case 8: read_kind(&t, p); break;
        default: ts_thrift_skip(&t, f.type);
        }
    b->p = t.p;
    return !t.bad && p->packed >= 0 && p->size >= 0 && p->packed <= b->end - b->p && p->size < INT32_MAX;
}

/* Levels of a page; of version 1 their length stands in front. */
static ts_status read_levels(ts_parquet_bytes *b, int most, int64_t bytes, int64_t n, int32_t *out)
{
    uint32_t length = (uint32_t)bytes;
    if (bytes < 0) {
        if (b->end - b->p < 4)
            return damaged();
        memcpy(&length, b->p, sizeof length);
        b->p += sizeof length;
    }
    if ((int64_t)length > b->end - b->p)
        return damaged();
    ts_parquet_bytes own = { b->p, b->p + length };
    b->p += length;
    if (!ts_parquet_runs(&own, 32 - __builtin_clz((unsigned)most), n, out))
        return damaged();
    for (int64_t i = 0; i < n; i++)
        if (out[i] > most)
            return damaged();
    return TS_OK;
}

/* Room for n more levels. */
static ts_status add_levels(ts_parquet_column *c, const page *p, ts_parquet_bytes *b)
{
    const bool v2 = p->kind == DATA_V2;
    const size_t all = (size_t)(c->n + p->n);
    if (!v2 && ((c->node->rep && p->rep_encoding != RLE) || (c->node->def && p->def_encoding != RLE)))
        return ts_error(TS_ERR_USER, "levels in an encoding of old Parquet files are not read");
    if (c->node->rep) {
        TS_TRY(ts_grow(&c->rep, &c->cap_rep, all, sizeof *c->rep));
        TS_TRY(read_levels(b, c->node->rep, v2 ? p->rep_bytes : -1, p->n, c->rep + c->n));
    } else if (v2) {
        b->p += p->rep_bytes;
    }
    if (c->node->def) {
        TS_TRY(ts_grow(&c->def, &c->cap_def, all, sizeof *c->def));
        TS_TRY(read_levels(b, c->node->def, v2 ? p->def_bytes : -1, p->n, c->def + c->n));
    } else if (v2) {
        b->p += p->def_bytes;
    }
    return TS_OK;
}

static int64_t count_there(const ts_parquet_column *c, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n && c->node->def; i++)
        count += c->def[c->n + i] == c->node->def;
    return c->node->def ? count : n;
}

/* The page's bytes unpacked; the levels of version 2 are never packed. */
static ts_status unpack(ts_parquet_column *c, const page *p, int64_t codec, const unsigned char *from,
                        ts_parquet_bytes *out)
{
    const int64_t most = p->packed < p->size ? p->packed : p->size;
    if (p->def_bytes < 0 || p->rep_bytes < 0 || p->def_bytes > most || p->rep_bytes > most - p->def_bytes)
        return damaged();
    const int64_t levels = p->kind == DATA_V2 ? p->def_bytes + p->rep_bytes : 0;
    TS_TRY(ts_grow(&c->page.s, &c->page.cap, (size_t)p->size + 1, 1));
    unsigned char *to = (unsigned char *)c->page.s;
    memcpy(to, from, (size_t)levels);
    if (!ts_parquet_unpack(p->is_plain ? 0 : codec, from + levels, (size_t)(p->packed - levels), to + levels,
                           (size_t)(p->size - levels)))
        return damaged();
    *out = (ts_parquet_bytes){ to, to + p->size };
    return TS_OK;
}

static ts_status add_page(ts_parquet_column *c, const page *p, int64_t codec, const unsigned char *from)
{
    ts_parquet_bytes b;
    if (p->kind == INDEX)
        return TS_OK;
    if (p->n < 0 || p->n > MOST || (p->kind != DATA && p->kind != DICTIONARY && p->kind != DATA_V2))
        return damaged();
    TS_TRY(unpack(c, p, codec, from, &b));
    if (p->kind == DICTIONARY)
        return ts_parquet_values_add(&c->dictionary, p->encoding == 2 ? 0 : p->encoding, b, p->n, NULL);
    TS_TRY(add_levels(c, p, &b));
    TS_TRY(ts_parquet_values_add(&c->values, p->encoding, b, count_there(c, p->n), &c->dictionary));
    c->n += p->n;
    return TS_OK;
}

static void reset(ts_parquet_column *c, const ts_parquet_node *node)
{
    ts_parquet_values *const both[] = { &c->values, &c->dictionary };
    for (int i = 0; i < 2; i++) {
        both[i]->type = node->type;
        both[i]->length = node->length;
        both[i]->n = 0;
        ts_str_reset(&both[i]->bytes);
    }
    c->node = node;
    c->n = c->at = c->value = 0;
}

ts_status ts_parquet_column_read(ts_parquet_column *c, const ts_parquet_node *node, const ts_parquet_chunk *chunk,
                                 const unsigned char *data)
{
    const char *refused = ts_parquet_codec_refused(chunk->codec);
    ts_parquet_bytes b = { data + chunk->offset, data + chunk->offset + chunk->size };
    reset(c, node);
    if (refused)
        return ts_error(TS_ERR_USER,
                        "column \"%s\" is packed with %s; Snappy, gzip, Zstandard and plain ones are read",
                        node->name, refused);
    if (node->length < 0 || node->length > 1 << 20)
        return damaged();
    while (c->n < chunk->n_values) {
        page p;
        if (!read_header(&b, &p))
            return damaged();
        TS_TRY(add_page(c, &p, chunk->codec, b.p));
        b.p += p.packed;
    }
    return TS_OK;
}
