#include "media/picture_parts.h"

#include "base/file.h"

#include <string.h>

void ts_picture_deinit(ts_picture *p)
{
    ts_free(&p->rgb);
    *p = (ts_picture){ 0 };
}

typedef struct kind {
    const char *begins; /* bytes, '?' is any */
    size_t n;
    ts_status (*decode)(const ts_picture_file *f, ts_picture *out, int *orientation);
} kind;

static const kind kinds[] = {
    { "\xFF\xD8\xFF", 3, ts_jpeg_decode },      { "\x89PNG\r\n\x1A\n", 8, ts_png_decode },
    { "RIFF????WEBP", 12, ts_webp_decode },     { "GIF87a", 6, ts_gif_decode },
    { "GIF89a", 6, ts_gif_decode },             { "BM", 2, ts_bmp_decode },
};

static const kind *kind_of(const uint8_t *data, size_t n)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t i = 0;
        while (i < kinds[k].n && i < n && (kinds[k].begins[i] == '?' || (uint8_t)kinds[k].begins[i] == data[i]))
            i++;
        if (i == kinds[k].n)
            return &kinds[k];
    }
    return NULL;
}

bool ts_picture_is(const uint8_t *data, size_t n) { return kind_of(data, n) != NULL; }

ts_status ts_picture_reserve(const ts_picture_file *f, int64_t width, int64_t height, double least, ts_picture *out)
{
    if (width <= 0 || height <= 0)
        return ts_error(TS_ERR_USER, "%s: a picture of %lld x %lld pixels", f->name, (long long)width, (long long)height);
    if (width > TS_PICTURE_MAX_PIXELS / height)
        return ts_error(TS_ERR_USER, "%s: a picture of %lld x %lld pixels; at most %d are decoded", f->name,
                        (long long)width, (long long)height, TS_PICTURE_MAX_PIXELS);
    if ((double)width * (double)height * least > 8.0 * (double)f->size)
        return ts_error(TS_ERR_USER, "%s: %lld x %lld pixels do not fit into a file of %zu bytes: is it cut short?",
                        f->name, (long long)width, (long long)height, f->size);
    *out = (ts_picture){ .width = width, .height = height };
    return ts_alloc(&out->rgb, (size_t)(width * height), 3);
}

/* ---- orientation ---- */

int ts_exif_orientation(const uint8_t *data, size_t n)
{
    enum { ORIENTATION = 0x0112, SHORT = 3 };
    if (n >= 6 && !memcmp(data, "Exif\0\0", 6))
        return ts_exif_orientation(data + 6, n - 6);
    if (n < 8 || (memcmp(data, "II*\0", 4) != 0 && memcmp(data, "MM\0*", 4) != 0))
        return 1;
    const bool big = data[0] == 'M';
#define U16(p) (big ? (uint32_t)(p)[0] << 8 | (p)[1] : ts_u16_le(p))
#define U32(p) (big ? U16(p) << 16 | U16((p) + 2) : ts_u32_le(p))
    const uint32_t at = U32(data + 4);
    if (at > n - 2)
        return 1;
    const uint32_t entries = U16(data + at);
    for (size_t i = 0; i < entries && at + 2 + 12 * (i + 1) <= n; i++) {
        const uint8_t *e = data + at + 2 + 12 * i;
        if (U16(e) == ORIENTATION && U16(e + 2) == SHORT) {
            const uint32_t v = U16(e + 8);
            return v >= 1 && v <= 8 ? (int)v : 1;
        }
    }
#undef U16
#undef U32
    return 1;
}

/* Where a pixel of the upright picture comes from: x and y of it times the steps, in pixels of the file's. */
ts_status ts_picture_upright(ts_picture *p, int orientation)
{
    if (orientation < 2 || orientation > 8)
        return TS_OK;
    const int64_t w = p->width, h = p->height;
    const bool turned = orientation >= 5;
    const bool right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8; /* x is from the right */
    const bool below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7; /* y from below */
    ts_picture up = { .width = turned ? h : w, .height = turned ? w : h };
    TS_TRY(ts_alloc(&up.rgb, (size_t)(w * h), 3));
    for (int64_t y = 0; y < up.height; y++)
        for (int64_t x = 0; x < up.width; x++) {
            const int64_t sx = turned ? y : x, sy = turned ? x : y;
            const int64_t from = (below ? h - 1 - sy : sy) * w + (right ? w - 1 - sx : sx);
            memcpy(up.rgb + 3 * (y * up.width + x), p->rgb + 3 * from, 3);
        }
    ts_picture_deinit(p);
    *p = up;
    return TS_OK;
}

/* ---- */

ts_status ts_picture_decode(const uint8_t *data, size_t n, const char *name, ts_picture *out)
{
    const ts_picture_file f = { data, n, name };
    const kind *k = kind_of(data, n);
    ts_picture p = { 0 };
    int orientation = 1;
    if (!k)
        return ts_error(TS_ERR_USER, "%s: not a picture; JPEG, PNG, WebP, GIF and BMP files are read", name);
    ts_status st = k->decode(&f, &p, &orientation);
    if (st == TS_OK)
        st = ts_picture_upright(&p, orientation);
    if (st == TS_OK)
        *out = p;
    else
        ts_picture_deinit(&p);
    return st;
}

ts_status ts_picture_read(const char *path, ts_picture *out)
{
    ts_map m;
    TS_TRY(ts_map_open(path, &m));
    const ts_status st = ts_picture_decode(m.data, m.size, path, out);
    ts_map_close(&m);
    return st;
}
