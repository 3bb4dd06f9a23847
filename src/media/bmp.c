/* BMP files whose pixels are not packed: 1, 4 or 8 bits by a palette, 16, 24 or 32 bits by masks. */
#include "media/picture_parts.h"

#include <string.h>

typedef struct bmp {
    const ts_picture_file *f;
    int64_t width, height;
    bool is_upside; /* the first row is the uppermost */
    uint32_t bits, mask[3];
    const uint8_t *palette, *pixels;
    size_t n_palette, palette_step, row_bytes;
} bmp;

static ts_status refuse(const ts_picture_file *f, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: this BMP file %s", f->name, what);
}

static ts_status read_masks(bmp *b, uint32_t packing, uint32_t head)
{
    enum { PLAIN = 0, BITFIELDS = 3 };
    const uint8_t *d = b->f->data;
    if (packing == BITFIELDS && (b->bits == 16 || b->bits == 32)) {
        if (b->f->size < 66)
            return refuse(b->f, "is cut short");
        for (int c = 0; c < 3; c++)
            b->mask[c] = ts_u32_le(d + 54 + 4 * c);
        return TS_OK;
    }
    if (packing != PLAIN)
        return refuse(b->f, "is packed (RLE, JPEG or PNG inside), which is not read");
    (void)head;
    const bool five = b->bits == 16;
    b->mask[0] = five ? 0x7C00 : 0xFF0000, b->mask[1] = five ? 0x3E0 : 0xFF00, b->mask[2] = five ? 0x1F : 0xFF;
    return TS_OK;
}

static ts_status read_header(bmp *b)
{
    enum { CORE = 12, INFO = 40 };
    const ts_picture_file *f = b->f;
    const uint8_t *d = f->data;
    if (f->size < 14 + 4)
        return refuse(f, "is cut short");
    const uint32_t at = ts_u32_le(d + 10), head = ts_u32_le(d + 14);
    const bool is_core = head == CORE;
    if ((!is_core && head < INFO) || head > f->size - 14)
        return refuse(f, "has a header that is not known or cut short");
    const int32_t h = is_core ? (int32_t)ts_u16_le(d + 20) : (int32_t)ts_u32_le(d + 22);
    b->width = is_core ? (int64_t)ts_u16_le(d + 18) : (int32_t)ts_u32_le(d + 18);
    b->is_upside = h < 0;
    b->height = h < 0 ? -(int64_t)h : h;
    b->bits = ts_u16_le(d + (is_core ? 24 : 28));
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 16 && b->bits != 24 && b->bits != 32)
        return refuse(f, "has a number of bits a pixel that is not known");
    TS_TRY(read_masks(b, is_core ? 0 : ts_u32_le(d + 30), head));
    if (b->bits <= 8) {
        b->palette = d + 14 + head;
        b->palette_step = is_core ? 3 : 4;
        const size_t room = f->size - 14 - head, n = is_core ? 0 : ts_u32_le(d + 46);
        b->n_palette = n && n <= 1u << b->bits ? n : 1u << b->bits;
        if (b->n_palette > room / b->palette_step)
            return refuse(f, "is cut short");
    }
    if (b->width <= 0 || b->height <= 0 || at > f->size)
        return refuse(f, "has no pixels");
    b->row_bytes = (size_t)((b->width * b->bits + 31) / 32 * 4);
    if ((f->size - at) / b->row_bytes < (size_t)b->height)
        return refuse(f, "is cut short");
    b->pixels = d + at;
    return TS_OK;
}

/* A value under a mask as 0 to 255. */
static uint8_t under(uint32_t v, uint32_t mask)
{
    if (!mask)
        return 0;
    const int shift = __builtin_ctz(mask);
    const uint64_t top = mask >> shift;
    return (uint8_t)(((v & mask) >> shift) * 255ull / top);
}

static void read_row(const bmp *b, const uint8_t *row, uint8_t *to)
{
    for (int64_t x = 0; x < b->width; x++, to += 3) {
        if (b->bits <= 8) {
            const int64_t bit = x * b->bits;
            const uint32_t i = row[bit / 8] >> (8 - b->bits - bit % 8) & ((1u << b->bits) - 1);
            for (int c = 0; c < 3 && i < b->n_palette; c++)
                to[c] = b->palette[b->palette_step * i + 2 - (size_t)c];
        } else if (b->bits == 24)
            to[0] = row[3 * x + 2], to[1] = row[3 * x + 1], to[2] = row[3 * x];
        else
            for (int c = 0; c < 3; c++)
                to[c] = under(b->bits == 16 ? ts_u16_le(row + 2 * x) : ts_u32_le(row + 4 * x), b->mask[c]);
    }
}

ts_status ts_bmp_decode(const ts_picture_file *f, ts_picture *out, int *orientation)
{
    bmp b = { .f = f };
    (void)orientation;
    TS_TRY(read_header(&b));
    TS_TRY(ts_picture_reserve(f, b.width, b.height, 0, out));
    for (int64_t y = 0; y < b.height; y++)
        read_row(&b, b.pixels + b.row_bytes * (size_t)(b.is_upside ? y : b.height - 1 - y), out->rgb + 3 * b.width * y);
    return TS_OK;
}
