#include "data/indexed.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "indexed files are little-endian");

enum { HEADER = 34 };

struct ts_indexed {
    char *prefix;
    ts_str idx_path, bin_path;
    ts_map idx, bin;
    ts_indexed_dtype dtype;
    int item;
    int64_t n_seq, n_doc; /* n_doc counts boundaries: documents + 1 */
    int64_t tokens;
    const unsigned char *lengths, *places, *documents; /* in idx, unaligned */
};

int ts_indexed_dtype_size(ts_indexed_dtype t)
{
    static const int size[] = { 0, 1, 1, 2, 4, 8, 8, 4, 2 };
    return t >= TS_INDEXED_U8 && t <= TS_INDEXED_U16 ? size[t] : 0;
}

static int64_t load64(const unsigned char *p)
{
    int64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static int32_t load32(const unsigned char *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static ts_status parse_header(ts_indexed *d)
{
    const char *path = d->idx_path.s;
    const unsigned char *p = d->idx.data;
    const size_t size = d->idx.size;
    if (size < HEADER)
        return ts_error(TS_ERR_USER, "%s: %zu bytes long: too short for an index", path, size);
    if (memcmp(p, "MMIDIDX\0\0", 9) != 0)
        return ts_error(TS_ERR_USER, "%s: does not begin with MMIDIDX: not an index of Megatron's",
                        path);
    if (load64(p + 9) != 1)
        return ts_error(TS_ERR_USER, "%s: version %lld, expected 1", path,
                        (long long)load64(p + 9));
    d->dtype = (ts_indexed_dtype)p[17];
    d->item = ts_indexed_dtype_size(d->dtype);
    if (!d->item)
        return ts_error(TS_ERR_USER, "%s: data type code %d, expected 1 to 8", path, p[17]);
    d->n_seq = load64(p + 18);
    d->n_doc = load64(p + 26);
    const int64_t room = (int64_t)(size - HEADER);
    if (d->n_seq < 0 || d->n_doc < 1 || d->n_seq > room / 12 || d->n_doc > room / 8)
        return ts_error(
            TS_ERR_USER,
            "%s: announces %lld sequences and %lld document boundaries, but is %zu bytes long",
            path, (long long)d->n_seq, (long long)d->n_doc, size);
    const int64_t rest = room - 12 * d->n_seq - 8 * d->n_doc;
    if (rest != 0 && rest != d->n_seq) /* with one byte a sequence: modes of multimodal data */
        return ts_error(
            TS_ERR_USER,
            "%s: %lld sequences and %lld document boundaries need %lld bytes, but the file has "
            "%zu",
            path, (long long)d->n_seq, (long long)d->n_doc, (long long)(size - rest), size);
    d->lengths = p + HEADER;
    d->places = d->lengths + 4 * d->n_seq;
    d->documents = d->places + 8 * d->n_seq;
    return TS_OK;
}

static ts_status check_sequences(ts_indexed *d)
{
    int64_t at = 0;
    for (int64_t i = 0; i < d->n_seq; i++) {
        const int32_t n = load32(d->lengths + 4 * i);
        const int64_t place = load64(d->places + 8 * i);
        if (n < 0)
            return ts_error(TS_ERR_USER, "%s: sequence %lld has length %d", d->idx_path.s,
                            (long long)i, n);
        if (place != at)
            return ts_error(
                TS_ERR_USER,
                "%s: sequence %lld begins at byte %lld, expected %lld from the lengths before it",
                d->idx_path.s, (long long)i, (long long)place, (long long)at);
        at += (int64_t)n * d->item;
        d->tokens += n;
    }
    if ((uint64_t)at != d->bin.size)
        return ts_error(TS_ERR_USER, "%s: %zu bytes long, but %s describes %lld", d->bin_path.s,
                        d->bin.size, d->idx_path.s, (long long)at);
    return TS_OK;
}

static ts_status check_documents(const ts_indexed *d)
{
    int64_t last = 0;
    for (int64_t k = 0; k < d->n_doc; k++) {
        const int64_t b = ts_indexed_boundary(d, k);
        if (b < last || b > d->n_seq || (k == 0 && b != 0))
            return ts_error(TS_ERR_USER,
                            "%s: document boundary %lld is %lld, expected %lld to %lld",
                            d->idx_path.s, (long long)k, (long long)b, (long long)last,
                            (long long)(k ? d->n_seq : 0));
        last = b;
    }
    if (last != d->n_seq)
        return ts_error(TS_ERR_USER, "%s: the last document ends at sequence %lld, expected %lld",
                        d->idx_path.s, (long long)last, (long long)d->n_seq);
    return TS_OK;
}

static ts_status load(ts_indexed *d)
{
    TS_TRY(ts_str_printf(&d->idx_path, "%s.idx", d->prefix));
    TS_TRY(ts_str_printf(&d->bin_path, "%s.bin", d->prefix));
    TS_TRY(ts_map_open(d->idx_path.s, &d->idx));
    TS_TRY(parse_header(d));
    TS_TRY(ts_map_open(d->bin_path.s, &d->bin));
    TS_TRY(check_sequences(d));
    return check_documents(d);
}

ts_status ts_indexed_open(const char *prefix, ts_indexed **out)
{
    ts_indexed *d = NULL;
    TS_TRY(ts_alloc(&d, 1, sizeof *d));
    ts_status st = ts_strdup(prefix, &d->prefix);
    if (st == TS_OK)
        st = load(d);
    if (st != TS_OK) {
        ts_indexed_destroy(&d);
        return st;
    }
    *out = d;
    return TS_OK;
}

void ts_indexed_destroy(ts_indexed **data)
{
    ts_indexed *d = *data;
    if (!d)
        return;
    ts_map_close(&d->idx);
    ts_map_close(&d->bin);
    ts_str_deinit(&d->idx_path);
    ts_str_deinit(&d->bin_path);
    ts_free(&d->prefix);
    ts_free(data);
}

const char *ts_indexed_prefix(const ts_indexed *d) { return d->prefix; }
ts_indexed_dtype ts_indexed_type(const ts_indexed *d) { return d->dtype; }
int64_t ts_indexed_count(const ts_indexed *d) { return d->n_seq; }
int64_t ts_indexed_documents(const ts_indexed *d) { return d->n_doc - 1; }
int64_t ts_indexed_tokens(const ts_indexed *d) { return d->tokens; }

const unsigned char *ts_indexed_lengths(const ts_indexed *d) { return d->lengths; }

int32_t ts_indexed_length(const ts_indexed *d, int64_t seq)
{
    TS_DEBUG_ASSERT(seq >= 0 && seq < d->n_seq, "sequence %lld of %lld", (long long)seq,
                    (long long)d->n_seq);
    return load32(d->lengths + 4 * seq);
}

int64_t ts_indexed_boundary(const ts_indexed *d, int64_t k)
{
    TS_DEBUG_ASSERT(k >= 0 && k < d->n_doc, "boundary %lld of %lld", (long long)k,
                    (long long)d->n_doc);
    return load64(d->documents + 8 * k);
}

int64_t ts_indexed_document_of(const ts_indexed *d, int64_t seq)
{
    int64_t lo = 0, hi = d->n_doc - 1; /* the last boundary that is not above seq */
    while (hi - lo > 1) {
        const int64_t mid = lo + (hi - lo) / 2;
        if (ts_indexed_boundary(d, mid) <= seq)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Converts n items; false when one is outside [lo, hi), which is inside the range of int32. */
#define CONVERT(type)                                                                              \
    do {                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type v;                                                                                \
            memcpy(&v, p + (size_t)i * sizeof v, sizeof v);                                        \
            out[i] = (int32_t)v;                                                                   \
            bad |= v < lo || v >= hi;                                                              \
        }                                                                                          \
    } while (0)
#define CONVERT_REAL(type)                                                                         \
    do {                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type v;                                                                                \
            memcpy(&v, p + (size_t)i * sizeof v, sizeof v);                                        \
            const bool fits = v >= (type)lo && v < (type)hi;                                       \
            out[i] = fits ? (int32_t)v : 0;                                                        \
            bad |= !fits || (type)out[i] != v;                                                     \
        }                                                                                          \
    } while (0)

static bool convert(ts_indexed_dtype t, const unsigned char *p, int64_t n, int64_t lo, int64_t hi,
                    int32_t *out)
{
    int bad = 0;
    switch (t) {
    case TS_INDEXED_U8: CONVERT(uint8_t); break;
    case TS_INDEXED_I8: CONVERT(int8_t); break;
    case TS_INDEXED_I16: CONVERT(int16_t); break;
    case TS_INDEXED_U16: CONVERT(uint16_t); break;
    case TS_INDEXED_I32: CONVERT(int32_t); break;
    case TS_INDEXED_I64: CONVERT(int64_t); break;
    case TS_INDEXED_F32: CONVERT_REAL(float); break;
    case TS_INDEXED_F64: CONVERT_REAL(double); break;
    }
    return !bad;
}

/* The value of one item, for a message. */
static double value_at(const ts_indexed *d, int64_t seq, int64_t i)
{
    const unsigned char *p = d->bin.data + load64(d->places + 8 * seq) + i * d->item;
    float f;
    double g;
    switch (d->dtype) {
    case TS_INDEXED_U8: return p[0];
    case TS_INDEXED_I8: return (int8_t)p[0];
    case TS_INDEXED_I16: return (int16_t)(p[0] | p[1] << 8);
    case TS_INDEXED_U16: return (uint16_t)(p[0] | p[1] << 8);
    case TS_INDEXED_I32: return load32(p);
    case TS_INDEXED_I64: return (double)load64(p);
    case TS_INDEXED_F32: memcpy(&f, p, sizeof f); return (double)f;
    case TS_INDEXED_F64: memcpy(&g, p, sizeof g); return g;
    }
    return NAN;
}

static ts_status bad_id(const ts_indexed *d, int64_t seq, int64_t first, int64_t n, int64_t lo,
                        int64_t hi)
{
    int64_t i = first;
    double v = 0;
    for (; i < first + n; i++) {
        v = value_at(d, seq, i);
        if (!(v >= (double)lo && v < (double)hi) || floor(v) != v)
            break;
    }
    return ts_error(TS_ERR_USER,
                    "%s: document %lld: the id %.17g at token %lld is outside the vocabulary, "
                    "expected %lld to %lld",
                    d->bin_path.s, (long long)ts_indexed_document_of(d, seq), v, (long long)i,
                    (long long)lo, (long long)(hi - 1));
}

ts_status ts_indexed_read(const ts_indexed *d, int64_t seq, int64_t first, int64_t n, int64_t lo,
                          int64_t hi, int32_t *out)
{
    TS_ASSERT(seq >= 0 && seq < d->n_seq && first >= 0 && n >= 0 &&
                  first <= ts_indexed_length(d, seq) - n,
              "%s: items [%lld, +%lld) of sequence %lld", d->prefix, (long long)first, (long long)n,
              (long long)seq);
    TS_ASSERT(lo >= INT32_MIN && hi <= (int64_t)INT32_MAX + 1, "[%lld, %lld) is not inside int32",
              (long long)lo, (long long)hi);
    if (n == 0)
        return TS_OK;
    const unsigned char *p = d->bin.data + load64(d->places + 8 * seq) + first * d->item;
    return convert(d->dtype, p, n, lo, hi, out) ? TS_OK : bad_id(d, seq, first, n, lo, hi);
}

ts_status ts_indexed_check_ids(const ts_indexed *d, int64_t lo, int64_t hi)
{
    enum { PIECE = 512 };
    int32_t buf[PIECE];
    for (int64_t s = 0; s < d->n_seq; s++) {
        const int64_t len = ts_indexed_length(d, s);
        for (int64_t at = 0; at < len; at += PIECE)
            TS_TRY(ts_indexed_read(d, s, at, len - at < PIECE ? len - at : PIECE, lo, hi, buf));
    }
    return TS_OK;
}
