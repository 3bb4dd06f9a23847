#include "text/normalize/charsmap.h"

#include <string.h>

ts_status ts_charsmap_init(ts_charsmap *m, const char *data, size_t n, const char *where)
{
    uint32_t size;
    if (n < 4)
        return ts_error(TS_ERR_USER, "%s: the character map is %zu bytes, expected at least 4",
                        where, n);
    memcpy(&size, data, 4);
    if (size % 4 != 0 || size < 4 || size > n - 4)
        return ts_error(TS_ERR_USER,
                        "%s: the character map's trie is said to have %u bytes; %zu are there",
                        where, size, n - 4);
    if (ts_utf8_check(data + 4 + size, n - 4 - size) != n - 4 - size)
        return ts_error(TS_ERR_USER, "%s: the character map's replacements are not UTF-8", where);
    TS_TRY(ts_alloc(&m->unit, size / 4, 4));
    m->n_units = size / 4;
    memcpy(m->unit, data + 4, size);
    m->text_len = n - 4 - size;
    TS_TRY(ts_strndup(data + 4 + size, m->text_len, &m->text));
    for (int b = 1; b < 128; b++) {
        const char c = (char)b;
        size_t len;
        m->ascii[b] = ts_charsmap_find(m, &c, 1, true, &len);
    }
    return TS_OK;
}

void ts_charsmap_deinit(ts_charsmap *m)
{
    ts_free(&m->unit);
    ts_free(&m->text);
}

/* A unit of the array: bits 0-7 label (with bit 31: a value), bit 8: a value hangs below, bit 9:
 * the offset is in steps of 256, bits 10-30 the offset. */
static uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 512) >> 6); }

const char *ts_charsmap_find(const ts_charsmap *m, const char *s, size_t n, bool shortest,
                             size_t *len)
{
    const char *best = NULL;
    if (m->n_units == 0)
        return NULL;
    uint32_t at = offset_of(m->unit[0]);
    for (size_t i = 0; i < n; i++) {
        const unsigned char b = (unsigned char)s[i];
        if (b == 0)
            break;
        at ^= b;
        if (at >= m->n_units)
            break;
        const uint32_t unit = m->unit[at];
        if ((unit & (1u << 31 | 255)) != b)
            break;
        at ^= offset_of(unit);
        if (at >= m->n_units)
            break;
        if (unit & 256) {
            const uint32_t value = m->unit[at] & ~(1u << 31);
            if (value >= m->text_len || (m->text[value] & 0xC0) == 0x80) /* inside a character */
                break;
            best = m->text + value;
            *len = i + 1;
            if (shortest)
                break;
        }
    }
    return best;
}
