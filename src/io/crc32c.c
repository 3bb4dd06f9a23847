#include "io/crc32c.h"

#include <string.h>

/* Reflected polynomial 0x82F63B78, a nibble at a time: record files are small, so a small table. */
static const uint32_t nibble[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

uint32_t ts_crc32c_ref(uint32_t crc, const void *data, size_t n)
{
    const unsigned char *p = data;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const void *data,
                                                            size_t n)
{
    const unsigned char *p = data;
    uint64_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        c = __builtin_ia32_crc32di(c, v);
    }
    for (; n; n--, p++)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return ~(uint32_t)c;
}

bool ts_crc32c_is_hardware(void) { return __builtin_cpu_supports("sse4.2"); }

uint32_t ts_crc32c(uint32_t crc, const void *data, size_t n)
{
    return ts_crc32c_is_hardware() ? crc_sse42(crc, data, n) : ts_crc32c_ref(crc, data, n);
}
#else
bool ts_crc32c_is_hardware(void) { return false; }

uint32_t ts_crc32c(uint32_t crc, const void *data, size_t n) { return ts_crc32c_ref(crc, data, n); }
#endif
