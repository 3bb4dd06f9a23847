#include "io/parquet/codec.h"

#include <limits.h>
#include <snappy-c.h>
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

static bool snappy_unpack(const unsigned char *from, size_t n, unsigned char *to, size_t size)
{
    size_t whole = size;
    return snappy_uncompress((const char *)from, n, (char *)to, &whole) == SNAPPY_OK && whole == size;
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
    case SNAPPY: return snappy_unpack(from, n, to, size);
    case GZIP: return gzip_unpack(from, n, to, size);
    case ZSTANDARD: return ZSTD_decompress(to, size, from, n) == size;
    default: return false;
    }
}
