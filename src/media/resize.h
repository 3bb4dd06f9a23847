/* Resampling of pictures in 8 bits, bit for bit as Pillow's Image.resize (version 3.3 and later): the filter is widened
 * when the picture shrinks, columns are resampled before rows, weights are whole numbers of 2^-22, and what lies between
 * the two passes is rounded to 8 bits. */
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
