/* Pictures: rows of RGB out of JPEG, PNG, WebP, GIF and BMP files, as Pillow's convert("RGB") has them: grey is
 * repeated, palettes are looked up, alpha is dropped (not blended), samples of 16 bits lose their lower byte, and what
 * EXIF says of the orientation is done. Of a moving picture it is the first frame. */
#ifndef TS_MEDIA_PICTURE_H
#define TS_MEDIA_PICTURE_H
#include "base/mem.h"

typedef struct ts_picture {
    int64_t width, height;
    uint8_t *rgb; /* [height, width, 3] */
} ts_picture;
void ts_picture_deinit(ts_picture *p);

/* As many pixels as Pillow decodes at most: twice its limit of a quarter of a gibibyte of RGB. */
enum { TS_PICTURE_MAX_PIXELS = 178956970 };

/* Whether a file that begins so is one of the kinds above. */
bool ts_picture_is(const uint8_t *data, size_t n);
/* data [n]: a whole file. name: of the file, for messages. What is none of the kinds, ends too early, has no or too many
 * pixels, or cannot be decoded is TS_ERR_USER; nothing is reserved for pixels that the file is too short to hold. */
ts_status ts_picture_decode(const uint8_t *data, size_t n, const char *name, ts_picture *out) TS_NODISCARD;
ts_status ts_picture_read(const char *path, ts_picture *out) TS_NODISCARD;
#endif
