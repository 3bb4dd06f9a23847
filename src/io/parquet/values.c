#include "io/parquet/values.h"

#include "io/parquet/thrift.h"

#include <string.h>

enum {
    PLAIN = 0,
    PLAIN_DICTIONARY = 2,
    RLE = 3,
    DELTA_NUMBERS = 5,
    DELTA_LENGTHS = 6,
    DELTA_TEXTS = 7,
    DICTIONARY = 8
};

void ts_parquet_values_deinit(ts_parquet_values *v)
{
    ts_free(&v->i);
    ts_free(&v->d);
    ts_free(&v->end);
    ts_str_deinit(&v->bytes);
}

static ts_status damaged(void) { return ts_error(TS_ERR_USER, "a page of the Parquet file is damaged"); }

static size_t left(const ts_parquet_bytes *b) { return (size_t)(b->end - b->p); }

/* ---- appending ---- */

static ts_status add_int(ts_parquet_values *v, int64_t x)
{
    TS_TRY(ts_grow(&v->i, &v->cap_i, (size_t)v->n + 1, sizeof *v->i));
    v->i[v->n++] = x;
    return TS_OK;
}

static ts_status add_real(ts_parquet_values *v, double x)
{
    TS_TRY(ts_grow(&v->d, &v->cap_d, (size_t)v->n + 1, sizeof *v->d));
    v->d[v->n++] = x;
    return TS_OK;
}

static ts_status add_text(ts_parquet_values *v, const char *s, size_t n)
{
    TS_TRY(ts_grow(&v->end, &v->cap_end, (size_t)v->n + 1, sizeof *v->end));
    TS_TRY(ts_str_add(&v->bytes, s, n));
    v->end[v->n++] = v->bytes.len;
    return TS_OK;
}

static ts_status add_from(ts_parquet_values *v, const ts_parquet_values *from, int64_t k)
{
    size_t n;
    switch (v->type) {
    case TS_PARQUET_BOOLEAN:
    case TS_PARQUET_INT32:
    case TS_PARQUET_INT64: return add_int(v, from->i[k]);
    case TS_PARQUET_FLOAT:
    case TS_PARQUET_DOUBLE: return add_real(v, from->d[k]);
    default: {
        const char *s = ts_parquet_text(from, k, &n);
        return add_text(v, s, n);
    }
    }
}

/* ---- as they are ---- */

static ts_status add_plain_text(ts_parquet_values *v, ts_parquet_bytes *b)
{
    uint32_t n;
    if (left(b) < sizeof n)
        return damaged();
    memcpy(&n, b->p, sizeof n);
    b->p += sizeof n;
    if (n > left(b))
        return damaged();
    TS_TRY(add_text(v, (const char *)b->p, n));
    b->p += n;
    return TS_OK;
}

/* Of a type whose values have so many bytes each. */
static ts_status add_fixed(ts_parquet_values *v, const unsigned char *p)
{
    int32_t a;
    int64_t b;
    float f;
    double d;
    switch (v->type) {
    case TS_PARQUET_INT32: return memcpy(&a, p, sizeof a), add_int(v, a);
    case TS_PARQUET_INT64: return memcpy(&b, p, sizeof b), add_int(v, b);
    case TS_PARQUET_FLOAT: return memcpy(&f, p, sizeof f), add_real(v, (double)f);
    case TS_PARQUET_DOUBLE: return memcpy(&d, p, sizeof d), add_real(v, d);
    default: return add_text(v, (const char *)p, (size_t)(v->type == TS_PARQUET_INT96 ? 12 : v->length));
    }
}

static size_t width(const ts_parquet_values *v)
{
    switch (v->type) {
    case TS_PARQUET_INT32:
    case TS_PARQUET_FLOAT: return 4;
    case TS_PARQUET_INT64:
    case TS_PARQUET_DOUBLE: return 8;
    case TS_PARQUET_INT96: return 12;
    default: return (size_t)v->length;
    }
}

static ts_status add_plain(ts_parquet_values *v, ts_parquet_bytes *b, int64_t count)
{
    for (int64_t k = 0; k < count; k++) {
        if (v->type == TS_PARQUET_BYTES) {
            TS_TRY(add_plain_text(v, b));
        } else if (v->type == TS_PARQUET_BOOLEAN) {
            if ((size_t)(k / 8) >= left(b))
                return damaged();
            TS_TRY(add_int(v, b->p[k / 8] >> (k % 8) & 1));
        } else {
            if (width(v) == 0 || width(v) > left(b))
                return damaged();
            TS_TRY(add_fixed(v, b->p));
            b->p += width(v);
        }
    }
    return TS_OK;
}

/* ---- runs and dictionaries ---- */

static uint64_t varint(ts_parquet_bytes *b, bool *bad)
{
    ts_thrift t = { .p = b->p, .end = b->end };
    const uint64_t v = ts_thrift_varint(&t);
    b->p = t.p;
    *bad |= t.bad;
    return v;
}

/* The number of `bits` bits at bit `at`, of data that are long enough. */
static uint64_t bits_at(const unsigned char *p, uint64_t at, int bits)
{
    uint64_t v = 0;
    for (int done = 0; done < bits;) {
        const int shift = (int)((at + (uint64_t)done) % 8),
                  take = 8 - shift < bits - done ? 8 - shift : bits - done;
        const uint64_t byte = p[(at + (uint64_t)done) / 8];
        v |= (byte >> shift & ((1u << take) - 1)) << done;
        done += take;
    }
    return v;
}

bool ts_parquet_runs(ts_parquet_bytes *b, int bits, int64_t count, int32_t *out)
{
    const size_t bytes = ((size_t)bits + 7) / 8;
    bool bad = bits < 0 || bits > 31;
    for (int64_t k = 0; k < count && !bad;) {
        const uint64_t head = varint(b, &bad), n = head >> 1;
        const bool is_packed = head & 1;
        if (bad || n == 0 || n > (uint64_t)1 << 40 || (is_packed ? n * (uint64_t)bits : bytes) > left(b))
            return false;
        const int64_t many = (int64_t)(is_packed ? n * 8 : n);
        uint32_t same = 0;
        for (size_t i = 0; !is_packed && i < bytes; i++)
            same |= (uint32_t)b->p[i] << (8 * i);
        for (int64_t i = 0; i < many && k < count; i++, k++)
            out[k] = (int32_t)(is_packed ? bits_at(b->p, (uint64_t)i * (uint64_t)bits, bits) : same);
        b->p += is_packed ? n * (uint64_t)bits : bytes;
    }
    return !bad;
}

static ts_status add_runs(ts_parquet_values *v, ts_parquet_bytes *b, int bits, int64_t count,
                          const ts_parquet_values *dictionary)
{
    int32_t *k;
    TS_TRY(ts_alloc(&k, (size_t)count, sizeof *k));
    ts_status st = ts_parquet_runs(b, bits, count, k) ? TS_OK : damaged();
    for (int64_t i = 0; i < count && st == TS_OK; i++)
        st = !dictionary                         ? add_int(v, k[i])
             : k[i] >= 0 && k[i] < dictionary->n ? add_from(v, dictionary, k[i])
                                                 : damaged();
    ts_free(&k);
    return st;
}

/* ---- differences ---- */

static int64_t zigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

/* Numbers as differences, packed in blocks. *out [*n] is the caller's. */
static ts_status read_deltas(ts_parquet_bytes *b, int64_t most, int64_t **out, int64_t *n)
{
    bool bad = false;
    const uint64_t block = varint(b, &bad), minis = varint(b, &bad), count = varint(b, &bad);
    uint64_t now = (uint64_t)zigzag(varint(b, &bad));
    if (bad || minis == 0 || minis > 4096 || block % minis || (block / minis) % 32 || block > 1 << 24 ||
        count > (uint64_t)most)
        return damaged();
    const uint64_t a_mini = block / minis;
    int64_t *v;
    TS_TRY(ts_alloc(&v, (size_t)count, sizeof *v));
    uint64_t k = 0;
    if (count)
        v[k++] = (int64_t)now;
    while (k < count && !bad) {
        const uint64_t least = (uint64_t)zigzag(varint(b, &bad));
        const unsigned char *const widths = b->p;
        bad |= left(b) < minis;
        b->p += bad ? 0 : minis;
        for (uint64_t m = 0; m < minis && k < count && !bad; m++) {
            const int bits = widths[m];
            bad = bits > 64 || a_mini / 8 * (uint64_t)bits > left(b);
            for (uint64_t i = 0; i < a_mini && k < count && !bad; i++)
                v[k++] = (int64_t)(now += least + bits_at(b->p, i * (uint64_t)bits, bits));
            b->p += bad ? 0 : a_mini / 8 * (uint64_t)bits;
        }
    }
    if (bad) {
        ts_free(&v);
        return damaged();
    }
    *out = v;
    *n = (int64_t)count;
    return TS_OK;
}

static ts_status add_delta_numbers(ts_parquet_values *v, ts_parquet_bytes *b, int64_t count)
{
    int64_t *x, n;
    TS_TRY(read_deltas(b, count, &x, &n));
    ts_status st = n == count && (v->type == TS_PARQUET_INT32 || v->type == TS_PARQUET_INT64) ? TS_OK : damaged();
    for (int64_t i = 0; i < n && st == TS_OK; i++)
        st = add_int(v, v->type == TS_PARQUET_INT32 ? (int32_t)x[i] : x[i]);
    ts_free(&x);
    return st;
}

/* Lengths, then all texts; with shared [count] each takes so many bytes of the one before first. */
static ts_status add_delta_texts(ts_parquet_values *v, ts_parquet_bytes *b, int64_t count, const int64_t *shared)
{
    int64_t *len, n;
    TS_TRY(read_deltas(b, count, &len, &n));
    ts_status st = n == count ? TS_OK : damaged();
    for (int64_t i = 0; i < n && st == TS_OK; i++) {
        const size_t had = v->bytes.len, before = i ? had - (v->n > 1 ? v->end[v->n - 2] : 0) : 0;
        const size_t keep = shared ? (size_t)shared[i] : 0;
        if (len[i] < 0 || (uint64_t)len[i] > left(b) || (shared && (shared[i] < 0 || keep > before))) {
            st = damaged();
            break;
        }
        TS_TRY_TO(done, st, ts_grow(&v->bytes.s, &v->bytes.cap, had + keep + (size_t)len[i] + 1, 1));
        TS_TRY_TO(done, st, ts_str_add(&v->bytes, v->bytes.s + had - before, keep));
        TS_TRY_TO(done, st, add_text(v, (const char *)b->p, (size_t)len[i]));
        b->p += len[i];
    }
done:
    ts_free(&len);
    return st;
}

static ts_status add_shared_texts(ts_parquet_values *v, ts_parquet_bytes *b, int64_t count)
{
    int64_t *shared, n;
    TS_TRY(read_deltas(b, count, &shared, &n));
    const ts_status st = n == count ? add_delta_texts(v, b, count, shared) : damaged();
    ts_free(&shared);
    return st;
}

ts_status ts_parquet_values_add(ts_parquet_values *v, int64_t encoding, ts_parquet_bytes b, int64_t count,
                                const ts_parquet_values *dictionary)
{
    switch (encoding) {
    case PLAIN: return add_plain(v, &b, count);
    case PLAIN_DICTIONARY:
    case DICTIONARY:
        if (count == 0)
            return TS_OK;
        if (!left(&b))
            return damaged();
        b.p++;
        return add_runs(v, &b, b.p[-1], count, dictionary);
    case RLE:
        if (v->type != TS_PARQUET_BOOLEAN || left(&b) < 4)
            return damaged();
        b.p += 4; /* its length */
        return add_runs(v, &b, 1, count, NULL);
    case DELTA_NUMBERS: return add_delta_numbers(v, &b, count);
    case DELTA_LENGTHS: return v->type == TS_PARQUET_BYTES ? add_delta_texts(v, &b, count, NULL) : damaged();
    case DELTA_TEXTS: return v->type == TS_PARQUET_BYTES ? add_shared_texts(v, &b, count) : damaged();
    default: return ts_error(TS_ERR_USER, "Parquet's encoding %lld is not read", (long long)encoding);
    }
}
