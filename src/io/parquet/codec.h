/* How the bytes of Parquet's pages are packed. */
#ifndef TS_IO_PARQUET_CODEC_H
#define TS_IO_PARQUET_CODEC_H
#include "base/mem.h"

/* Unpacks from [n] into to [size], all of it, by the codec of that number. False: damaged. */
bool ts_parquet_unpack(int64_t codec, const unsigned char *from, size_t n, unsigned char *to, size_t size);
/* NULL: the codec can be unpacked; else its name. */
const char *ts_parquet_codec_refused(int64_t codec);
#endif
