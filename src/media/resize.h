/* Resampling of pictures in 8 bits, bit for bit as the Image.resize of Pillow 13: the filter is widened when the picture
 * shrinks, weights are whole numbers of 2^-22, and what lies between the two passes is rounded to 8 bits. The pass along
 * the width is the first, but where the picture becomes lower and the height loses more than twice what the width does
 * (Pillow 12 and older have it the first always, which moves values by a level or a few). */
#ifndef TS_MEDIA_RESIZE_H
#define TS_MEDIA_RESIZE_H
#include "media/picture.h"

/* Pillow's numbers, as "resample" in a processor's file has them. */
typedef enum ts_resample {
    TS_RESAMPLE_NEAREST = 0,
    TS_RESAMPLE_LANCZOS = 1,
    TS_RESAMPLE_BILINEAR = 2,
    TS_RESAMPLE_BICUBIC = 3, /* a = -0.5 */
    TS_RESAMPLE_BOX = 4,
    TS_RESAMPLE_HAMMING = 5,
    TS_RESAMPLES,
} ts_resample;

/* Which instructions the passes use. */
typedef enum ts_resize_way { TS_RESIZE_BEST, TS_RESIZE_PORTABLE } ts_resize_way;

/* *out is a new picture of width x height (at least 1 each, at most TS_PICTURE_MAX_PIXELS together, asserted). */
ts_status ts_picture_resize(const ts_picture *in, int64_t width, int64_t height, ts_resample how, ts_resize_way way,
                            ts_picture *out) TS_NODISCARD;
#endif
