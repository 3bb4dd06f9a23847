#include "io/parquet/codec.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { PLAIN, SNAPPY, GZIP, LZO, BROTLI, LZ4, ZSTANDARD, LZ4_RAW };

const char *ts_parquet_codec_refused(int64_t codec)
{
    switch (codec) {
    case PLAIN:
    case SNAPPY:
    case GZIP:
    case ZSTANDARD: return NULL;
    case LZO: return "LZO";
    case BROTLI: return "Brotli";
    case LZ4:
    case LZ4_RAW: return "LZ4";
    default: return "an unknown codec";
    }
}

/* Copies n bytes from `back` bytes before; they may overlap. */
static bool copy_back(unsigned char *to, size_t *at, size_t size, size_t back, size_t n)
{
    if (back == 0 || back > *at || n > size - *at)
        return false;
    for (size_t i = 0; i < n; i++, ++*at)
        to[*at] = to[*at - back];
    return true;
}

/* A number of so many bytes, the lowest first. */
static bool number(const unsigned char **p, const unsigned char *end, int bytes, size_t *out)
{
    if (end - *p < bytes)
        return false;
    for (int i = 0; i < bytes; i++)
        *out |= (size_t) * (*p)++ << (8 * i);
    return true;
}

/* The length that stands in front. */
static bool length_of(const unsigned char **p, const unsigned char *end, size_t *out)
{
    for (int shift = 0; shift < 35 && *p < end; shift += 7) {
        *out |= (size_t)(**p & 0x7F) << shift;
        if (!(*(*p)++ & 0x80))
            return true;
    }
    return false;
}

bool ts_snappy_unpack(const unsigned char *from, size_t n, unsigned char *to, size_t size)
{
    const unsigned char *p = from, *const end = from + n;
    size_t at = 0, whole = 0;
    if (!length_of(&p, end, &whole) || whole != size)
        return false;
    while (p < end) {
        const unsigned tag = *p++;
        size_t len = tag >> 2, back = 0;
        switch (tag & 3) {
        case 0: { /* bytes as they are */
            size_t more = 0;
            if (len >= 60 && !number(&p, end, (int)len - 59, &more))
                return false;
            len = (len >= 60 ? more : len) + 1;
            if (len > (size_t)(end - p) || len > size - at)
                return false;
            memcpy(to + at, p, len);
            p += len;
            at += len;
            continue;
        }
        case 1:
            len = (len & 7) + 4;
            back = (size_t)(tag >> 5) << 8;
            if (p == end)
                return false;
            back |= *p++;
            break;
        default:
            len++;
            if (!number(&p, end, (tag & 3) == 2 ? 2 : 4, &back))
                return false;
        }
        if (!copy_back(to, &at, size, back, len))
            return false;
    }
    return at == size;
}

static bool gzip_unpack(const unsigned char *from, size_t n, unsigned char *to, size_t size)
{
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)from, .avail_in = (uInt)n, .next_out = to, .avail_out = (uInt)size
    };
    if (n > UINT_MAX || size > UINT_MAX || inflateInit2(&z, 15 + 32) != Z_OK)
        return false;
    const int rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return rc == Z_STREAM_END && z.avail_out == 0;
}

bool ts_parquet_unpack(int64_t codec, const unsigned char *from, size_t n, unsigned char *to, size_t size)
{
    switch (codec) {
    case PLAIN:
        if (n != size)
            return false;
        if (n)
            memcpy(to, from, n);
        return true;
    case SNAPPY: return ts_snappy_unpack(from, n, to, size);
    case GZIP: return gzip_unpack(from, n, to, size);
    case ZSTANDARD: return ZSTD_decompress(to, size, from, n) == size;
    default: return false;
    }
}
