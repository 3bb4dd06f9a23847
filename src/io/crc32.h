/* CRC-32 (IEEE 802.3, zlib's), the checksum of zip files. */
#ifndef TS_IO_CRC32_H
#define TS_IO_CRC32_H
#include <stddef.h>
#include <stdint.h>

/* The checksum of the bytes that gave `crc` followed by data[0..n); begin with 0. By products without carries where the CPU has
 * them, many times as fast as zlib's, which does it elsewhere. */
uint32_t ts_crc32(uint32_t crc, const void *data, size_t n);
#endif
