#include "ckpt/sums.h"

#include "io/crc32c.h"

#include <inttypes.h>

ts_status ckpt_sums_add(ckpt_sums *s, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        const size_t left = CKPT_CHUNK - s->size % CKPT_CHUNK, k = n < left ? n : left;
        s->crc = ts_crc32c(s->crc, p, k);
        s->size += k, p += k, n -= k;
        if (k == left) {
            TS_TRY(ts_str_printf(&s->hex, "%08" PRIx32, s->crc));
            s->crc = 0;
        }
    }
    return TS_OK;
}

ts_status ckpt_sums_finish(ckpt_sums *s)
{
    return s->size % CKPT_CHUNK ? ts_str_printf(&s->hex, "%08" PRIx32, s->crc) : TS_OK;
}

/* A change of byte i by v leaves T[v], moved on through the n-1-i bytes behind, as the difference.
 * So the moving is undone byte by byte (the table's top bytes are all different, which makes that
 * unique) until some T[v] appears. A single bit is taken before any other byte: it is the likelier
 * damage. */
bool ckpt_sums_locate(uint32_t syndrome, size_t n, size_t *byte, int *bit)
{
    uint32_t table[256];
    uint8_t by_top[256];
    size_t bytes = 0, bits = 0, where = 0;
    for (uint32_t v = 0; v < 256; v++) {
        uint32_t r = v;
        for (int i = 0; i < 8; i++)
            r = r & 1 ? r >> 1 ^ 0x82F63B78u : r >> 1;
        table[v] = r;
        by_top[r >> 24] = (uint8_t)v;
    }
    *bit = -1;
    uint32_t r = syndrome;
    for (size_t i = n; r && i-- > 0;) {
        const uint32_t v = by_top[r >> 24];
        if (table[v] == r && (v & (v - 1)) == 0) {
            *byte = i;
            *bit = __builtin_ctz(v);
            bits++;
        } else if (table[v] == r) {
            where = i;
            bytes++;
        }
        r = (r ^ table[v]) << 8 | v;
    }
    if (bits == 0 && bytes == 1)
        *byte = where;
    return bits == 1 || (bits == 0 && bytes == 1);
}
