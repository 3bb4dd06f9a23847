#include "io/parquet/thrift.h"

enum { MAX_DEPTH = 64 };

static unsigned take(ts_thrift *t)
{
    if (t->p < t->end)
        return *t->p++;
    t->bad = true;
    return 0;
}

uint64_t ts_thrift_varint(ts_thrift *t)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const unsigned b = take(t);
        v |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80))
            return v;
    }
    t->bad = true;
    return 0;
}

int64_t ts_thrift_int(ts_thrift *t)
{
    const uint64_t v = ts_thrift_varint(t);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

bool ts_thrift_next(ts_thrift *t, ts_thrift_field *f)
{
    const unsigned head = take(t);
    if (t->bad || head == 0)
        return false;
    f->type = (int)(head & 0x0F);
    f->id = head >> 4 ? f->id + (int)(head >> 4) : (int)ts_thrift_int(t);
    return !t->bad;
}

const char *ts_thrift_bytes(ts_thrift *t, size_t *n)
{
    const uint64_t len = ts_thrift_varint(t);
    *n = 0;
    if (t->bad || len > (uint64_t)(t->end - t->p)) {
        t->bad = true;
        return "";
    }
    const char *s = (const char *)t->p;
    t->p += len;
    *n = (size_t)len;
    return s;
}

int64_t ts_thrift_list(ts_thrift *t, int *type)
{
    const unsigned head = take(t);
    const uint64_t n = head >> 4 == 15 ? ts_thrift_varint(t) : head >> 4;
    *type = (int)(head & 0x0F);
    if (t->bad || n > (uint64_t)(t->end - t->p)) { /* an element has a byte at least */
        t->bad = true;
        return 0;
    }
    return (int64_t)n;
}

static void skip_list(ts_thrift *t)
{
    int type;
    const int64_t n = ts_thrift_list(t, &type);
    for (int64_t i = 0; i < n && !t->bad; i++)
        if (type == TS_THRIFT_TRUE || type == TS_THRIFT_FALSE)
            take(t);
        else
            ts_thrift_skip(t, type);
}

static void skip_map(ts_thrift *t)
{
    const uint64_t n = ts_thrift_varint(t);
    const unsigned types = n ? take(t) : 0;
    for (uint64_t i = 0; i < n && !t->bad; i++) {
        ts_thrift_skip(t, (int)(types >> 4));
        ts_thrift_skip(t, (int)(types & 0x0F));
    }
}

static void skip_struct(ts_thrift *t)
{
    ts_thrift_field f = { 0 };
    while (ts_thrift_next(t, &f))
        ts_thrift_skip(t, f.type);
}

void ts_thrift_skip(ts_thrift *t, int type)
{
    size_t n;
    if (++t->depth > MAX_DEPTH)
        t->bad = true;
    switch (t->bad ? 0 : type) {
    case TS_THRIFT_TRUE:
    case TS_THRIFT_FALSE: break;
    case 3: take(t); break;
    case 4:
    case 5:
    case 6: ts_thrift_varint(t); break;
    case 7:
        if (t->end - t->p < 8)
            t->bad = true;
        else
            t->p += 8;
        break;
    case TS_THRIFT_BINARY: ts_thrift_bytes(t, &n); break;
    case TS_THRIFT_LIST:
    case 10: skip_list(t); break;
    case 11: skip_map(t); break;
    case TS_THRIFT_STRUCT: skip_struct(t); break;
    default: t->bad = true;
    }
    t->depth--;
}
