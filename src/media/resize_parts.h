/* One pass of media/resize.h: weighted sums of neighbours along one side. */
#ifndef TS_MEDIA_RESIZE_PARTS_H
#define TS_MEDIA_RESIZE_PARTS_H
#include "media/resize.h"

enum { TS_RESIZE_BITS = 22 }; /* behind the point of a weight */

/* Which neighbours make a value of the result, and their weights. */
typedef struct ts_taps {
    int64_t n;      /* values of the result */
    int64_t stride; /* weights of one, a multiple of four; those behind `count` are 0 */
    int64_t *first, *count;
    int32_t *weight; /* [n, stride] */
} ts_taps;

typedef struct ts_resize_pass {
    const uint8_t *in; /* rows of in_row bytes */
    uint8_t *out;      /* rows of out_row bytes */
    int64_t in_row, out_row;
    int64_t rows;      /* of the result */
    const ts_taps *taps;
} ts_resize_pass;

/* across: every row of in becomes one of n pixels of three bytes. down: row y of the result is a sum of rows of in, byte
 * by byte. AVX2 reads bytes behind those that it needs, never behind in_end. */
typedef void ts_resize_fn(const ts_resize_pass *p);
void ts_resize_across_avx2(const ts_resize_pass *p, const uint8_t *in_end);
void ts_resize_down_avx2(const ts_resize_pass *p);
#endif
