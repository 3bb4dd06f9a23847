/* The decoders behind media/picture.h, one file a kind. Each takes a whole file that begins as its kind does, leaves the
 * picture as it stands in the file, and *orientation as EXIF has it (1 to 8) where there is one. */
#ifndef TS_MEDIA_PICTURE_PARTS_H
#define TS_MEDIA_PICTURE_PARTS_H
#include "media/picture.h"

typedef struct ts_picture_file {
    const uint8_t *data;
    size_t size;
    const char *name;
} ts_picture_file;

ts_status ts_jpeg_decode(const ts_picture_file *f, ts_picture *out, int *orientation) TS_NODISCARD;
ts_status ts_png_decode(const ts_picture_file *f, ts_picture *out, int *orientation) TS_NODISCARD;
ts_status ts_webp_decode(const ts_picture_file *f, ts_picture *out, int *orientation) TS_NODISCARD;
ts_status ts_gif_decode(const ts_picture_file *f, ts_picture *out, int *orientation) TS_NODISCARD;
ts_status ts_bmp_decode(const ts_picture_file *f, ts_picture *out, int *orientation) TS_NODISCARD;

/* Reserves rgb for width x height; refuses none, too many, and more than the file can hold: `least` is how many bits
 * of the file a pixel takes at the very least, as a fraction of one (0: not known). */
ts_status ts_picture_reserve(const ts_picture_file *f, int64_t width, int64_t height, double least,
                             ts_picture *out) TS_NODISCARD;
/* The orientation in an EXIF block (a TIFF header and what follows); 1 where it says none. */
int ts_exif_orientation(const uint8_t *data, size_t n);
/* Turns and mirrors the picture so that it stands upright. */
ts_status ts_picture_upright(ts_picture *p, int orientation) TS_NODISCARD;

static inline uint32_t ts_u16_le(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t ts_u32_le(const uint8_t *p) { return ts_u16_le(p) | ts_u16_le(p + 2) << 16; }
#endif
