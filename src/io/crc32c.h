/* CRC-32C (Castagnoli), the checksum of record files. */
#ifndef TS_IO_CRC32C_H
#define TS_IO_CRC32C_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The checksum of the bytes that gave `crc` followed by data[0..n); begin with 0. Uses the CPU's
 * instruction where there is one. */
uint32_t ts_crc32c(uint32_t crc, const void *data, size_t n);
/* The same by table, for comparison. */
uint32_t ts_crc32c_ref(uint32_t crc, const void *data, size_t n);
/* Whether the CPU's instruction is used. */
bool ts_crc32c_is_hardware(void);

/* As TFRecord files store it. */
static inline uint32_t ts_crc32c_mask(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}
#endif
